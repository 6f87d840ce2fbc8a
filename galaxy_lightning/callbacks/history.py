"""Leaves a fit's record in its run folder while it trains."""

import math
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.trainer.states import TrainerFn

from data_prep.common.errors import GalaxyError, Terminated
from galaxy_lightning.callbacks.checkpoint import RunCheckpoint
from galaxy_lightning.callbacks.training_settings import training_settings
from galaxy_lightning.data.batches import GalaxyBatch
from galaxy_lightning.runs.names import HISTORY, RUN
from galaxy_lightning.runs.writer import read_history, write_history
from galaxy_lightning.runtime.memory import PeakMemory


class HistoryRecorder(Callback):
    """Writes ``history.csv`` after every epoch; a resumed fit continues it.

    A run stays complete until the fit that resumes it saves something: ``run.json`` goes before that.

    Args:
        trainer_settings: The trainer's settings as the user gave them.

    Attributes:
        epochs: The rows so far.
        images: Training images seen by this process, since it began.
        train_seconds: Time spent on them.
        memory: The peak of this process's memory while it trains.
    """

    def __init__(self, trainer_settings: Mapping[str, Any] | None = None) -> None:
        self.memory = PeakMemory()
        self._given = trainer_settings or {}
        self._folder: Path | None = None
        self._trainings: list[dict[str, Any]] = []
        self.epochs: list[dict[str, float]] = []
        self.images = 0
        self.train_seconds = 0.0
        self._epoch_began = self._validation_began = self._validation_seconds = 0.0

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Reads the epochs that a resumed fit has behind it."""
        self.memory.start()
        folder = trainer.log_dir  # All processes ask for it together, or they wait for each other forever.
        if folder is None:
            return
        self._folder = Path(folder)
        self.epochs = read_history(self._folder)
        if trainer.is_global_zero and not (self._folder / HISTORY).exists():
            # It makes the folder a run's, also before its first epoch ends.
            write_history(self._folder, self.epochs)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Keeps those before the checkpoint, which is loaded by now, and starts the clock."""
        settings = training_settings(trainer, pl_module, self._given)
        if not self._trainings or self._trainings[-1]["settings"] != settings:
            self._trainings.append({"from_epoch": trainer.current_epoch, "settings": settings})
        self.epochs = [row for row in self.epochs if row["epoch"] < trainer.current_epoch]
        self._epoch_began = time.perf_counter()

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Starts the clock of an epoch."""
        self._epoch_began, self._validation_seconds = time.perf_counter(), 0.0

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: GalaxyBatch, batch_idx: int
    ) -> None:
        """Counts the images."""
        self.images += len(batch.rows)

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Starts the clock of the validation."""
        self._validation_began = time.perf_counter()

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Counts the validation's time apart."""
        self._validation_seconds += time.perf_counter() - self._validation_began

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Adds the epoch; what was not validated in it stays empty."""
        seconds = time.perf_counter() - self._epoch_began
        train_seconds = seconds - self._validation_seconds
        self.train_seconds += train_seconds
        row: dict[str, float] = {"epoch": trainer.current_epoch}
        for split, measured in (("train", True), ("val", self._validation_seconds > 0)):
            for name in ("loss", "accuracy"):
                value = trainer.callback_metrics.get(f"{split}_{name}") if measured else None
                row[f"{split}_{name}"] = float("nan") if value is None else round(float(value), 6)
        self.epochs.append(row | {"seconds": round(seconds, 3), "train_seconds": round(train_seconds, 3)})
        self._reopen(trainer)
        if trainer.is_global_zero and self._folder is not None:
            write_history(self._folder, self.epochs)
        # A fit that goes on from within an epoch's end has no loss to tell.
        if "train_loss" in trainer.callback_metrics and not math.isfinite(row["train_loss"]):
            raise GalaxyError(
                f"the training loss is {row['train_loss']} after epoch {trainer.current_epoch}: the fit has "
                "diverged; begin again with a lower --model.learning_rate"
            )

    def on_save_checkpoint(
        self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Makes the run incomplete before a newer checkpoint is in it."""
        if trainer.state.fn == TrainerFn.FITTING:
            self._reopen(trainer)

    def state_dict(self) -> dict[str, Any]:
        """Returns the settings that the epochs so far were trained with."""
        return {"trainings": self._trainings}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Takes over the settings that the epochs of a resumed fit were trained with."""
        self._trainings = list(state_dict.get("trainings", []))

    def training(self) -> dict[str, Any]:
        """Returns what ``run.json`` says of the training.

        The settings; ``resumed_from``, which epochs were trained with other settings, if that is known; and
        ``epochs_trained``.
        """
        about: dict[str, Any] = {"epochs_trained": len(self.epochs)}
        if not self._trainings:
            return about
        *earlier, last = self._trainings
        # Checkpoints of older versions do not know.
        known = {"resumed_from": earlier} if self._trainings[0]["from_epoch"] == 0 else {}
        return {**last["settings"], **known, **about}

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Ends the watch over the memory."""
        self.memory.stop()

    def _reopen(self, trainer: Trainer) -> None:
        """Removes ``run.json``: what it says is about to be no longer so."""
        if trainer.is_global_zero and self._folder is not None:
            (self._folder / RUN).unlink(missing_ok=True)

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Says how a fit goes on that was interrupted, or found no room for what it writes."""
        self.memory.stop()
        refused = isinstance(exception.__cause__, OSError)
        interrupted = isinstance(exception, KeyboardInterrupt | Terminated)
        if not (trainer.is_global_zero and (refused or interrupted)):
            return
        for callback in trainer.checkpoint_callbacks:
            if isinstance(callback, RunCheckpoint) and callback.dirpath:
                print(f"\n{callback.how_to_resume(trainer)}")
