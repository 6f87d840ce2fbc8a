"""Splits text into records, and detects the separator and the header line of a text table."""

import csv
import itertools
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from data_prep.common.errors import GalaxyError
from data_prep.tables.column_guesses import KNOWN_NAMES, plain_name
from data_prep.tables.table_layout import SEPARATORS

BLANKS: Final = " "
"""The separator that stands for any number of blanks and tabs."""
SEPARATOR_NAMES: Final = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars", BLANKS: "blanks"}
_SAMPLE_LINES: Final = 40
_SAMPLE_CHARACTERS: Final = 1 << 25
"""Maximum length of the lines from which the layout is detected; 30,000 columns have shorter headers."""


def numbered(lines: Iterable[str], path: Path) -> Iterator[tuple[int, str]]:
    """Yields each line with its number, from 1 on.

    Args:
        lines: The lines.
        path: The file, for the message.

    Raises:
        GalaxyError: A line has NUL characters.
    """
    for number, line in enumerate(lines, 1):
        if "\0" in line:
            raise GalaxyError(
                f"{path}, line {number:,} contains NUL characters, so it is damaged: export it again"
            )
        yield number, line


def records(lines: Iterator[tuple[int, str]], separator: str) -> Iterator[tuple[int, list[str]]]:
    """Yields the number of the first line and the cells of each record that is not blank.

    Lines without quotation marks are split, which takes half the time of the csv module.

    Args:
        lines: The lines with their numbers.
        separator: The separator; a blank stands for any number of blanks and tabs.

    Raises:
        csv.Error: A quoted cell is not closed, or is followed by more text.
    """
    blank = separator == BLANKS
    for number, line in lines:
        if '"' in line:
            # The reader takes further lines if a quoted cell goes on.
            rest = itertools.chain([line.strip() if blank else line], (line for _, line in lines))
            try:
                yield number, next(csv.reader(rest, delimiter=separator, skipinitialspace=True, strict=True))
            except csv.Error:
                raise csv.Error(
                    f'line {number:,}: a quotation mark (") is opened, but not closed before a separator'
                ) from None
            continue
        cells = line.split() if blank else line.rstrip("\r\n").split(separator)
        if len(cells) > 1 or "".join(cells).strip():
            yield number, cells


@dataclass(frozen=True)
class TextLayout:
    """A possible layout of a text table.

    Attributes:
        separator: The separator, one of ``SEPARATOR_NAMES``.
        line: The line of the header.
        names: The column names.
        rows: The cells of the first rows.
    """

    separator: str
    line: int
    names: list[str]
    rows: list[list[str]]

    @property
    def rank(self) -> tuple[bool, bool, bool, int]:
        """The plausibility of the layout, to be compared with those of other separators."""
        consistent = all(_width(row) <= len(self.names) <= len(row) for row in self.rows)
        columns = len(self.names) if not self.rows or max(map(len, self.rows)) > 1 else 1
        return columns > 1, consistent, self.separator != BLANKS, columns


def find_layout(file: IO[str], path: Path) -> TextLayout:
    """Finds the most plausible layout of a text table.

    Args:
        file: The open file.
        path: Its path, for messages.

    Raises:
        GalaxyError: The file has no header line.
    """
    sample = _read_sample(file, path)
    layouts = [_assume(separator, sample, path) for separator in (*SEPARATORS, BLANKS)]
    found = [layout for layout in layouts if layout is not None]
    if not found:
        quoted = "".join(sample).strip()
        problem = "its first line has an open quotation mark" if quoted else "it is empty"
        raise GalaxyError(f"{path} has no header line with the column names: {problem}")
    return max(found, key=lambda layout: layout.rank)  # The first of equals.


def _read_sample(file: IO[str], path: Path) -> list[str]:
    """Returns the first lines: comments, the header and some rows."""
    sample: list[str] = []
    rows = length = 0
    while rows < _SAMPLE_LINES and (line := file.readline(_SAMPLE_CHARACTERS - length)):
        sample.append(line)
        rows += not line.startswith("#")
        length += len(line)
        if length >= _SAMPLE_CHARACTERS:  # The last line may be cut.
            if rows < 2:
                raise GalaxyError(f"{path} is not a table: its first line does not end")
            return sample[:-1]
    return sample


def _assume(separator: str, sample: Sequence[str], path: Path) -> TextLayout | None:
    """Finds the header, assuming a separator; None if there is none."""
    found: list[tuple[int, list[str]]] = []
    with suppress(csv.Error):  # For example, a quoted cell goes on after the sample.
        found.extend(records(numbered(sample, path), separator))
    comment: tuple[int, list[str]] | None = None
    for k, (line, cells) in enumerate(found):
        names = _strip_names(cells, separator)
        if cells[0].startswith("#"):
            comment = line, names
            continue
        rows = [row for _, row in found[k + 1 :]]
        if comment is not None and _is_header(comment[1], names):
            return TextLayout(separator, *comment, [cells, *rows])
        return TextLayout(separator, line, names, rows)
    return TextLayout(separator, *comment, []) if comment else None


def _is_header(comment: Sequence[str], cells: Sequence[str]) -> bool:
    """Returns whether the comment above the first record is the header, and not the record itself."""
    if len(comment) != len(cells):
        return False
    numbers = [sum(map(_is_number, each)) for each in (comment, cells)]
    known = [sum(plain_name(name) in KNOWN_NAMES for name in each) for each in (comment, cells)]
    return known[0] > known[1] if known[0] != known[1] else numbers[0] < numbers[1]


def _strip_names(cells: Sequence[str], separator: str) -> list[str]:
    """Returns column names without the ``#`` of a comment, surrounding blanks and line breaks."""
    names = [" ".join(cell.split()) for cell in cells]
    if names[0].startswith("#"):
        names[0] = names[0].lstrip("# ")
        if separator == BLANKS and not names[0]:
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
