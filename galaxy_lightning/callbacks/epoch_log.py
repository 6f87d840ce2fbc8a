"""Logs the epochs of a fit for TensorBoard: curves, confusion matrix, mistakes, and the config."""

from pathlib import Path

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.trainer.states import TrainerFn
from scipy.special import softmax

from data_prep.schema import SPLITS
from galaxy_lightning.callbacks.checkpoint import count_resumed_configs, resumed_config
from galaxy_lightning.callbacks.history import HistoryRecorder
from galaxy_lightning.callbacks.run_logger import RunLogger
from galaxy_lightning.data.datamodule import GalaxyDataModule
from galaxy_lightning.event_log import scalars
from galaxy_lightning.event_log.epochs import CONFIG as CONFIG_TAG
from galaxy_lightning.event_log.epochs import ValidationPredictions, log_epoch, log_start
from galaxy_lightning.event_log.writer import EVENTS, FINAL_EVENTS, yaml_summary
from galaxy_lightning.runs.names import CONFIG
from galaxy_lightning.runtime.memory import own_memory_mb
from galaxy_lightning.training.module import GalaxyClassifier

_LOGGED: dict[str, str] = {
    scalars.TRAIN_LOSS: "train_loss",
    scalars.TRAIN_ACCURACY: "train_accuracy",
    scalars.VAL_LOSS: "val_loss",
    scalars.AUXILIARY_LOSS: "train_auxiliary",
}
"""The metrics of an epoch that the model logs, by the tag of their curve."""


def metrics_of_model(model: GalaxyClassifier) -> set[str]:
    """Returns the names of all metrics that a model logs, which :class:`EpochLog` replaces."""
    by_split = (getattr(model, f"{split}_metrics").names for split in SPLITS)
    return {"train_loss_step", "train_auxiliary"}.union(*by_split)


class EpochLog(Callback):
    """Logs each epoch to the run's :class:`RunLogger`; the epoch, counted from 1, is the x axis.

    Args:
        history: The record of the fit, which measures the time. It must precede this callback.
    """

    def __init__(self, history: HistoryRecorder) -> None:
        self._history = history
        self._logger: RunLogger | None = None
        self._is_resumed = self._has_begun = False
        self._learning_rate = 0.0
        self._validation: ValidationPredictions | None = None

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Finds the logger, and whether the run has a log from an earlier process."""
        self._logger = next((each for each in trainer.loggers if isinstance(each, RunLogger)), None)
        if self._logger is not None and trainer.is_global_zero:
            self._is_resumed = any(Path(self._logger.log_dir).glob(f"{EVENTS}*"))

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Reads the learning rate, the highest of the parameter groups, at the start of the epoch."""
        groups = (group for optimizer in trainer.optimizers for group in optimizer.param_groups)
        self._learning_rate = max(float(group["lr"]) for group in groups)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Gathers the calibrated predictions for the validation galaxies from all ranks."""
        if trainer.sanity_checking or trainer.state.fn != TrainerFn.FITTING:
            return
        assert isinstance(pl_module, GalaxyClassifier)
        data = trainer.datamodule  # type: ignore[attr-defined]  # Lightning sets it without declaring it.
        assert isinstance(data, GalaxyDataModule)
        logits, _ = pl_module.val_metrics.gather_logits()
        rows = pl_module.val_metrics.gather_rows()
        probabilities = softmax(logits / pl_module.inference.calibration.temperature, axis=1)
        self._validation = ValidationPredictions(data.arrays, rows, probabilities)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Logs the epoch on the first rank, and raises an error if it cannot be written."""
        validation, self._validation = self._validation, None
        logger, epoch = self._logger, trainer.current_epoch + 1
        if logger is None or not trainer.is_global_zero:
            return
        if not self._has_begun:
            self._begin(trainer, logger)
        metrics = {
            tag: float(trainer.callback_metrics[name])
            for tag, name in _LOGGED.items()
            if name in trainer.callback_metrics and (name != "val_loss" or validation is not None)
        }
        device = trainer.strategy.root_device
        on_gpu = device.type == "cuda"
        measured = {
            scalars.LEARNING_RATE: self._learning_rate,
            scalars.SPEED: self._history.images_per_second(trainer),
            scalars.MEMORY: own_memory_mb(),
            scalars.GPU_MEMORY: torch.cuda.max_memory_allocated(device) / 1e6 if on_gpu else None,
        }
        log_epoch(logger, epoch, metrics | measured, validation)
        logger.save()

    def _begin(self, trainer: Trainer, logger: RunLogger) -> None:
        """Logs what does not change; a resumed fit continues the log, now that it has something to add."""
        self._has_begun = True
        folder, epochs = Path(logger.log_dir), trainer.current_epoch
        (folder / FINAL_EVENTS).unlink(missing_ok=True)  # It would be outdated.
        if self._is_resumed:
            logger.restart(epochs + 1)
        if not self._is_resumed or epochs == 0:
            data = trainer.datamodule  # type: ignore[attr-defined]
            log_start(logger, data.arrays)
        config = resumed_config(folder, count_resumed_configs(folder))
        if not config.is_file():
            config = folder / CONFIG
        if config.is_file():
            logger.add_summary(yaml_summary(CONFIG_TAG, config.read_text(encoding="utf-8")), epochs)
