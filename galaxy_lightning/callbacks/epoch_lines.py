"""Prints a line per epoch where there is no progress bar."""

import sys
from typing import Final

from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.utilities import rank_zero_only

_METRICS: Final = {
    "train_loss": "loss",
    "val_loss": "validation loss",
    "val_accuracy": "validation accuracy",
}


class EpochLines(Callback):
    """Prints a line on standard error after every epoch, for log files."""

    @rank_zero_only
    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Prints the epoch's losses and accuracy."""
        metrics = trainer.callback_metrics
        values = [f"{text} {float(metrics[name]):.3f}" for name, text in _METRICS.items() if name in metrics]
        epochs = f"/{trainer.max_epochs}" if trainer.max_epochs and trainer.max_epochs > 0 else ""
        print(f"epoch {trainer.current_epoch + 1}{epochs}: {', '.join(values)}", file=sys.stderr)
