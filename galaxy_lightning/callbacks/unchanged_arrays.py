"""Notices arrays that are changed or replaced while a command is at work on them."""

from lightning.pytorch import Callback, LightningModule, Trainer

from galaxy_lightning.data.datamodule import GalaxyDataModule


class UnchangedArrays(Callback):
    """Checks after every pass over the galaxies, before anything is written of it, that they are the same.

    Args:
        data: The data.
    """

    def __init__(self, data: GalaxyDataModule) -> None:
        self._data = data

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Checks what was trained on."""
        self._data.check_unchanged()

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Checks what was validated on."""
        self._data.check_unchanged()

    def on_test_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Checks what was tested on."""
        self._data.check_unchanged()

    def on_predict_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Checks what was predicted."""
        self._data.check_unchanged()
