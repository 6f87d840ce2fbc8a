"""What completes a fit: the calibration of its best weights, and ``run.json``."""

from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Trainer

from galaxy_lightning.callbacks.history import HistoryRecorder
from galaxy_lightning.data.datamodule import GalaxyDataModule
from galaxy_lightning.runs.writer import write_run
from galaxy_lightning.training.checkpoint_writer import replace_calibrations
from galaxy_lightning.training.checkpoints import is_calibrated
from galaxy_lightning.training.module import GalaxyClassifier


def calibrate_best(trainer: Trainer, model: GalaxyClassifier, data: GalaxyDataModule, best: Path) -> None:
    """Calibrates the best weights if the fit has not: it ended without validating them.

    Args:
        trainer: The trainer, after the fit.
        model: The model.
        data: What it was trained on.
        best: The checkpoint, which is written anew.
    """
    if is_calibrated(best) or not trainer.limit_val_batches:
        return
    model.inference.calibrate_in_validate = True
    try:
        trainer.validate(model, datamodule=data, ckpt_path=best, verbose=False, weights_only=True)
    finally:
        model.inference.calibrate_in_validate = False
    trainer.strategy.barrier()  # All have read it.
    if trainer.is_global_zero:
        replace_calibrations(best, model.inference.calibrations)
    trainer.strategy.barrier()


def predict_held_out(trainer: Trainer, model: GalaxyClassifier, data: GalaxyDataModule, best: Path) -> None:
    """Predicts the validation and test galaxies with the best weights.

    Args:
        trainer: The trainer, after the fit.
        model: The model.
        data: What it was trained on.
        best: The checkpoint.
    """
    data.predicted_splits = ("val", "test")
    trainer.limit_predict_batches = 1.0
    trainer.predict(model, data, return_predictions=False, ckpt_path=best, weights_only=True)


def record_run(
    folder: Path,
    model: GalaxyClassifier,
    trainer: Trainer,
    data: GalaxyDataModule,
    seed: int,
    history: HistoryRecorder,
) -> None:
    """Writes ``run.json`` of a finished fit.

    Args:
        folder: The run folder.
        model: The trained model.
        trainer: The trainer, after the fit.
        data: What the model was trained on.
        seed: The seed of the fit.
        history: The epochs of the fit.
    """
    device = trainer.strategy.root_device
    fed = {"batch_size": data.batch_size, "augment": data.augment, "targets": data.targets}
    # As asked for: two fits that differ in what they started from are two models.
    started_from = model.pretrained["weights"] if model.pretrained else model.hparams["weights"]
    more: dict[str, Any] = {"pretrained": model.pretrained} if model.pretrained else {}
    more |= {"devices": trainer.world_size, "precision": str(trainer.precision)}
    more["training"] = history.training()
    if device.type == "cuda":
        more["peak_device_memory_mb"] = round(torch.cuda.max_memory_allocated(device) / 1e6, 1)
    write_run(
        folder,
        data.arrays,
        history.epochs,
        model=model.network.name,
        parameters=sum(weights.numel() for weights in model.parameters() if weights.requires_grad),
        hyperparameters={**model.hparams, "weights": started_from, **fed, "epochs": trainer.max_epochs},
        seed=seed,
        device=_device_name(device),
        # None where an earlier process has trained all epochs.
        images_per_second=history.images * trainer.world_size / history.train_seconds
        if history.train_seconds
        else None,
        peak_memory_mb=history.memory.mb,
        best_epoch=int(history.epochs[-1]["epoch"]) if model.optimization.ends_at_zero else None,
        packages=("torch", "lightning", "torchmetrics"),
        calibration=model.inference.calibrations.main.state(),
        **more,
    )


def _device_name(device: torch.device) -> str:
    """Returns what a model was trained on, in words."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{device.type}, {torch.get_num_threads()} threads" if device.type == "cpu" else device.type
