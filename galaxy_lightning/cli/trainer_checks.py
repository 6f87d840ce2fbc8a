"""Settings of the trainer that cannot work here, refused in one line before anything begins."""

import contextlib
import difflib
import logging
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from lightning.pytorch import Callback, Trainer
from lightning.pytorch.callbacks import StochasticWeightAveraging

from data_prep.common.errors import GalaxyError
from galaxy_lightning.cli.lightning_errors import lightning_errors_in_one_line
from galaxy_lightning.data.datamodule import GalaxyDataModule

_STRATEGIES: Final = (
    "auto",
    "ddp",
    "ddp_find_unused_parameters_false",
    "ddp_find_unused_parameters_true",
)
_STRATEGY_CLASSES: Final = ("DDPStrategy", "SingleDeviceStrategy")
_PRECISIONS: Final = ("32-true", "32", "16-mixed", "16", "bf16-mixed", "bf16")
_SPLITS: Final = {"fit": ("train", "val", "test"), "validate": ("val",), "test": ("test",)}


def check_settings(settings: Mapping[str, Any], command: str) -> int:
    """Checks the trainer's settings.

    Args:
        settings: The settings, as they were parsed: of a class its ``class_path`` and ``init_args``.
        command: What the trainer is for: fit, validate, test or predict.

    Returns:
        How many processes the command has, on all machines.

    Raises:
        GalaxyError: One of them cannot work; the message says what to set instead.
    """
    _check_strategy(settings.get("strategy"))
    precision = settings.get("precision")
    if precision is not None and str(precision) not in _PRECISIONS:
        raise GalaxyError(
            f"trainer.precision {precision} is not supported: use 32-true, or on a GPU bf16-mixed or 16-mixed"
        )
    if settings.get("barebones"):
        raise GalaxyError(f"trainer.barebones leaves nothing of a {command}: leave it out")
    if command == "fit" and not settings.get("fast_dev_run"):
        _check_fit(settings)
    return _processes(settings)


def check_shares(data: GalaxyDataModule, processes: int, command: str) -> None:
    """Stops a command in which a process would have no galaxy to work on.

    Args:
        data: The data.
        processes: How many processes share them.
        command: The command.

    Raises:
        GalaxyError: There are fewer galaxies than processes.
    """
    if processes == 1:
        return
    if data.images_folder is not None:
        shares = {"images": len(data.image_folder)}
    elif command == "predict":
        shares = {"galaxies": len(data.arrays.rows(*data.predicted_splits))}
    else:
        shares = {f"{split} galaxies": len(data.arrays.rows(split)) for split in _SPLITS[command]}
    for name, count in shares.items():
        if 0 < count < processes:
            raise GalaxyError(
                f"there are {count:,} {name} for {processes:,} processes, each of which needs one: "
                f"set --trainer.devices to {count:,} or less"
            )


def check_callbacks(callbacks: Iterable[Callback], names: Sequence[str]) -> None:
    """Stops a fit whose callbacks cannot do their work: Lightning would notice after epochs, or never.

    Args:
        callbacks: The callbacks that the user has asked for.
        names: What is measured.

    Raises:
        GalaxyError: One monitors what is not measured (a callback of the user's own may log more, so with one
            any name is taken), or averages weights after the last checkpoint.
    """
    callbacks = list(callbacks)
    if any(isinstance(callback, StochasticWeightAveraging) for callback in callbacks):
        raise GalaxyError(
            "StochasticWeightAveraging averages the weights only after the last checkpoint is saved, so that "
            "they would be lost: use EMAWeightAveraging or WeightAveraging instead"
        )
    if not all(type(callback).__module__.startswith("lightning.") for callback in callbacks):
        return
    for callback in callbacks:
        monitor = getattr(callback, "monitor", None)
        if monitor is not None and monitor not in names:
            near = difflib.get_close_matches(str(monitor).replace("/", "_"), names, n=1)
            overall = ", ".join(name for name in names if name.count("_") == 1)
            raise GalaxyError(
                f"{type(callback).__name__} monitors {monitor}, which is not measured"
                + (f": did you mean {near[0]}?" if near else ".")
                + f" There are {overall}, and recall, precision and F1 of each class, as val_recall_spiral"
            )


def _check_strategy(strategy: Any) -> None:
    """Refuses ways to share a fit between devices that leave no run, or that nobody has tried."""
    if strategy is None:
        return
    if isinstance(strategy, str):
        name, allowed = strategy, strategy.lower() in _STRATEGIES
        starts = next((way for way in ("spawn", "fork", "notebook") if way in strategy.lower()), None)
    else:
        name = str(strategy.get("class_path", "")).rpartition(".")[2]
        method = (strategy.get("init_args") or {}).get("start_method")
        starts = None if method in (None, "popen") else str(method)
        allowed = name in _STRATEGY_CLASSES and starts is None
    if not allowed:
        why = (
            "keeps the results of a fit in processes that end with it"
            if starts
            else "is not supported: the networks here fit on one device"
        )
        raise GalaxyError(f"trainer.strategy {name} {why}; use --trainer.strategy ddp for several devices")


def _check_fit(settings: Mapping[str, Any]) -> None:
    """Refuses what would leave no run, or one that looks whole and is not."""

    def is_nothing(name: str) -> bool:
        value = settings.get(name)
        return value is not None and not isinstance(value, bool | str) and value == 0

    if settings.get("enable_checkpointing") is False:
        raise GalaxyError("trainer.enable_checkpointing false would leave no weights: leave it out")
    if settings.get("overfit_batches"):
        raise GalaxyError(
            "trainer.overfit_batches is not supported, as training galaxies are shuffled anew in each epoch: "
            "for a trial use --trainer.fast_dev_run true or --trainer.limit_train_batches"
        )
    for name in ("max_epochs", "max_steps", "limit_train_batches"):
        if is_nothing(name):
            raise GalaxyError(
                f"trainer.{name} 0 would train nothing: set it higher, or leave it out; for a trial use "
                "--trainer.fast_dev_run true"
            )
    if is_nothing("limit_val_batches"):
        raise GalaxyError(
            "trainer.limit_val_batches 0 would leave the fit without validation, which the best weights and "
            "their calibration come from: set it higher, or leave it out"
        )
    epochs, every = settings.get("max_epochs"), settings.get("check_val_every_n_epoch")
    if epochs is not None and every is not None and 0 < epochs < every:
        raise GalaxyError(
            f"trainer.check_val_every_n_epoch {every} would never validate in {epochs} epochs: set it to "
            f"{epochs} or less"
        )


@contextlib.contextmanager
def _invalid_settings() -> Iterator[None]:
    """Says of what a trainer refuses that it is a setting."""
    try:
        yield
    except (ValueError, TypeError) as error:
        raise GalaxyError(f"invalid Trainer settings: {error}") from error


def _processes(settings: Mapping[str, Any]) -> int:
    """Returns how many processes a trainer of these settings has, by making one that is not used."""
    devices = settings.get("devices")
    if devices is not None and str(devices) in ("0", "[]"):
        raise GalaxyError("trainer.devices must be at least 1, or auto")
    plain = {
        name: settings[name]
        for name in ("accelerator", "devices", "num_nodes")
        if isinstance(settings.get(name), str | int | list)
    }
    strategy = settings.get("strategy") or "auto"
    level = logging.root.manager.disable
    logging.disable(logging.WARNING)  # The trainer that is used says the same.
    try:
        with lightning_errors_in_one_line(), _invalid_settings(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            trainer = Trainer(
                **plain,
                strategy=strategy if isinstance(strategy, str) else "auto",
                logger=False,
                enable_checkpointing=False,
                enable_progress_bar=False,
                enable_model_summary=False,
            )
    finally:
        logging.disable(level)
    launcher = trainer.strategy.launcher
    if launcher is not None and launcher.is_interactive_compatible:
        raise GalaxyError("several devices cannot be used from a notebook: set --trainer.devices 1")
    return trainer.world_size
