"""The command ``model``: what a trained model is, what it was trained on, and what it is not for."""

from collections.abc import Sequence

from galaxy_lightning.cli.checkpoint_names import find_checkpoint
from galaxy_lightning.cli.configs import expand_paths
from galaxy_lightning.cli.descriptions import command_parser
from galaxy_lightning.shipped_models import DEFAULT_MODEL


def run(args: Sequence[str]) -> None:
    """Prints the card of a model, or the galaxies that it was trained on.

    Args:
        args: The command line after ``model``.

    Raises:
        GalaxyError: There is no such model, or its file is damaged.
    """
    parser = command_parser("model", "[MODEL] [--about | --objids]")
    text = f"a checkpoint, a run folder, or {DEFAULT_MODEL}, the model of the package (default)"
    parser.add_argument("model", nargs="?", metavar="MODEL", default=DEFAULT_MODEL, help=text)
    printed = parser.add_mutually_exclusive_group()
    printed.add_argument("--about", action="store_true", help="print the card (default)")
    printed.add_argument(
        "--objids", action="store_true", help="print the object ids of the galaxies it was trained on"
    )
    options = parser.parse_args(expand_paths(args))
    path = find_checkpoint(options.model)
    from galaxy_lightning.training.checkpoints import read_checkpoint  # torch takes seconds to import.
    from galaxy_lightning.training.model_report import describe_model

    trained = read_checkpoint(path, networks=None)
    lines = map(str, trained.trained_on.objids.tolist()) if options.objids else describe_model(trained)
    print("\n".join(lines))
