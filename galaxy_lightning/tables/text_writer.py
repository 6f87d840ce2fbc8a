"""Writes ECSV chunk by chunk, and CSV."""

import csv
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from galaxy_lightning.tables.cells import cell_texts
from galaxy_lightning.tables.writers import ChunkWriter

if TYPE_CHECKING:
    from astropy.table import Table

_SPECIAL: Final = re.compile(r'[",#\r\n]|^\s|\s$')


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
        template[:0].write(file, format="ascii.ecsv", delimiter=",")

        def write(table: "Table") -> None:
            # Astropy would keep the text of several chunks in memory.
            columns = [map(_quote, cell_texts(table[name], ("False", "True"))) for name in table.colnames]
            file.writelines(",".join(row) + "\n" for row in zip(*columns, strict=True))

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


def _quote(cell: str) -> str:
    """Returns a cell of ECSV, in quotation marks where a reader could take it for something else."""
    return '"' + cell.replace('"', '""') + '"' if _SPECIAL.search(cell) else cell
