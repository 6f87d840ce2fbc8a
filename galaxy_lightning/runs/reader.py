"""Reads a run folder, whatever has trained the model, and refuses what cannot be compared."""

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
from data_prep.sources.tables import read_table, refuse_unknown
from galaxy_lightning.runs.names import HISTORY, HISTORY_COLUMNS, IDENTITY_COLUMNS, PREDICTIONS, RUN
from galaxy_lightning.runs.writer import probability_columns

ROUNDING: Final = 5e-4
"""How far a probability of three decimals is from what it was; the sum over classes may be off by as many."""

LARGEST: Final = 1e15
"""No loss, time or count is larger."""

_NUMBERS: Final = ("parameters", "seed", "seconds", "images_per_second", "peak_memory_mb")
"""What ``run.json`` may say of a run in numbers; a run from elsewhere may leave any of them out."""

_NO_SETTINGS: Final = ("accelerator", "epochs_trained")
"""What ``training`` says of a run besides settings: they may differ between the seeds of one model."""


@dataclass(frozen=True)
class Run:
    """A run on known galaxy arrays.

    Attributes:
        folder: Where it lies.
        about: What ``run.json`` says.
        history: ``history.csv``: a row per epoch.
        probabilities: ``[N, classes]`` of the test galaxies, in the arrays' order.
        predicted: ``[N]`` class numbers that the model gives them.
    """

    folder: Path
    about: dict[str, Any]
    history: pd.DataFrame
    probabilities: npt.NDArray[np.float64]
    predicted: npt.NDArray[np.int64]

    @property
    def model(self) -> str:
        """The model's name: on one line, without control characters, of at most 80 characters."""
        name = " ".join(self.about["model"].split())
        return "".join(letter for letter in name if letter.isprintable())[:80]

    @property
    def settings(self) -> dict[str, Any]:
        """The model's hyperparameters."""
        return dict(self.about.get("hyperparameters", {}))

    @property
    def training(self) -> dict[str, Any]:
        """What else made the training: the trainer's settings, and how long it went on; as far as known."""
        return dict(self.about.get("training", {}))

    @property
    def training_settings(self) -> dict[str, Any]:
        """What of :attr:`training` is a setting; the runs of one model share it, whatever their seed."""
        return {name: value for name, value in self.training.items() if name not in _NO_SETTINGS}

    def repeats(self, other: "Run") -> bool:
        """Says whether this is the same training as another: same model, settings and seed, and all else too.

        What a run does not say of its training is taken to be as in the other.
        """
        return (self.model, self.settings, self.number("seed")) == (
            other.model,
            other.settings,
            other.number("seed"),
        ) and agree(self.training, other.training)

    def number(self, name: str) -> float | None:
        """Returns a number that ``run.json`` gives, or none."""
        value = self.about.get(name)
        return None if value is None else float(value)


def agree(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Says whether two sets of settings are equal in everything that both of them name."""
    return all(one[name] == other[name] for name in one.keys() & other.keys())


def read_run(folder: Path, arrays: GalaxyArrays) -> Run:
    """Reads a run and checks that it can be compared with others on the same arrays.

    Args:
        folder: A run folder; see :mod:`galaxy_lightning.runs.writer`.
        arrays: What it must have been made on.

    Returns:
        The run, its test galaxies in the order of the arrays.

    Raises:
        GalaxyError: A file or an entry is missing or wrong; the run was made on other arrays;
            galaxies are missing, repeated or unknown; a probability is none.
    """
    missing = [name for name in (RUN, PREDICTIONS, HISTORY) if not (folder / name).is_file()]
    if missing:
        raise GalaxyError(f"{folder} is no complete run: it lacks {', '.join(missing)}")
    about = read_about(folder / RUN, arrays)
    history = _read_history(folder / HISTORY)
    held_out = _read_predictions(folder / PREDICTIONS, arrays)
    test = held_out[held_out["split"] == "test"]
    classes = arrays.classes
    return Run(
        folder=folder,
        about=about,
        history=history,
        probabilities=test[probability_columns(classes)].to_numpy(dtype=np.float64),
        predicted=pd.Index(classes).get_indexer(pd.Index(test["predicted"])).astype(np.int64),
    )


def _read_history(path: Path) -> pd.DataFrame:
    """Reads ``history.csv``, each epoch in it once."""
    history = read_table(path, {name: "float64" for name in HISTORY_COLUMNS if name != "train_seconds"})
    epochs, losses = history["epoch"], history[["train_loss", "val_loss", "seconds"]]
    accuracies = history[["train_accuracy", "val_accuracy"]]
    for wrong, what in (
        (~(epochs >= 0) | ~np.isfinite(epochs), "the epoch is missing or invalid"),
        (epochs.duplicated(), "the epoch is there twice"),
        ((losses.abs() > LARGEST).any(axis=1), "a loss or time is too large to be one"),
        (((accuracies < 0) | (accuracies > 1)).any(axis=1), "an accuracy does not lie from 0 to 1"),
    ):
        if wrong.any():
            raise GalaxyError(f"{path}, line {int(np.flatnonzero(wrong)[0]) + 2}: {what}")
    return history.sort_values("epoch", ignore_index=True)


def read_about(path: Path, arrays: GalaxyArrays) -> dict[str, Any]:
    """Reads ``run.json`` and checks what a comparison needs of it.

    Args:
        path: The file.
        arrays: What the run must have been made on.

    Returns:
        What it says.

    Raises:
        GalaxyError: An entry is missing or wrong, or the run was made on other arrays.
    """
    about = read_json(path)
    if not (isinstance(about.get("model"), str) and about["model"].strip()):
        raise GalaxyError(f"{path}: 'model' does not name the model")
    identity = about.get("arrays")
    found = identity.get("sha256") if isinstance(identity, dict) else None
    if not isinstance(found, dict):
        raise GalaxyError(
            f"{path}: 'arrays' does not hold the 'sha256' of the galaxy arrays, as in their dataset.json"
        )
    for name, expected in arrays.dataset["sha256"].items():
        if found.get(name) != expected:
            raise GalaxyError(
                f"{path.parent} was made on other galaxy arrays than {arrays.folder}: the SHA-256 of {name} "
                f"is {str(found.get(name))[:12]}... there, {str(expected)[:12]}... here. Name the arrays "
                "that it was made on, or train the model again on these"
            )
    for name in _NUMBERS:
        value = about.get(name)
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if not (value is None or (is_number and 0 <= value <= LARGEST)):
            raise GalaxyError(f"{path}: {name!r} is {str(value)[:80]!r}, not a number from 0 to {LARGEST:g}")
    try:
        json.dumps(about, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise GalaxyError(f"{path} holds a lone surrogate, which is no character") from None
    for name in ("hyperparameters", "training"):
        if not isinstance(about.get(name, {}), dict):
            raise GalaxyError(f"{path}: {name!r} are no settings by name")
    return about


def _read_predictions(path: Path, arrays: GalaxyArrays) -> pd.DataFrame:
    """Reads ``predictions.csv`` in the arrays' order, every validation and test galaxy in it once."""
    classes, columns = arrays.classes, probability_columns(arrays.classes)
    dtypes = {"objid": "int64"} | dict.fromkeys((*IDENTITY_COLUMNS[1:], "predicted"), "str")
    table = read_table(path, dtypes | dict.fromkeys(columns, "float64"), keep_others=True)
    unknown = [name for name in table.columns if name.startswith("p_") and name not in columns]
    if unknown:
        raise GalaxyError(
            f"{path}: the column {unknown[0]} is of none of the arrays' classes {', '.join(classes)}"
        )
    for column in ("label", "predicted"):
        refuse_unknown(table, path, column, classes)
    _check_probabilities(table, path, columns)
    expected = arrays.catalog[IDENTITY_COLUMNS].iloc[arrays.rows("val", "test")]
    keys = ["objid", "asset_id"]
    places = pd.MultiIndex.from_frame(table[keys])
    wanted = pd.MultiIndex.from_frame(expected[keys])
    _refuse(path, places[places.duplicated()], "is there twice", "are there twice")
    foreign = "not among the arrays' validation and test galaxies"
    _refuse(path, places.difference(wanted), f"is {foreign}", f"are {foreign}")
    _refuse(path, wanted.difference(places), "is missing", "are missing")
    table = table.iloc[places.get_indexer(wanted)]
    for column in ("split", "label"):
        differ = np.flatnonzero(table[column].to_numpy() != expected[column].to_numpy())
        if len(differ):
            row = differ[0]
            raise GalaxyError(
                f"{path}: the {column} of objid {expected['objid'].iloc[row]} is {table[column].iloc[row]!r} "
                f"there, {expected[column].iloc[row]!r} in the arrays"
            )
    return table


def _check_probabilities(table: pd.DataFrame, path: Path, columns: Sequence[str]) -> None:
    """Checks that every row holds probabilities."""
    values = table[list(columns)].to_numpy()
    sums = values.sum(axis=1)
    for wrong, what in (
        (~np.isfinite(values).all(axis=1), "a probability is missing or no number"),
        ((values < 0).any(axis=1), "a probability is below 0"),
        (np.abs(sums - 1) > ROUNDING * len(columns) + 1e-6, "the probabilities do not sum to 1"),
    ):
        if wrong.any():
            row = int(np.flatnonzero(wrong)[0])
            numbers = ", ".join(f"{value:g}" for value in values[row])
            raise GalaxyError(
                f"{path}, line {row + 2}, objid {table['objid'].iloc[row]}: {what} ({numbers}); "
                f"{int(wrong.sum()):,} such row{'s' if wrong.sum() > 1 else ''}"
            )


def _refuse(path: Path, galaxies: pd.MultiIndex, one: str, many: str) -> None:
    """Stops when there are such galaxies."""
    if len(galaxies):
        objid, asset_id = galaxies[0]
        count = len(galaxies)
        what = f"{count:,} galaxies {many}, the first" if count > 1 else f"a galaxy {one}:"
        raise GalaxyError(f"{path}: {what} objid {objid}, asset id {asset_id}")
