"""Leaves a fit's record in its run folder while it trains."""

import math
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from jsonargparse import Namespace
from lightning.fabric.plugins import TorchCheckpointIO
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.cli import SaveConfigCallback

from data_prep.arrays import GalaxyArrays
from data_prep.errors import GalaxyError, Terminated
from data_prep.files import new_file
from galaxy_lightning.batches import GalaxyBatch
from galaxy_lightning.checkpoints import WholeCheckpoints
from galaxy_lightning.cli import PROGRAM
from galaxy_lightning.module import GalaxyClassifier
from galaxy_lightning.run_folder import RUN, read_history, write_history, write_run
from galaxy_lightning.saved_config import CONFIG


class RunCheckpoint(ModelCheckpoint):
    """Keeps ``best.ckpt`` and ``last.ckpt`` in the run folder itself.

    Args:
        newest: Take the newest weights for the best: a schedule that ends at a rate of nothing makes them
            so, and the validation galaxies have no say in it. Without it, the best are those of the
            lowest validation loss.
    """

    def __init__(self, *, newest: bool = False) -> None:
        super().__init__(
            filename="best",
            monitor=None if newest else "val/loss",
            mode="min",
            save_on_train_epoch_end=newest or None,  # Also of an epoch that is not validated.
            enable_version_counter=False,
        )

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Learns where the run folder is, and has checkpoints saved there as a whole."""
        self.dirpath = trainer.log_dir
        if type(trainer.strategy.checkpoint_io) is TorchCheckpointIO:  # The user has chosen no other.
            trainer.strategy.checkpoint_io = WholeCheckpoints()
        super().setup(trainer, pl_module, stage)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Saves ``last.ckpt`` after every epoch; Lightning does after one that is the best so far."""
        super().on_train_epoch_end(trainer, pl_module)
        self.save_newest(trainer)

    def save_newest(self, trainer: Trainer) -> None:
        """Saves ``last.ckpt``."""
        assert self.dirpath is not None
        self.last_model_path = str(Path(self.dirpath) / "last.ckpt")
        trainer.save_checkpoint(self.last_model_path)

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Takes over the best score, also where the run folder has moved or its path is spelled otherwise."""
        folder = str(self.dirpath)

        def moved(path: str) -> str:
            return os.path.join(folder, os.path.basename(path)) if path else path  # noqa: PTH118, PTH119

        paths = ("best_model_path", "kth_best_model_path", "last_model_path")
        best = {moved(path): score for path, score in state_dict["best_k_models"].items()}
        super().load_state_dict(
            state_dict
            | {"dirpath": self.dirpath, "best_k_models": best}
            | {name: moved(state_dict[name]) for name in paths}
        )


class HistoryRecorder(Callback):
    """Writes ``history.csv`` after every epoch; a resumed fit continues it.

    Attributes:
        epochs: The rows so far.
        images: Training images seen by this process, since it began.
        train_seconds: Time spent on them.
    """

    def __init__(self) -> None:
        self.epochs: list[dict[str, float]] = []
        self.images = 0
        self.train_seconds = 0.0
        self._epoch_began = self._validation_began = self._validation_seconds = 0.0

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Reads the epochs that a resumed fit has behind it, whose run is no longer complete."""
        folder = trainer.log_dir  # All processes ask for it together, or they wait for each other forever.
        if folder is None:
            return
        self.epochs = read_history(Path(folder))
        if trainer.is_global_zero:
            # It makes the folder a run's, also before its first epoch ends.
            write_history(Path(folder), self.epochs)
            (Path(folder) / RUN).unlink(missing_ok=True)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Keeps those before the checkpoint, which is loaded by now, and starts the clock."""
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
                value = trainer.callback_metrics.get(f"{split}/{name}") if measured else None
                row[f"{split}_{name}"] = float("nan") if value is None else round(float(value), 6)
        self.epochs.append(row | {"seconds": round(seconds, 3), "train_seconds": round(train_seconds, 3)})
        folder = trainer.log_dir
        if trainer.is_global_zero and folder is not None:
            write_history(Path(folder), self.epochs)
        # A fit that goes on from within an epoch's end has no loss to tell.
        if "train/loss" in trainer.callback_metrics and not math.isfinite(row["train_loss"]):
            raise GalaxyError(
                f"the training loss is {row['train_loss']} after epoch {trainer.current_epoch}: the fit has "
                "diverged; begin again with a lower --model.learning_rate"
            )

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Says how a fit goes on that was interrupted, or found no room for what it writes."""
        refused = isinstance(exception.__cause__, OSError)
        interrupted = isinstance(exception, KeyboardInterrupt | Terminated)
        if not (trainer.is_global_zero and (refused or interrupted)):
            return
        for callback in trainer.checkpoint_callbacks:
            if not isinstance(callback, RunCheckpoint):
                continue
            if Path(callback.last_model_path).is_file():
                print(f"\nGo on with: {PROGRAM} fit --ckpt_path {callback.last_model_path}")
            else:
                print(f"\nNo epoch was finished, so there is nothing in {callback.dirpath} to go on with")


class RunConfig(SaveConfigCallback):
    """Saves what made a run, so that every other command can read it back."""

    def setup(self, trainer: Trainer, pl_module: Any, stage: str) -> None:
        """Has the config of a fit that leaves a run saved."""
        if stage != "fit" or (folder := trainer.log_dir) is None:
            return
        self.folder = Path(folder)
        super().setup(trainer, pl_module, stage)

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
            resumes = len(list(self.folder.glob("config_resumed_*.yaml"))) + 1
            path = self.folder / f"config_resumed_{resumes}.yaml"
        with new_file(path) as partial:
            self.parser.save(config, partial, skip_unset=False, multifile=False)


def is_shared(key: str) -> bool:
    """Says whether a setting means the same to every command, and so belongs into a run's config."""
    return key.partition(".")[0] in ("seed_everything", "trainer", "model", "data")


def record_run(
    folder: Path,
    model: GalaxyClassifier,
    trainer: Trainer,
    arrays: GalaxyArrays,
    settings: Mapping[str, Any],
    seed: int,
    history: HistoryRecorder,
) -> None:
    """Writes ``run.json`` of a finished fit.

    Args:
        folder: The run folder.
        model: The trained model.
        trainer: The trainer, after the fit.
        arrays: What the model was trained on.
        settings: How the galaxies were fed to it.
        seed: The seed of the fit.
        history: The epochs of the fit.
    """
    device = trainer.strategy.root_device
    # As asked for: two fits that differ in what they started from are two models.
    started_from = model.pretrained["weights"] if model.pretrained else model.hparams["weights"]
    more: dict[str, Any] = {"pretrained": model.pretrained} if model.pretrained else {}
    more |= {"devices": trainer.world_size, "precision": str(trainer.precision)}
    if device.type == "cuda":
        more["peak_device_memory_mb"] = round(torch.cuda.max_memory_allocated(device) / 1e6, 1)
    write_run(
        folder,
        arrays,
        history.epochs,
        model=model.network.name,
        parameters=sum(weights.numel() for weights in model.parameters() if weights.requires_grad),
        hyperparameters={**model.hparams, "weights": started_from, **settings, "epochs": trainer.max_epochs},
        seed=seed,
        device=_in_words(device),
        images_per_second=history.images * trainer.world_size / max(history.train_seconds, 1e-9),
        best_epoch=int(history.epochs[-1]["epoch"]) if model.newest_is_best else None,
        packages=("torch", "lightning", "torchmetrics"),
        calibration=model.calibration.state(),
        **more,
    )


def _in_words(device: torch.device) -> str:
    """Returns what a model was trained on, in words."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{device.type}, {torch.get_num_threads()} threads" if device.type == "cpu" else device.type
