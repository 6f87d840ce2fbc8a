"""The options of the training commands, and the defaults that a trained model sets for them."""

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from jsonargparse import Namespace
from jsonargparse.typing import PositiveInt
from lightning.pytorch.cli import LightningArgumentParser

from data_prep.common.errors import GalaxyError
from data_prep.common.paths import expand_path
from data_prep.common.suggestions import SuggestingParser
from galaxy_lightning.cli.saved_config import SavedConfig, read_saved_config
from galaxy_lightning.runtime.rank_zero import rank_zero_print
from galaxy_lightning.training.checkpoints import CheckpointInfo

SPLIT_OF: Final = {"test": "test", "validate": "val"}
"""The split that a command evaluates a model on."""
_PATHS: Final = ("data.arrays", "data.images", "model.weights", "runs", "out", "trainer.default_root_dir")


class Parser(LightningArgumentParser, SuggestingParser):
    """Lightning's parser; for a mistyped option, it suggests the nearest one."""


def add_output_options(parsers: Mapping[str, LightningArgumentParser]) -> None:
    """Adds the options that say where results go.

    Args:
        parsers: The parsers of ``fit``, ``validate``, ``test`` and ``predict``.
    """
    fit, predict = parsers["fit"], parsers["predict"]
    fit.add_argument("--name", type=str | None, help="the run's name; by default the (last) config file's")
    fit.add_argument("--runs", type=str, default="runs", help="folder of all runs")
    for command in SPLIT_OF:
        parsers[command].add_argument(
            "--out",
            type=str | None,
            help="folder for the results; by default one beside the checkpoint",
        )
    predict.add_argument(
        "--out", type=str | None, help="table to write (CSV); by default beside the checkpoint"
    )
    predict.add_argument("--overwrite", action="store_true", help="replace an existing table")
    predict.add_argument(
        "--zooms",
        type=PositiveInt | None,
        help="number of sizes at which each galaxy is shown; by default as in the fit; 1 is the fastest",
    )


def expand_path_options(options: Namespace) -> None:
    """Expands ``~`` and variables in the paths among a command's options."""
    for key in _PATHS:
        if options.get(key):
            options[key] = expand_path(options[key])


def named_checkpoint(words: list[str]) -> Path | None:
    """Returns the checkpoint that a complete command line names, if any."""
    return Path(words[words.index("--ckpt_path") + 1]) if "--ckpt_path" in words else None


def set_defaults(parser: LightningArgumentParser, trained: CheckpointInfo, command: str) -> None:
    """Sets the settings of a trained model as a command's defaults.

    Those of the model come from the checkpoint, the others from the config in its run folder.

    Args:
        parser: The command's parser.
        trained: The checkpoint.
        command: The command.

    Raises:
        GalaxyError: They do not fit; or a fit would be resumed without the callbacks that it began with.
    """
    defaults = {f"model.{name}": value for name, value in trained.hyperparameters.items()}
    if trained.arrays_folder:
        defaults["data.arrays"] = trained.arrays_folder
    saved = read_saved_config(trained.path.parent)
    if saved is not None:
        saved.check(parser)
        _refuse_classes(saved, command)
        defaults |= saved.settings
    parser.set_defaults(defaults)


def model_settings(trained: CheckpointInfo, command: str, asked: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the model's settings that a checkpoint decides, whatever the command line says.

    Args:
        trained: The checkpoint.
        command: The command; a resumed fit keeps what is asked for.
        asked: The model's settings as they were parsed.
    """
    if command != "fit":
        return dict(trained.hyperparameters)
    # The weights that the fit once started from are not needed again.
    started = trained.pretrained or {}
    same = bool(started) and all(asked[name] == started[name] for name in started)
    return {name: trained.hyperparameters[name] for name in started} if same else {}


def _refuse_classes(saved: SavedConfig, command: str) -> None:
    """Reports that classes in a run's config are not used, and refuses to resume a fit without them.

    Raises:
        GalaxyError: A fit would be resumed without them.
    """
    names = ", ".join(saved.classes)
    if saved.classes and command == "fit":
        raise GalaxyError(
            f"{saved.path} names classes ({names}), which can run code: if you trust it, resume the fit "
            f"with --config {shlex.quote(str(saved.path))}"
        )
    if saved.classes:
        rank_zero_print(
            f"Not used: {names} of {saved.path}; to use these settings, name the file with --config"
        )
