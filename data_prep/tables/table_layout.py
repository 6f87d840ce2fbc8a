"""Detects the layout of a table file: compression, separator, header line and column names."""

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
from data_prep.sources.unpack import MAX_TABLE_BYTES

SEPARATORS: Final = (",", ";", "\t", "|")
"""Recognised separators, the most common one first."""

MAX_COLUMNS: Final = 30_000
"""Maximum number of columns: more would take minutes to read, and no catalogue has as many."""

GZIP: Final = b"\x1f\x8b"
OTHER_FORMATS: Final = {
    b"PK\3\4": "an Excel workbook or a zip archive",
    b"\xd0\xcf\x11\xe0": "an Excel workbook",
    b"SIMPLE  =": "a FITS file",
    b"PAR1": "a Parquet file",
    b"\x89HDF": "an HDF5 file",
    b"\xff\xd8\xff": "a JPEG image",
    b"\x89PNG": "a PNG image",
    b"%PDF": "a PDF document",
    b"<!": "a web page",
    b"<html": "a web page",
    b"<?xml": "an XML file",
    b"<VOTABLE": "an XML file",
}
"""The first bytes of files that users often mistake for a CSV table."""

READ_ERRORS: Final = (OSError, EOFError, zlib.error, ValueError, csv.Error)
"""The exceptions that reading a damaged table raises."""


@dataclass(frozen=True)
class TableLayout:
    """The layout of a table file.

    Attributes:
        path: The file.
        gzipped: Whether the file is gzipped, whatever its name.
        separator: The character that separates cells.
        spaced: Whether a space follows the separators.
        header: The number of records up to and including the header line.
        names: The unique names of the columns; wanted columns are spelled as requested.
    """

    path: Path
    gzipped: bool
    separator: str
    spaced: bool
    header: int
    names: list[str]

    def line(self, row: int) -> int:
        """Returns the number of the file's line in which a row of the table begins.

        The count includes lines above the header, blank lines and line breaks inside cells.
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
        except READ_ERRORS:  # For example, a cell may be too long for the csv module.
            pass
        return row + self.header + 1


def read_layout(path: Path, wanted: Sequence[str], optional: Sequence[str] = ()) -> TableLayout:
    """Detects the layout of a table and checks that it has the wanted columns.

    Names are matched case-insensitively if no column has the exact name. Blank lines and lines that begin
    with ``#`` are skipped above the header; SkyServer writes ``#Table1`` there.

    Args:
        path: The table.
        wanted: The names of the required columns.
        optional: The names of optional columns.

    Raises:
        GalaxyError: The file is missing, empty, not text or not a table, lacks a required column or has it
            twice, or has too many columns.
    """
    try:
        if path.exists() and not path.is_file():  # Reading a device might never end.
            raise GalaxyError(f"{path} is not a file: name the table itself")
        gzipped = _check_content(path)
        separator, header = _find_header(path, wanted)
    except FileNotFoundError:
        raise GalaxyError(f"{path} is missing") from None
    except READ_ERRORS as error:
        raise GalaxyError(f"{path} cannot be read as a table: {describe_error(error)}") from None
    names = header.names
    if len(names) > MAX_COLUMNS:
        raise GalaxyError(
            f"{path} has {len(names):,} columns, more than the maximum of {MAX_COLUMNS:,}: check that it has "
            "one row per galaxy"
        )
    _require_columns(path, names, wanted)
    unique = _unique_names(path, names, (*wanted, *optional))
    return TableLayout(path, gzipped, separator, header.spaced, header.records, unique)


def describe_error(error: Exception) -> str:
    """Explains an error of the CSV reader to the user."""
    text = str(error)
    if isinstance(error, UnicodeDecodeError):
        return f"it is not UTF-8 ({error.reason} at byte {error.start:,}): export it again as UTF-8"
    if isinstance(error, EOFError | zlib.error | gzip.BadGzipFile):
        return f"the gzipped file is incomplete or damaged ({text}): download or compress it again"
    if "inside string" in text or "field limit" in text:
        return f'a quotation mark (") is opened but never closed ({text})'
    return text


@contextmanager
def _open(path: Path) -> Iterator[IO[str]]:
    """Opens a table as text, decompressing it if it is gzipped."""
    with path.open("rb") as file:
        gzipped = file.read(len(GZIP)) == GZIP
    with (
        gzip.open(path, "rt", encoding="utf-8-sig", newline="")
        if gzipped
        else path.open(encoding="utf-8-sig", newline="")
    ) as text:
        yield text


def _check_content(path: Path) -> bool:
    """Refuses a file that is not text, and returns whether it is gzipped."""
    with path.open("rb") as file:
        start = file.read(16)
    gzipped = start.startswith(GZIP)
    if start.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise GalaxyError(f"{path} is UTF-16, not UTF-8: export it again as UTF-8")
    for magic, kind in OTHER_FORMATS.items():
        if start.removeprefix(b"\xef\xbb\xbf").lstrip().lower().startswith(magic.lower()):
            raise GalaxyError(f"{path} is {kind}, not a CSV: export the table as CSV")
    size = 0
    with gzip.open(path) if gzipped else path.open("rb") as content:
        while chunk := content.read(CHUNK_BYTES):
            if b"\0" in chunk:  # pandas before 3.1 ends a cell at a NUL.
                raise GalaxyError(f"{path} contains NUL characters, so it is damaged: export it again")
            size += len(chunk)
            if gzipped and size > MAX_TABLE_BYTES:
                raise GalaxyError(f"{path} unpacks to more than {MAX_TABLE_BYTES >> 20} MiB: unpack it first")
    return gzipped


@dataclass(frozen=True)
class _Header:
    """The header: column names, number of records up to it, and whether spaces follow the separators."""

    names: list[str]
    records: int
    spaced: bool


def _find_header(path: Path, wanted: Sequence[str]) -> tuple[str, _Header]:
    """Finds the separator that yields the most wanted names, and returns it with the header."""
    best = SEPARATORS[0], _read_header(path, SEPARATORS[0], wanted)
    for separator in SEPARATORS[1:]:
        matches = len(_find_names(best[1].names, wanted))
        if matches == len(wanted):
            break
        with suppress(csv.Error):  # A line without this separator may be too long for one cell.
            header = _read_header(path, separator, wanted)
            if len(_find_names(header.names, wanted)) > matches:
                best = separator, header
    return best


def _read_header(path: Path, separator: str, wanted: Sequence[str]) -> _Header:
    """Reads the column names, assuming a separator."""
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


def _find_names(names: Sequence[str], wanted: Sequence[str]) -> list[str]:
    """Returns the wanted names that are among the column names, ignoring case."""
    present = {name.lower() for name in names}
    return [name for name in wanted if name.lower() in present]


def _require_columns(path: Path, names: list[str], wanted: Sequence[str]) -> None:
    """Refuses a table that lacks a wanted column."""
    present = _find_names(names, wanted)
    missing = [name for name in wanted if name not in present]
    if missing:
        raise GalaxyError(
            f"{path} lacks the column{'s' if len(missing) > 1 else ''} {', '.join(missing)} "
            f"(its columns are: {', '.join(names)[:300] or 'nothing'})"
        )


def _unique_names(path: Path, names: list[str], wanted: Sequence[str]) -> list[str]:
    """Makes the column names unique: wanted columns get the wanted name, repeated names a number."""
    positions: dict[str, list[int]] = {}
    for position, name in enumerate(names):
        positions.setdefault(name.lower(), []).append(position)
    unique: dict[int, str] = {}
    for name in wanted:
        alike = positions.get(name.lower(), [])
        exact = [position for position in alike if names[position] == name] or alike
        if len(exact) > 1:
            raise GalaxyError(f"{path} has the column {name} more than once: keep the intended one")
        unique |= dict.fromkeys(exact, name)
    taken = set(unique.values())
    for position, name in enumerate(names):
        if position not in unique:
            base, copy = name or f"Unnamed: {position}", 0
            while (new := f"{base}.{copy}" if copy else base) in taken:
                copy += 1
            unique[position] = new
            taken.add(new)
    return [unique[position] for position in range(len(names))]
