"""Auxiliary targets: catalogue columns that a network predicts besides the class (Caruana 1997)."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from data_prep.arrays.format import GalaxyArrays
from data_prep.common.errors import GalaxyError


def standardise_columns(
    arrays: GalaxyArrays, rows: npt.NDArray[np.int64], columns: Sequence[str]
) -> npt.NDArray[np.float32]:
    """Returns columns of the catalogue with zero mean and unit standard deviation.

    Args:
        arrays: The galaxy arrays.
        rows: ``[N]`` row numbers of the galaxies.
        columns: Names of numeric columns; empty cells are unknown values.

    Returns:
        ``[N, columns]``, NaN where unknown.

    Raises:
        GalaxyError: A column is missing, not numeric or constant.
    """
    catalog = arrays.catalog.iloc[rows]
    if missing := [name for name in columns if name not in catalog]:
        raise GalaxyError(
            f"{arrays.folder}, missing columns: {', '.join(missing)}: leave them out of model.auxiliary"
        )
    try:
        values = catalog[list(columns)].to_numpy(dtype=np.float64)
    except ValueError as error:
        raise GalaxyError(
            f"{arrays.folder}: the columns of model.auxiliary must be numeric: {error}"
        ) from None
    known = np.where(np.isfinite(values), values, np.nan)
    for name, column in zip(columns, known.T, strict=True):
        if len(np.unique(column[np.isfinite(column)])) < 2:
            raise GalaxyError(
                f"{arrays.folder}: the column {name} of model.auxiliary must have at least two values"
            )
    return np.asarray((known - np.nanmean(known, axis=0)) / np.nanstd(known, axis=0), dtype=np.float32)
