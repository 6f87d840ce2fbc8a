"""Leaves a fit's record in its run folder while it trains."""

import time
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint

from data_prep.arrays import GalaxyArrays
from galaxy_lightning.module import GalaxyClassifier
from galaxy_lightning.run_folder import read_history, write_history, write_run


class RunCheckpoint(ModelCheckpoint):
    """Keeps ``best.ckpt``, of the lowest validation loss, and ``last.ckpt``, in the run folder itself."""

    def __init__(self) -> None:
        super().__init__(
            filename="best", monitor="val/loss", mode="min", save_last=True, enable_version_counter=False
        )

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Learns where the run folder is."""
        self.dirpath = trainer.log_dir
        super().setup(trainer, pl_module, stage)


class HistoryRecorder(Callback):
    """Writes ``history.csv`` after every epoch; a resumed fit continues it."""

    def __init__(self) -> None:
        self.epochs: list[dict[str, float]] = []
        self._epoch_began = self._validation_began = self._validation_seconds = 0.0

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Reads the epochs that a resumed fit may have behind it."""
        if trainer.log_dir is not None:
            self.epochs = read_history(Path(trainer.log_dir))

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Keeps those before the checkpoint, which is loaded by now, and starts the clock."""
        self.epochs = [row for row in self.epochs if row["epoch"] < trainer.current_epoch]
        self._epoch_began = time.perf_counter()

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Starts the clock."""
        self._epoch_began, self._validation_seconds = time.perf_counter(), 0.0

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Starts the clock of the validation."""
        self._validation_began = time.perf_counter()

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Counts the validation's time apart."""
        self._validation_seconds += time.perf_counter() - self._validation_began

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Adds the epoch."""
        seconds = time.perf_counter() - self._epoch_began
        figures = {
            f"{split}_{name}": round(float(trainer.callback_metrics.get(f"{split}/{name}", float("nan"))), 6)
            for split in ("train", "val")
            for name in ("loss", "accuracy")
        }
        times = {"seconds": round(seconds, 3), "train_seconds": round(seconds - self._validation_seconds, 3)}
        self.epochs.append({"epoch": trainer.current_epoch, **figures, **times})
        folder = trainer.log_dir
        if trainer.is_global_zero and folder is not None:
            write_history(Path(folder), self.epochs)


def record_run(
    folder: Path,
    model: GalaxyClassifier,
    trainer: Trainer,
    arrays: GalaxyArrays,
    seed: int,
    history: HistoryRecorder,
) -> None:
    """Writes ``run.json`` of a finished fit.

    Args:
        folder: The run folder.
        model: The trained model.
        trainer: The trainer, after the fit.
        arrays: What the model was trained on.
        seed: The seed of the fit.
        history: The epochs of the fit.
    """
    device = trainer.strategy.root_device
    more: dict[str, Any] = {"devices": trainer.world_size, "precision": str(trainer.precision)}
    if device.type == "cuda":
        more["peak_device_memory_mb"] = round(torch.cuda.max_memory_allocated(device) / 1e6, 1)
    write_run(
        folder,
        arrays,
        history.epochs,
        model=model.hparams["network"],
        parameters=sum(weights.numel() for weights in model.parameters() if weights.requires_grad),
        hyperparameters=dict(model.hparams),
        seed=seed,
        device=_in_words(device),
        packages=("torch", "lightning", "torchmetrics"),
        **more,
    )


def _in_words(device: torch.device) -> str:
    """Returns what a model was trained on, in words."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{device.type}, {torch.get_num_threads()} threads" if device.type == "cpu" else device.type
