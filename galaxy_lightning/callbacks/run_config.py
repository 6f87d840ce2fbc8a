"""Saves the config of a fit in its run folder."""

from pathlib import Path
from typing import Any

from jsonargparse import Namespace
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.cli import SaveConfigCallback

from data_prep.common.files import new_file
from galaxy_lightning.callbacks.checkpoint import count_resumed_configs, resumed_config
from galaxy_lightning.runs.names import CONFIG


class RunConfig(SaveConfigCallback):
    """Saves the settings of a run, which the other commands read back."""

    _is_resumed = False

    def setup(self, trainer: Trainer, pl_module: Any, stage: str) -> None:
        """Saves the config of a new fit that leaves a run."""
        if stage != "fit" or (folder := trainer.log_dir) is None:
            return
        self.folder = Path(folder)
        self._is_resumed = trainer.strategy.broadcast((self.folder / CONFIG).exists())
        if not self._is_resumed:
            super().setup(trainer, pl_module, stage)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Saves the config of a resumed fit, unless nothing is left to train."""
        if self._is_resumed:
            super().setup(trainer, pl_module, "fit")

    def save_config(self, trainer: Trainer, pl_module: Any, stage: str) -> None:
        """Writes the config; a resumed fit keeps the first config and adds its own."""
        config = Namespace(  # type: ignore[no-untyped-call]
            **{key: value for key, value in self.config.items() if is_shared(key)}
        )
        # With an absolute path, commands find the arrays from any folder.
        if config.data.arrays:
            config.data.arrays = str(Path(config.data.arrays).resolve())
        path = self.folder / CONFIG
        if path.exists():
            path = resumed_config(self.folder, count_resumed_configs(self.folder) + 1)
        with new_file(path) as partial:
            self.parser.save(config, partial, skip_unset=False, multifile=False)


def is_shared(key: str) -> bool:
    """Returns whether all commands share a setting, so that it belongs in a run's config."""
    return key.partition(".")[0] in ("seed_everything", "trainer", "model", "data")
