"""The command ``audit``: what the classifications of a run depend on, and how reliable its labels are."""

import argparse
import shlex
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from data_prep.common.errors import GalaxyError
from data_prep.common.files import sha256
from data_prep.common.json_files import read_json
from data_prep.common.libraries import require_libraries
from galaxy_lightning.cli.checkpoint_names import find_folds
from galaxy_lightning.cli.configs import expand_paths
from galaxy_lightning.cli.descriptions import command_parser
from galaxy_lightning.cli.explain_command import add_arrays_options
from galaxy_lightning.evaluation.verdict import labelled
from galaxy_lightning.program import PROGRAM
from galaxy_lightning.runs.names import BEST_CHECKPOINT, FOLD_ARRAYS, PREDICTIONS, RUN, SUMMARY
from galaxy_lightning.runs.writer import complete_run

if TYPE_CHECKING:
    from galaxy_lightning.explain.audit_run import AuditedPart

KERAS_MODEL: Final = "model.keras"
"""The file of the model in a run folder of the Keras baseline."""


def run(args: Sequence[str]) -> None:
    """Audits a run or a cross-validation, and prints the main figures.

    Args:
        args: The command line after ``audit``.

    Raises:
        GalaxyError: The run is incomplete, or its galaxy arrays are not available.
    """
    options = _make_parser().parse_args(expand_paths(args))
    require_libraries("captum", "cleanlab", "photutils", "skimage", "umap")
    folder = Path(options.run)
    if not folder.is_dir():
        problem = "is not a folder" if folder.exists() else "does not exist"
        raise GalaxyError(f"{folder} {problem}: name a run folder, or the folder of a cross-validation")
    # The libraries take seconds to import.
    from galaxy_lightning.audit.writing import describe_audit, write_results
    from galaxy_lightning.explain.audit_run import audit_parts
    from galaxy_lightning.runtime.noise import quieten

    quieten()
    is_crossval = (folder / SUMMARY).is_file()
    parts = _open_folds(folder, options) if is_crossval else [_open_run(folder, options)]
    if options.galaxies is not None:
        parts = _draw(parts, options.galaxies)
    folder = folder if is_crossval else (complete_run(folder) or folder)
    recorded = read_json(folder / (SUMMARY if is_crossval else RUN))
    about = {
        "model": str(recorded.get("model")),
        "kind": "left-out" if is_crossval else "test",
        "predictions": sha256(folder / PREDICTIONS),
    }
    audit = audit_parts(parts, about, options.explained)
    places = [(part.arrays, row) for part in parts for row in part.rows]

    def read_image(number: int) -> npt.NDArray[np.uint8]:
        arrays, row = places[number]
        return np.asarray(arrays.images[row])

    written = write_results(audit, folder, read_image)
    print("\n".join(describe_audit(audit)))
    print(labelled("Saved to", str(written)))
    print(labelled("Report", f"{PROGRAM} report --run {shlex.quote(str(folder))}"))


def _make_parser() -> argparse.ArgumentParser:
    parser = command_parser("audit", "--run RUN [options]")
    parser.add_argument(
        "--run", required=True, metavar="RUN", help="run folder, or the folder of a cross-validation"
    )
    add_arrays_options(parser)
    parser.add_argument(
        "--galaxies", type=_positive, metavar="N", help="audit a random sample of N galaxies (default: all)"
    )
    parser.add_argument(
        "--explained",
        type=_positive,
        default=1000,
        metavar="N",
        help="number of galaxies with an attribution map, the most confident errors first (default: 1000)",
    )
    return parser


def _positive(text: str) -> int:
    """Parses an integer of at least 1."""
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError("must be an integer of at least 1")
    return int(text)


def _open_run(folder: Path, options: argparse.Namespace) -> "AuditedPart":
    """Opens the model of a run, with its test galaxies."""
    from galaxy_lightning.explain.audit_run import AuditedPart
    from galaxy_lightning.explain.opening import open_model

    run = complete_run(folder)
    checkpoint = None if run is None else run / BEST_CHECKPOINT
    if checkpoint is None or not checkpoint.is_file():
        remedy = "name the run folder of a complete fit, or the folder of a cross-validation"
        if run is not None and (run / KERAS_MODEL).is_file():
            words = f"--weights {run} --data ARRAYS --out {run / BEST_CHECKPOINT}"
            remedy = f"convert the model first: python -m baselines to-torch {words}"
        raise GalaxyError(f"{folder} holds no {BEST_CHECKPOINT}: {remedy}")
    named = None if options.arrays is None else Path(options.arrays)
    opened = open_model(checkpoint, options.network, named)
    if opened.arrays is None:
        raise GalaxyError(f"{folder} cannot be audited: {opened.note} (--data.arrays names them)")
    opened.trained.require_unseen(opened.arrays, "test")
    return AuditedPart(opened.predictor, opened.arrays, opened.arrays.rows("test"))


def _open_folds(folder: Path, options: argparse.Namespace) -> list["AuditedPart"]:
    """Opens the models of a cross-validation, each with the galaxies of its fold."""
    folds = find_folds(folder)
    if options.arrays is not None:
        raise GalaxyError("--data.arrays: a cross-validation has galaxy arrays of its own: leave it out")
    return [
        _open_run(
            folder / f"fold_{number}",
            argparse.Namespace(arrays=folder / FOLD_ARRAYS / f"fold_{number}", network=options.network),
        )
        for number in range(len(folds))
    ]


def _draw(parts: Sequence["AuditedPart"], number: int) -> list["AuditedPart"]:
    """Draws a random sample of the galaxies of all parts."""
    total = sum(len(part.rows) for part in parts)
    chosen = np.zeros(total, dtype=bool)
    chosen[np.random.default_rng(0).permutation(total)[:number]] = True
    ends = np.cumsum([len(part.rows) for part in parts])
    kept = np.split(chosen, ends[:-1])
    return [replace(part, rows=part.rows[each]) for part, each in zip(parts, kept, strict=True) if each.any()]
