"""The trainer's settings that change what a fit ends with; ``run.json`` keeps them."""

import inspect
import pydoc
from collections.abc import Mapping
from typing import Any, Final

from lightning.pytorch import LightningModule, Trainer

_AS_GIVEN: Final = ("strategy", "max_time", "deterministic", "benchmark", "sync_batchnorm", "plugins")
"""What the trainer keeps in no public attribute."""

_FOR_SHOW: Final = {
    "DeviceStatsMonitor",
    "LearningRateMonitor",
    "ModelCheckpoint",
    "ModelSummary",
    "RichModelSummary",
    "RichProgressBar",
    "ThroughputMonitor",
    "TQDMProgressBar",
}
"""Lightning's callbacks that only show or save something."""


def training_settings(trainer: Trainer, model: LightningModule, given: Mapping[str, Any]) -> dict[str, Any]:
    """Returns what two fits of one model, of the same data and seed, must share to end the same.

    Args:
        trainer: The trainer, once the fit has begun.
        model: The model.
        given: The trainer's settings as the user gave them, as JSON has them.

    Returns:
        The settings by name, as JSON has them.
    """
    return {
        "accelerator": trainer.strategy.root_device.type,
        "devices": trainer.world_size,
        "num_nodes": trainer.num_nodes,
        "precision": str(trainer.precision),
        "accumulate_grad_batches": trainer.accumulate_grad_batches,
        "gradient_clip_val": trainer.gradient_clip_val and float(trainer.gradient_clip_val),
        "gradient_clip_algorithm": trainer.gradient_clip_algorithm and str(trainer.gradient_clip_algorithm),
        "limit_train_batches": _part(trainer.limit_train_batches),
        "limit_val_batches": _part(trainer.limit_val_batches),
        "overfit_batches": _part(given.get("overfit_batches")),
        "val_check_interval": _part(trainer.val_check_interval),
        "check_val_every_n_epoch": trainer.check_val_every_n_epoch,
        "min_epochs": trainer.min_epochs,
        "min_steps": trainer.min_steps,
        "max_steps": trainer.max_steps,
        "compile": getattr(model, "compile_mode", None),
        **{name: given.get(name) for name in _AS_GIVEN},
        "callbacks": _callbacks(given.get("callbacks")),
    }


def _part(value: Any) -> Any:
    """Returns a number of batches in words: 1 is one batch and 1.0 all of them, but they compare equal."""
    return f"{value} batch{'es' if value > 1 else ''}" if isinstance(value, int) else value


def _callbacks(given: Any) -> str | None:
    """Returns a config's callbacks as they would be called in Python; None where there are none."""
    several = given if isinstance(given, list) else [given] if given else []
    called = [_call(callback) for callback in several]
    return ", ".join(call for call in called if call.partition("(")[0] not in _FOR_SHOW) or None


def _call(callback: Any) -> str:
    """Returns a callback's class and the arguments that are not its defaults."""
    path = callback.get("class_path") if isinstance(callback, Mapping) else callback
    given = callback.get("init_args") if isinstance(callback, Mapping) else None
    known = pydoc.locate(str(path))
    parameters = inspect.signature(known).parameters if inspect.isclass(known) else {}
    defaults = {name: parameter.default for name, parameter in parameters.items()}
    arguments = [f"{name}={value!r}" for name, value in (given or {}).items() if value != defaults.get(name)]
    return f"{str(path).rpartition('.')[2]}({', '.join(arguments)})"
