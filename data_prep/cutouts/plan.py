"""Plans which cutouts to download: the galaxies of a table, their positions, pixel scales and file names.

The plan of a million galaxies consists of a few arrays. Nothing else is kept for each row.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from data_prep.common.errors import GalaxyError
from data_prep.cutouts.columns import (
    PositionColumns,
    choose_columns,
    may_be_hours,
    parse_scale,
    unit_in_arcsec,
)
from data_prep.cutouts.names import differ_only_in_case, file_name, position_names
from data_prep.images.relative_scale import RelativeScale
from data_prep.tables.angles import Degrees
from data_prep.tables.catalogue_ids import parse_ids
from data_prep.tables.catalogue_positions import parse_positions
from data_prep.tables.catalogues import Catalogue, open_catalogue

SAME_POSITION: Final = 1.0
"""Maximum separation of two positions of one galaxy in arcsec."""
MIN_SCALE: Final = 1e-8
"""The smallest pixel scale in arcsec per pixel. Requests have eight decimals, so that others would be 0."""

NO_ID: Final = "id missing"
NO_POSITION: Final = "position missing"
NO_SCALE: Final = "pixel scale missing"
INVALID_SCALE: Final = "pixel scale not positive"
INFINITE_SCALE: Final = "pixel scale infinite"
SMALL_SCALE: Final = f"pixel scale below {MIN_SCALE:g} arcsec"

Rows = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Plan:
    """The cutouts to download, in the order of the table, and the rows without one.

    Attributes:
        id_name: The name of the column of ids in the tables: ``objid`` if the ids are integers, else ``id``.
        objid: ``[R]`` int64, the ids of the table's rows as integers, 0 where missing; None without integer
            ids.
        text: ``[R]`` the ids as text, None where missing; None if they are integers.
        ra: ``[R]`` right ascensions in degrees, NaN where missing.
        dec: ``[R]`` declinations in degrees.
        scale: ``[R]`` pixel scales in arcsec per pixel, NaN where missing.
        pixel_scale: How the pixel scales depend on the table.
        rows: ``[N]`` the row of each cutout, from 0 on.
        encode_case: ``[N]``, whether another cutout's id differs only in case.
        excluded: The rows that cannot have a cutout, by reason.
        duplicates: The number of rows that repeat a galaxy.
        notes: Messages for the user.
    """

    id_name: str
    objid: Rows | None
    text: npt.NDArray[np.object_] | None
    ra: Degrees
    dec: Degrees
    scale: npt.NDArray[np.float64]
    pixel_scale: RelativeScale
    rows: Rows
    encode_case: npt.NDArray[np.bool_]
    excluded: dict[str, Rows]
    duplicates: int
    notes: list[str]

    def name(self, number: int) -> str:
        """Returns the id of a cutout as text."""
        row = self.rows[number]
        return str(self.objid[row]) if self.objid is not None else str(self._texts[row])

    def file_name(self, number: int) -> str:
        """Returns the file name of a cutout, without suffix."""
        return file_name(self.name(number), encode_case=bool(self.encode_case[number]))

    def ids(self, rows: Rows) -> "pd.Series[Any]":
        """Returns the ids of rows of the table, missing where a row has none."""
        if self.objid is None:
            return pd.Series(self._texts[rows], dtype=object)
        ids = pd.Series(self.objid[rows], dtype="Int64")
        return ids.mask(np.isin(rows, self.excluded.get(NO_ID, [])))

    def sha256(self, count: int) -> str:
        """Returns a hash of the first cutouts: their ids, positions, pixel scales and file names.

        Args:
            count: The number of cutouts.
        """
        digest = hashlib.sha256(self.encode_case[:count].tobytes())
        for column in (self.ra, self.dec, self.scale):
            digest.update(column[self.rows[:count]].astype("<f8").tobytes())
        for number in range(count):
            digest.update(self.name(number).encode("utf-8", "surrogatepass") + b"\0")
        return digest.hexdigest()

    def find_shared(self) -> Rows:
        """Returns ``[N]`` the number of the first cutout with exactly the same position and pixel scale."""
        keys = np.column_stack([column[self.rows] for column in (self.ra, self.dec, self.scale)])
        table = pd.DataFrame(keys)
        first = np.flatnonzero(~table.duplicated())
        if len(first) == len(table):
            return np.arange(len(table), dtype=np.int64)
        codes = table.groupby([0, 1, 2], sort=False).ngroup().to_numpy()
        return np.asarray(first[codes], dtype=np.int64)

    @property
    def _texts(self) -> npt.NDArray[np.object_]:
        assert self.text is not None
        return self.text


def make_plan(table: Path, columns: PositionColumns, pixel_scale: str, *, ra_hours: bool = False) -> Plan:
    """Reads a table and plans its cutouts.

    Args:
        table: A table in any format; see :func:`data_prep.tables.catalogues.open_catalogue`.
        columns: The named columns; the others are guessed.
        pixel_scale: Arcsec per pixel: a number, a column, or ``number*column``.
        ra_hours: Whether decimal right ascensions are in hours.

    Raises:
        GalaxyError: The table or a column cannot be read, the pixel scale is invalid, no row can have a
            cutout, or an id is that of different positions.
    """
    catalogue = open_catalogue(table)
    chosen, notes = choose_columns(catalogue, columns)
    assert chosen.ra is not None
    assert chosen.dec is not None
    relative = parse_scale(pixel_scale, catalogue)
    texts = [name for name in (chosen.id, chosen.ra, chosen.dec) if name is not None]
    if relative.column in texts:
        raise GalaxyError(f"--pixel-scale {pixel_scale}: the column {relative.column} has another meaning")
    cells = catalogue.read(text=texts, numbers=[] if relative.column is None else [relative.column])
    notes += catalogue.notes
    positions = parse_positions(cells, catalogue, chosen.ra, chosen.dec, ra_hours=ra_hours)
    ra, dec = positions["ra"].to_numpy(), positions["dec"].to_numpy()
    if not ra_hours and may_be_hours(catalogue, chosen.ra, cells[chosen.ra], ra):
        notes.append(
            f"all right ascensions ({chosen.ra}) are between 0 and 24 and the table states no unit; they are "
            "read as degrees: if they are hours, add --ra-hours"
        )
    scale = np.full(len(ra), relative.factor)
    if relative.column is not None:
        scale *= unit_in_arcsec(catalogue, relative.column) * cells[relative.column].to_numpy()
    objid, text, no_id = _name_galaxies(catalogue, chosen.id, cells, ra, dec)
    del cells
    excluded, usable = _exclude(no_id, ra, dec, scale)
    rows = np.flatnonzero(usable)
    if not len(rows):
        counts = ", ".join(f"{len(each):,} {reason}" for reason, each in excluded.items())
        raise GalaxyError(f"{table}: no row can have a cutout: {counts}")
    keys: npt.NDArray[Any] = objid if objid is not None else np.asarray(text)
    first = _refuse_contradictions(catalogue, chosen.id, keys[rows], rows, ra, dec)
    duplicates, rows = len(rows) - int(first.sum()), rows[first]
    encode_case = np.zeros(len(rows), bool) if text is None else differ_only_in_case(text[rows])
    id_name = "objid" if objid is not None else "id"
    return Plan(
        id_name, objid, text, ra, dec, scale, relative, rows, encode_case, excluded, duplicates, notes
    )


def _name_galaxies(
    catalogue: Catalogue, id_column: str | None, cells: pd.DataFrame, ra: Degrees, dec: Degrees
) -> tuple[Rows | None, npt.NDArray[np.object_] | None, npt.NDArray[np.bool_]]:
    """Returns the ids as integers or as text, and whether each is missing; without ids, names by position."""
    if id_column is None:
        names = position_names(np.nan_to_num(ra), np.nan_to_num(dec))
        names[np.isnan(ra) | np.isnan(dec)] = None
        return None, names, np.zeros(len(ra), np.bool_)
    ids = parse_ids(cells[id_column], catalogue.path, id_column, catalogue.place)
    return ids.objid if ids.text is None else None, ids.text, ids.missing


def _exclude(
    no_id: npt.NDArray[np.bool_], ra: Degrees, dec: Degrees, scale: npt.NDArray[np.float64]
) -> tuple[dict[str, Rows], npt.NDArray[np.bool_]]:
    """Returns the rows that cannot have a cutout, by the first reason that applies; and whether a row can."""
    reasons = {
        NO_ID: no_id,
        NO_POSITION: np.isnan(ra) | np.isnan(dec),
        NO_SCALE: np.isnan(scale),
        INVALID_SCALE: scale <= 0,
        INFINITE_SCALE: np.isinf(scale),
        SMALL_SCALE: scale < MIN_SCALE,
    }
    usable = np.ones(len(ra), dtype=np.bool_)
    excluded = {}
    for reason, affected in reasons.items():
        if (affected & usable).any():
            excluded[reason] = np.flatnonzero(affected & usable)
        usable &= ~affected
    return excluded, usable


def _refuse_contradictions(
    catalogue: Catalogue, id_column: str | None, keys: npt.NDArray[Any], rows: Rows, ra: Degrees, dec: Degrees
) -> npt.NDArray[np.bool_]:
    """Returns ``[N]`` whether a row is the first of its galaxy, after comparing the positions of the others.

    Raises:
        GalaxyError: Two positions of one id are more than ``SAME_POSITION`` apart.
    """
    repeated = pd.Series(keys).duplicated().to_numpy()
    if repeated.any() and id_column is not None:
        from astropy.coordinates import angular_separation  # Imported here, since it takes half a second.

        codes, different = pd.factorize(keys)
        firsts = np.zeros(len(different), dtype=np.int64)
        firsts[codes[::-1]] = rows[::-1]
        others, first = rows[repeated], firsts[codes[repeated]]
        radians = [np.radians(column[each]) for each in (others, first) for column in (ra, dec)]
        apart = np.degrees(angular_separation(*radians)) * 3600
        if (apart > SAME_POSITION).any():
            place = int(np.argmax(apart > SAME_POSITION))
            one, other = int(first[place]), int(others[place])
            raise GalaxyError(
                f"{catalogue.path}, {catalogue.place(one)} and {catalogue.place(other)}, column {id_column}: "
                f"the same id at positions {apart[place]:,.1f} arcsec apart: correct the ids, or name "
                "another column with --id-column"
            )
    return np.asarray(~repeated)
