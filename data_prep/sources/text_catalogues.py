"""Reads catalogues that are text: CSV, tables with other separators or blanks, and ECSV."""

import csv
import gzip
import itertools
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from operator import itemgetter
from pathlib import Path
from typing import IO, Any, Final, TypeVar

import numpy as np
import numpy.typing as npt

from data_prep.common.errors import GalaxyError
from data_prep.sources.column_guesses import KNOWN_NAMES, plain_name
from data_prep.sources.table_layout import MAX_COLUMNS, SEPARATORS

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
_SEPARATOR_NAMES: Final = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars", " ": "blanks"}
_SAMPLE_LINES: Final = 40
_SAMPLE_CHARACTERS: Final = 1 << 25
"""Maximum length of the lines from which the layout is detected; 30,000 columns have shorter headers."""
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
    """

    def __init__(self, path: Path, start: bytes, *, gzipped: bool) -> None:
        self._path, self._gzipped = path, gzipped
        mark = next((mark for mark in BYTE_ORDER_MARKS if start.startswith(mark)), b"")
        self._encoding = BYTE_ORDER_MARKS.get(mark, "utf-8")
        self._header = 0
        self.units: dict[int, str] = {}
        self.unusable: dict[int, str] = {}
        self.notes: list[str] = []
        if start.removeprefix(mark).startswith(ECSV):
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

    def place(self, row: int) -> str:
        """Returns the line of the file in which a row begins, for messages."""
        number = next(itertools.islice(self._rows(), row, None), (0, []))[0]
        return f"line {number:,}"

    def _rows(self) -> Iterator[tuple[int, list[str]]]:
        """Yields the line number and the cells of each row; refuses rows of another length."""
        width = len(self.names)
        with self._open() as file:
            for number, cells in _records(_numbered(file, self._path), self._separator):
                if number <= self._header:
                    continue
                if len(cells) != width and (len(cells) < width or any(map(str.strip, cells[width:]))):
                    raise GalaxyError(self._describe_row(number, len(cells)))
                yield number, cells

    def _describe_row(self, number: int, cells: int) -> str:
        """Describes a row that has more or fewer cells than the header."""
        separators = _SEPARATOR_NAMES[self._separator]
        return (
            f"{self._path}, line {number:,}: the row has {cells:,} cells separated by {separators}, but the header "
            f"has {len(self.names):,}: correct the line, or download the table again if it is incomplete"
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

    def _sample(self) -> list[str]:
        """Returns the first lines: comments, the header and some rows."""
        sample, rows, length = [], 0, 0
        with self._open() as file:
            while rows < _SAMPLE_LINES and (line := file.readline(_SAMPLE_CHARACTERS - length)):
                sample.append(line)
                rows += not line.startswith("#")
                length += len(line)
                if length >= _SAMPLE_CHARACTERS:
                    if rows > 1:  # The last line may be cut.
                        return sample[:-1]
                    raise GalaxyError(f"{self._path} is not a table: its first line does not end")
        return sample

    def _read_header(self) -> None:
        """Detects the separator and the header line."""
        sample = self._sample()
        layouts = [
            layout
            for separator in (*SEPARATORS, " ")
            if (layout := _Layout.find(sample, separator, self._path)) is not None
        ]
        if not layouts:
            problem = (
                "its first line has an open quotation mark" if "".join(sample).strip() else "it is empty"
            )
            raise GalaxyError(f"{self._path} has no header line with the column names: {problem}")
        best = max(layouts, key=lambda layout: layout.rank)  # The first of equals.
        self._header, self._separator = best.line, best.separator
        self._set_names(best.names)
        self.kind = (
            "table of one column"
            if len(self.names) == 1
            else f"table separated by {_SEPARATOR_NAMES[best.separator]}"
        )

    def _read_ecsv_header(self) -> None:
        """Reads the header of an ECSV file, which is YAML behind ``#``."""
        from astropy.io.misc import yaml  # Imported here, since it takes a second.

        comments: list[str] = []
        with self._open() as file:
            for number, line in _numbered(file, self._path):
                if not line.startswith("#"):
                    self._header = number
                    break
                comments.append(line)
        header = yaml.load("".join(line[2:].rstrip("\r\n") + "\n" for line in comments[1:]))
        self._separator = header.get("delimiter", " ")
        if self._separator not in (",", " "):
            raise GalaxyError(f"{self._path} has the delimiter {self._separator!r}: ECSV allows ',' and ' '")
        names = next(_records(iter([(1, line)]), self._separator))[1] if self._header else []
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


class _Layout:
    """A possible layout of a text table: its separator and header."""

    def __init__(self, separator: str, line: int, names: list[str], rows: list[list[str]]) -> None:
        self.separator, self.line, self.names = separator, line, names
        consistent = all(_width(row) <= len(names) <= len(row) for row in rows)
        columns = len(names) if rows == [] or max(map(len, rows)) > 1 else 1
        blank = separator == " "
        # A separator other than blanks is preferred, if the rows have more than one cell.
        self.rank = (columns > 1, consistent, not blank, columns)

    @classmethod
    def find(cls, sample: Sequence[str], separator: str, path: Path) -> "_Layout | None":
        """Finds the header, assuming a separator; None if there is none."""
        records: list[tuple[int, list[str]]] = []
        with suppress(csv.Error):  # For example, a quoted cell goes on after the sample.
            records.extend(_records(_numbered(sample, path), separator))
        comment: tuple[int, list[str]] | None = None
        for k, (line, cells) in enumerate(records):
            names = _strip_names(cells, separator)
            if cells[0].startswith("#"):
                comment = line, names
                continue
            rows = [row for _, row in records[k + 1 :]]
            if comment is not None and _is_header(comment[1], names):
                return cls(separator, comment[0], comment[1], [cells, *rows])
            return cls(separator, line, names, rows)
        return cls(separator, *comment, []) if comment else None


def _is_header(comment: Sequence[str], cells: Sequence[str]) -> bool:
    """Returns whether the comment above the first record is the header, and not the record itself."""
    if len(comment) != len(cells):
        return False
    numbers = [sum(map(_is_number, each)) for each in (comment, cells)]
    known = [sum(plain_name(name) in KNOWN_NAMES for name in each) for each in (comment, cells)]
    return known[0] > known[1] if known[0] != known[1] else numbers[0] < numbers[1]


def _numbered(lines: Iterable[str], path: Path) -> Iterator[tuple[int, str]]:
    """Yields each line with its number, from 1 on; refuses NUL characters."""
    for number, line in enumerate(lines, 1):
        if "\0" in line:
            raise GalaxyError(
                f"{path}, line {number:,} contains NUL characters, so it is damaged: export it again"
            )
        yield number, line


def _records(lines: Iterator[tuple[int, str]], separator: str) -> Iterator[tuple[int, list[str]]]:
    """Yields the number of the first line and the cells of each record that is not blank.

    Lines without quotation marks are split, which takes half the time of the csv module.
    """
    blank = separator == " "
    for number, line in lines:
        if '"' in line:
            # The reader takes further lines if a quoted cell goes on.
            rest = itertools.chain([line.strip() if blank else line], (line for _, line in lines))
            yield number, next(csv.reader(rest, delimiter=separator, skipinitialspace=True, strict=True))
            continue
        cells = line.split() if blank else line.rstrip("\r\n").split(separator)
        if len(cells) > 1 or "".join(cells).strip():
            yield number, cells


def _strip_names(cells: Sequence[str], separator: str) -> list[str]:
    """Returns column names without the ``#`` of a comment, surrounding blanks and line breaks."""
    names = [" ".join(cell.split()) for cell in cells]
    if names[0].startswith("#"):
        names[0] = names[0].lstrip("# ")
        if separator == " " and not names[0]:
            del names[0]
    return names


def _width(row: Sequence[str]) -> int:
    """Returns the number of cells without blank ones at the end."""
    return max((k + 1 for k, cell in enumerate(row) if cell.strip()), default=0)


def _is_number(cell: str) -> bool:
    """Returns whether a cell is a number."""
    try:
        float(cell)
    except ValueError:
        return False
    return True
