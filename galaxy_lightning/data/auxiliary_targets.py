"""Auxiliary targets: catalogue columns that are predicted besides the class (Caruana 1997)."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from data_prep.arrays.format import GalaxyArrays
from data_prep.common.errors import GalaxyError


def standardised(
    arrays: GalaxyArrays, rows: npt.NDArray[np.int64], columns: Sequence[str]
) -> npt.NDArray[np.float32]:
    """Returns columns of the catalogue, each in standard deviations from its mean.

    Args:
        arrays: The galaxy arrays.
        rows: ``[N]`` which of the galaxies.
        columns: Names of columns that hold numbers; empty cells are unknown.

    Returns:
        ``[N, columns]``, NaN where unknown.

    Raises:
        GalaxyError: A column is missing, holds no numbers, or the same for all galaxies.
    """
    catalog = arrays.catalog.iloc[rows]
    if lacks := [name for name in columns if name not in catalog]:
        raise GalaxyError(f"{arrays.folder} lacks the column {', '.join(lacks)} that model.auxiliary names")
    try:
        values = catalog[list(columns)].to_numpy(dtype=np.float64)
    except ValueError as error:
        raise GalaxyError(f"{arrays.folder}: what model.auxiliary names are no numbers: {error}") from None
    known = np.where(np.isfinite(values), values, np.nan)
    for name, column in zip(columns, known.T, strict=True):
        if len(np.unique(column[np.isfinite(column)])) < 2:
            raise GalaxyError(
                f"{arrays.folder}: the column {name} that model.auxiliary names has no two values"
            )
    return np.asarray((known - np.nanmean(known, axis=0)) / np.nanstd(known, axis=0), dtype=np.float32)
