"""Shows the progress of a command on standard error: bars on a terminal, and a line per epoch."""

from typing import Any, Final

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import ProgressBar, Timer
from lightning.pytorch.trainer.states import TrainerFn
from torch import Tensor

from data_prep.common.progress import print_progress, progress_bar
from galaxy_lightning.callbacks.history import HistoryRecorder
from galaxy_lightning.runs.epoch_progress import EpochProgress

_DELAY_SECONDS: Final = 2.0
"""Seconds after which the bar of a validation, test or prediction appears."""


class ProgressReporter(ProgressBar):
    """Shows the epochs of a fit, and the batches of a validation, test or prediction that takes long.

    Args:
        history: The record of the fit, which must come first in the trainer's callbacks; None if the command
            is not a fit.
    """

    def __init__(self, history: HistoryRecorder | None = None) -> None:
        super().__init__()
        self._history = history
        self._enabled = True
        self._epochs = EpochProgress(None, shown=False)
        self._bar: Any = None
        self._loss: Tensor | float = 0.0
        self._batches = 0

    def enable(self) -> None:
        """Shows the progress; Lightning calls it on no rank but the first."""
        self._enabled = True

    def disable(self) -> None:
        """Shows no progress; Lightning calls it on all ranks but the first."""
        self._enabled = False

    def print(self, *args: Any, sep: str = " ", **kwargs: Any) -> None:
        """Prints a text of the model above the bars."""
        print_progress(sep.join(map(str, args)))

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Finds out how many epochs there are."""
        validates = trainer.enable_validation
        self._epochs = EpochProgress(_last_epoch(trainer), validates=validates, shown=self._enabled)

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Starts the bar of an epoch."""
        self._loss, self._batches = 0.0, 0
        self._epochs.update(trainer.current_epoch, 0, trainer.num_training_batches)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Advances the bar, and adds up the loss."""
        if self._enabled:
            # Lightning divides the loss by the number of batches whose gradients it accumulates.
            self._loss = self._loss + outputs["loss"] * trainer.accumulate_grad_batches
            self._batches += 1
            batches, mean = trainer.num_training_batches, self._loss / self._batches
            self._epochs.update(trainer.current_epoch, batch_idx + 1, batches, loss=mean)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Prints the line of an epoch."""
        assert self._history is not None
        callbacks = trainer.callbacks  # type: ignore[attr-defined]  # Lightning sets it without declaring it.
        limits = (callback.time_remaining() for callback in callbacks if isinstance(callback, Timer))
        left = min((limit for limit in limits if limit is not None), default=None)
        self._epochs.finish(self._history.epochs[-1], self._history.images_per_second(trainer), left)

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Starts the bar of a validation."""
        if trainer.state.fn != TrainerFn.FITTING:
            self._start("validating", trainer.num_val_batches)

    def on_validation_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Advances the bar of a validation."""
        if trainer.state.fn != TrainerFn.FITTING:
            self._advance()
        elif not trainer.sanity_checking:
            batches = trainer.num_val_batches[dataloader_idx]
            self._epochs.update(trainer.current_epoch, batch_idx + 1, batches, what="validating")

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Removes the bar of a validation."""
        self._close()

    def on_test_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Starts the bar of a test."""
        self._start("testing", trainer.num_test_batches)

    def on_test_batch_end(self, *args: Any, **kwargs: Any) -> None:
        """Advances the bar of a test."""
        self._advance()

    def on_test_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Removes the bar of a test."""
        self._close()

    def on_predict_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Starts the bar of a prediction."""
        self._start("predicting", trainer.num_predict_batches)

    def on_predict_batch_end(self, *args: Any, **kwargs: Any) -> None:
        """Advances the bar of a prediction."""
        self._advance()

    def on_predict_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Removes the bar of a prediction."""
        self._close()

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Removes the bars, so that the error starts its own line."""
        self._close()

    def _start(self, text: str, batches: list[int | float]) -> None:
        total, shown = sum(batches), self._enabled
        self._bar = progress_bar(
            total=int(total) if total < float("inf") else None,
            desc=text,
            unit=" batches",
            leave=False,
            delay=_DELAY_SECONDS,
            shown=shown,
        )

    def _advance(self) -> None:
        if self._bar is not None:
            self._bar.update()

    def _close(self) -> None:
        self._epochs.close()
        if self._bar is not None:
            self._bar.close()
        self._bar = None


def _last_epoch(trainer: Trainer) -> int | None:
    """Returns the number of the last epoch, counted from 1; None if the fit has no such limit."""
    limits = []
    if trainer.max_epochs is not None and trainer.max_epochs >= 0:
        limits.append(trainer.max_epochs)
    if trainer.max_steps >= 0 and trainer.num_training_batches < float("inf"):
        steps_per_epoch = -(-int(trainer.num_training_batches) // trainer.accumulate_grad_batches)
        limits.append(-(-trainer.max_steps // steps_per_epoch))
    return min(limits, default=None)
