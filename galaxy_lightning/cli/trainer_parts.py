"""The callbacks and loggers that a command gives its trainer."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lightning.pytorch import Callback
from lightning.pytorch.callbacks import LearningRateMonitor, ProgressBar, TQDMProgressBar
from lightning.pytorch.loggers import Logger

from galaxy_lightning.callbacks.batch_seed import BatchSeed
from galaxy_lightning.callbacks.checkpoint import RunCheckpoint
from galaxy_lightning.callbacks.epoch_lines import EpochLines
from galaxy_lightning.callbacks.evaluation import ConfusionMatrixLogger
from galaxy_lightning.callbacks.prediction import PredictionWriter
from galaxy_lightning.data.datamodule import GalaxyDataModule
from galaxy_lightning.runs.names import IDENTITY_COLUMNS, PREDICTIONS
from galaxy_lightning.training.module import GalaxyClassifier


def progress_callbacks(settings: Mapping[str, Any]) -> tuple[bool, list[Callback]]:
    """Makes what shows the progress: a bar in a terminal, else a line for every epoch.

    Args:
        settings: The trainer's settings.

    Returns:
        Whether there is a bar, and the callback, if the settings hold none.
    """
    asked = settings.get("enable_progress_bar")
    if any(isinstance(callback, ProgressBar) for callback in listed(settings)):
        return True, []
    # Piped, a bar would fill a log with its states.
    if sys.stdout.isatty() if asked is None else asked:
        return True, [TQDMProgressBar()]
    return False, [EpochLines()] if asked is None else []


def run_callbacks(folder: Path, model: GalaxyClassifier, data: GalaxyDataModule, seed: int) -> list[Callback]:
    """Makes what leaves a fit's results in its run folder.

    Args:
        folder: The run folder.
        model: The model.
        data: The galaxies.
        seed: The seed of the fit.
    """
    return [
        BatchSeed(seed),
        RunCheckpoint(newest=model.optimization.ends_at_zero),
        ConfusionMatrixLogger(),
        LearningRateMonitor("epoch"),
        PredictionWriter(folder / PREDICTIONS, data.arrays.catalog[IDENTITY_COLUMNS], model.classes),
    ]


def listed(settings: Mapping[str, Any]) -> list[Callback]:
    """Returns the callbacks in the trainer's settings as a list."""
    callbacks = settings.get("callbacks")
    return [] if callbacks is None else list(callbacks) if isinstance(callbacks, list) else [callbacks]


def loggers(settings: Mapping[str, Any]) -> list[Logger]:
    """Returns the loggers in the trainer's settings, besides the run's own."""
    logger = settings.get("logger")
    return [
        entry for entry in (logger if isinstance(logger, list) else [logger]) if isinstance(entry, Logger)
    ]
