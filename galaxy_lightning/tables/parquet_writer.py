"""Writes Parquet chunk by chunk, with the VOTable metadata of VOParquet."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from galaxy_lightning.tables.writers import ChunkWriter
from galaxy_lightning.tables.xml_writer import votable_header

if TYPE_CHECKING:
    import pyarrow as pa
    from astropy.table import Table

VERSION_KEY: Final = b"IVOA.VOTable-Parquet.version"
CONTENT_KEY: Final = b"IVOA.VOTable-Parquet.content"


@contextmanager
def parquet_writer(
    path: Path, template: "Table", ascii_names: frozenset[str], widths: dict[str, int]
) -> Iterator[ChunkWriter]:
    """Opens a Parquet file for writing; each chunk is a row group.

    Args:
        path: The file.
        template: The first chunk, for the types and metadata.
        ascii_names: The columns of text that hold only ASCII.
        widths: The length of the longest text in each column of text, or more.

    Yields:
        A function that writes a chunk.
    """
    import pyarrow as pa
    from pyarrow import parquet

    metadata = votable_metadata(template, ascii_names, widths)
    schema = pa.schema([(name, _type(template[name])) for name in template.colnames], metadata=metadata)
    with parquet.ParquetWriter(path, schema) as file:

        def write(table: "Table") -> None:
            columns = [_array(table[name], schema.field(name).type) for name in table.colnames]
            file.write_table(pa.Table.from_arrays(columns, schema=schema))

        yield write


def votable_metadata(
    template: "Table", ascii_names: frozenset[str], widths: dict[str, int]
) -> dict[bytes, bytes]:
    """Returns the metadata of a Parquet schema: a VOTable without data, which describes the columns.

    This is VOParquet 1.0.

    Args:
        template: As for :func:`parquet_writer`.
        ascii_names: As for :func:`parquet_writer`.
        widths: As for :func:`parquet_writer`.
    """
    metadata = {VERSION_KEY: b"1.0", CONTENT_KEY: votable_header(template, ascii_names, widths)}
    # Astropy reads the length of texts from here, and else warns that it counts them.
    return metadata | {f"table::len::{name}".encode(): str(width).encode() for name, width in widths.items()}


def _type(column: Any) -> "pa.DataType":
    """Returns the type of a column."""
    import pyarrow as pa

    kind = pa.string() if column.dtype.kind == "U" else pa.from_numpy_dtype(column.dtype.newbyteorder("="))
    number = math.prod(column.shape[1:])
    # Astropy reads lists of a fixed length as arrays, and other ones as objects.
    return kind if number == 1 else pa.list_(kind, number)


def _array(column: Any, kind: "pa.DataType") -> "pa.Array":
    """Converts a column; missing cells are null, but texts empty: astropy would read a null as None."""
    import pyarrow as pa

    missing, values = np.ma.getmaskarray(column), np.asarray(np.ma.getdata(column))
    if pa.types.is_fixed_size_list(kind):
        flat, gone = values.reshape(len(values), -1), missing.reshape(len(values), -1)
        rows = flat.astype(object)
        rows[gone] = None
        return pa.array(rows.tolist(), type=kind)
    values, missing = values.reshape(-1), missing.reshape(-1)
    if values.dtype.kind == "U":
        return pa.array(np.where(missing, "", values).tolist(), type=kind)
    return pa.array(values.astype(values.dtype.newbyteorder("=")), type=kind, mask=missing)
