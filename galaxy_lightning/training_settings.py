"""The trainer's settings that change what a fit ends with; ``run.json`` keeps them."""

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
        "callbacks": [
            callback
            for callback in map(_in_words, _listed(given.get("callbacks")))
            if callback.partition("(")[0] not in _FOR_SHOW
        ],
    }


def _part(value: Any) -> Any:
    """Returns a number of batches in words: 1 is one batch, 1.0 all of them, and they compare equal."""
    return f"{value} batches" if isinstance(value, int) else value


def _listed(callbacks: Any) -> list[Any]:
    """Returns the callbacks of a config as a list."""
    return [] if callbacks is None else callbacks if isinstance(callbacks, list) else [callbacks]


def _in_words(callback: Any) -> str:
    """Returns a config's callback as it would be called: its class and the arguments that are set."""
    if not isinstance(callback, Mapping):
        return str(callback).rpartition(".")[2]
    name = str(callback.get("class_path")).rpartition(".")[2]
    arguments = (callback.get("init_args") or {}).items()
    return f"{name}({', '.join(f'{key}={value!r}' for key, value in arguments if value is not None)})"
