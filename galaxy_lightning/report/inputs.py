"""Reads what a report is about: runs with their galaxy arrays, runs alone, or a cross-validation."""

import itertools
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd

from data_prep.arrays.format import GalaxyArrays, open_arrays
from data_prep.common.errors import GalaxyError
from data_prep.common.json_files import read_json
from data_prep.schema import CLASS_DESCRIPTIONS, CLASSES
from galaxy_lightning.report.galaxies import ReportGalaxies
from galaxy_lightning.report.summary import Model, group_runs, rank_models
from galaxy_lightning.runs.names import FOLD_ARRAYS, IMAGE_KEYS, PREDICTIONS, RUN, SUMMARY
from galaxy_lightning.runs.predictions import predicted_classes, read_classes, read_predictions
from galaxy_lightning.runs.reader import Run, read_run, read_run_without_arrays
from galaxy_lightning.runs.writer import complete_run

_LEFT_OUT: Final = "The page has no images, votes or positions"


def read_inputs(folders: Sequence[Path], arrays: Path | None = None) -> tuple[ReportGalaxies, list[Model]]:
    """Reads the runs of a report.

    Args:
        folders: Run folders, or the folder of one cross-validation.
        arrays: The galaxy arrays; by default those that the runs name.

    Returns:
        The galaxies, and the models in decreasing order of accuracy. If the arrays that the runs name are
        not available, the galaxies have no images, and a note says why.

    Raises:
        GalaxyError: A folder holds no complete run, the runs were made on different arrays, or on others than
            ``arrays``.
    """
    crossval = next((folder for folder in folders if (folder / SUMMARY).is_file()), None)
    if crossval is not None:
        if len(folders) > 1:
            raise GalaxyError(f"{crossval} is a cross-validation, which cannot be compared with other runs")
        return _read_crossval(crossval, arrays)
    runs = [_find_run(folder) for folder in folders]
    opened, note = _open_arrays(runs, arrays)
    if opened is None:
        galaxies, read = _read_without_arrays(runs, note)
    else:
        galaxies, read = ReportGalaxies.from_arrays(opened), [read_run(run, opened) for run in runs]
    _refuse_repeated(read)
    if not len(galaxies.identities):
        raise GalaxyError(f"{runs[0]} holds no predictions for test galaxies")
    return galaxies, rank_models(group_runs(read), galaxies)


def _find_run(folder: Path) -> Path:
    """Returns the complete run in a folder."""
    run = complete_run(folder)
    if run is None:
        problem = "holds no complete run" if folder.is_dir() else "is not a folder"
        raise GalaxyError(
            f"{folder} {problem if folder.exists() else 'does not exist'}: name a run folder, such as "
            "runs/galaxy_cnn/version_0, or the folder of a cross-validation"
        )
    return run


def _refuse_repeated(runs: Sequence[Run]) -> None:
    """Raises an error if a run repeats another one, which would underestimate the spread."""
    for one, other in itertools.combinations(runs, 2):
        if one.folder.resolve() == other.folder.resolve():
            raise GalaxyError(f"{one.folder} is named twice")
        if one.repeats(other):
            raise GalaxyError(
                f"{other.folder} repeats {one.folder}: it has the same model, settings and seed; leave one "
                "out"
            )


def _open_arrays(runs: Sequence[Path], named: Path | None) -> tuple[GalaxyArrays | None, str]:
    """Opens the galaxy arrays that a run names, or returns why they cannot be used; named ones must be."""
    if named is not None:
        arrays = open_arrays(named)
        arrays.verify()
        return arrays, ""
    note = ""
    for run in runs:
        identity = read_json(run / RUN).get("arrays")
        identity = identity if isinstance(identity, dict) else {}
        path = identity.get("path")
        if not (isinstance(path, str) and path):
            note = note or f"{_LEFT_OUT}, since the run names no galaxy arrays (--data.arrays names them)."
            continue
        try:
            arrays = open_arrays(Path(path))
            if arrays.dataset["sha256"] != identity.get("sha256"):
                note = (
                    note or f"{_LEFT_OUT}, since the galaxy arrays in {path} have changed after the training."
                )
                continue
            arrays.verify()
        except (GalaxyError, OSError):
            text = f"the galaxy arrays in {path} are missing or damaged (--data.arrays names others)"
            note = note or f"{_LEFT_OUT}, since {text}."
            continue
        return arrays, ""
    return None, note


def _read_without_arrays(folders: Sequence[Path], note: str) -> tuple[ReportGalaxies, list[Run]]:
    """Reads runs alone; all must have been made on the same arrays."""
    first, classes, table = read_run_without_arrays(folders[0])
    keys = pd.MultiIndex.from_frame(table[IMAGE_KEYS])
    runs = [first]
    for folder in folders[1:]:
        run, names, other = read_run_without_arrays(folder)
        same = run.about["arrays"]["sha256"] == first.about["arrays"]["sha256"]
        order = pd.MultiIndex.from_frame(other[IMAGE_KEYS]).get_indexer(keys)
        if not same or set(names) != set(classes) or len(other) != len(table) or (order < 0).any():
            raise GalaxyError(f"{folder} and {folders[0]} were made on different galaxy arrays")
        probabilities, predicted = predicted_classes(other.iloc[order], classes)
        runs.append(replace(run, probabilities=probabilities, predicted=predicted))
    return ReportGalaxies.from_predictions(classes, table, note, descriptions=_descriptions(classes)), runs


def _read_crossval(folder: Path, named: Path | None) -> tuple[ReportGalaxies, list[Model]]:
    """Reads a cross-validation: the predictions of all folds for the galaxies that they have not seen."""
    summary, path = read_json(folder / SUMMARY), folder / PREDICTIONS
    classes = read_classes(path)
    table = read_predictions(path, classes)
    names = _check_summary(summary, folder / SUMMARY, len(table))
    runs = {name: run for name in names if (run := complete_run(folder / name))}
    folds = [read_run_without_arrays(run)[0] for run in runs.values()]
    lacking = [name for name in names if name not in runs]
    about = _combine(summary, folds)
    combined = Run(folder, about, pd.DataFrame(), *predicted_classes(table, classes))
    galaxies = ReportGalaxies.from_predictions(
        classes,
        table,
        "",
        descriptions=_known_descriptions(summary.get("class_descriptions"), classes),
        kind="left-out",
    )
    galaxies = _with_arrays(galaxies, named or folder / FOLD_ARRAYS / "fold_0", required=named is not None)
    if lacking:
        text = f"The costs and the learning curves lack {', '.join(lacking)}, which {folder} does not hold."
        galaxies = replace(galaxies, note=f"{galaxies.note} {text}".strip())
    return galaxies, [Model(combined.model, [combined], folds, len(names))]


def _check_summary(summary: dict[str, Any], path: Path, galaxies: int) -> list[str]:
    """Checks the summary of a cross-validation of so many galaxies; returns the names of the folds."""
    remedy = "run crossval again, in this folder"
    model, folds = summary.get("model"), summary.get("folds")
    if not (isinstance(model, str) and model.strip()):
        raise GalaxyError(f"{path} does not name the model: {remedy}")
    if not isinstance(folds, list):
        raise GalaxyError(f"{path} does not list the folds: {remedy}")
    if galaxies != summary.get("galaxies") or not galaxies:
        raise GalaxyError(
            f"{path.parent / PREDICTIONS} holds {galaxies:,} galaxies, unlike {path.name}: {remedy}"
        )
    return [f"fold_{number}" for number in range(len(folds))]


def _combine(summary: dict[str, Any], folds: Sequence[Run]) -> dict[str, Any]:
    """Returns what is known about a cross-validation in the form of a ``run.json``."""
    first = folds[0].about if folds else {}
    about = {name: first.get(name) for name in ("parameters", "device", "fits_at_once")}
    about |= {"model": summary["model"], "seed": summary.get("seed")}
    about["hyperparameters"] = first.get("hyperparameters", {})
    # What is summed over the folds must be known of all.
    is_complete = len(folds) == len(summary["folds"])
    for name, combine in (("seconds", np.sum), ("images_per_second", np.mean), ("peak_memory_mb", np.max)):
        values = [value for fold in folds if (value := fold.number(name)) is not None]
        about[name] = float(combine(values)) if is_complete and len(values) == len(folds) > 0 else None
    return about


def _with_arrays(galaxies: ReportGalaxies, folder: Path, *, required: bool) -> ReportGalaxies:
    """Adds the galaxy arrays to the galaxies of a cross-validation, if they hold all of them."""
    try:
        arrays = open_arrays(folder)
        arrays.verify()
        catalogue = pd.MultiIndex.from_frame(arrays.catalog[IMAGE_KEYS])
        rows = catalogue.get_indexer(pd.MultiIndex.from_frame(galaxies.identities[IMAGE_KEYS]))
        if (rows < 0).any():
            raise GalaxyError(f"{folder} does not hold all galaxies of the cross-validation")
        if (arrays.catalog["label"].to_numpy()[rows] != galaxies.identities["label"].to_numpy()).any():
            raise GalaxyError(f"{folder} has other labels than the cross-validation")
    except (GalaxyError, OSError, ValueError) as error:
        if required:
            raise
        return replace(galaxies, note=f"{_LEFT_OUT}, since they cannot be read: {error}.")
    return replace(galaxies, arrays=arrays, rows=rows.astype(np.int64))


def _descriptions(classes: Sequence[str]) -> dict[str, str]:
    """Returns the descriptions of the reference's classes."""
    return dict(CLASS_DESCRIPTIONS) if tuple(classes) == CLASSES else {}


def _known_descriptions(found: Any, classes: Sequence[str]) -> dict[str, str]:
    """Returns the descriptions of classes in a summary, or else those of the reference's classes."""
    named = found if isinstance(found, dict) else {}
    texts = {str(name): text for name, text in named.items() if isinstance(text, str)}
    return texts or _descriptions(classes)
