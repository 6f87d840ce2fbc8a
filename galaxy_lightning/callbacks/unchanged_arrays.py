"""Detects arrays that are changed or replaced while a command uses them."""

from lightning.pytorch import Callback, LightningModule, Trainer

from galaxy_lightning.data.datamodule import GalaxyDataModule


class UnchangedArrays(Callback):
    """Checks the arrays after every pass over the galaxies, before its results are written.

    Args:
        data: The data module.
    """

    def __init__(self, data: GalaxyDataModule) -> None:
        self._data = data

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Checks the arrays after a training epoch."""
        self._data.check_unchanged()

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Checks the arrays after a validation."""
        self._data.check_unchanged()

    def on_test_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Checks the arrays after a test."""
        self._data.check_unchanged()

    def on_predict_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Checks the arrays after a prediction."""
        self._data.check_unchanged()
