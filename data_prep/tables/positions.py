"""Compares positions to verify that rows with the same object id belong to the same galaxy."""

from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd

from data_prep.common.errors import GalaxyError
from data_prep.schema import MAPPING_FILE, TABLE2_FILE
from data_prep.tables.angles import Degrees, to_degrees
from data_prep.tables.objids import REMEDY
from data_prep.tables.table_layout import read_layout

FARTHEST: Final = 1.0
"""Maximum separation of two positions of the same galaxy, in arcminutes."""
MOST_APART: Final = 0.01
"""Maximum share of galaxies whose positions may differ by more; these galaxies are excluded."""


def separations(
    ra: "pd.Series[str]", dec: "pd.Series[str]", other_ra: "pd.Series[str]", other_dec: "pd.Series[str]"
) -> Degrees | None:
    """Returns the angular separation of two positions in each row.

    Args:
        ra: ``[N]`` right ascensions in sexagesimal hours or decimal degrees.
        dec: ``[N]`` declinations in sexagesimal or decimal degrees.
        other_ra: ``[N]`` right ascensions of the other positions.
        other_dec: ``[N]`` declinations of the other positions.

    Returns:
        ``[N]`` separations in arcminutes, NaN where a cell is empty; None if a column holds anything that is
        not an angle.
    """
    from astropy.coordinates import angular_separation  # Imported here, since it takes half a second.

    try:
        angles = [
            np.radians(to_degrees(column, hours=is_ra))
            for column, is_ra in ((ra, True), (dec, False), (other_ra, True), (other_dec, False))
        ]
    except ValueError:
        return None
    with np.errstate(invalid="ignore"):  # A cell may hold "inf".
        return np.asarray(np.degrees(angular_separation(*angles)) * 60)


def refuse_two_galaxies(table: pd.DataFrame, path: Path, objid: str, ra: str, dec: str) -> None:
    """Raises an error if rows with the same object id have different positions.

    Args:
        table: The rows, in the order of the file.
        path: The file, for the message.
        objid: The name of the object id column.
        ra: The name of the right ascension column.
        dec: The name of the declination column.

    Raises:
        GalaxyError: Two positions differ by more than ``FARTHEST``; the message names both lines.
    """
    repeated = table[table[objid].duplicated(keep=False)]
    if repeated.empty:
        return
    first = repeated.drop_duplicates(objid).set_index(objid)
    firsts = first.loc[repeated[objid]]
    apart = separations(repeated[ra], repeated[dec], firsts[ra], firsts[dec])
    if apart is None or not np.any(apart > FARTHEST):
        return
    row = int(repeated.index[int(np.argmax(apart > FARTHEST))])
    same = table[objid].iloc[row]
    layout = read_layout(path, [objid])
    lines = [layout.line(int(each)) for each in (np.argmax(table[objid] == same), row)]
    raise GalaxyError(
        f"{path}, lines {lines[0]} and {lines[1]}: galaxies {apart[repeated.index == row][0]:,.0f} arcmin "
        f"apart have the same {objid}, {same}, as happens when a program rounds ids: {REMEDY}"
    )


def compare_positions(joined: pd.DataFrame) -> tuple["pd.Series[bool]", list[str]]:
    """Compares the positions of the same galaxies in the mapping and in Table 2.

    Args:
        joined: Rows with ``objid``; ``ra`` and ``dec`` of the mapping; ``RA`` and ``DEC`` of Table 2.

    Returns:
        For each row, whether the positions agree within ``FARTHEST`` or one is missing; and a message for the
        user if the positions cannot be compared.

    Raises:
        GalaxyError: The positions differ in more than ``MOST_APART`` of the rows, so that the object ids must
            be wrong.
    """
    apart = separations(joined["ra"], joined["dec"], joined["RA"], joined["DEC"])
    if apart is None:
        return pd.Series(True, index=joined.index), [
            "the positions in the mapping and Table 2 are not compared: they must be decimal degrees, or "
            "HH:MM:SS and DD:MM:SS"
        ]
    far = apart > FARTHEST
    if np.count_nonzero(far) > MOST_APART * len(joined):
        row = joined.iloc[int(np.argmax(far))]
        raise GalaxyError(
            f"the positions of {np.count_nonzero(far):,} of {len(joined):,} galaxies differ by more than "
            f"{FARTHEST:g} arcmin between {MAPPING_FILE} and {TABLE2_FILE}, as of objid {row['objid']} "
            f"({row['ra']} {row['dec']} and {row['RA']} {row['DEC']}): the ids in one of them are other "
            f"galaxies', perhaps because they were rounded: {REMEDY}"
        )
    return pd.Series(~far, index=joined.index), []
