"""How far a fit is, where no progress bar shows it."""

import sys
from typing import Final

from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.utilities import rank_zero_only

_SHOWN: Final = {
    "train_loss": "loss",
    "val_loss": "validation loss",
    "val_accuracy": "validation accuracy",
}


class EpochLines(Callback):
    """Prints a line on standard error after every epoch: what a log file is to hold instead of a bar."""

    @rank_zero_only
    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Prints the epoch's losses and accuracy."""
        found = trainer.callback_metrics
        shown = [f"{text} {float(found[name]):.3f}" for name, text in _SHOWN.items() if name in found]
        epochs = f"/{trainer.max_epochs}" if trainer.max_epochs and trainer.max_epochs > 0 else ""
        print(f"epoch {trainer.current_epoch + 1}{epochs}: {', '.join(shown)}", file=sys.stderr)
