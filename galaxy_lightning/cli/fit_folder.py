"""The run folder of a fit: a new folder, or that of the checkpoint to resume from."""

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from jsonargparse import Namespace

from galaxy_lightning.callbacks.checkpoint import newest_config
from galaxy_lightning.callbacks.run_lock import RunLock
from galaxy_lightning.cli.configs import read_config
from galaxy_lightning.cli.run_names import run_name
from galaxy_lightning.runs.names import CONFIG, HISTORY, RUN
from galaxy_lightning.runs.writer import claim_run_folder, remove_without_checkpoint
from galaxy_lightning.runtime.rank_zero import is_first_process

_ENDS: Final = ("max_epochs", "min_epochs", "max_steps", "min_steps", "max_time", "callbacks")
"""The settings of the trainer on which the end of a fit depends."""


class FitFolder:
    """Makes the run folder of a fit, and removes it if the fit fails before it saves a checkpoint.

    Args:
        lock: The lock to take on the folder of a resumed fit.

    Attributes:
        is_complete: Whether the run was complete before, with the same end, so that nothing is left to train.
    """

    is_complete = False

    def __init__(self, lock: RunLock) -> None:
        self._lock = lock
        self._new_folder: Path | None = None

    def make(self, options: Namespace, trainer: Mapping[str, Any]) -> Path:
        """Makes a new run folder, or returns that of the checkpoint to resume from.

        Only the first process makes the folder; the trainer tells the others where it is.

        Args:
            options: The options of ``fit``.
            trainer: Those of the trainer, as JSON types.
        """
        resumed = Path(options.ckpt_path).parent if options.ckpt_path else None
        if resumed and (resumed / CONFIG).is_file() and (resumed / HISTORY).is_file():
            if is_first_process():
                self._lock.acquire(resumed)
            self.is_complete = _is_complete(resumed, trainer)
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


def _is_complete(run: Path, trainer: Mapping[str, Any]) -> bool:
    """Returns whether a run is complete, and trained to the end that these settings of the trainer give.

    A fit that a callback has stopped early would otherwise be trained further.
    """
    if not (run / RUN).is_file():
        return False
    trained = read_config(newest_config(run)).get("trainer")
    return isinstance(trained, dict) and all(trained.get(name) == trainer.get(name) for name in _ENDS)


def name_of_fit(options: Namespace) -> str:
    """Returns the name of the run of a fit.

    Args:
        options: The options of ``fit``.
    """
    network = options.model.backbone or options.model.network
    return run_name(options.name, list(map(str, options.config or [])), network)
