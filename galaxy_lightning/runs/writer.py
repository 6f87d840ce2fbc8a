"""Writes a run folder, which holds the results of a trained model, whichever program trained it.

===================  ===============================================================================
``history.csv``      per epoch: training and validation loss and accuracy, seconds
``predictions.csv``  per validation and test galaxy: objid, id, asset_id, split, label, ra and dec (if
                     known), ``p_<class>`` for each class, predicted
``run.json``         model, parameters, hyperparameters, seed, SHA-256 of the arrays, epochs, seconds,
                     images/s, peak memory, device, versions. Written last: it marks the run as complete
===================  ===============================================================================

This module does not need torch, so that any program can write a run with it.
"""

import contextlib
import math
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from data_prep.arrays.format import GalaxyArrays
from data_prep.common.environment import describe_environment
from data_prep.common.errors import GalaxyError
from data_prep.common.files import explain_write_errors, new_file
from data_prep.common.json_files import write_json
from data_prep.tables.csv_tables import read_table
from galaxy_lightning.runs.names import HISTORY, HISTORY_COLUMNS, RUN

FITS_AT_ONCE: Final = "GALAXY_FITS_AT_ONCE"
"""Environment variable with the number of fits that the same command trains at once on this machine."""


def claim_run_folder(runs: Path, name: str) -> Path:
    """Makes the next ``runs/name/version_<k>``; two fits that start together get different folders.

    Args:
        runs: Folder of all runs.
        name: Name of the run.

    Returns:
        The new, empty folder.

    Raises:
        GalaxyError: The folder cannot be made, or the name is invalid; see :func:`require_run_name`.
    """
    require_run_name(name)
    parent = runs / name
    with explain_write_errors(parent):
        parent.mkdir(parents=True, exist_ok=True)
    number = 1 + max((run_number(path) for path in parent.glob("version_*")), default=-1)
    while True:
        folder = parent / f"version_{number}"
        with explain_write_errors(folder), contextlib.suppress(FileExistsError):
            folder.mkdir()
            return folder
        number += 1


def run_number(folder: Path) -> int:
    """Returns the number of a run folder, ``version_<k>``; -1 for other names.

    Args:
        folder: The run folder.
    """
    number = folder.name.removeprefix("version_")
    return int(number) if number.isdecimal() else -1


def remove_without_checkpoint(folder: Path) -> None:
    """Removes the run folder of a fit that failed before it saved a checkpoint.

    A folder that also holds other files is kept, with these files.

    Args:
        folder: The run folder, ``RUNS/NAME/version_<k>``.
    """
    if any(folder.glob("*.ckpt")):
        return
    with contextlib.suppress(OSError):  # The failure of the fit is the error to report.
        for path in folder.iterdir():
            if path.name in (HISTORY, "config.yaml", "hparams.yaml") or path.name.startswith("events.out."):
                path.unlink()
        folder.rmdir()
        folder.parent.rmdir()


def require_run_name(name: str) -> None:
    """Checks that a run's name does not lead out of the folder of all runs.

    Raises:
        GalaxyError: The name is a path, ``..``, or something that a library might expand.
    """
    if name in ("", ".", "..") or re.search(r"^~|[/\\$\x00-\x1f]", name):
        raise GalaxyError(
            f"{name!r} is not a valid run name: use letters, digits, '.', '_' and '-'; --runs sets the folder"
        )


def complete_run(folder: Path) -> Path | None:
    """Returns a complete run: the folder itself, the first complete ``version_<k>`` in it, or None."""
    candidates = [folder, *sorted(folder.glob("version_*"))]
    return next((run for run in candidates if (run / RUN).is_file()), None)


def probability_columns(classes: Sequence[str]) -> list[str]:
    """Returns the names of the columns with the probability of each class.

    They are valid and distinct if the classes pass :func:`data_prep.samples.class_names.check_class_names`,
    also in software that ignores the case of column names.
    """
    return [f"p_{name}" for name in classes]


def as_flags(values: npt.NDArray[np.bool_] | None) -> npt.NDArray[np.int8] | None:
    """Returns booleans as 0 and 1: astropy and TOPCAT read ``False`` in a CSV as a string, which is true."""
    return None if values is None else values.astype(np.int8)


def prediction_table(
    galaxies: pd.DataFrame, probabilities: npt.NDArray[np.floating], classes: Sequence[str]
) -> pd.DataFrame:
    """Makes a table of predictions.

    Args:
        galaxies: ``N`` rows of identifiers.
        probabilities: ``[N, classes]`` probabilities.
        classes: The class names, in order.

    Returns:
        The identifiers, ``p_<class>`` for each class, and ``predicted``, the most probable class.
    """
    by_class = pd.DataFrame(probabilities, columns=probability_columns(classes))
    predicted = pd.Series(np.asarray(classes)[probabilities.argmax(axis=1)], name="predicted")
    return pd.concat([galaxies.reset_index(drop=True), by_class, predicted], axis=1)


def write_predictions(
    path: Path,
    galaxies: pd.DataFrame,
    probabilities: npt.NDArray[np.floating],
    classes: Sequence[str],
    extra: Mapping[str, npt.NDArray[Any] | None] | None = None,
) -> None:
    """Writes a table of predictions atomically.

    Args:
        path: The CSV file to write.
        galaxies: ``N`` rows of identifiers.
        probabilities: ``[N, classes]`` probabilities.
        classes: The class names, in order.
        extra: Columns of ``N`` values, by name, to add to those of :func:`prediction_table`; None makes an
            empty column.
    """
    table = prediction_table(galaxies, probabilities, classes).assign(**(extra or {}))
    with new_file(path) as partial:
        # Bytes of file names that are not valid UTF-8 are escaped.
        table.to_csv(partial, index=False, errors="backslashreplace")


def write_history(folder: Path, epochs: Sequence[Mapping[str, float]]) -> None:
    """Writes ``history.csv`` atomically."""
    with new_file(folder / HISTORY) as partial:
        pd.DataFrame(list(epochs), columns=list(HISTORY_COLUMNS)).to_csv(partial, index=False)


def read_history(folder: Path) -> list[dict[str, float]]:
    """Reads the epochs of a ``history.csv`` that a fit has written; none if there is no such file.

    Raises:
        GalaxyError: The file is damaged.
    """
    path = folder / HISTORY
    if not path.is_file():
        return []
    table = read_table(path, {"epoch": "int64"} | dict.fromkeys(HISTORY_COLUMNS[1:], "float64"))
    return [{str(name): value for name, value in row.items()} for row in table.to_dict("records")]


def describe_cpu(threads: int) -> str:
    """Returns the entry ``device`` of ``run.json`` for a CPU, such as ``"2 CPU threads"``."""
    return f"{threads} CPU thread{'' if threads == 1 else 's'}"


def write_run(
    folder: Path,
    arrays: GalaxyArrays,
    history: Sequence[Mapping[str, float]],
    *,
    model: str,
    parameters: int,
    hyperparameters: Mapping[str, Any],
    seed: int,
    device: str,
    images_per_second: float | None,
    peak_memory_mb: float | None,
    best_epoch: int | None = None,
    packages: Sequence[str] = (),
    **more: Any,
) -> None:
    """Writes ``run.json``, which marks a run as complete.

    Args:
        folder: The run folder.
        arrays: The galaxy arrays that the model was trained on.
        history: The epochs, as in ``history.csv``.
        model: Name of the model.
        parameters: Number of trainable parameters.
        hyperparameters: Hyperparameters of the model.
        seed: The seed of the fit.
        device: Description of the device.
        images_per_second: Training images per second of training time, without validation; None if the model
            uses no images.
        peak_memory_mb: Peak of the process's own memory in megabytes; see
            :class:`galaxy_lightning.runtime.memory.PeakMemory`.
        best_epoch: The epoch whose weights made the predictions; by default that of the lowest validation
            loss.
        packages: Distributions whose versions to record, besides those of NumPy and this package.
        more: Further entries.
    """
    if best_epoch is None:
        best_epoch = find_best_epoch(history)
    content = {
        "model": model,
        "parameters": parameters,
        "hyperparameters": dict(hyperparameters),
        "seed": seed,
        "arrays": arrays_identity(arrays),
        "epochs": len(history),
        "best_epoch": best_epoch,
        "seconds": round(sum(row["seconds"] for row in history), 3),
        "images_per_second": None if images_per_second is None else round(images_per_second, 2),
        "device": device,
        "peak_memory_mb": peak_memory_mb,
        **describe_environment(*packages),
    }
    if (at_once := os.environ.get(FITS_AT_ONCE, "")).isdecimal():
        content["fits_at_once"] = int(at_once)  # They slow down each other.
    write_json(folder / RUN, content | more)


def find_best_epoch(history: Sequence[Mapping[str, float]]) -> int | None:
    """Returns the epoch of the lowest validation loss, counted from 0; None if none was validated.

    Args:
        history: The epochs, as in ``history.csv``.
    """
    validated = [row for row in history if not math.isnan(row["val_loss"])]
    return int(min(validated, key=lambda row: row["val_loss"])["epoch"]) if validated else None


def arrays_identity(arrays: GalaxyArrays) -> dict[str, Any]:
    """Returns what identifies galaxy arrays: their folder, number of galaxies, and SHA-256."""
    return {
        "path": str(arrays.folder.resolve()),
        "galaxies": len(arrays.catalog),
        "sha256": arrays.dataset["sha256"],
    }
