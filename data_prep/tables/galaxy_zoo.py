"""Reads the tables of Galaxy Zoo 1 and 2."""

from pathlib import Path

import numpy as np
import pandas as pd

from data_prep.common.errors import GalaxyError
from data_prep.schema import FLAG_COLUMNS, MAPPING_COLUMNS, POSITION_COLUMNS, TABLE2_COLUMNS, VOTE_COLUMNS
from data_prep.tables.csv_tables import read_table
from data_prep.tables.objids import refuse_rounded_ids
from data_prep.tables.positions import refuse_two_galaxies
from data_prep.tables.table_layout import read_layout


def read_mapping(path: Path) -> pd.DataFrame:
    """Reads ``gz2_filename_mapping.csv``: which image file shows which galaxy.

    Args:
        path: The CSV, with at least ``objid`` and ``asset_id``.

    Returns:
        One row per image in the file's order, with the columns ``objid`` (int64) and ``asset_id`` (int64);
        also ``ra`` and ``dec`` as text if the file has both.

    Raises:
        GalaxyError: The file or a column is missing, an id is not an integer, or ids were rounded.
    """
    wanted = dict.fromkeys((name for name in MAPPING_COLUMNS if name != "sample"), "int64")
    positions = dict.fromkeys((name.lower() for name in POSITION_COLUMNS), "str")
    mapping = read_table(path, wanted, optional=positions)
    refuse_rounded_ids(mapping["objid"].to_numpy(), path, "objid", partly=True)
    if not set(positions) <= set(mapping.columns):
        return mapping[list(wanted)]
    refuse_two_galaxies(mapping, path, "objid", *positions)
    return mapping


def read_table2(path: Path) -> pd.DataFrame:
    """Reads Galaxy Zoo 1's Table 2: the votes of each galaxy.

    Args:
        path: ``GalaxyZoo1_DR_table2.csv``.

    Returns:
        All 16 columns in the published order. ``OBJID`` is int64, ``RA`` and ``DEC`` are text; votes and
        flags are float64, NaN where the cell is empty.

    Raises:
        GalaxyError: The file or a column is missing, a cell is invalid, ids were rounded, or two galaxies
            have the same id.
    """
    votes = dict.fromkeys((*VOTE_COLUMNS, *FLAG_COLUMNS), "float64")
    table = read_table(path, {"OBJID": "int64", **dict.fromkeys(POSITION_COLUMNS, "str"), **votes})
    refuse_rounded_ids(table["OBJID"].to_numpy(), path, "OBJID", partly=True)
    refuse_two_galaxies(table, path, "OBJID", *POSITION_COLUMNS)
    for name in votes:
        cells = table[name].to_numpy()
        if name == "NVOTE":
            invalid, rule = (cells < 0) | np.isinf(cells), "is not a number of votes: it must be 0 or more"
        elif name in FLAG_COLUMNS:
            invalid, rule = ~np.isin(cells, (0, 1)) & ~np.isnan(cells), "is not a flag: it must be 0 or 1"
        else:
            invalid, rule = (cells < 0) | (cells > 1), "is not a vote fraction: it must be between 0 and 1"
        if invalid.any():
            row = int(np.argmax(invalid))
            raise GalaxyError(
                f"{path}, line {read_layout(path, [name]).line(row)}, column {name}: {cells[row]:g} {rule}, "
                "or empty if unknown"
            )
    return table[list(TABLE2_COLUMNS)]
