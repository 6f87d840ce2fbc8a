"""Writes a table in the format of its name."""

from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from data_prep.tables.column_types import set_column
from galaxy_lightning.tables.cells import array_texts, cell_texts, escape_control
from galaxy_lightning.tables.fits_writer import fits_writer, free_integers, text_widths
from galaxy_lightning.tables.formats import SUFFIXES
from galaxy_lightning.tables.parquet_writer import parquet_writer
from galaxy_lightning.tables.reading import CHUNK_ROWS, PredictionTable
from galaxy_lightning.tables.text_writer import csv_writer, ecsv_writer
from galaxy_lightning.tables.writers import ChunkWriter
from galaxy_lightning.tables.xml_writer import ascii_columns, votable_writer

if TYPE_CHECKING:
    from astropy.table import Table

_FLAGS: Final = ("0", "1")


def convert_predictions(predictions: PredictionTable, path: Path) -> None:
    """Writes a table of predictions chunk by chunk, so that memory does not grow with its rows.

    Args:
        predictions: The table.
        path: The file, a temporary one; its suffix decides the format.
    """
    _write(predictions.chunks(), path, predictions.rows, predictions.ascii_widths, predictions.ascii_columns)


def write_table(table: "Table", path: Path) -> None:
    """Writes a table that is in memory.

    Args:
        table: The table, which :func:`galaxy_lightning.tables.holding.require_writable` has checked.
        path: The file, a temporary one; its suffix decides the format.
    """
    kind = SUFFIXES[path.suffix.lower()]
    table = _without_idle_masks(table)
    if kind != "csv":
        table = _without_unsigned(_without_control(table), as_text=kind in ("votable", "parquet"))
    if kind == "ecsv":  # The types of columns of objects follow from all their rows.
        table.write(path, format="ascii.ecsv", delimiter=",", overwrite=True)
        return
    chunks = (table[start : start + CHUNK_ROWS] for start in range(0, len(table), CHUNK_ROWS))
    _write(chunks, path, len(table), text_widths(table), ascii_columns(table), free_integers(table))


def _write(
    chunks: Iterable["Table"],
    path: Path,
    rows: int,
    widths: dict[str, int],
    all_ascii: frozenset[str],
    nulls: Mapping[str, int] = MappingProxyType({}),
) -> None:
    """Writes chunks of rows."""
    chunks = iter(chunks)
    first = next(chunks)
    with _open(path, first, rows, widths, all_ascii, nulls) as write:
        write(first)
        for chunk in chunks:
            write(chunk)


def _open(
    path: Path,
    first: "Table",
    rows: int,
    widths: dict[str, int],
    all_ascii: frozenset[str],
    nulls: Mapping[str, int],
) -> AbstractContextManager[ChunkWriter]:
    """Opens a file with the writer of its format."""
    match SUFFIXES[path.suffix.lower()]:
        case "fits":
            return fits_writer(path, first, rows, widths, nulls)
        case "votable":
            return votable_writer(path, first, all_ascii)
        case "ecsv":
            return ecsv_writer(path, first)
        case "parquet":
            return parquet_writer(path, first, all_ascii, widths)
        case "csv":
            return csv_writer(path, first)


def _without_idle_masks(table: "Table") -> "Table":
    """Returns a table whose columns are masked only if cells are missing, as the writers expect."""
    from astropy.table import MaskedColumn

    plain = table.copy(copy_data=False)
    for name in table.colnames:
        column = table[name]  # Others than columns, such as times, fit into ECSV only, which astropy writes.
        if isinstance(column, MaskedColumn) and not np.any(column.mask):
            set_column(plain, name, np.asarray(np.ma.getdata(column)))
    return plain


def _without_unsigned(table: "Table", *, as_text: bool) -> "Table":
    """Returns a table whose 64-bit unsigned integers are signed, as few programs read the others exactly.

    Args:
        table: The table.
        as_text: Whether columns with integers above 2^63 - 1 become text; else, they are kept.
    """
    from astropy.table import Column

    signed = table.copy(copy_data=False)
    for name in table.colnames:
        column = table[name]
        if not isinstance(column, Column) or column.dtype.kind != "u" or column.dtype.itemsize != 8:
            continue
        mask = np.ma.getmaskarray(column)
        values: npt.NDArray[Any] = np.array(np.ma.getdata(column))
        values[mask] = 0
        if values.max(initial=0) <= np.iinfo(np.int64).max:
            values = values.astype(np.int64)
        elif as_text:
            texts = array_texts(values, _FLAGS) if values.ndim > 1 else cell_texts(column)
            mask = np.asarray(mask.reshape(len(values), -1).all(axis=1))
            values = np.array(texts, dtype=str)
        else:
            continue
        set_column(signed, name, np.ma.MaskedArray(values, mask) if mask.any() else values)
    return signed


def _without_control(table: "Table") -> "Table":
    """Returns a table whose texts have no control characters."""
    from astropy.table import Column

    cleaned = table.copy(copy_data=False)
    for name in table.colnames:
        column = table[name]
        if not isinstance(column, Column) or column.dtype.kind != "U":
            continue
        cells = np.asarray(np.ma.getdata(column))
        if all(map(str.isprintable, np.unique(cells).tolist())):
            continue
        escaped = np.array([escape_control(cell) for cell in cells.ravel().tolist()]).reshape(cells.shape)
        masked = np.ma.MaskedArray(escaped, np.ma.getmaskarray(column))
        set_column(cleaned, name, masked if hasattr(column, "mask") else escaped)
    return cleaned
