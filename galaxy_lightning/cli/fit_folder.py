"""The run folder of a fit: a new one, or that of the checkpoint which it resumes."""

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path

from jsonargparse import Namespace

from galaxy_lightning.callbacks.run_lock import RunLock
from galaxy_lightning.runs.names import CONFIG, HISTORY
from galaxy_lightning.runs.writer import claim_run_folder, remove_unless_begun
from galaxy_lightning.runtime.rank_zero import is_first_process


class FitFolder:
    """Makes the run folder of a fit, and removes it if the fit fails before it saves a checkpoint.

    Args:
        lock: Is taken on the folder of a resumed fit.
    """

    def __init__(self, lock: RunLock) -> None:
        self._lock = lock
        self._claimed: Path | None = None

    def make(self, options: Namespace) -> Path:
        """Makes the folder, or takes that of the checkpoint where it lies in one.

        Only the first process does; the trainer tells the others where it is.

        Args:
            options: The options of ``fit``.
        """
        resumed = Path(options.ckpt_path).parent if options.ckpt_path else None
        if resumed and (resumed / CONFIG).is_file() and (resumed / HISTORY).is_file():
            if is_first_process():
                self._lock.take(resumed)
            return resumed
        if not is_first_process():
            return Path(options.runs)
        self._claimed = claim_run_folder(Path(options.runs), run_name(options))
        return self._claimed

    @contextlib.contextmanager
    def removed_unless_begun(self) -> Iterator[None]:
        """Removes the new folder if the block fails before there is a checkpoint in it."""
        try:
            yield
        except BaseException:
            if self._claimed:
                remove_unless_begun(self._claimed)
            raise


def run_name(options: Namespace) -> str:
    """Returns the name of a fit's run: what the user says, or its config's or network's name.

    Args:
        options: The options of ``fit``.
    """
    if options.name:
        return str(options.name)
    if options.config:
        config = Path(str(options.config[-1])).absolute()
        # A config that an older run has saved stands for that run.
        name = config.parent.parent.name if config.name == CONFIG else config.stem
    else:
        name = options.model.backbone or options.model.network
    return re.sub(r"[^\w.-]+", "_", name)
