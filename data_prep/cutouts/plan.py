"""Plans which cutouts to download: the galaxies of a table, their positions, pixel scales and file names.

The plan of a million galaxies consists of a few arrays. Nothing else is kept for each row.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from data_prep.common.errors import GalaxyError
from data_prep.cutouts.columns import PositionColumns, choose_columns, may_be_hours, parse_scale
from data_prep.cutouts.names import differ_only_in_case, file_name, position_names
from data_prep.tables.angles import Degrees
from data_prep.tables.catalogue_ids import parse_ids
from data_prep.tables.catalogue_positions import read_positions
from data_prep.tables.catalogues import Catalogue, open_catalogue

FOLDER_SIZE: Final = 10_000
"""Number of cutouts in each subfolder, if there are more in all."""
SAME_POSITION: Final = 1.0
"""Maximum separation of two positions of one galaxy in arcsec."""

NO_ID: Final = "id missing"
NO_POSITION: Final = "position missing"
NO_SCALE: Final = "pixel scale missing"
INVALID_SCALE: Final = "pixel scale not positive"

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
    rows: Rows
    encode_case: npt.NDArray[np.bool_]
    excluded: dict[str, Rows]
    duplicates: int
    notes: list[str]

    def name(self, number: int) -> str:
        """Returns the id of a cutout as text."""
        row = self.rows[number]
        return str(self.objid[row]) if self.objid is not None else str(self._texts[row])

    def path(self, number: int, suffix: str) -> str:
        """Returns the path of a cutout, relative to the folder.

        Args:
            number: The number of the cutout, from 0 on.
            suffix: The suffix of its format.
        """
        name = file_name(self.name(number), encode_case=bool(self.encode_case[number]))
        return f"{self.subfolder(number)}{name}{suffix}"

    def subfolder(self, number: int) -> str:
        """Returns the subfolder of a cutout with a slash, such as ``0001/``; empty if there are none."""
        return f"{number // FOLDER_SIZE:04d}/" if len(self.rows) > FOLDER_SIZE else ""

    def chunks(self) -> Iterator[range]:
        """Yields the numbers of the cutouts in each subfolder."""
        for start in range(0, len(self.rows), FOLDER_SIZE):
            yield range(start, min(start + FOLDER_SIZE, len(self.rows)))

    def ids(self, rows: Rows) -> "pd.Series[Any]":
        """Returns the ids of rows of the table, missing where a row has none."""
        if self.objid is None:
            return pd.Series(self._texts[rows], dtype=object)
        ids = pd.Series(self.objid[rows], dtype="Int64")
        return ids.mask(np.isin(rows, self.excluded.get(NO_ID, [])))

    def sha256(self) -> str:
        """Returns a hash of all cutouts: ids, positions and pixel scales."""
        digest = hashlib.sha256()
        for column in (self.ra, self.dec, self.scale):
            digest.update(column[self.rows].astype("<f8").tobytes())
        if self.objid is not None:
            digest.update(self.objid[self.rows].astype("<i8").tobytes())
        else:
            for row in self.rows.tolist():
                digest.update(str(self._texts[row]).encode("utf-8", "surrogatepass") + b"\0")
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
    factor, scale_column = parse_scale(pixel_scale, catalogue)
    positions = read_positions(catalogue, chosen.ra, chosen.dec, ra_hours=ra_hours)
    ra, dec = positions["ra"].to_numpy(), positions["dec"].to_numpy()
    texts = [chosen.ra, *([chosen.id] if chosen.id else [])]
    cells = catalogue.read(text=texts, numbers=[] if scale_column is None else [scale_column])
    notes += catalogue.notes
    if not ra_hours and may_be_hours(catalogue, chosen.ra, cells[chosen.ra], ra):
        notes.append(
            f"all right ascensions ({chosen.ra}) are between 0 and 24 and the table states no unit; they are "
            "read as degrees: if they are hours, add --ra-hours"
        )
    scale = np.full(len(ra), factor) if scale_column is None else factor * cells[scale_column].to_numpy()
    reasons = {NO_POSITION: np.isnan(ra) | np.isnan(dec), NO_SCALE: np.isnan(scale)}
    reasons[INVALID_SCALE] = ~reasons[NO_SCALE] & ~((scale > 0) & np.isfinite(scale))
    objid: Rows | None = None
    text: npt.NDArray[np.object_] | None = None
    if chosen.id is None:
        text = position_names(np.nan_to_num(ra), np.nan_to_num(dec))
        text[reasons[NO_POSITION]] = None
    else:
        ids = parse_ids(cells[chosen.id], catalogue.path, chosen.id, catalogue.place)
        reasons = {NO_ID: ids.missing} | reasons
        text, objid = ids.text, ids.objid if ids.text is None else None
    del cells
    keys: npt.NDArray[Any] = objid if objid is not None else np.asarray(text)
    usable = np.ones(len(ra), dtype=np.bool_)
    excluded = {}
    for reason, affected in reasons.items():
        if (affected & usable).any():
            excluded[reason] = np.flatnonzero(affected & usable)
        usable &= ~affected
    if not usable.any():
        counts = ", ".join(f"{len(rows):,} {reason}" for reason, rows in excluded.items())
        raise GalaxyError(f"{table}: no row can have a cutout: {counts}")
    rows = np.flatnonzero(usable)
    first = _refuse_contradictions(catalogue, chosen.id, keys[rows], rows, ra, dec)
    duplicates, rows = len(rows) - int(first.sum()), rows[first]
    encode_case = np.zeros(len(rows), bool) if text is None else differ_only_in_case(text[rows])
    id_name = "objid" if objid is not None else "id"
    return Plan(id_name, objid, text, ra, dec, scale, rows, encode_case, excluded, duplicates, notes)


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
