"""Reads and checks ``predictions.csv``, the table of predictions in a run folder."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from data_prep.arrays.format import GalaxyArrays
from data_prep.common.errors import GalaxyError
from data_prep.samples.class_names import check_class_names
from data_prep.tables.csv_tables import read_table, refuse_unknown
from data_prep.tables.table_layout import read_layout
from galaxy_lightning.runs.names import IDENTITY_COLUMNS, IMAGE_KEYS
from galaxy_lightning.runs.writer import probability_columns

ROUNDING: Final = 5e-4
"""Rounding error of a probability with three decimals; a sum may be off by one such error per class."""


def read_classes(path: Path) -> list[str]:
    """Reads the class names, in order, from the header of a ``predictions.csv``.

    Raises:
        GalaxyError: The file is missing or not a table, or has no valid classes.
    """
    names = read_layout(path, IDENTITY_COLUMNS).names
    classes = [name.removeprefix("p_") for name in names if name.startswith("p_")]
    try:
        check_class_names(classes)
    except GalaxyError as error:
        raise GalaxyError(f"{path}, columns p_<class>: {error}") from None
    return classes


def read_predictions(path: Path, classes: Sequence[str]) -> pd.DataFrame:
    """Reads a ``predictions.csv`` and checks that each galaxy occurs once, with valid probabilities.

    Args:
        path: The file.
        classes: The class names, in order.

    Returns:
        Its rows.

    Raises:
        GalaxyError: The file is missing or invalid.
    """
    columns = probability_columns(classes)
    dtypes = {"objid": "int64"} | dict.fromkeys((*IDENTITY_COLUMNS[1:], "predicted"), "str")
    table = read_table(
        path, dtypes | dict.fromkeys(columns, "float64"), optional={"id": "str"}, keep_others=True
    )
    unknown = [name for name in table.columns if name.startswith("p_") and name not in columns]
    if unknown:
        raise GalaxyError(
            f"{path}: the column {unknown[0]} belongs to no class of the arrays ({', '.join(classes)})"
        )
    for column in ("label", "predicted"):
        refuse_unknown(table, path, column, classes)
    _check_probabilities(table, path, columns)
    ids = pd.MultiIndex.from_frame(table[IMAGE_KEYS])
    _refuse_any(path, ids[ids.duplicated()], "listed twice")
    return table


def read_held_out(path: Path, arrays: GalaxyArrays) -> pd.DataFrame:
    """Reads a ``predictions.csv`` in the order of the arrays, and checks that it is of their galaxies.

    Args:
        path: The file.
        arrays: The galaxy arrays.

    Returns:
        The rows of the validation and test galaxies.

    Raises:
        GalaxyError: Galaxies are missing, repeated or unknown, have another split or label, or have invalid
            probabilities.
    """
    table = read_predictions(path, arrays.classes)
    expected = arrays.catalog[IDENTITY_COLUMNS].iloc[arrays.rows("val", "test")]
    found_ids = pd.MultiIndex.from_frame(table[IMAGE_KEYS])
    expected_ids = pd.MultiIndex.from_frame(expected[IMAGE_KEYS])
    unknown_galaxies = "not among the validation and test galaxies of the arrays"
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


def predicted_classes(
    table: pd.DataFrame, classes: Sequence[str]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]:
    """Returns the ``[N, classes]`` probabilities and the ``[N]`` predicted class numbers of predictions."""
    probabilities = table[probability_columns(classes)].to_numpy(dtype=np.float64)
    return probabilities, pd.Index(classes).get_indexer(pd.Index(table["predicted"])).astype(np.int64)


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
