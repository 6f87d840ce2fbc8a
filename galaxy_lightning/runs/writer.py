"""A run: the folder that every trained model leaves, whatever trained it.

===================  ===============================================================================
``history.csv``      per epoch: training and validation loss and accuracy, seconds
``predictions.csv``  per validation and test galaxy: objid, asset_id, split, label, ``p_<class>`` for
                     each class, predicted
``run.json``         model, parameters, hyperparameters, seed, SHA-256 of the arrays, epochs, seconds,
                     images/s, peak memory, device, versions. It is written last: a run that has it
                     is complete
===================  ===============================================================================

Needs no torch, so that a model from anywhere can leave its run with it.
"""

import contextlib
import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from data_prep.arrays.format import GalaxyArrays
from data_prep.common.environment import describe_environment
from data_prep.common.errors import GalaxyError
from data_prep.common.files import explain_write_errors, new_file
from data_prep.common.json_files import write_json
from data_prep.sources.tables import read_table
from galaxy_lightning.runs.names import HISTORY, HISTORY_COLUMNS, RUN


def claim_run_folder(runs: Path, name: str) -> Path:
    """Makes the next ``runs/name/version_<k>``; two fits that start together get two folders.

    Args:
        runs: Folder of all runs.
        name: The run's name.

    Returns:
        The new folder, empty.

    Raises:
        GalaxyError: It cannot be made there, or the name is not one; see :func:`require_run_name`.
    """
    require_run_name(name)
    parent = runs / name
    with explain_write_errors(parent):
        parent.mkdir(parents=True, exist_ok=True)
    number = 1 + max(
        (
            int(path.name.removeprefix("version_"))
            for path in parent.glob("version_*")
            if path.name[8:].isdigit()
        ),
        default=-1,
    )
    while True:
        folder = parent / f"version_{number}"
        with explain_write_errors(folder), contextlib.suppress(FileExistsError):
            folder.mkdir()
            return folder
        number += 1


def remove_unless_begun(folder: Path) -> None:
    """Removes a run folder whose fit has failed before it saved a checkpoint.

    A file that no fit makes stays, and the folder with it.

    Args:
        folder: The run folder, ``RUNS/NAME/version_<k>``.
    """
    if any(folder.glob("*.ckpt")):
        return
    with contextlib.suppress(OSError):  # What cannot be removed stays; the error is told already.
        for path in folder.iterdir():
            if path.name in (HISTORY, "config.yaml", "hparams.yaml") or path.name.startswith("events.out."):
                path.unlink()
        for empty in (folder, folder.parent):
            empty.rmdir()


def require_run_name(name: str) -> None:
    """Stops at a name that would lead elsewhere than into the folder of all runs.

    Raises:
        GalaxyError: It is a path, ``..``, or something that a library might expand.
    """
    if name in ("", ".", "..") or re.search(r"^~|[/\\$\x00-\x1f]", name):
        raise GalaxyError(
            f"{name!r} cannot name a run: use letters, digits, '.', '_' and '-'; --runs sets the folder"
        )


def complete_run(folder: Path) -> Path | None:
    """Returns the complete run in a folder: the folder itself, or the first ``version_<k>`` in it, if any."""
    found = [folder, *sorted(folder.glob("version_*"))]
    return next((run for run in found if (run / RUN).is_file()), None)


def probability_columns(classes: Sequence[str]) -> list[str]:
    """Returns the names of the columns that hold the probability of each class."""
    return [f"p_{name}" for name in classes]


def as_flags(values: npt.NDArray[np.bool_] | None) -> npt.NDArray[np.int8] | None:
    """Returns booleans as 0 and 1: astropy and TOPCAT read ``False`` in a CSV as a text, which is true."""
    return None if values is None else values.astype(np.int8)


def prediction_table(
    galaxies: pd.DataFrame, probabilities: npt.NDArray[np.floating], classes: Sequence[str]
) -> pd.DataFrame:
    """Puts what is known of the galaxies and what is predicted side by side.

    Args:
        galaxies: ``N`` rows of identification.
        probabilities: ``[N, classes]``.
        classes: The class names, in order.

    Returns:
        The identification, ``p_<class>`` for each class, and ``predicted``, the likeliest class.
    """
    table = galaxies.reset_index(drop=True)
    for place, column in enumerate(probability_columns(classes)):
        table[column] = probabilities[:, place]
    table["predicted"] = np.asarray(classes)[probabilities.argmax(axis=1)]
    return table


def write_predictions(
    path: Path,
    galaxies: pd.DataFrame,
    probabilities: npt.NDArray[np.floating],
    classes: Sequence[str],
    more: Mapping[str, npt.NDArray[Any] | None] | None = None,
) -> None:
    """Writes a table of predictions, whole or not at all.

    Args:
        path: The CSV to write.
        galaxies: ``N`` rows of identification.
        probabilities: ``[N, classes]``.
        classes: The class names, in order.
        more: Further columns of ``N`` values, by name, after those of :func:`prediction_table`; None for one
            that is empty.
    """
    table = prediction_table(galaxies, probabilities, classes).assign(**(more or {}))
    with new_file(path) as partial:
        # A file name that is no valid UTF-8 is written with its odd bytes escaped.
        table.to_csv(partial, index=False, errors="backslashreplace")


def write_history(folder: Path, epochs: Sequence[Mapping[str, float]]) -> None:
    """Writes ``history.csv``, whole or not at all."""
    with new_file(folder / HISTORY) as partial:
        pd.DataFrame(list(epochs), columns=list(HISTORY_COLUMNS)).to_csv(partial, index=False)


def read_history(folder: Path) -> list[dict[str, float]]:
    """Reads the epochs of a ``history.csv`` of ours; none where there is no such file.

    Raises:
        GalaxyError: The file is damaged.
    """
    path = folder / HISTORY
    if not path.is_file():
        return []
    table = read_table(path, {"epoch": "int64"} | dict.fromkeys(HISTORY_COLUMNS[1:], "float64"))
    return [{str(name): value for name, value in row.items()} for row in table.to_dict("records")]


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
    """Writes ``run.json``, which makes a run complete.

    Args:
        folder: The run folder.
        arrays: What the model was trained on.
        history: The epochs, as in ``history.csv``.
        model: The model's name.
        parameters: How many numbers it learns.
        hyperparameters: What it was made with.
        seed: The one seed of the fit.
        device: What it was trained on, in words.
        images_per_second: Training images, over the time of training without validation; none where
            no image is looked at.
        peak_memory_mb: Peak of the process's own memory; see
            :class:`galaxy_lightning.runtime.memory.PeakMemory`.
        best_epoch: Whose weights the predictions were made with; by default that of the lowest validation
            loss.
        packages: Distributions whose versions matter to it, besides NumPy and this one.
        more: Further entries.
    """
    validated = [row for row in history if not math.isnan(row["val_loss"])]
    if best_epoch is None and validated:
        best_epoch = int(min(validated, key=lambda row: row["val_loss"])["epoch"])
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
    write_json(folder / RUN, content | more)


def arrays_identity(arrays: GalaxyArrays) -> dict[str, Any]:
    """Returns what tells these arrays from any others: where they lie, and their SHA-256."""
    return {"path": str(arrays.folder), "galaxies": len(arrays.catalog), "sha256": arrays.dataset["sha256"]}
