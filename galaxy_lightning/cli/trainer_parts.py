"""The callbacks and loggers that a command gives its trainer."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lightning.pytorch import Callback
from lightning.pytorch.callbacks import ProgressBar
from lightning.pytorch.loggers import Logger

from data_prep.arrays.positions import identify_galaxies
from galaxy_lightning.callbacks.batch_seed import BatchSeed
from galaxy_lightning.callbacks.checkpoint import RunCheckpoint
from galaxy_lightning.callbacks.epoch_log import EpochLog
from galaxy_lightning.callbacks.history import HistoryRecorder
from galaxy_lightning.callbacks.prediction import PredictionWriter
from galaxy_lightning.callbacks.progress import ProgressReporter
from galaxy_lightning.data.datamodule import GalaxyDataModule
from galaxy_lightning.runs.names import PREDICTIONS
from galaxy_lightning.training.module import GalaxyClassifier


def progress_callbacks(
    settings: Mapping[str, Any], history: HistoryRecorder | None
) -> tuple[bool, list[Callback]]:
    """Chooses how to show progress: as bars on a terminal and a line per epoch, unless the user chooses.

    Args:
        settings: The trainer's settings.
        history: The record of a fit; None for another command.

    Returns:
        Whether progress is shown, and the callback to add, if any.
    """
    if any(isinstance(callback, ProgressBar) for callback in configured_callbacks(settings)):
        return True, []
    if settings.get("enable_progress_bar") is False:
        return False, []
    return True, [ProgressReporter(history)]


def takes_newest(model: GalaxyClassifier, data: GalaxyDataModule) -> bool:
    """Returns whether the best weights of a fit are those of its last epoch, whatever the validation says.

    Args:
        model: The model.
        data: The data module.
    """
    return model.optimization.ends_at_zero or data.arrays.for_final_model


def make_run_callbacks(
    folder: Path, model: GalaxyClassifier, data: GalaxyDataModule, seed: int, history: HistoryRecorder
) -> list[Callback]:
    """Makes the callbacks that save a fit's results in its run folder.

    Args:
        folder: The run folder.
        model: The model.
        data: The data module.
        seed: The seed of the fit.
        history: The record of the fit.
    """
    return [
        history,
        BatchSeed(seed),
        RunCheckpoint(newest=takes_newest(model, data)),
        EpochLog(history),
        PredictionWriter(folder / PREDICTIONS, identify_galaxies(data.arrays), model.classes),
    ]


def configured_callbacks(settings: Mapping[str, Any]) -> list[Callback]:
    """Returns the callbacks in the trainer's settings as a list."""
    callbacks = settings.get("callbacks") or []
    return list(callbacks) if isinstance(callbacks, list) else [callbacks]


def configured_loggers(settings: Mapping[str, Any]) -> list[Logger]:
    """Returns the loggers in the trainer's settings as a list."""
    value = settings.get("logger")
    return [
        logger for logger in (value if isinstance(value, list) else [value]) if isinstance(logger, Logger)
    ]
