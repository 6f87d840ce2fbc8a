"""How a table file is laid out: compression, separator, lines above the column names, and the names."""

import csv
import gzip
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from data_prep.common.errors import GalaxyError
from data_prep.common.files import CHUNK_BYTES
from data_prep.sources.unpack import LARGEST_TABLE

SEPARATORS: Final = (",", ";", "\t", "|")
"""What may separate cells, the usual one first."""

MOST_COLUMNS: Final = 30_000
"""More take minutes, and no catalogue has as many."""

GZIP: Final = b"\x1f\x8b"
FOREIGN: Final = {
    b"PK\3\4": "an Excel workbook or a zip archive",
    b"\xd0\xcf\x11\xe0": "an Excel workbook",
    b"SIMPLE  =": "a FITS file",
    b"PAR1": "a Parquet file",
    b"\x89HDF": "an HDF5 file",
    b"<!": "a web page",
    b"<html": "a web page",
    b"<?xml": "an XML file",
    b"<VOTABLE": "an XML file",
}
"""How files begin that are often saved under the name of a table."""

UNREADABLE: Final = (OSError, EOFError, zlib.error, ValueError, csv.Error)
"""What reading a damaged table raises."""


@dataclass(frozen=True)
class TableLayout:
    """How a table file is laid out.

    Attributes:
        path: The file.
        gzipped: Whether it is compressed, whatever its name.
        separator: What separates its cells.
        spaced: Whether a space follows the separators.
        header: Records up to and including the line of the column names.
        names: The columns' names, each once: the wanted ones as they were asked for, the others as they are.
    """

    path: Path
    gzipped: bool
    separator: str
    spaced: bool
    header: int
    names: list[str]

    def line(self, row: int) -> int:
        """Returns the line of the file in which a row of the table begins.

        Lines above the names, blank lines and line breaks inside cells are counted.
        """
        try:
            with _open(self.path) as file:
                reader = csv.reader(file, delimiter=self.separator)
                begin = 1
                for record, cells in enumerate(reader):
                    if record >= self.header and (len(cells) > 1 or "".join(cells).strip()):
                        if row == 0:
                            return begin
                        row -= 1
                    begin = reader.line_num + 1
        except UNREADABLE:  # A cell longer than the csv module takes, say.
            pass
        return row + self.header + 1


def read_layout(path: Path, wanted: Sequence[str], optional: Sequence[str] = ()) -> TableLayout:
    """Finds out how a table is laid out, and that it has the wanted columns.

    Names are matched without regard to case where no column has the exact name. Blank lines and lines that
    begin with ``#`` are skipped above the names, as SkyServer writes ``#Table1`` there.

    Args:
        path: The table.
        wanted: Names of the columns that it must have.
        optional: Names of columns that it may have.

    Raises:
        GalaxyError: The file is missing, empty, not text or not a table, lacks a wanted column or has it
            twice, or has too many columns.
    """
    try:
        if path.exists() and not path.is_file():  # A device has no end.
            raise GalaxyError(f"{path} is not a file: name the table itself")
        gzipped = _check_content(path)
        separator, header = _find_header(path, wanted)
    except FileNotFoundError:
        raise GalaxyError(f"{path} is missing") from None
    except UNREADABLE as error:
        raise GalaxyError(f"{path} cannot be read as a table: {describe_error(error)}") from None
    names = header.names
    if len(names) > MOST_COLUMNS:
        raise GalaxyError(
            f"{path} has {len(names):,} columns, and at most {MOST_COLUMNS:,} are read: is it a table with "
            "one row per galaxy?"
        )
    _require(path, names, wanted)
    unique = _unique_names(path, names, (*wanted, *optional))
    return TableLayout(path, gzipped, separator, header.spaced, header.records, unique)


def describe_error(error: Exception) -> str:
    """Says what a CSV reader has met, for whoever wrote the file."""
    text = str(error)
    if isinstance(error, UnicodeDecodeError):
        return f"it is not UTF-8, export it again as UTF-8 ({error.reason} at byte {error.start:,})"
    if isinstance(error, EOFError | zlib.error | gzip.BadGzipFile):
        return f"the gzipped file is incomplete or damaged, download or compress it again ({text})"
    if "inside string" in text or "field limit" in text:
        return f'a quotation mark (") is opened and never closed ({text})'
    return text


@contextmanager
def _open(path: Path) -> Iterator[IO[str]]:
    """Opens a table as text, gzipped or not."""
    with path.open("rb") as file:
        gzipped = file.read(len(GZIP)) == GZIP
    with (
        gzip.open(path, "rt", encoding="utf-8-sig", newline="")
        if gzipped
        else path.open(encoding="utf-8-sig", newline="")
    ) as text:
        yield text


def _check_content(path: Path) -> bool:
    """Reads a table's bytes once, refuses what is not text, and returns whether they are gzipped."""
    with path.open("rb") as file:
        start = file.read(16)
    gzipped = start.startswith(GZIP)
    if start.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise GalaxyError(f"{path} is UTF-16, not UTF-8, export it again as UTF-8")
    for begin, kind in FOREIGN.items():
        if start.removeprefix(b"\xef\xbb\xbf").lstrip().lower().startswith(begin.lower()):
            raise GalaxyError(f"{path} is {kind}, not a CSV: export the table as CSV")
    size = 0
    with gzip.open(path) if gzipped else path.open("rb") as content:
        while chunk := content.read(CHUNK_BYTES):
            if b"\0" in chunk:  # pandas before 3.1 ends a cell at a NUL.
                raise GalaxyError(f"{path} holds NUL characters, which no table does: export it again")
            size += len(chunk)
            if gzipped and size > LARGEST_TABLE:
                raise GalaxyError(f"{path} unpacks to more than {LARGEST_TABLE >> 20} MiB: unpack it first")
    return gzipped


@dataclass(frozen=True)
class _Header:
    """The line of the column names: them, the records up to it, and whether a space follows separators."""

    names: list[str]
    records: int
    spaced: bool


def _find_header(path: Path, wanted: Sequence[str]) -> tuple[str, _Header]:
    """Finds the separator that yields most of the wanted names, and the column names."""
    found = SEPARATORS[0], _read_header(path, SEPARATORS[0], wanted)
    for separator in SEPARATORS[1:]:
        best = len(_matched(found[1].names, wanted))
        if best == len(wanted):
            break
        with suppress(csv.Error):  # A line without this separator may be too long for one cell.
            header = _read_header(path, separator, wanted)
            if len(_matched(header.names, wanted)) > best:
                found = separator, header
    return found


def _read_header(path: Path, separator: str, wanted: Sequence[str]) -> _Header:
    """Reads the column names under a separator."""
    known = {name.lower() for name in wanted}
    with _open(path) as file:
        for record, cells in enumerate(csv.reader(file, delimiter=separator), start=1):
            names = [cell.strip() for cell in cells]
            if not any(names):
                continue
            if names[0].startswith("#"):
                names[0] = names[0].lstrip("#").strip()
                if known.isdisjoint(name.lower() for name in names):
                    continue
            return _Header(names, record, any(cell.startswith(" ") for cell in cells[1:]))
    return _Header([], 0, spaced=False)


def _matched(names: Sequence[str], wanted: Sequence[str]) -> list[str]:
    """Returns the wanted names that are there, in whatever case."""
    there = {name.lower() for name in names}
    return [name for name in wanted if name.lower() in there]


def _require(path: Path, names: list[str], wanted: Sequence[str]) -> None:
    """Refuses a table that lacks a wanted column."""
    matched = _matched(names, wanted)
    missing = [name for name in wanted if name not in matched]
    if missing:
        raise GalaxyError(
            f"{path} lacks the column{'s' if len(missing) > 1 else ''} {', '.join(missing)} "
            f"(its first line names: {', '.join(names)[:300] or 'nothing'})"
        )


def _unique_names(path: Path, names: list[str], wanted: Sequence[str]) -> list[str]:
    """Gives each column one name: the wanted one where it is one, a number added where a name is repeated."""
    places: dict[str, list[int]] = {}
    for place, name in enumerate(names):
        places.setdefault(name.lower(), []).append(place)
    unique: dict[int, str] = {}
    for name in wanted:
        alike = places.get(name.lower(), [])
        exact = [place for place in alike if names[place] == name] or alike
        if len(exact) > 1:
            raise GalaxyError(f"{path} has the column {name} more than once: keep the one that is meant")
        unique |= dict.fromkeys(exact, name)
    taken = set(unique.values())
    for place, name in enumerate(names):
        if place not in unique:
            base, copy = name or f"Unnamed: {place}", 0
            while (new := f"{base}.{copy}" if copy else base) in taken:
                copy += 1
            unique[place] = new
            taken.add(new)
    return [unique[place] for place in range(len(names))]
