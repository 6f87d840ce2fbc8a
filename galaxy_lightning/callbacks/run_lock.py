"""Prevents two fits from running in the same run folder at once."""

import contextlib
from pathlib import Path

from lightning.pytorch import Callback, LightningModule, Trainer

from data_prep.common.locks import file_lock
from galaxy_lightning.runs.names import CONFIG


class RunLock(Callback, contextlib.ExitStack):
    """A lock on the ``config.yaml`` of a run, held by the first rank until the context or the process ends.

    The lock needs no file of its own, since ``config.yaml`` exists before a run can be resumed and is never
    replaced.
    """

    def __init__(self) -> None:
        super().__init__()
        self._acquired = False

    def acquire(self, folder: Path) -> None:
        """Acquires the lock.

        Args:
            folder: The run folder.

        Raises:
            GalaxyError: Another fit is running in the folder.
        """
        problem = f"another fit is running in {folder}: wait until it has ended"
        self.enter_context(file_lock(folder / CONFIG, folder, problem))
        self._acquired = True

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Acquires the lock for a new fit; a resumed fit already holds it."""
        folder = trainer.log_dir  # Broadcast by the first rank, so all ranks must call it.
        if trainer.is_global_zero and not self._acquired and folder is not None:
            self.acquire(Path(folder))
