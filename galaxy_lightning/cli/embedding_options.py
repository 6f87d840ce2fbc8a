"""The options of the commands that compute or read a table of features."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from data_prep.common.errors import GalaxyError
from data_prep.common.files import refuse_existing
from data_prep.common.paths import expand_path, user_path
from galaxy_lightning.cli.checkpoint_names import find_checkpoint
from galaxy_lightning.cli.explain_command import add_network_option
from galaxy_lightning.runs.writer import complete_run
from galaxy_lightning.shipped_models import DEFAULT_MODEL, MODELS, SHIPPED
from galaxy_lightning.tables.formats import require_suffix

if TYPE_CHECKING:
    from galaxy_lightning.embedding.sources import EmbeddingModel, GalaxySource


def add_model_options(parser: argparse.ArgumentParser, default: str = DEFAULT_MODEL) -> None:
    """Adds the options that name the model.

    Args:
        parser: The parser.
        default: What the help says about the default.
    """
    text = f"run folder or checkpoint, or a model of the package (default: {default})"
    parser.add_argument("--run", metavar="RUN", help=text)
    add_network_option(parser)


def add_galaxies_options(parser: argparse.ArgumentParser, *, with_table: bool = False) -> None:
    """Adds the options that name the galaxies.

    Args:
        parser: The parser.
        with_table: Also take a table of features.
    """
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument(
        "--data.arrays", dest="arrays", type=user_path, metavar="ARRAYS", help="galaxy arrays"
    )
    source.add_argument(
        "--data.images", dest="images", type=user_path, metavar="FOLDER", help="folder of images"
    )
    if with_table:
        source.add_argument(
            "--in", dest="table", type=user_path, metavar="TABLE", help="table of features, made with embed"
        )
    add_pixel_scale(parser)


def add_pixel_scale(parser: argparse.ArgumentParser, default: str = "that of the training images") -> None:
    """Adds the option of the pixel scale.

    Args:
        parser: The parser.
        default: What the help says about the default.
    """
    parser.add_argument(
        "--data.pixel_scale",
        dest="pixel_scale",
        type=float,
        metavar="S",
        help=f"arcsec per pixel of images without celestial coordinates (default: {default})",
    )


def add_overwrite(parser: argparse.ArgumentParser) -> None:
    """Adds the option that allows replacing files."""
    parser.add_argument("--overwrite", action="store_true", help="replace existing files")


def positive(text: str) -> int:
    """Parses an integer of at least 1.

    Raises:
        ArgumentTypeError: The text is something else.
    """
    if not (text.isascii() and text.isdecimal() and int(text)):
        raise argparse.ArgumentTypeError("must be an integer of at least 1")
    return int(text)


def natural(text: str) -> int:
    """Parses an integer from 0 to 2^32 - 1, the seeds of NumPy.

    Raises:
        ArgumentTypeError: The text is something else.
    """
    if not (text.isascii() and text.isdecimal() and int(text) < 2**32):
        raise argparse.ArgumentTypeError("must be an integer from 0 to 4294967295")
    return int(text)


def check_output(path: Path | None, suffixes: tuple[str, ...], option: str, *, overwrite: bool) -> None:
    """Checks that a file can be written.

    Args:
        path: The file; None if there is none.
        suffixes: The valid suffixes.
        option: The option that names it.
        overwrite: Whether it may be replaced.

    Raises:
        GalaxyError: It has another suffix, or exists.
    """
    if path is not None:
        require_suffix(path, suffixes, option)
        refuse_existing(path, overwrite=overwrite)


def checkpoint_of(options: argparse.Namespace, recorded: str | None = None) -> Path:
    """Returns the checkpoint of the model that a command line names.

    Args:
        options: The options, with ``run``.
        recorded: The checkpoint that a table names; by default the shipped model.

    Raises:
        GalaxyError: There is no such checkpoint.
    """
    if options.run is not None:
        run = options.run if options.run in MODELS else expand_path(options.run)
        return find_checkpoint(str(complete_run(Path(run)) or run))
    if recorded is None:
        return find_checkpoint(DEFAULT_MODEL)
    path = Path(recorded)
    if not path.is_file() and path.stem in MODELS:  # Made with another installation of the package.
        return SHIPPED[path.stem]
    if not path.is_file():
        raise GalaxyError(f"the model of the table, {path}, does not exist any more: name it with --run")
    return path


def open_source(options: argparse.Namespace, model: "EmbeddingModel") -> "GalaxySource":
    """Opens the galaxies that a command line names, and prints how they differ from those of the training.

    Args:
        options: The options, with ``arrays``, ``images`` and ``pixel_scale``.
        model: The model.

    Raises:
        GalaxyError: The galaxies cannot be used.
    """
    from galaxy_lightning.embedding.sources import open_arrays_source, open_images_source

    if options.images is not None:
        source = open_images_source(options.images, model, options.pixel_scale)
        for note in source.notes:
            print(note)
        return source
    if options.pixel_scale is not None:
        raise GalaxyError("--data.pixel_scale is that of image files: leave it out for galaxy arrays")
    return open_arrays_source(options.arrays, model)
