"""Checks the trainer's settings before anything is made or started."""

import contextlib
import difflib
import logging
import os
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from lightning.fabric.plugins.environments.lightning import LightningEnvironment
from lightning.pytorch import Callback, Trainer
from lightning.pytorch.callbacks import StochasticWeightAveraging

from data_prep.common import slurm
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
_LIMITS: Final = {name: f"limit_{name}_batches" for name in ("test", "predict")} | {
    "validate": "limit_val_batches"
}
_SPLITS: Final = {"fit": ("train", "val", "test"), "validate": ("val",), "test": ("test",)}


def check_settings(settings: Mapping[str, Any], command: str) -> int:
    """Checks the trainer's settings.

    Args:
        settings: The parsed settings; classes are given by their ``class_path`` and ``init_args``.
        command: The command that the trainer runs: fit, validate, test or predict.

    Returns:
        The number of processes of the command, on all machines together.

    Raises:
        GalaxyError: A setting is not supported; the message says what to set instead.
    """
    _check_slurm()
    _check_strategy(settings.get("strategy"))
    precision = settings.get("precision")
    if precision is not None and str(precision) not in _PRECISIONS:
        raise GalaxyError(
            f"trainer.precision {precision} is not supported: use 32-true, or on a GPU bf16-mixed or 16-mixed"
        )
    if settings.get("barebones"):
        raise GalaxyError(f"trainer.barebones disables the callbacks that {command} needs: remove it")
    if command != "fit":
        _check_galaxies_of(command, settings)
    elif not settings.get("fast_dev_run"):
        _check_fit(settings)
    trainer = _make_unused_trainer(settings)
    _check_machines(trainer, settings)
    return trainer.world_size


def check_galaxy_counts(data: GalaxyDataModule, processes: int, command: str) -> None:
    """Checks that every process of a command has at least one galaxy, except in a prediction.

    Args:
        data: The data module.
        processes: The number of processes that share the galaxies.
        command: The command.

    Raises:
        GalaxyError: There are fewer galaxies than processes.
    """
    for split in _SPLITS.get(command, ()) if processes > 1 else ():
        if 0 < (count := len(data.arrays.rows(split))) < processes:
            raise GalaxyError(
                f"too few {split} galaxies ({count:,}) for {processes:,} processes: set --trainer.devices to "
                f"{count:,} or less"
            )


def check_callbacks(callbacks: Iterable[Callback], names: Sequence[str]) -> None:
    """Refuses callbacks that cannot work: Lightning would notice after epochs, or never.

    Args:
        callbacks: The callbacks that the user has configured.
        names: Names of the logged metrics. A callback of the user's own may log more, so that any name is
            accepted if there is one.

    Raises:
        GalaxyError: A callback monitors an unknown metric, or averages weights after the last checkpoint.
    """
    callbacks = list(callbacks)
    if any(isinstance(callback, StochasticWeightAveraging) for callback in callbacks):
        raise GalaxyError(
            "StochasticWeightAveraging averages the weights only after the last checkpoint is saved, so that "
            "the average would be lost: use EMAWeightAveraging or WeightAveraging instead"
        )
    if not all(type(callback).__module__.startswith("lightning.") for callback in callbacks):
        return
    for callback in callbacks:
        monitor = getattr(callback, "monitor", None)
        if monitor is not None and monitor not in names:
            near = difflib.get_close_matches(str(monitor).replace("/", "_"), names, n=1)
            overall = ", ".join(name for name in names if name.count("_") == 1)
            raise GalaxyError(
                f"{type(callback).__name__} monitors {monitor}, which is not a logged metric"
                + (f": did you mean {near[0]}?" if near else ".")
                + f" The metrics are {overall}, and recall, precision and F1 per class, such as "
                "val_recall_spiral"
            )


def _check_slurm() -> None:
    """Refuses a SLURM job whose processes would wait for others that nobody starts."""
    tasks = slurm.job_tasks()
    if tasks == 1 or "TORCHELASTIC_RUN_ID" in os.environ or slurm.is_interactive():
        return
    if not slurm.is_in_step():
        raise GalaxyError(
            f"this SLURM job has {tasks} tasks, but the command was started without srun: write srun python "
            "-m galaxy_lightning ..., or unset SLURM_NTASKS to run it alone"
        )
    if "SLURM_NTASKS_PER_NODE" not in os.environ:
        raise GalaxyError(
            f"this SLURM job has {tasks} tasks: give their number per node (#SBATCH --ntasks-per-node), and "
            "as --trainer.devices"
        )


def _check_strategy(strategy: Any) -> None:
    """Refuses strategies that leave no run, or that are not tested."""
    if strategy is None:
        return
    if isinstance(strategy, str):
        name, allowed = strategy, strategy.lower() in _STRATEGIES
        in_children = any(method in strategy.lower() for method in ("spawn", "fork", "notebook"))
    else:
        name = str(strategy.get("class_path", "")).rpartition(".")[2]
        in_children = (strategy.get("init_args") or {}).get("start_method") not in (None, "popen")
        allowed = name in _STRATEGY_CLASSES and not in_children
    if not allowed:
        problem = (
            "trains in child processes, whose results are lost when they end"
            if in_children
            else "is not supported, since the networks fit on one device"
        )
        raise GalaxyError(
            f"trainer.strategy {name} {problem}: for several devices, use --trainer.strategy ddp"
        )


def _is_zero(settings: Mapping[str, Any], name: str) -> bool:
    """Returns whether a setting is the number 0."""
    value = settings.get(name)
    return value is not None and not isinstance(value, bool | str) and value == 0


def _check_galaxies_of(command: str, settings: Mapping[str, Any]) -> None:
    """Refuses settings with which a command that only reads a model would replace results by none."""
    limit = _LIMITS[command]
    for name in ("fast_dev_run", "overfit_batches"):
        if settings.get(name):
            raise GalaxyError(
                f"trainer.{name} is for trials of a fit: remove it; to {command} part of the galaxies, set "
                f"--trainer.{limit}"
            )
    if _is_zero(settings, limit):
        raise GalaxyError(f"trainer.{limit} 0 would {command} no galaxies: increase or remove it")


def _check_fit(settings: Mapping[str, Any]) -> None:
    """Refuses settings that would leave no run, or a run that looks complete but is not."""
    if settings.get("enable_checkpointing") is False:
        raise GalaxyError("trainer.enable_checkpointing false would save no weights: remove it")
    if settings.get("overfit_batches"):
        raise GalaxyError(
            "trainer.overfit_batches is not supported, since the training galaxies are reshuffled in every "
            "epoch: for a trial, use --trainer.fast_dev_run true or --trainer.limit_train_batches"
        )
    for name in ("max_epochs", "max_steps", "limit_train_batches"):
        if _is_zero(settings, name):
            raise GalaxyError(
                f"trainer.{name} 0 would train nothing: increase or remove it; for a trial, use "
                "--trainer.fast_dev_run true"
            )
    if _is_zero(settings, "limit_val_batches"):
        raise GalaxyError(
            "trainer.limit_val_batches 0 would skip the validation, which selects and calibrates the best "
            "weights: increase or remove it"
        )
    epochs, every = settings.get("max_epochs"), settings.get("check_val_every_n_epoch")
    if epochs is not None and every is not None and 0 < epochs < every:
        raise GalaxyError(
            f"trainer.check_val_every_n_epoch {every} would never validate in {epochs} epochs: set it to "
            f"{epochs} or less"
        )


@contextlib.contextmanager
def report_invalid_settings() -> Iterator[None]:
    """Reports the errors that a trainer raises as invalid settings."""
    try:
        yield
    except (ValueError, TypeError) as error:
        raise GalaxyError(f"invalid Trainer settings: {error}") from error


def _make_unused_trainer(settings: Mapping[str, Any]) -> Trainer:
    """Makes a trainer with the machines and devices of these settings, to find out what they are."""
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
    logging.disable(logging.WARNING)  # The trainer that is used repeats the warnings.
    try:
        with lightning_errors_in_one_line(), report_invalid_settings(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return Trainer(
                **plain,
                strategy=strategy if isinstance(strategy, str) else "auto",
                logger=False,
                enable_checkpointing=False,
                enable_progress_bar=False,
                enable_model_summary=False,
            )
    finally:
        logging.disable(level)


def _check_machines(trainer: Trainer, settings: Mapping[str, Any]) -> None:
    """Refuses machines and devices that cannot work together."""
    launcher = trainer.strategy.launcher
    if launcher is not None and launcher.is_interactive_compatible:
        raise GalaxyError("several devices cannot be used from a notebook: set --trainer.devices 1")
    if settings.get("sync_batchnorm") and trainer.strategy.root_device.type == "cpu":
        raise GalaxyError("trainer.sync_batchnorm works on GPUs only: remove it")
    devices = trainer.num_devices * trainer.num_nodes
    if trainer.world_size < devices:  # Lightning would use one device per process, and not the others.
        raise GalaxyError(
            f"{trainer.world_size} processes were started for {devices} devices: start one per device (in a "
            f"SLURM job with --ntasks-per-node={trainer.num_devices} and srun), or set --trainer.devices 1"
        )
    environment = getattr(trainer.strategy, "cluster_environment", None)
    starts_none = not any(name in os.environ for name in ("NODE_RANK", "GROUP_RANK"))
    if trainer.num_nodes > 1 and type(environment) is LightningEnvironment and starts_none:
        raise GalaxyError(
            f"trainer.num_nodes {trainer.num_nodes}: start the command on each machine with torchrun, or in "
            "a SLURM job with srun (docs/cluster.md); on one machine, set --trainer.num_nodes 1"
        )
