"""The command ``explain``: why galaxies got their classes."""

import argparse
import itertools
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from data_prep.common.errors import GalaxyError
from data_prep.common.files import refuse_existing
from data_prep.common.libraries import require_libraries
from data_prep.common.progress import progress_bar
from galaxy_lightning.cli.checkpoint_names import find_checkpoint
from galaxy_lightning.cli.configs import expand_paths
from galaxy_lightning.cli.descriptions import command_parser
from galaxy_lightning.runs.writer import complete_run

FOLDER: Final = "explanations"
"""The default folder, in the run folder."""


def run(args: Sequence[str]) -> None:
    """Writes a figure for each galaxy.

    Args:
        args: The command line after ``explain``.

    Raises:
        GalaxyError: There is no such model, galaxy or class, or a figure exists.
    """
    options = _make_parser().parse_args(expand_paths(args))
    require_libraries("captum")
    run = complete_run(Path(options.run)) or options.run
    checkpoint = find_checkpoint(str(run))
    out = Path(options.out) if options.out else _default_folder(Path(run))
    # The libraries take seconds to import.
    from galaxy_lightning.evaluation.figure_files import FORMATS, save_figure
    from galaxy_lightning.explain.explanation import explain, learn_reference
    from galaxy_lightning.explain.figure import plot_explanation
    from galaxy_lightning.explain.opening import find_galaxies, open_model
    from galaxy_lightning.runtime.noise import quieten

    quieten()
    arrays = None if options.arrays is None else Path(options.arrays)
    opened = open_model(checkpoint, options.network, arrays)
    classes = list(opened.predictor.model.classes)
    if options.explained is not None and options.explained not in classes:
        raise GalaxyError(f"--class {options.explained}: the classes are {', '.join(classes)}")
    explained = None if options.explained is None else classes.index(options.explained)
    galaxies = find_galaxies(options.galaxies, opened)
    paths = [out / _file_name(galaxy.name) for galaxy in galaxies]
    if len(set(paths)) < len(paths):
        repeated = next(path for path in paths if paths.count(path) > 1)
        raise GalaxyError(f"several of the galaxies would be written to {repeated}.png: name each one once")
    for path, suffix in itertools.product(paths, FORMATS):
        refuse_existing(path.with_name(f"{path.name}.{suffix}"), overwrite=options.overwrite)
    reference = learn_reference(opened)
    if reference is None:
        reason = opened.note or "the galaxy arrays have no training galaxies"
        print(f"Without similar training galaxies and class means: {reason}")
    out.mkdir(parents=True, exist_ok=True)
    lines = []
    with progress_bar(total=len(galaxies), desc="explaining", unit=" galaxies") as bar:
        for galaxy, path in zip(galaxies, paths, strict=True):
            explanation = explain(galaxy, opened, reference, explained)
            save_figure(plot_explanation(explanation, opened.predictor.model.network.name), path)
            truth = "" if explanation.label is None else f" (true class: {explanation.label})"
            share = explanation.probabilities.max()
            lines.append(f"{galaxy.name}: {explanation.predicted} {share:.0%}{truth}: {path}.png")
            lines += [f"  {note}" for note in explanation.notes]
            bar.update()
    print("\n".join(lines))


def _make_parser() -> argparse.ArgumentParser:
    parser = command_parser("explain", "GALAXY [GALAXY ...] --run RUN [options]")
    parser.add_argument(
        "galaxies",
        nargs="+",
        metavar="GALAXY",
        help="an image file, or the id of a galaxy in the galaxy arrays",
    )
    parser.add_argument(
        "--run", required=True, metavar="RUN", help="run folder or checkpoint, or a model of the package"
    )
    add_arrays_options(parser)
    text = "class whose evidence is shown (default: the predicted class of each galaxy)"
    parser.add_argument("--class", dest="explained", metavar="CLASS", help=text)
    parser.add_argument("--out", metavar="FOLDER", help=f"folder of the figures (default: RUN/{FOLDER})")
    parser.add_argument("--overwrite", action="store_true", help="replace existing figures")
    return parser


def add_arrays_options(parser: argparse.ArgumentParser) -> None:
    """Adds the options that name the galaxy arrays and the class of a custom network."""
    parser.add_argument(
        "--data.arrays",
        dest="arrays",
        metavar="ARRAYS",
        help="galaxy arrays of the training (default: those that the run names)",
    )
    add_network_option(parser)


def add_network_option(parser: argparse.ArgumentParser) -> None:
    """Adds the option that names the class of a custom network."""
    parser.add_argument(
        "--model.network",
        dest="network",
        action="append",
        default=[],
        metavar="CLASS_PATH",
        help="class path of a custom network, whose code is run",
    )


def _default_folder(run: Path) -> Path:
    return (run if run.is_dir() else run.parent if run.is_file() else Path()) / FOLDER


def _file_name(name: str) -> str:
    """Returns a file name for a galaxy."""
    return re.sub(r"[^\w.+-]+", "_", name)[:100] or "galaxy"
