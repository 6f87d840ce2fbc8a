"""The run folder of a fit: a new folder, or that of the checkpoint to resume from."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from jsonargparse import Namespace

from galaxy_lightning.callbacks.run_lock import RunLock
from galaxy_lightning.cli.run_names import run_name
from galaxy_lightning.runs.names import CONFIG, HISTORY
from galaxy_lightning.runs.writer import claim_run_folder, remove_without_checkpoint
from galaxy_lightning.runtime.rank_zero import is_first_process


class FitFolder:
    """Makes the run folder of a fit, and removes it if the fit fails before it saves a checkpoint.

    Args:
        lock: The lock to take on the folder of a resumed fit.
    """

    def __init__(self, lock: RunLock) -> None:
        self._lock = lock
        self._new_folder: Path | None = None

    def make(self, options: Namespace) -> Path:
        """Makes a new run folder, or returns that of the checkpoint to resume from.

        Only the first process makes the folder; the trainer tells the others where it is.

        Args:
            options: The options of ``fit``.
        """
        resumed = Path(options.ckpt_path).parent if options.ckpt_path else None
        if resumed and (resumed / CONFIG).is_file() and (resumed / HISTORY).is_file():
            if is_first_process():
                self._lock.acquire(resumed)
            return resumed
        if not is_first_process():
            return Path(options.runs)
        self._new_folder = claim_run_folder(Path(options.runs), name_of_fit(options))
        return self._new_folder

    @contextlib.contextmanager
    def remove_on_early_failure(self) -> Iterator[None]:
        """Removes the new folder if the block fails before the first checkpoint."""
        try:
            yield
        except BaseException:
            if self._new_folder:
                remove_without_checkpoint(self._new_folder)
            raise


def name_of_fit(options: Namespace) -> str:
    """Returns the name of the run of a fit.

    Args:
        options: The options of ``fit``.
    """
    network = options.model.backbone or options.model.network
    return run_name(options.name, list(map(str, options.config or [])), network)
