"""Reads catalogues that are text: CSV, tables with other separators or blanks, and ECSV."""

import gzip
import itertools
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from operator import itemgetter
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final, TypeVar

import numpy as np
import numpy.typing as npt

from data_prep.common.errors import GalaxyError
from data_prep.tables.column_types import text_table, with_plain_text
from data_prep.tables.table_layout import MAX_COLUMNS
from data_prep.tables.text_records import SEPARATOR_NAMES, find_layout, numbered, records

if TYPE_CHECKING:
    from astropy.table import Table

ECSV: Final = b"# %ECSV"
BYTE_ORDER_MARKS: Final = {
    b"\xef\xbb\xbf": "utf-8-sig",
    b"\xff\xfe\0\0": "utf-32",
    b"\0\0\xfe\xff": "utf-32",
    b"\xff\xfe": "utf-16",
    b"\xfe\xff": "utf-16",
}
"""The encodings that a file's first bytes name."""

_FALLBACKS: Final = {"utf-8": ("cp1252", "Windows-1252"), "cp1252": ("latin-1", "Latin-1")}
"""The encoding to try next if a file without a byte order mark cannot be decoded."""
_DATA: Final = re.compile(r"[+-]?\d{7,}|[+-]?\d*\.\d{3,}|[+-]?\d+:\d+:\d+(\.\d*)?|[+-]?\d\.?\d*[eE][+-]?\d+")
"""Cells that show that a line is no header."""

Result = TypeVar("Result")


class TextCatalogue:
    """A catalogue that is text.

    A header line is expected, possibly after blank lines and lines that begin with ``#`` (SkyServer writes
    ``#Table1``) or itself behind a ``#``. Text without a byte order mark is read as UTF-8, and as
    Windows-1252 if it is not UTF-8; ``notes`` then says so.

    Args:
        path: The file.
        start: Its first bytes, decompressed.
        gzipped: Whether it is gzipped.

    Attributes:
        kind: The format, for messages.
        names: The column names.
        units: The units of columns, by position, if known.
        unusable: Why columns cannot be read, by position.
        notes: Messages for the user.
        has_types: Whether the columns have types, as in ECSV.
    """

    def __init__(self, path: Path, start: bytes, *, gzipped: bool) -> None:
        self._path, self._gzipped = path, gzipped
        mark = next((mark for mark in BYTE_ORDER_MARKS if start.startswith(mark)), b"")
        self._encoding = BYTE_ORDER_MARKS.get(mark, "utf-8")
        self._header = 0
        self.units: dict[int, str] = {}
        self.unusable: dict[int, str] = {}
        self.notes: list[str] = []
        self.has_types = start.removeprefix(mark).startswith(ECSV)
        if self.has_types:
            self._decoded(self._read_ecsv_header)
        else:
            self._decoded(self._read_header)

    def cells(self, positions: Sequence[int]) -> list[npt.NDArray[Any]]:
        """Reads columns.

        Args:
            positions: The positions of the columns.

        Returns:
            For each position, the column's cells: ``[N]`` strings.

        Raises:
            GalaxyError: A row has more or fewer cells than the header.
        """
        # The first column is read too, so that itemgetter always returns a tuple.
        select = itemgetter(*positions, 0)
        rows = self._decoded(lambda: [select(cells) for _, cells in self._rows()])
        columns = list(zip(*rows, strict=True)) or [()] * (len(positions) + 1)
        return [np.array(column, dtype=object) for column in columns[:-1]]

    def table(self) -> "Table":
        """Reads the whole table.

        Returns:
            All columns with their types, units and descriptions, masked where cells are missing; without
            types, all columns are the text of the file.
        """
        if not self.has_types:
            return text_table(self.names, self.cells(range(len(self.names))))
        from astropy.table import Table

        with self._open() as file:
            table = Table.read(file.read(), format="ascii.ecsv")
        table.meta.clear()
        return with_plain_text(table)

    def place(self, row: int) -> str:
        """Returns the line of the file in which a row begins, for messages."""
        number = next(itertools.islice(self._rows(), row, None), (0, []))[0]
        return f"line {number:,}"

    def _rows(self) -> Iterator[tuple[int, list[str]]]:
        """Yields the line number and the cells of each row; refuses rows of another length."""
        width = len(self.names)
        with self._open() as file:
            for number, cells in records(numbered(file, self._path), self._separator):
                if number <= self._header:
                    continue
                if len(cells) != width and (len(cells) < width or any(map(str.strip, cells[width:]))):
                    raise GalaxyError(self._describe_row(number, len(cells)))
                yield number, cells

    def _describe_row(self, number: int, cells: int) -> str:
        """Describes a row that has more or fewer cells than the header."""
        separators = SEPARATOR_NAMES[self._separator]
        return (
            f"{self._path}, line {number:,}: the row has {cells:,} cells separated by {separators}, but the "
            f"header has {len(self.names):,}: correct it, or download the table again if incomplete"
        )

    @contextmanager
    def _open(self) -> Iterator[IO[str]]:
        """Opens the file as text, without translating line ends."""
        opened = gzip.open if self._gzipped else open
        with opened(self._path, "rt", encoding=self._encoding, newline="") as file:
            yield file

    def _decoded(self, read: Callable[[], Result]) -> Result:
        """Reads the file, in another encoding if it is not UTF-8."""
        while True:
            try:
                return read()
            except UnicodeDecodeError as error:
                if self._encoding not in _FALLBACKS:
                    raise GalaxyError(
                        f"{self._path} is incomplete or damaged: it begins as {error.encoding}, but "
                        f"there is {error.reason}"
                    ) from None
                self._encoding, name = _FALLBACKS[self._encoding]
                self.notes[:] = [f"{self._path.name} is not UTF-8: it is read as {name}"]

    def _read_header(self) -> None:
        """Detects the separator and the header line."""
        with self._open() as file:
            layout = find_layout(file, self._path)
        self._header, self._separator = layout.line, layout.separator
        self._set_names(layout.names)
        self.kind = (
            "table of one column"
            if len(self.names) == 1
            else f"table separated by {SEPARATOR_NAMES[layout.separator]}"
        )

    def _read_ecsv_header(self) -> None:
        """Reads the header of an ECSV file, which is YAML behind ``#``."""
        from astropy.io.misc import yaml  # Imported here, since it takes a second.

        comments: list[str] = []
        with self._open() as file:
            for number, line in numbered(file, self._path):
                if not line.startswith("#"):
                    self._header = number
                    break
                comments.append(line)
        header = yaml.load("".join(line[2:].rstrip("\r\n") + "\n" for line in comments[1:]))
        self._separator = header.get("delimiter", " ")
        if self._separator not in (",", " "):
            raise GalaxyError(f"{self._path} has the delimiter {self._separator!r}: ECSV allows ',' and ' '")
        names = next(records(iter([(1, line)]), self._separator))[1] if self._header else []
        if names != [column["name"] for column in header["datatype"]]:
            raise GalaxyError(f"{self._path} is damaged: its ECSV header describes other columns than it has")
        self.kind = "ECSV table"
        self._set_names(names)
        for position, column in enumerate(header["datatype"]):
            if column.get("unit") is not None:
                self.units[position] = str(column["unit"])
            if "subtype" in column or column["datatype"].startswith("complex"):
                kind = column.get("subtype", column["datatype"])
                self.unusable[position] = f"has the type {kind}, not one value per row"

    def _set_names(self, names: list[str]) -> None:
        """Checks and sets the column names."""
        if len(names) > MAX_COLUMNS:
            raise GalaxyError(
                f"{self._path} has {len(names):,} columns, more than the maximum of {MAX_COLUMNS:,}: "
                "check that it has one row per galaxy"
            )
        if any(character < " " and not character.isspace() for character in "".join(names)):
            raise GalaxyError(f"{self._path} is not a table in a known format")
        data = next((name for name in names if _DATA.fullmatch(name)), None)
        if data is not None:
            raise GalaxyError(
                f"{self._path}, line {self._header:,}: {data!r} is not a column name: add a header line with "
                "the column names"
            )
        self.names = names
