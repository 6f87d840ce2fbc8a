"""Records the history of a fit in its run folder while it trains."""

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

    A complete run remains complete until a resumed fit saves something; ``run.json`` is removed just before.

    Args:
        trainer_settings: The trainer's settings as the user gave them.
        saves: Whether to write to the run folder; a trial (``fast_dev_run``) has none.

    Attributes:
        epochs: The rows of ``history.csv`` so far.
        images: Number of training images that this process has seen since it started.
        train_seconds: Time in seconds spent on these images.
        memory: Peak memory of this process while it trains.
    """

    def __init__(self, trainer_settings: Mapping[str, Any] | None = None, *, saves: bool = True) -> None:
        self.memory = PeakMemory()
        self._saves = saves
        self._trainer_settings = trainer_settings or {}
        self._folder: Path | None = None
        self._trainings: list[dict[str, Any]] = []
        self.epochs: list[dict[str, float]] = []
        self.images = 0
        self.train_seconds = 0.0
        self._epoch_start = self._validation_start = self._validation_seconds = 0.0
        self._images_before = 0

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Reads the earlier epochs of a resumed fit."""
        self.memory.start()
        folder = trainer.log_dir  # Every process must read it, or they wait for each other forever.
        if folder is None or not self._saves:
            return
        self._folder = Path(folder)
        self.epochs = read_history(self._folder)
        if trainer.is_global_zero and not (self._folder / HISTORY).exists():
            # The file marks a run folder, even before the first epoch ends.
            write_history(self._folder, self.epochs)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Drops the epochs after the checkpoint, which is loaded by now, and starts the timer."""
        settings = training_settings(trainer, pl_module, self._trainer_settings)
        if not self._trainings or self._trainings[-1]["settings"] != settings:
            self._trainings.append({"from_epoch": trainer.current_epoch, "settings": settings})
        self.epochs = [row for row in self.epochs if row["epoch"] < trainer.current_epoch]
        self._epoch_start = time.perf_counter()

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Starts the timer of an epoch."""
        self._epoch_start, self._validation_seconds = time.perf_counter(), 0.0
        self._images_before = self.images

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: GalaxyBatch, batch_idx: int
    ) -> None:
        """Counts the images."""
        self.images += len(batch.rows)

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Starts the timer of the validation."""
        self._validation_start = time.perf_counter()

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Adds up the time of the validation, which is not training time."""
        self._validation_seconds += time.perf_counter() - self._validation_start

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Adds the epoch; the validation columns stay empty if it was not validated."""
        seconds = time.perf_counter() - self._epoch_start
        train_seconds = seconds - self._validation_seconds
        self.train_seconds += train_seconds
        row: dict[str, float] = {"epoch": trainer.current_epoch}
        for split, is_measured in (("train", True), ("val", self._validation_seconds > 0)):
            for name in ("loss", "accuracy"):
                value = trainer.callback_metrics.get(f"{split}_{name}") if is_measured else None
                row[f"{split}_{name}"] = float("nan") if value is None else round(float(value), 6)
        self.epochs.append(row | {"seconds": round(seconds, 3), "train_seconds": round(train_seconds, 3)})
        self._mark_incomplete(trainer)
        if trainer.is_global_zero and self._folder is not None:
            write_history(self._folder, self.epochs)
        # A fit that resumes at the very end of an epoch has no training loss.
        if "train_loss" in trainer.callback_metrics and not math.isfinite(row["train_loss"]):
            raise GalaxyError(
                f"the training loss is {row['train_loss']} after epoch {trainer.current_epoch}: the fit has "
                "diverged; start again with a lower --model.learning_rate"
            )

    def images_per_second(self, trainer: Trainer) -> float | None:
        """Returns the training images per second of the last epoch on all devices; None without any."""
        images = (self.images - self._images_before) * trainer.world_size
        seconds = self.epochs[-1]["train_seconds"] if self.epochs else 0.0
        return images / seconds if images and seconds else None

    def on_save_checkpoint(
        self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Marks the run as incomplete before a newer checkpoint is saved."""
        if trainer.state.fn == TrainerFn.FITTING:
            self._mark_incomplete(trainer)

    def state_dict(self) -> dict[str, Any]:
        """Returns the settings of the epochs so far."""
        return {"trainings": self._trainings}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restores the settings of the earlier epochs of a resumed fit."""
        self._trainings = list(state_dict.get("trainings", []))

    def describe_training(self) -> dict[str, Any]:
        """Returns the ``training`` entry of ``run.json``.

        It holds the settings; ``resumed_from``, the earlier settings and their first epochs, if known; and
        ``epochs_trained``.
        """
        about: dict[str, Any] = {"epochs_trained": len(self.epochs)}
        if not self._trainings:
            return about
        *earlier, last = self._trainings
        # Checkpoints of older versions do not hold the settings.
        known = {"resumed_from": earlier} if self._trainings[0]["from_epoch"] == 0 else {}
        return {**last["settings"], **known, **about}

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Stops measuring the memory."""
        self.memory.stop()

    def _mark_incomplete(self, trainer: Trainer) -> None:
        """Removes ``run.json``, which is about to become outdated."""
        if trainer.is_global_zero and self._folder is not None:
            (self._folder / RUN).unlink(missing_ok=True)

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Prints how to resume a fit that was interrupted or could not write a file."""
        self.memory.stop()
        write_failed = isinstance(exception.__cause__, OSError)
        interrupted = isinstance(exception, KeyboardInterrupt | Terminated)
        if not (trainer.is_global_zero and (write_failed or interrupted)):
            return
        for callback in trainer.checkpoint_callbacks:
            if isinstance(callback, RunCheckpoint) and callback.dirpath:
                print(f"\n{callback.resume_advice(trainer)}")
