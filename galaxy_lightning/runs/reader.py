"""Reads and checks a run folder, whichever program trained the model."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from data_prep.arrays.format import GalaxyArrays
from data_prep.common.errors import GalaxyError
from data_prep.common.json_files import read_json
from data_prep.tables.csv_tables import read_table, refuse_unknown
from galaxy_lightning.runs.names import HISTORY, HISTORY_COLUMNS, IDENTITY_COLUMNS, PREDICTIONS, RUN
from galaxy_lightning.runs.writer import probability_columns

ROUNDING: Final = 5e-4
"""Rounding error of a probability with three decimals; a sum may be off by one such error per class."""

MAX_VALUE: Final = 1e15
"""Upper limit of losses, times and counts."""

_NUMBERS: Final = ("parameters", "seed", "seconds", "images_per_second", "peak_memory_mb")
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

    def repeats(self, other: "Run") -> bool:
        """Returns whether two runs have the same model, settings, seed and training.

        An entry of the training that only one of them has is not compared.
        """
        return (
            self.model == other.model
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
    missing = [name for name in (RUN, PREDICTIONS, HISTORY) if not (folder / name).is_file()]
    if missing:
        raise GalaxyError(f"{folder} is not a complete run; missing: {', '.join(missing)}")
    about = read_about(folder / RUN, arrays)
    history = _read_history(folder / HISTORY)
    predictions = read_predictions(folder / PREDICTIONS, arrays)
    test = predictions[predictions["split"] == "test"]
    classes = arrays.classes
    return Run(
        folder=folder,
        about=about,
        history=history,
        probabilities=test[probability_columns(classes)].to_numpy(dtype=np.float64),
        predicted=pd.Index(classes).get_indexer(pd.Index(test["predicted"])).astype(np.int64),
    )


def _read_history(path: Path) -> pd.DataFrame:
    """Reads ``history.csv``, and checks that each epoch occurs once."""
    history = read_table(path, {name: "float64" for name in HISTORY_COLUMNS if name != "train_seconds"})
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


def read_about(path: Path, arrays: GalaxyArrays) -> dict[str, Any]:
    """Reads ``run.json`` and checks the entries that a comparison needs.

    Args:
        path: The ``run.json``.
        arrays: The galaxy arrays that the run must have been made on.

    Returns:
        The content of the file.

    Raises:
        GalaxyError: An entry is missing or invalid, or the run was made on other arrays.
    """
    about = read_json(path)
    if not (isinstance(about.get("model"), str) and about["model"].strip()):
        raise GalaxyError(f"{path}: 'model' must be the name of the model")
    identity = about.get("arrays")
    found = identity.get("sha256") if isinstance(identity, dict) else None
    if not isinstance(found, dict):
        raise GalaxyError(
            f"{path}: 'arrays' must hold the 'sha256' of the galaxy arrays; copy it from their dataset.json"
        )
    for name, expected in arrays.dataset["sha256"].items():
        if found.get(name) != expected:
            raise GalaxyError(
                f"{path.parent} was not made on the galaxy arrays {arrays.folder}: its SHA-256 of {name} is "
                f"{str(found.get(name))[:12]}..., not {str(expected)[:12]}...; name the arrays that it was "
                "made on, or train the model again on these"
            )
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


def read_predictions(path: Path, arrays: GalaxyArrays) -> pd.DataFrame:
    """Reads ``predictions.csv`` in the order of the arrays, and checks its galaxies.

    Args:
        path: The file.
        arrays: The galaxy arrays.

    Returns:
        A row for each validation and test galaxy.

    Raises:
        GalaxyError: A galaxy is missing, repeated or unknown, or a probability is invalid.
    """
    classes, columns = arrays.classes, probability_columns(arrays.classes)
    dtypes = {"objid": "int64"} | dict.fromkeys((*IDENTITY_COLUMNS[1:], "predicted"), "str")
    table = read_table(path, dtypes | dict.fromkeys(columns, "float64"), keep_others=True)
    unknown = [name for name in table.columns if name.startswith("p_") and name not in columns]
    if unknown:
        raise GalaxyError(
            f"{path}: the column {unknown[0]} belongs to no class of the arrays ({', '.join(classes)})"
        )
    for column in ("label", "predicted"):
        refuse_unknown(table, path, column, classes)
    _check_probabilities(table, path, columns)
    expected = arrays.catalog[IDENTITY_COLUMNS].iloc[arrays.rows("val", "test")]
    keys = ["objid", "asset_id"]
    found_ids = pd.MultiIndex.from_frame(table[keys])
    expected_ids = pd.MultiIndex.from_frame(expected[keys])
    unknown_galaxies = "not among the validation and test galaxies of the arrays"
    _refuse_any(path, found_ids[found_ids.duplicated()], "listed twice")
    _refuse_any(path, found_ids.difference(expected_ids), unknown_galaxies)
    _refuse_any(path, expected_ids.difference(found_ids), "missing")
    table = table.iloc[found_ids.get_indexer(expected_ids)]
    for column in ("split", "label"):
        differ = np.flatnonzero(table[column].to_numpy() != expected[column].to_numpy())
        if len(differ):
            row = differ[0]
            raise GalaxyError(
                f"{path}: the {column} of objid {expected['objid'].iloc[row]} is "
                f"{table[column].iloc[row]!r}, but {expected[column].iloc[row]!r} in the arrays"
            )
    return table


def _check_probabilities(table: pd.DataFrame, path: Path, columns: Sequence[str]) -> None:
    """Checks that the probabilities of every row are valid and sum to 1."""
    values = table[list(columns)].to_numpy()
    sums = values.sum(axis=1)
    for invalid, problem in (
        (~np.isfinite(values).all(axis=1), "a probability is missing or not a number"),
        ((values < 0).any(axis=1), "a probability is below 0"),
        (np.abs(sums - 1) > ROUNDING * len(columns) + 1e-6, "the probabilities do not sum to 1"),
    ):
        if invalid.any():
            row = int(np.flatnonzero(invalid)[0])
            numbers = ", ".join([f"{value:g}" for value in values[row][:10]] + ["..."] * (len(columns) > 10))
            raise GalaxyError(
                f"{path}, line {row + 2}, objid {table['objid'].iloc[row]}: {problem} ({numbers}); "
                f"{int(invalid.sum()):,} such row{'s' if invalid.sum() > 1 else ''}"
            )


def _refuse_any(path: Path, galaxies: pd.MultiIndex, problem: str) -> None:
    """Raises an error about the galaxies if there are any."""
    if len(galaxies):
        objid, asset_id = galaxies[0]
        count = len(galaxies)
        found = f"{count:,} galaxies are {problem}; the first:" if count > 1 else f"1 galaxy is {problem}:"
        raise GalaxyError(f"{path}: {found} objid {objid}, asset id {asset_id}")
