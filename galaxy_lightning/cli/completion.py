"""Completes a fit: calibrates the best weights, predicts the held-out galaxies, and records the run."""

from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Trainer

from data_prep.arrays.format import GalaxyArrays
from data_prep.common.errors import GalaxyError
from galaxy_lightning.callbacks.history import HistoryRecorder
from galaxy_lightning.cli import messages
from galaxy_lightning.cli.trainer_parts import takes_newest
from galaxy_lightning.data.datamodule import GalaxyDataModule
from galaxy_lightning.evaluation.held_out import HeldOutPredictions
from galaxy_lightning.evaluation.run_figures import (
    optional_figures,
    validation_predictions,
    write_run_figures,
)
from galaxy_lightning.event_log.epochs import ValidationPredictions
from galaxy_lightning.event_log.hyperparameters import log_result
from galaxy_lightning.event_log.writer import FINAL_EVENTS, EventLog
from galaxy_lightning.runs.names import BEST_CHECKPOINT, PREDICTIONS, RUN
from galaxy_lightning.runs.predictions import predicted_classes, read_held_out
from galaxy_lightning.runs.writer import describe_cpu, find_best_epoch, write_run
from galaxy_lightning.runtime.rank_zero import rank_zero_print
from galaxy_lightning.training.checkpoint_writer import add_novelty, replace_calibrations
from galaxy_lightning.training.checkpoints import is_calibrated
from galaxy_lightning.training.module import GalaxyClassifier
from galaxy_lightning.training.novelty import learn_novelty


def complete_fit(
    run: Path,
    trainer: Trainer,
    model: GalaxyClassifier,
    data: GalaxyDataModule,
    seed: int,
    history: HistoryRecorder,
) -> None:
    """Predicts the held-out galaxies with the best weights, completes the run, and prints its results.

    Args:
        run: The run folder.
        trainer: The trainer, after the fit.
        model: The model.
        data: The data module of the fit.
        seed: The seed of the fit.
        history: The record of its epochs.

    Raises:
        GalaxyError: The fit has saved no best weights.
    """
    best = run / BEST_CHECKPOINT
    if trainer.strategy.broadcast((run / RUN).is_file()):
        rank_zero_print(f"Nothing left to train: the run in {run} is complete and remains unchanged")
        return
    if not best.is_file():
        raise GalaxyError(
            f"the run in {run} has no best weights, since the fit ended before its first validation: train "
            "and validate for at least one epoch"
        )
    if not data.arrays.for_final_model:
        calibrate_best(trainer, model, data, best)
        predict_held_out(trainer, model, data, best)
    if not trainer.is_global_zero:
        return
    if not data.arrays.for_final_model:
        add_novelty(best, learn_novelty(model, data.arrays))
    validation = record_run(run, model, trainer, data, seed, history)
    if validation is not None:  # crossval calibrates a final model before it can be used.
        rank_zero_print(*messages.after_fit(run, model, validation))


def calibrate_best(trainer: Trainer, model: GalaxyClassifier, data: GalaxyDataModule, best: Path) -> None:
    """Calibrates the best weights, unless the fit has done so: it may end without validating them.

    Args:
        trainer: The trainer, after the fit.
        model: The model.
        data: The data module of the fit.
        best: The best checkpoint; it is overwritten.
    """
    if is_calibrated(best) or not trainer.limit_val_batches:
        return
    model.inference.calibrate_in_validate = True
    try:
        trainer.validate(model, datamodule=data, ckpt_path=best, verbose=False, weights_only=True)
    finally:
        model.inference.calibrate_in_validate = False
    trainer.strategy.barrier()  # Until every process has read the checkpoint.
    if trainer.is_global_zero:
        replace_calibrations(best, model.inference.calibrations)
    trainer.strategy.barrier()


def predict_held_out(trainer: Trainer, model: GalaxyClassifier, data: GalaxyDataModule, best: Path) -> None:
    """Predicts the validation and test galaxies with the best weights.

    Args:
        trainer: The trainer, after the fit.
        model: The model.
        data: The data module of the fit.
        best: The best checkpoint.
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
) -> HeldOutPredictions | None:
    """Logs the results of a finished fit, and writes its figures and then its ``run.json``.

    Args:
        folder: The run folder.
        model: The trained model.
        trainer: The trainer, after the fit.
        data: The data module of the fit.
        seed: The seed of the fit.
        history: The record of its epochs.

    Returns:
        The predictions for the validation galaxies; None if a fit has none.
    """
    device = trainer.strategy.root_device
    data_settings = {"batch_size": data.batch_size, "augment": data.augment, "targets": data.targets}
    # The weights as the user named them: fits that start from different weights are different models.
    weights = model.pretrained["weights"] if model.pretrained else model.hparams["weights"]
    extra: dict[str, Any] = {"pretrained": model.pretrained} if model.pretrained else {}
    extra |= {"devices": trainer.world_size, "precision": str(trainer.precision)}
    extra["training"] = history.describe_training()
    if device.type == "cuda":
        extra["peak_device_memory_mb"] = round(torch.cuda.max_memory_allocated(device) / 1e6, 1)
    hyperparameters = {**model.hparams, "weights": weights, **data_settings, "epochs": trainer.max_epochs}
    newest = takes_newest(model, data)
    best = int(history.epochs[-1]["epoch"]) if newest else find_best_epoch(history.epochs)
    about = hyperparameters | {"model": model.network.name, "seed": seed}
    validation = _read_validation(folder, model, data.arrays)
    _log_result(folder, data.arrays, history, best, about, validation)
    with optional_figures(folder):
        write_run_figures(folder, model.network.name, history.epochs, best, validation)
    rate = history.images * trainer.world_size / history.train_seconds if history.train_seconds else None
    write_run(
        folder,
        data.arrays,
        history.epochs,
        model=model.network.name,
        parameters=sum(tensor.numel() for tensor in model.parameters() if tensor.requires_grad),
        hyperparameters=hyperparameters,
        seed=seed,
        device=_describe_device(device),
        images_per_second=rate,  # None if an earlier process trained all epochs.
        peak_memory_mb=history.memory.mb,
        best_epoch=best,
        packages=("torch", "lightning", "torchmetrics"),
        calibration=model.inference.calibrations.main.state(),
        **extra,
    )
    return validation


def _read_validation(
    folder: Path, model: GalaxyClassifier, arrays: GalaxyArrays
) -> HeldOutPredictions | None:
    """Reads the predictions for the validation galaxies; None if a fit has none.

    Args:
        folder: The run folder.
        model: The trained model.
        arrays: The galaxy arrays of the fit.
    """
    if arrays.for_final_model:
        return None
    probabilities, _ = predicted_classes(read_held_out(folder / PREDICTIONS, arrays), arrays.classes)
    return validation_predictions(arrays, probabilities, model.inference.calibrations.main)


def _log_result(
    folder: Path,
    arrays: GalaxyArrays,
    history: HistoryRecorder,
    best_epoch: int | None,
    hyperparameters: dict[str, Any],
    validation: HeldOutPredictions | None,
) -> None:
    """Logs the hyperparameters and the metrics of the best weights in a file of their own."""
    rows = arrays.rows("val")
    predictions = ValidationPredictions(arrays, rows, validation.probabilities) if validation else None
    with EventLog(folder / FINAL_EVENTS) as log:
        log_result(log, hyperparameters, history.epochs, best_epoch, predictions)


def describe_devices(trainer: Trainer) -> str:
    """Returns the devices of a trainer and its floating-point format as text.

    Args:
        trainer: The trainer.
    """
    number = f"{trainer.world_size} x " if trainer.world_size > 1 else ""
    return f"{number}{_describe_device(trainer.strategy.root_device)} ({trainer.precision})"


def _describe_device(device: torch.device) -> str:
    """Returns the name of a GPU, the number of CPU threads, or else the type of the device."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    if device.type == "cpu":
        return describe_cpu(torch.get_num_threads())
    return device.type
