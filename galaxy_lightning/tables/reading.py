"""Reads a table of predictions in CSV chunk by chunk, with the types of its schema."""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from data_prep.common.errors import GalaxyError
from data_prep.tables.objids import LARGEST_ID
from data_prep.tables.table_layout import READ_ERRORS, describe_error
from galaxy_lightning.tables.cells import escape_ascii, escape_control
from galaxy_lightning.tables.completeness import require_complete
from galaxy_lightning.tables.schema import ColumnInfo, Kind, Metadata, classes_in, describe_column

if TYPE_CHECKING:
    from astropy.table import Table

CHUNK_ROWS: Final = 10_000
"""Rows in memory at a time."""

_INTEGER: Final = re.compile(r"(?:0|-?[1-9][0-9]*)?", re.ASCII)
_FLAGS: Final = {"1": True, "0": False, "True": True, "False": False, "": False}
_DTYPES: Final = {"integer": "int64", "float": "float64", "flag": "bool"}
_EMPTY: Final = {"integer": "0", "float": "nan"}


@dataclass(frozen=True)
class TypedColumn:
    """A column of a CSV table.

    Attributes:
        name: Its name.
        info: What it means; the kind is neither ``id`` nor ``guessed``.
        width: The length of the longest text, at least 1.
        ascii_width: The same, escaped to ASCII.
        is_ascii: Whether no text needs to be escaped.
        has_missing: Whether a cell is empty.
    """

    name: str
    info: ColumnInfo
    width: int
    ascii_width: int
    is_ascii: bool
    has_missing: bool

    def parse(self, cells: npt.NDArray[np.object_]) -> npt.NDArray[Any]:
        """Converts cells to the column's type.

        Args:
            cells: ``[N]`` texts.

        Returns:
            ``[N]``, masked where cells are empty, if the column has such cells.

        Raises:
            ValueError: A cell is of another type.
        """
        kind, missing = self.info.kind, cells == ""
        values: npt.NDArray[Any]
        if kind == "text":
            values = np.array([escape_control(cell) for cell in cells], dtype=f"U{self.width}")
        elif kind == "flag":
            try:
                values = np.array([_FLAGS[cell] for cell in cells], dtype=bool)
            except KeyError as error:
                raise ValueError(error.args[0]) from None
        else:
            filled = np.where(missing, _EMPTY[kind], cells)
            values = filled.astype(_DTYPES[kind])
            if kind == "float":
                missing = missing | np.isnan(values)
        return np.ma.MaskedArray(values, missing) if self.has_missing else values


@dataclass(frozen=True)
class PredictionTable:
    """A table of predictions in CSV, whose columns have been examined.

    Attributes:
        path: The file.
        columns: The columns.
        rows: The number of rows.
        about: What is known about the table.
    """

    path: Path
    columns: tuple[TypedColumn, ...]
    rows: int
    about: Metadata

    @property
    def ascii_widths(self) -> dict[str, int]:
        """The length of the longest text in each column of text, escaped to ASCII."""
        return {each.name: each.ascii_width for each in self.columns if each.info.kind == "text"}

    @property
    def ascii_columns(self) -> frozenset[str]:
        """The columns of text that hold only ASCII."""
        return frozenset(each.name for each in self.columns if each.is_ascii)

    def chunks(self) -> Iterator["Table"]:
        """Yields the rows, ``CHUNK_ROWS`` at a time.

        Raises:
            GalaxyError: A cell is not of its column's type.
        """
        from astropy.table import Table  # Imported here, since it takes a second.

        done = 0
        for texts in _read_texts(self.path):
            table = Table(meta=dict(self.about))
            for column in self.columns:
                cells = texts[column.name].to_numpy(dtype=object)
                try:
                    values = column.parse(cells)
                except (ValueError, OverflowError):
                    raise self._invalid_cell(column, cells, done) from None
                table[column.name] = values
                column.info.describe(table[column.name])
            done += len(texts)
            yield table

    def read(self) -> "Table":
        """Returns all rows."""
        from astropy.table import vstack

        return vstack(list(self.chunks()), metadata_conflicts="silent")

    def _invalid_cell(self, column: TypedColumn, cells: npt.NDArray[np.object_], done: int) -> GalaxyError:
        for row, cell in enumerate(cells):
            try:
                column.parse(cells[row : row + 1])
            except (ValueError, OverflowError):
                kind = {"flag": "0, 1 or empty", "integer": "an integer", "float": "a number"}
                return GalaxyError(
                    f"{self.path}, row {done + row + 1:,}, column {column.name}: {cell!r} must be "
                    f"{kind[column.info.kind]}: name a table that predict or crossval wrote"
                )
        raise AssertionError


def open_predictions(path: Path, descriptions: Mapping[str, str], about: Metadata) -> PredictionTable:
    """Examines a table of predictions: which ids are integers, how long texts are, and which cells are empty.

    Args:
        path: The CSV file.
        descriptions: Descriptions of the classes by name; any may be missing.
        about: What is known about the table.

    Raises:
        GalaxyError: The file is missing, or no table of predictions.
    """
    scans: list[_Scan] = []
    rows = 0
    for texts in _read_texts(path):
        if not scans:
            names = [str(name) for name in texts.columns]
            _require_predictions(path, names)
            infos = (describe_column(name, classes_in(names), descriptions) for name in names)
            scans = [_Scan(name, info) for name, info in zip(names, infos, strict=True)]
        for scan in scans:
            scan.add(texts[scan.name].to_numpy(dtype=object))
        rows += len(texts)
    if not rows:
        raise GalaxyError(f"{path} has no rows")
    with _explained(path):
        require_complete(path)
    return PredictionTable(path, tuple(scan.result() for scan in scans), rows, about)


class _Scan:
    """What is known about the cells of a column so far."""

    def __init__(self, name: str, info: ColumnInfo) -> None:
        self.name, self._info = name, info
        self._width = self._ascii_width = 1
        self._has_missing = self._has_value = False
        self._is_ascii = True
        self._integers = self._numbers = True

    def add(self, cells: npt.NDArray[np.object_]) -> None:
        """Examines further cells."""
        empty = cells == ""
        self._has_missing |= bool(empty.any())
        self._has_value |= not empty.all()
        if self._info.kind in ("id", "guessed") and self._integers:
            self._integers = all(map(_is_integer, cells))
        if self._info.kind == "guessed" and self._numbers and not self._integers:
            self._numbers = bool(pd.to_numeric(pd.Series(cells[~empty]), errors="coerce").notna().all())
        if self._info.kind in ("id", "guessed", "text"):
            self._measure(cells)
        if self._info.kind == "float":
            self._has_missing |= bool(np.isin(cells, ["nan", "NaN"]).any())

    def _measure(self, cells: npt.NDArray[np.object_]) -> None:
        """Measures the length of texts."""
        joined, escaped = "".join(cells), cells.tolist()
        if joined.isascii() and joined.isprintable():
            self._width = max([self._width, *map(len, escaped)])
            self._ascii_width = max(self._ascii_width, self._width)
            return
        self._is_ascii &= joined.isascii()
        self._width = max([self._width, *(len(escape_control(cell)) for cell in escaped)])
        self._ascii_width = max([self._ascii_width, *(len(escape_ascii(cell)) for cell in escaped)])

    def result(self) -> TypedColumn:
        """Returns the column."""
        kind: Kind = self._info.kind
        if kind in ("id", "guessed"):
            if self._integers and self._has_value:
                kind = "integer"
            elif kind == "guessed" and self._numbers and self._has_value:
                kind = "float"
            else:
                kind = "text"
        info = ColumnInfo(kind, self._info.description, self._info.ucd, self._info.unit)
        return TypedColumn(self.name, info, self._width, self._ascii_width, self._is_ascii, self._has_missing)


def _is_integer(cell: str) -> bool:
    """Returns whether a cell is empty, or an integer that keeps its text: without leading zeros, 64 bits."""
    return _INTEGER.fullmatch(cell) is not None and (len(cell) < 19 or abs(int(cell)) <= LARGEST_ID)


def _read_texts(path: Path) -> Iterator[pd.DataFrame]:
    """Yields the cells of a CSV as text, ``CHUNK_ROWS`` rows at a time."""
    with (
        _explained(path),
        pd.read_csv(
            path, dtype=object, keep_default_na=False, na_filter=False, chunksize=CHUNK_ROWS, index_col=False
        ) as reader,
    ):
        for texts in reader:
            older = "uncertain" in texts and "is_uncertain" not in texts
            yield texts.rename(columns={"uncertain": "is_uncertain"}) if older else texts


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    """Turns an error of a reader of CSV into a ``GalaxyError``."""
    try:
        yield
    except FileNotFoundError:
        raise GalaxyError(f"{path} is missing") from None
    except READ_ERRORS as error:
        raise GalaxyError(f"{path} cannot be read as a CSV table: {describe_error(error)}") from None


def _require_predictions(path: Path, names: Sequence[str]) -> None:
    if not classes_in(names) or "predicted" not in names:
        raise GalaxyError(
            f"{path} is not a table of predictions: it has no columns p_<class> and predicted; name a run "
            "folder, the folder of a cross-validation, or a CSV that predict wrote"
        )
