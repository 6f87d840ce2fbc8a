"""Reads and checks a run folder, whichever program trained the model."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from data_prep.arrays.format import GalaxyArrays
from data_prep.common.errors import GalaxyError
from data_prep.common.json_files import read_json
from data_prep.tables.csv_tables import read_table
from galaxy_lightning.runs.names import HISTORY, HISTORY_COLUMNS, PREDICTIONS, RUN
from galaxy_lightning.runs.predictions import (
    predicted_classes,
    read_classes,
    read_held_out,
    read_predictions,
)

MAX_VALUE: Final = 1e15
"""Upper limit of losses, times and counts."""

_NUMBERS: Final = ("parameters", "seed", "seconds", "images_per_second", "peak_memory_mb", "fits_at_once")
"""Numbers in ``run.json``; a run of another program may omit any of them."""

_NO_SETTINGS: Final = ("accelerator", "epochs_trained")
"""Entries of ``training`` that are not settings: they may differ between the seeds of a model."""


@dataclass(frozen=True)
class Run:
    """A run, checked against the galaxy arrays that it was made on.

    Attributes:
        folder: The run folder.
        about: Content of ``run.json``.
        history: Content of ``history.csv``, one row per epoch.
        probabilities: ``[N, classes]`` probabilities of the test galaxies, in the order of the arrays.
        predicted: ``[N]`` predicted class numbers of the test galaxies.
    """

    folder: Path
    about: dict[str, Any]
    history: pd.DataFrame
    probabilities: npt.NDArray[np.float64]
    predicted: npt.NDArray[np.int64]

    @property
    def model(self) -> str:
        """Name of the model, on one line of at most 80 characters, without control characters."""
        name = " ".join(self.about["model"].split())
        return "".join(letter for letter in name if letter.isprintable())[:80]

    @property
    def settings(self) -> dict[str, Any]:
        """Hyperparameters of the model."""
        return dict(self.about.get("hyperparameters", {}))

    @property
    def training(self) -> dict[str, Any]:
        """The trainer's settings and the number of epochs, as far as known."""
        return dict(self.about.get("training", {}))

    @property
    def training_settings(self) -> dict[str, Any]:
        """Settings in :attr:`training`; the runs of a model share them, whatever their seed."""
        return {name: value for name, value in self.training.items() if name not in _NO_SETTINGS}

    @property
    def best_epoch(self) -> int | None:
        """The epoch whose weights made the predictions, counted from 0; None if unknown."""
        value = self.about.get("best_epoch")
        return int(value) if isinstance(value, int) and not isinstance(value, bool) else None

    def repeats(self, other: "Run") -> bool:
        """Returns whether two runs have the same model, settings, seed and training.

        An entry of the training that only one of them has is not compared. Without a seed, no run repeats
        another.
        """
        return (
            self.about.get("seed") is not None
            and self.model == other.model
            and self.settings == other.settings
            and self.number("seed") == other.number("seed")
            and agree(self.training, other.training)
        )

    def number(self, name: str) -> float | None:
        """Returns a number from ``run.json``, or None if it is missing."""
        value = self.about.get(name)
        return None if value is None else float(value)


def agree(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Returns whether two sets of settings are equal in all entries that both have."""
    return all(one[name] == other[name] for name in one.keys() & other.keys())


def read_run(folder: Path, arrays: GalaxyArrays) -> Run:
    """Reads a run and checks that it can be compared with others on the same arrays.

    Args:
        folder: A run folder; see :mod:`galaxy_lightning.runs.writer`.
        arrays: The galaxy arrays that the run must have been made on.

    Returns:
        The run, with its test galaxies in the order of the arrays.

    Raises:
        GalaxyError: A file or an entry is missing or invalid; the run was made on other arrays; galaxies are
            missing, repeated or unknown; or a probability is invalid.
    """
    _require_files(folder)
    about = read_about(folder / RUN, arrays)
    history = _read_history(folder / HISTORY)
    classes = arrays.classes
    table = read_held_out(folder / PREDICTIONS, arrays)
    return Run(folder, about, history, *predicted_classes(table[table["split"] == "test"], classes))


def read_run_without_arrays(folder: Path) -> tuple[Run, list[str], pd.DataFrame]:
    """Reads a run whose galaxy arrays are not available.

    Args:
        folder: A run folder.

    Returns:
        The run, the class names in order, and the rows of its test galaxies in ``predictions.csv``, in whose
        order the run has them.

    Raises:
        GalaxyError: A file or an entry is missing or invalid.
    """
    _require_files(folder)
    about, history = read_about(folder / RUN), _read_history(folder / HISTORY)
    classes = read_classes(folder / PREDICTIONS)
    table = read_predictions(folder / PREDICTIONS, classes)
    test = table[table["split"] == "test"].reset_index(drop=True)
    return Run(folder, about, history, *predicted_classes(test, classes)), classes, test


def _require_files(folder: Path) -> None:
    """Raises an error if a file of a run is missing."""
    missing = [name for name in (RUN, PREDICTIONS, HISTORY) if not (folder / name).is_file()]
    if missing:
        raise GalaxyError(f"{folder} is not a complete run; missing: {', '.join(missing)}")


def _read_history(path: Path) -> pd.DataFrame:
    """Reads ``history.csv``, and checks that it is whole and that each epoch occurs once."""
    history = read_table(path, {name: "float64" for name in HISTORY_COLUMNS if name != "train_seconds"})
    if not path.read_bytes().endswith(b"\n"):
        raise GalaxyError(f"the last line of {path} does not end: the file seems to be cut off")
    epochs, losses = history["epoch"], history[["train_loss", "val_loss", "seconds"]]
    accuracies = history[["train_accuracy", "val_accuracy"]]
    for invalid, problem in (
        (~(epochs >= 0) | ~np.isfinite(epochs), "the epoch is missing or invalid"),
        (epochs.duplicated(), "the epoch occurs twice"),
        ((losses.abs() > MAX_VALUE).any(axis=1), f"a loss or time is larger than {MAX_VALUE:g}"),
        (((accuracies < 0) | (accuracies > 1)).any(axis=1), "an accuracy is not between 0 and 1"),
    ):
        if invalid.any():
            raise GalaxyError(f"{path}, line {int(np.flatnonzero(invalid)[0]) + 2}: {problem}")
    return history.sort_values("epoch", ignore_index=True)


def read_about(path: Path, arrays: GalaxyArrays | None = None) -> dict[str, Any]:
    """Reads ``run.json`` and checks the entries that a comparison needs.

    Args:
        path: The ``run.json``.
        arrays: The galaxy arrays that the run must have been made on, if they are available.

    Returns:
        The content of the file.

    Raises:
        GalaxyError: An entry is missing or invalid, or the run was made on other arrays.
    """
    about = read_json(path)
    name = about.get("model")
    if not (isinstance(name, str) and "".join(filter(str.isprintable, name)).strip()):
        raise GalaxyError(f"{path}: 'model' must be the name of the model")
    identity = about.get("arrays")
    found = identity.get("sha256") if isinstance(identity, dict) else None
    if not isinstance(found, dict):
        raise GalaxyError(
            f"{path}: 'arrays' must hold the 'sha256' of the galaxy arrays; copy it from their dataset.json"
        )
    if arrays is not None:
        _require_arrays(path, found, arrays)
    for name in _NUMBERS:
        value = about.get(name)
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if not (value is None or (is_number and 0 <= value <= MAX_VALUE)):
            raise GalaxyError(
                f"{path}: {name!r} is {str(value)[:80]!r}, not a number from 0 to {MAX_VALUE:g}"
            )
    try:
        json.dumps(about, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise GalaxyError(f"{path} holds a lone surrogate, which is not a valid character") from None
    for name in ("hyperparameters", "training"):
        if not isinstance(about.get(name, {}), dict):
            raise GalaxyError(f"{path}: {name!r} does not hold named settings")
    return about


def _require_arrays(path: Path, found: Mapping[str, Any], arrays: GalaxyArrays) -> None:
    """Raises an error if the SHA-256 in a ``run.json`` are those of other galaxy arrays."""
    for name, expected in arrays.dataset["sha256"].items():
        if found.get(name) != expected:
            raise GalaxyError(
                f"{path.parent} was not made on the galaxy arrays {arrays.folder}: its SHA-256 of {name} is "
                f"{str(found.get(name))[:12]}..., not {str(expected)[:12]}...; name the arrays that it was "
                "made on, or train the model again on these"
            )
