"""Refuses a CSV table of predictions that was cut off, as by an interrupted copy."""

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from data_prep.common.errors import GalaxyError
from galaxy_lightning.tables.schema import classes_in


def require_complete(path: Path) -> None:
    """Checks that all rows of a table of predictions are complete.

    A row without any prediction is complete: one of a catalogue that has no image.

    Args:
        path: The CSV file, whose header has been checked.

    Raises:
        GalaxyError: A row has too few cells or only some of its predictions, or the last line has no end.
        ValueError: The file is not UTF-8.
        csv.Error: It is not CSV.
    """
    with path.open(newline="", encoding="utf-8-sig") as file:
        rows = _numbered(file)
        _, names = next(rows, (1, []))
        predictions = [
            names.index(name) for name in ("predicted", *(f"p_{each}" for each in classes_in(names)))
        ]
        line = 1
        for line, cells in rows:
            if not cells:
                continue
            if len(cells) < len(names) or len({cells[position] == "" for position in predictions}) > 1:
                raise _incomplete(path, line)
    with path.open("rb") as content:
        content.seek(-1, 2)
        if content.read() not in (b"\n", b"\r"):
            raise _incomplete(path, line)


def _numbered(file: IO[str]) -> Iterator[tuple[int, list[str]]]:
    """Yields the cells of each row, with the number of the line in which it begins."""
    reader, end = csv.reader(file), 0
    for cells in reader:
        yield end + 1, cells
        end = reader.line_num


def _incomplete(path: Path, line: int) -> GalaxyError:
    return GalaxyError(
        f"{path}, line {line:,}: the row is incomplete: the file may be cut off; run predict again"
    )
