"""Joins predictions to the rows of a catalogue by the ids of the galaxies."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from data_prep.common.errors import GalaxyError
from data_prep.tables.catalogue_ids import CatalogueIds, parse_ids
from data_prep.tables.catalogues import Catalogue, open_catalogue
from data_prep.tables.column_guesses import find_column, guess_columns, list_names
from data_prep.tables.column_types import with_types
from galaxy_lightning.tables.formats import SUFFIXES
from galaxy_lightning.tables.holding import require_writable

if TYPE_CHECKING:
    from astropy.table import Table

KEYS: Final = ("id", "objid", "asset_id")
"""The columns of predictions by which they can be joined, the first one that fits."""
_POSITION: Final = ("ra", "dec")
"""Columns of predictions that are left out if the catalogue has both."""
_ABSENT: Final = "not in the catalogue"

Names = npt.NDArray[np.object_]


@dataclass(frozen=True)
class Join:
    """A catalogue whose rows get predictions.

    Attributes:
        path: The file.
        table: All its columns.
        id_column: Its column of ids.
        ids: Its ids.
        notes: Messages for the user about how the columns were found.
    """

    path: Path
    table: "Table"
    id_column: str
    ids: CatalogueIds
    notes: tuple[str, ...] = ()

    def require_common(self, galaxies: pd.DataFrame) -> None:
        """Checks that some galaxies are in the catalogue.

        Args:
            galaxies: The identifiers of the galaxies.

        Raises:
            GalaxyError: None is.
        """
        self._find_key(galaxies)

    def join(self, predictions: "Table") -> "Joined":
        """Joins predictions to the catalogue.

        Args:
            predictions: One row per image.

        Returns:
            The rows of the catalogue in their order, with the columns of the predictions behind its own.

        Raises:
            GalaxyError: No galaxy is in the catalogue.
        """
        identifiers = pd.DataFrame(
            {name: np.ma.getdata(predictions[name]) for name in KEYS if name in predictions.colnames}
        )
        key, names = self._find_key(identifiers)
        first = ~pd.Index(names).duplicated()
        rows_of_first = np.flatnonzero(first)
        found = pd.Index(names[first]).get_indexer(pd.Index(self.ids.names))
        found[self.ids.missing] = -1
        rows = np.where(found < 0, -1, rows_of_first[found])
        joined, renamed = self.table.copy(copy_data=False), {}
        positions = {name for name in _POSITION if name in map(str.casefold, self.table.colnames)}
        for name in predictions.colnames:
            if name == key or (name == "objid" and "id" in identifiers):
                continue
            if name in _POSITION and len(positions) == len(_POSITION):
                continue
            # Otherwise, one of ours beside one of the catalogue's would look like a position.
            pair = _POSITION if positions and name in _POSITION else ()
            own = _free_name(name, [*joined.colnames, *pair])
            if own != name:
                renamed[name] = own
            joined[own] = _take(predictions[name], rows, own)
        has_own = len(positions) < len(_POSITION) and not set(_POSITION).isdisjoint(predictions.colnames)
        frame = {} if has_own else dict(self.table.meta)  # Our positions are in ICRS.
        joined.meta = dict(predictions.meta) | frame | {"catalogue": self.path.name}
        reasons = self._left_out(predictions, names, first)
        return Joined(joined, rows, reasons, tuple(self._describe(rows, reasons, renamed)))

    def _left_out(self, predictions: "Table", names: Names, first: npt.NDArray[np.bool_]) -> dict[int, str]:
        """Returns why predictions are not in the joined table, by row."""
        known = pd.Index(names).isin(self.ids.names[~self.ids.missing])
        paths = np.ma.getdata(predictions["path"]) if "path" in predictions.colnames else names
        kept = dict(zip(names[first].tolist(), np.asarray(paths)[first].tolist(), strict=True))
        return {
            row: (
                f"another image of this galaxy is in the table: {kept[names[row]]}"
                if known[row]
                else f"{_ABSENT} {self.path.name}"
            )
            for row in np.flatnonzero(~(known & first)).tolist()
        }

    def _describe(
        self, rows: npt.NDArray[np.int64], left_out: dict[int, str], renamed: dict[str, str]
    ) -> Iterator[str]:
        """Yields what was joined."""
        total, with_image = len(rows), int((rows >= 0).sum())
        yield (
            f"Joined with {self.path.name} by {self.id_column}: {with_image:,} of its {total:,} rows have a "
            f"prediction{'' if with_image == total else '; it is empty in the others'}"
        )
        if repeated := int(pd.Index(self.ids.names[~self.ids.missing]).duplicated().sum()):
            have = "row has" if repeated == 1 else "rows have"
            yield (
                f"{repeated:,} {have} an id that occurs above: rows with the same id have the same prediction"
            )
        absent = sum(reason.startswith(_ABSENT) for reason in left_out.values())
        if absent:
            yield f"{absent:,} {'image has' if absent == 1 else 'images have'} no row in {self.path.name}"
        if others := len(left_out) - absent:
            show = "image shows" if others == 1 else "images show"
            yield f"{others:,} more {show} a galaxy of another image"
        if renamed:
            names = ", ".join(f"{old} is {new}" for old, new in renamed.items())
            yield f"Renamed, as {self.path.name} has columns of these names (ignoring case): {names}"

    def _find_key(self, galaxies: pd.DataFrame) -> tuple[str, Names]:
        """Returns the column of the galaxies that names those of the catalogue, and its ids as text."""
        present = pd.Index(self.ids.names[~self.ids.missing])
        example = None
        for key in KEYS:
            if key not in galaxies:
                continue
            names = np.array([str(name).strip() for name in galaxies[key].tolist()], dtype=object)
            example = names[0] if example is None and len(names) else example
            if self.ids.text is None:
                names = _without_zeros(names)
            if pd.Index(names).isin(present).any():
                return key, names
        raise GalaxyError(
            f"no image is in {self.path}: its ids, such as {present[0] if len(present) else 'none'} in "
            f"column {self.id_column}, are not those of the images, such as {example}: name its column "
            "of the images' ids with --id_column"
        )


@dataclass(frozen=True)
class Joined:
    """A catalogue with predictions.

    Attributes:
        table: The rows of the catalogue.
        rows: The row of the predictions for each row of the catalogue; -1 where there is none.
        left_out: Why predictions are not in it, by row of the predictions.
        notes: Messages for the user.
    """

    table: "Table"
    rows: npt.NDArray[np.int64]
    left_out: dict[int, str]
    notes: tuple[str, ...] = field(default=())


def open_join(path: Path, id_column: str | None, out: Path) -> Join:
    """Reads a catalogue, to which predictions will be joined.

    Args:
        path: The catalogue; see :func:`data_prep.tables.catalogues.open_catalogue`.
        id_column: Its column of ids; by default, it is guessed.
        out: The table to write. For CSV, a catalogue that is text keeps the text of its cells.

    Raises:
        GalaxyError: The catalogue is missing or damaged, it has no such column, its ids are invalid, or the
            format of the table cannot hold one of its columns.
    """
    catalogue = open_catalogue(path)
    name, guessed = _id_column(catalogue, id_column)
    ids = parse_ids(catalogue.read(text=[name])[name], path, name, catalogue.place)
    table = catalogue.table()
    if not catalogue.has_types and SUFFIXES[out.suffix.lower()] != "csv":
        table = with_types(table)
    require_writable(table, out, path)
    return Join(path, table, name, ids, (*catalogue.notes, *guessed))


def _id_column(catalogue: Catalogue, named: str | None) -> tuple[str, list[str]]:
    """Returns the column of ids, and a message if it is guessed."""
    if named is not None:
        return catalogue.names[find_column(catalogue.names, named, catalogue.path)], []
    guess = guess_columns(catalogue.names)["id"]
    if guess.column is not None:
        return guess.column, [f"{catalogue.path.name}: {guess.describe('--id_column')}"]
    columns = " or ".join(guess.candidates) or list_names(catalogue.names)
    raise GalaxyError(
        f"{catalogue.path}: which column holds the ids of the galaxies? Name it with --id_column: {columns}"
    )


def _without_zeros(names: Names) -> Names:
    """Returns numbers without leading zeros, as integers in a catalogue are; unless this makes two equal."""
    plain = np.array(
        [str(int(name)) if name.isascii() and name.isdigit() else name for name in names.tolist()],
        dtype=object,
    )
    return plain if len(np.unique(plain)) == len(np.unique(names)) else names


def _free_name(name: str, taken: list[str]) -> str:
    """Returns a column name that differs from others by more than case."""
    folded = {other.casefold() for other in taken}
    free, copy = name, 1
    while free.casefold() in folded:
        free = f"{name}_gl" if copy == 1 else f"{name}_gl{copy}"
        copy += 1
    return free


def _take(column: Any, rows: npt.NDArray[np.int64], name: str) -> Any:
    """Returns the cells of a column in some rows, masked where the row is -1."""
    from astropy.table import MaskedColumn

    values, missing = np.asarray(np.ma.getdata(column))[rows], np.ma.getmaskarray(column)[rows] | (rows < 0)
    if values.dtype.kind == "U":
        values = np.where(missing, "", values)
    info = column.info
    return MaskedColumn(
        values,
        name=name,
        mask=missing,
        unit=info.unit,
        description=info.description,
        meta=dict(info.meta or {}),
    )
