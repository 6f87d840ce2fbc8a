"""The options of the training commands, and the defaults that a trained model sets for them."""

import argparse
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from jsonargparse import Namespace
from jsonargparse.typing import PositiveInt
from lightning.pytorch.cli import LightningArgumentParser

from data_prep.arrays.format import open_arrays
from data_prep.common.errors import GalaxyError
from data_prep.common.paths import expand_path
from data_prep.common.suggestions import SuggestingParser
from data_prep.schema import CLASSES, COLOURS, CROP_PX
from galaxy_lightning.cli.saved_config import SavedConfig, read_saved_config
from galaxy_lightning.runtime.rank_zero import rank_zero_print
from galaxy_lightning.training.checkpoints import CheckpointInfo

EVALUATED_SPLITS: Final = {"test": "test", "validate": "val"}
"""The split that each evaluation command uses."""
_PATHS: Final = (
    "data.arrays",
    "data.images",
    "model.weights",
    "runs",
    "out",
    "catalogue",
    "trainer.default_root_dir",
)

_OF_FITS: Final = tuple(
    f"trainer.{name}"
    for name in (
        *("accelerator", "devices", "num_nodes", "strategy"),
        *("limit_val_batches", "limit_test_batches", "limit_predict_batches"),
    )
)
"""Settings of a fit that are not those of other commands: its machines, and limits, for trials."""


class Parser(LightningArgumentParser, SuggestingParser):
    """Lightning's parser; for a mistyped option, it suggests the nearest one."""


def add_output_options(command: str, parser: LightningArgumentParser) -> None:
    """Adds the options for the output of a command.

    Args:
        command: ``fit``, ``validate``, ``test`` or ``predict``.
        parser: Its parser.
    """
    if command == "fit":
        parser.add_argument(
            "--name", type=str | None, help="name of the run (default: that of the last config file)"
        )
        parser.add_argument("--runs", type=str, default="runs", help="folder of all runs")
    elif command in EVALUATED_SPLITS:
        parser.add_argument(
            "--out",
            type=str | None,
            help="folder for the results (default: a folder next to the checkpoint)",
        )
    else:
        _add_table_options(parser)


def _add_table_options(parser: LightningArgumentParser) -> None:
    """Adds the options of ``predict``."""
    parser.add_argument(
        "--out",
        type=str | None,
        help="table to write: .csv, .fits, .vot, .ecsv or .parquet (default: a CSV file next to the "
        "checkpoint or, for a model of the package, in the current folder)",
    )
    parser.add_argument(
        "--catalogue",
        type=str | None,
        help="table whose rows and columns to keep, with the predictions added",
    )
    parser.add_argument(
        "--id_column",
        type=str | None,
        help="its column of ids, which are the names of the images (default: guessed)",
    )
    parser.add_argument(
        "--samp", action="store_true", help="send the table (.fits or .vot) to TOPCAT, Aladin, ... by SAMP"
    )
    # Lightning's own option takes no list, which a config may hold; the completed command line names one.
    parser.add_argument("--ckpt_path", type=str | tuple[str, ...] | None, help="checkpoints or run folders")
    # The command line has them as further values of --ckpt_path.
    parser.add_argument("--members", type=list[str] | None, help=argparse.SUPPRESS)
    parser.add_argument("--overwrite", action="store_true", help="replace an existing table")
    parser.add_argument(
        "--zooms",
        type=PositiveInt | None,
        help="number of zooms over which the logits of each galaxy are averaged; 1 is the fastest "
        "(default: as in the fit)",
    )


def expand_path_options(options: Namespace) -> None:
    """Expands ``~`` and variables in the paths among a command's options."""
    for key in _PATHS:
        if options.get(key):
            options[key] = expand_path(options[key])


def named_checkpoint(args: list[str]) -> Path | None:
    """Returns the checkpoint that a completed command line names, or None."""
    return Path(args[args.index("--ckpt_path") + 1]) if "--ckpt_path" in args else None


def set_defaults(parser: LightningArgumentParser, trained: CheckpointInfo, command: str) -> None:
    """Makes the settings of a trained model the defaults of a command.

    The settings of the model come from the checkpoint, the others from the config in its run folder. The
    devices, machines and limits of the training are those of a resumed fit only.

    Args:
        parser: The command's parser.
        trained: The checkpoint.
        command: The command.

    Raises:
        GalaxyError: A setting is unknown or invalid, or a fit would be resumed without the classes in its
            config.
    """
    defaults = {f"model.{name}": value for name, value in trained.hyperparameters.items()}
    if trained.arrays_folder:
        defaults["data.arrays"] = trained.arrays_folder
    saved = read_saved_config(trained.path.parent)
    if saved is not None:
        saved.check(parser)
        _refuse_classes(saved, command)
        defaults |= saved.settings
    if command != "fit":
        defaults = {name: value for name, value in defaults.items() if name not in _OF_FITS}
    parser.set_defaults(defaults)


def fixed_model_settings(trained: CheckpointInfo, command: str, parsed: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the model settings that come from the checkpoint, whatever the command line says.

    Args:
        trained: The checkpoint.
        command: The command. A resumed fit takes its settings from the command line.
        parsed: The model settings of the command line.
    """
    if command != "fit":
        return dict(trained.hyperparameters)
    # A resumed fit does not need its initial weights again, unless others are named.
    initial = trained.pretrained or {}
    if any(parsed[name] != value for name, value in initial.items()):
        return {}
    return {name: trained.hyperparameters[name] for name in initial}


def settings_of_arrays(options: Namespace) -> dict[str, Any]:
    """Returns the settings of a new model that are not given, and that follow from its galaxy arrays.

    Args:
        options: The options of ``fit``.

    Returns:
        ``classes``, ``image_size`` and ``bands``, as far as they are not given. Nothing if there are no
        arrays, which is reported later.

    Raises:
        GalaxyError: The arrays cannot be read.
    """
    folder = Path(options.data.arrays) if options.data.arrays else None
    values: dict[str, Any] = {}
    if folder and folder.exists():
        arrays = open_arrays(folder)
        values = {
            "classes": arrays.classes,
            "image_size": arrays.image_size,
            "bands": len(arrays.bands),
        }
    elif options.data.simulate:
        values = {"classes": list(CLASSES), "image_size": CROP_PX, "bands": len(COLOURS)}
    return {name: value for name, value in values.items() if options.model[name] is None}


def _refuse_classes(saved: SavedConfig, command: str) -> None:
    """Reports that the classes in a run's config are ignored; refuses to resume a fit without them.

    Raises:
        GalaxyError: A fit would be resumed without the classes in its config.
    """
    names = ", ".join(saved.classes)
    if saved.classes and command == "fit":
        raise GalaxyError(
            f"{saved.path} names classes ({names}), which can run code: if you trust it, resume the fit "
            f"with --config {shlex.quote(str(saved.path))}"
        )
    if saved.classes:
        rank_zero_print(
            f"Ignored: {names} in {saved.path}; to use these settings, name the file with --config"
        )
