"""Saves the config of a fit in its run folder."""

from pathlib import Path
from typing import Any

from jsonargparse import Namespace
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.cli import SaveConfigCallback

from data_prep.common.files import new_file
from galaxy_lightning.callbacks.checkpoint import _resumed_config, _resumes
from galaxy_lightning.runs.names import CONFIG


class RunConfig(SaveConfigCallback):
    """Saves what made a run, so that every other command can read it back."""

    _resumes = False

    def setup(self, trainer: Trainer, pl_module: Any, stage: str) -> None:
        """Has the config of a fit that leaves a run saved."""
        if stage != "fit" or (folder := trainer.log_dir) is None:
            return
        self.folder = Path(folder)
        self._resumes = trainer.strategy.broadcast((self.folder / CONFIG).exists())
        if not self._resumes:
            super().setup(trainer, pl_module, stage)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Has the config of a resumed fit saved, once there is something left to train."""
        if self._resumes:
            super().setup(trainer, pl_module, "fit")

    def save_config(self, trainer: Trainer, pl_module: Any, stage: str) -> None:
        """Saves it; a resumed fit keeps the first one and adds its own."""
        config = Namespace(  # type: ignore[no-untyped-call]
            **{key: value for key, value in self.config.items() if is_shared(key)}
        )
        # Any command, from any folder, finds the arrays again.
        if config.data.arrays:
            config.data.arrays = str(Path(config.data.arrays).resolve())
        path = self.folder / CONFIG
        if path.exists():
            path = _resumed_config(self.folder, _resumes(self.folder) + 1)
        with new_file(path) as partial:
            self.parser.save(config, partial, skip_unset=False, multifile=False)


def is_shared(key: str) -> bool:
    """Says whether a setting means the same to every command, and so belongs into a run's config."""
    return key.partition(".")[0] in ("seed_everything", "trainer", "model", "data")
