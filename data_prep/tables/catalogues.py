"""Reads the columns of catalogues in any table format, exactly; the format is recognised by content."""

import gzip
import re
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

import numpy.typing as npt
import pandas as pd

from data_prep.common.errors import GalaxyError
from data_prep.common.files import CHUNK_BYTES
from data_prep.sources.unpack import MAX_TABLE_BYTES
from data_prep.tables.binary_catalogues import FitsCatalogue, ParquetCatalogue, VotableCatalogue
from data_prep.tables.cells import as_numbers, as_text
from data_prep.tables.column_guesses import find_column
from data_prep.tables.table_layout import GZIP, OTHER_FORMATS, describe_error
from data_prep.tables.text_catalogues import TextCatalogue

if TYPE_CHECKING:
    from astropy.table import Table

READABLE: Final = "export the table as CSV, FITS, VOTable, ECSV or Parquet"
_START_BYTES: Final = 4096
_VOTABLE: Final = re.compile(rb"<(\w+:)?VOTABLE\b")
_COMPRESSED: Final = {
    b"BZh": "bzip2",
    b"\xfd7zXZ": "xz",
    b"\x28\xb5\x2f\xfd": "Zstandard",
    b"7z\xbc\xaf": "7-Zip",
}


class _Reader(Protocol):
    """Reads one format; see :class:`data_prep.tables.text_catalogues.TextCatalogue`."""

    kind: str
    names: list[str]
    units: dict[int, str]
    unusable: dict[int, str]
    notes: list[str]

    @property
    def has_types(self) -> bool: ...

    def table(self) -> "Table": ...

    def cells(self, positions: Sequence[int]) -> list[npt.NDArray[Any]]: ...

    def place(self, row: int) -> str: ...


_Opener = Callable[[Path, bytes | None], _Reader]


@dataclass(frozen=True)
class Catalogue:
    """A catalogue, of which only the column names have been read.

    Attributes:
        path: The file.
    """

    path: Path
    _reader: _Reader

    @property
    def names(self) -> list[str]:
        """The names of all columns, in order; the name of an unnamed column is empty."""
        return list(self._reader.names)

    @property
    def kind(self) -> str:
        """The format, for messages: ``FITS table in HDU 1``."""
        return self._reader.kind

    @property
    def notes(self) -> list[str]:
        """Messages for the user; complete after the first ``read``."""
        return list(self._reader.notes)

    def unit(self, name: str) -> str | None:
        """Returns the unit of a column as the file states it; None if it states none."""
        return self._reader.units.get(find_column(self.names, name, self.path))

    def read(self, *, text: Sequence[str] = (), numbers: Sequence[str] = ()) -> pd.DataFrame:
        """Reads columns; others are not parsed.

        Columns are found by their exact names or, if there is none, by their names in any case.

        Args:
            text: The columns to read as text, such as ids and labels. Integers keep all their digits.
            numbers: The columns to read as numbers.

        Returns:
            One row per row of the file, with the columns named as requested. Text is of type object, without
            surrounding blanks, None where missing; numbers are float64, NaN where missing. A cell is missing
            if it is masked, empty or one of the words in :data:`data_prep.tables.cells.MISSING`.

        Raises:
            GalaxyError: A column is missing, ambiguous or holds several values per row, a row or cell is
                invalid, the file is damaged, or it has no rows.
        """
        wanted = [*dict.fromkeys((*text, *numbers))]
        positions = [find_column(self.names, name, self.path) for name in wanted]
        for name, position in zip(wanted, positions, strict=True):
            if position in self._reader.unusable:
                raise GalaxyError(
                    f"{self.path}, column {name} {self._reader.unusable[position]}: name another"
                )
        different = list(dict.fromkeys(positions))
        with _explained(self.path, self.kind, text=isinstance(self._reader, TextCatalogue)):
            columns = dict(zip(different, self._reader.cells(different), strict=True))
            if different and not len(columns[different[0]]):
                raise GalaxyError(f"{self.path} has no rows")
            cells = {name: columns[position] for name, position in zip(wanted, positions, strict=True)}
            table = {name: pd.Series(as_text(cells[name]), dtype=object) for name in text}
            for name in numbers:
                table[name] = pd.Series(as_numbers(cells[name], partial(self.where, name)))
        return pd.DataFrame(table)

    @property
    def has_types(self) -> bool:
        """Whether the file states the types of its columns, unlike CSV."""
        return self._reader.has_types

    def table(self) -> "Table":
        """Reads the whole catalogue, with units, descriptions and UCDs (``meta["ucd"]``) as far as known.

        Returns:
            One row per row of the file. Columns of text have the kind ``U``; see
            :func:`data_prep.tables.column_types.text_table` for files without types. The metadata are
            ``radesys`` and ``equinox`` of the header of a FITS table, if any.

        Raises:
            GalaxyError: The file is damaged.
        """
        with _explained(self.path, self.kind, text=isinstance(self._reader, TextCatalogue)):
            return self._reader.table()

    def place(self, row: int) -> str:
        """Returns the place of a row of the read table, for messages: ``line 7`` or ``row 7``."""
        return self._reader.place(row)

    def where(self, column: str, row: int | None = None) -> str:
        """Returns the place of a column or a cell, for messages: ``gz2.csv, line 7, column ra``.

        Args:
            column: The column's name.
            row: The row of the read table, from 0 on.
        """
        return ", ".join([str(self.path), *([] if row is None else [self.place(row)]), f"column {column}"])


def open_catalogue(path: Path) -> Catalogue:
    """Recognises the format of a catalogue by its content, and reads the column names.

    The formats are CSV (also separated by semicolons, tabs, bars or blanks), ECSV, FITS tables, VOTable and
    Parquet; each may be gzipped.

    Args:
        path: The file.

    Raises:
        GalaxyError: The file is missing, damaged or in another format.
    """
    try:
        if path.exists() and not path.is_file():  # Reading a device might never end.
            raise GalaxyError(f"{path} is not a file: name the table itself")
        with _explained(path, "table", text=True):
            return Catalogue(path, _open_reader(path))
    except FileNotFoundError:
        raise GalaxyError(f"{path} is missing") from None


def _open_reader(path: Path) -> _Reader:
    """Opens a file with the reader of its format."""
    with path.open("rb") as file:
        start = file.read(_START_BYTES)
    gzipped = start.startswith(GZIP)
    if gzipped:
        with gzip.open(path) as content:
            start = content.read(_START_BYTES)
    binary: tuple[tuple[_Opener, str, bool], ...] = (
        (FitsCatalogue, "FITS table", start.startswith(b"SIMPLE  =")),
        (ParquetCatalogue, "Parquet table", start.startswith(b"PAR1")),
        (VotableCatalogue, "VOTable", _VOTABLE.search(start) is not None),
    )
    for reader, kind, is_format in binary:
        if is_format:
            unpacked = _unpack(path) if gzipped else None
            with _explained(path, kind, text=False):
                return reader(path, unpacked)
    for magic, program in _COMPRESSED.items():
        if start.startswith(magic):
            raise GalaxyError(f"{path} is compressed with {program}: unpack it first")
    beginning = start.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    for magic, kind in OTHER_FORMATS.items():
        if beginning.startswith(magic.lower()):
            raise GalaxyError(f"{path} is {kind}, not a table: {READABLE}")
    return TextCatalogue(path, start, gzipped=gzipped)


def _unpack(path: Path) -> bytes:
    """Decompresses a gzipped file into memory, up to a limit."""
    chunks, size = [], 0
    with gzip.open(path) as content:
        while chunk := content.read(CHUNK_BYTES):
            size += len(chunk)
            if size > MAX_TABLE_BYTES:
                raise GalaxyError(f"{path} unpacks to more than {MAX_TABLE_BYTES >> 20} MiB: unpack it first")
            chunks.append(chunk)
    return b"".join(chunks)


@contextmanager
def _explained(path: Path, kind: str, *, text: bool) -> Iterator[None]:
    """Turns any error of a reader into a ``GalaxyError``, and silences its warnings."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # astropy warns of each departure from a standard.
            yield
    except (GalaxyError, FileNotFoundError, MemoryError):
        raise
    except Exception as error:  # A damaged file may raise any exception.
        reason = describe_error(error) or type(error).__name__
        if not text and not isinstance(error, NotImplementedError):
            raise GalaxyError(
                f"{path} is incomplete or damaged: copy or download it again ({reason})"
            ) from error
        raise GalaxyError(f"{path} cannot be read as a {kind}: {reason}") from error
