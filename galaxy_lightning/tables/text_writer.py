"""Writes ECSV chunk by chunk, and CSV."""

import csv
import os
from collections.abc import Iterator
from contextlib import contextmanager
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING

from galaxy_lightning.tables.cells import cell_texts
from galaxy_lightning.tables.writers import ChunkWriter

if TYPE_CHECKING:
    from astropy.table import Table


@contextmanager
def ecsv_writer(path: Path, template: "Table") -> Iterator[ChunkWriter]:
    """Opens an ECSV table for writing, with commas between the cells.

    Args:
        path: The file.
        template: The first chunk, for the types and metadata.

    Yields:
        A function that writes a chunk.
    """
    with path.open("w", encoding="utf-8", newline="") as file:
        file.write(_ecsv(template[:0]))

        def write(table: "Table") -> None:
            text = _ecsv(table)
            if len(table):
                lines = text.split("\n")
                header = next(number for number, line in enumerate(lines) if not line.startswith("#"))
                file.write("\n".join(lines[header + 1 :]))

        yield write


@contextmanager
def csv_writer(path: Path, template: "Table") -> Iterator[ChunkWriter]:
    """Opens a CSV table for writing; see :func:`galaxy_lightning.tables.cells.cell_texts`.

    Args:
        path: The file.
        template: The first chunk, for the names of the columns.

    Yields:
        A function that writes a chunk.
    """
    with path.open("w", encoding="utf-8", errors="backslashreplace", newline="") as file:
        writer = csv.writer(file, lineterminator=os.linesep)
        writer.writerow(template.colnames)

        def write(table: "Table") -> None:
            columns = [cell_texts(table[name]) for name in table.colnames]
            writer.writerows(zip(*columns, strict=True))

        yield write


def _ecsv(table: "Table") -> str:
    """Returns a table as ECSV."""
    content = StringIO(newline="")
    table.write(content, format="ascii.ecsv", delimiter=",")
    return content.getvalue()
