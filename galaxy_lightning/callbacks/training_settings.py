"""The trainer's settings that affect the result of a fit, as saved in ``run.json``."""

import inspect
import pydoc
from collections.abc import Mapping
from typing import Any, Final

from lightning.pytorch import LightningModule, Trainer

_USER_SETTINGS: Final = ("strategy", "max_time", "deterministic", "benchmark", "sync_batchnorm", "plugins")
"""Settings that the trainer keeps in no public attribute."""

_WITHOUT_EFFECT: Final = {
    "DeviceStatsMonitor",
    "LearningRateMonitor",
    "ModelCheckpoint",
    "ModelSummary",
    "RichModelSummary",
    "RichProgressBar",
    "ThroughputMonitor",
    "TQDMProgressBar",
}
"""Lightning's callbacks that only show or save something, and do not affect the result."""


def training_settings(trainer: Trainer, model: LightningModule, given: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the settings that two fits must share to end with the same weights.

    The fits also need the same model, data and seed.

    Args:
        trainer: The trainer, after the start of the fit.
        model: The model.
        given: The trainer's settings as the user gave them, as JSON types.

    Returns:
        The settings by name, as JSON types.
    """
    return {
        "accelerator": trainer.strategy.root_device.type,
        "devices": trainer.world_size,
        "num_nodes": trainer.num_nodes,
        "precision": str(trainer.precision),
        "accumulate_grad_batches": trainer.accumulate_grad_batches,
        "gradient_clip_val": trainer.gradient_clip_val and float(trainer.gradient_clip_val),
        "gradient_clip_algorithm": trainer.gradient_clip_algorithm and str(trainer.gradient_clip_algorithm),
        "limit_train_batches": _describe_limit(trainer.limit_train_batches),
        "limit_val_batches": _describe_limit(trainer.limit_val_batches),
        "overfit_batches": _describe_limit(given.get("overfit_batches")),
        "val_check_interval": _describe_limit(trainer.val_check_interval),
        "check_val_every_n_epoch": trainer.check_val_every_n_epoch,
        "min_epochs": trainer.min_epochs,
        "min_steps": trainer.min_steps,
        "max_steps": trainer.max_steps,
        "compile": getattr(model, "compile_mode", None),
        **{name: given.get(name) for name in _USER_SETTINGS},
        "callbacks": _callbacks(given.get("callbacks")),
    }


def _describe_limit(value: Any) -> Any:
    """Returns a number of batches as text: 1 (one batch) and 1.0 (all batches) would compare equal."""
    return f"{value} batch{'es' if value > 1 else ''}" if isinstance(value, int) else value


def _callbacks(given: Any) -> str | None:
    """Returns the callbacks of a config as Python calls, or None if none affects the result."""
    callbacks = given or []
    calls = [_call(callback) for callback in (callbacks if isinstance(callbacks, list) else [callbacks])]
    return ", ".join(call for call in calls if call.partition("(")[0] not in _WITHOUT_EFFECT) or None


def _call(callback: Any) -> str:
    """Returns a callback's class, with the arguments that differ from their defaults, as a Python call."""
    path = callback.get("class_path") if isinstance(callback, Mapping) else callback
    given = callback.get("init_args") if isinstance(callback, Mapping) else None
    cls = pydoc.locate(str(path))
    parameters = inspect.signature(cls).parameters if inspect.isclass(cls) else {}
    defaults = {name: parameter.default for name, parameter in parameters.items()}
    arguments = [f"{name}={value!r}" for name, value in (given or {}).items() if value != defaults.get(name)]
    return f"{str(path).rpartition('.')[2]}({', '.join(arguments)})"
