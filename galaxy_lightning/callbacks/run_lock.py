"""Keeps a second fit out of a run folder while one is at work in it."""

import contextlib
from pathlib import Path

from lightning.pytorch import Callback, LightningModule, Trainer

from data_prep.common.locks import file_lock
from galaxy_lightning.runs.names import CONFIG


class RunLock(Callback, contextlib.ExitStack):
    """A lock on a run's ``config.yaml``, held by the first rank until the context or the process ends.

    The file is there as soon as a run can be resumed, and is never replaced: so the lock leaves no file.
    """

    def __init__(self) -> None:
        super().__init__()
        self._taken = False

    def take(self, folder: Path) -> None:
        """Takes the lock.

        Args:
            folder: The run folder.

        Raises:
            GalaxyError: Another fit is at work there.
        """
        problem = f"another fit is at work in {folder}: wait until it has ended"
        self.enter_context(file_lock(folder / CONFIG, folder, problem))
        self._taken = True

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Takes the lock on the folder of a new fit; a resumed one has it."""
        folder = trainer.log_dir  # All ranks ask for it together, or they wait for each other.
        if trainer.is_global_zero and not self._taken and folder is not None:
            self.take(Path(folder))
