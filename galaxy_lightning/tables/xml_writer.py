"""Writes VOTable chunk by chunk, and the VOTable header of a Parquet file."""

import math
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from xml.sax.saxutils import escape

import numpy as np

from galaxy_lightning.tables.cells import array_texts, cell_texts, escape_control
from galaxy_lightning.tables.schema import PARAMETERS
from galaxy_lightning.tables.writers import ChunkWriter

if TYPE_CHECKING:
    from astropy.table import Table

_END: Final = b"  </TABLE>"
_FLAGS: Final = ("F", "T")
_TYPES: Final = {
    "b1": "boolean",
    "u1": "unsignedByte",
    "i1": "short",
    "i2": "short",
    "u2": "int",
    "i4": "int",
    "u4": "long",
    "i8": "long",
    "f2": "float",
    "f4": "float",
    "f8": "double",
    "c8": "floatComplex",
    "c16": "doubleComplex",
}
"""The smallest type of VOTable that holds the numbers of each type."""


@contextmanager
def votable_writer(path: Path, template: "Table", ascii_names: frozenset[str]) -> Iterator[ChunkWriter]:
    """Opens a VOTable for writing, with its rows as ``TABLEDATA``.

    Args:
        path: The file.
        template: The first chunk, for the types and metadata.
        ascii_names: The columns of text that hold only ASCII in all chunks: they are ``char``.

    Yields:
        A function that writes a chunk.
    """
    document = _document(template[:0], ascii_names)
    start, end = document[: document.rindex(_END)], document[document.rindex(_END) :]
    with path.open("wb") as file:
        file.write(start + b"<DATA>\n<TABLEDATA>\n")

        def write(table: "Table") -> None:
            # Astropy's own writer of rows, in C, corrupts the memory: its issue 20419.
            columns = [_row_cells(table[name]) for name in table.colnames]
            rows = ("".join(cells) for cells in zip(*columns, strict=True))
            file.write("".join(f"<TR>{row}</TR>\n" for row in rows).encode())

        yield write
        file.write(b"</TABLEDATA>\n</DATA>\n" + end)


def votable_header(template: "Table", ascii_names: frozenset[str], widths: dict[str, int]) -> bytes:
    """Returns a VOTable without data, which describes the columns of a Parquet file.

    Its types are such that astropy can add the rows: with the length of texts, and Booleans of any number of
    values where some are missing, which astropy reads as objects.

    Args:
        template: The first chunk.
        ascii_names: The columns of text that hold only ASCII.
        widths: The length of the longest text in each column of text, or more.
    """
    sizes = {name: str(width) for name, width in widths.items()}
    for name in template.colnames:
        if template[name].dtype.kind == "b" and hasattr(template[name], "mask"):
            sizes[name] = "*"
    return _document(template[:0], ascii_names, sizes)


def ascii_columns(table: "Table") -> frozenset[str]:
    """Returns the columns of text that hold only ASCII."""
    return frozenset(
        name
        for name in table.colnames
        if table[name].dtype.kind == "U"
        and all(word.isascii() for word in np.unique(np.ma.getdata(table[name])).tolist())
    )


def _document(table: "Table", ascii_names: frozenset[str], sizes: Mapping[str, str] | None = None) -> bytes:
    """Returns a VOTable without data, with the columns and parameters of a table.

    Args:
        table: The table, without rows.
        ascii_names: The columns of text that hold only ASCII.
        sizes: For Parquet, the attribute ``arraysize`` of columns, if not the usual one.
    """
    from astropy.io.votable.tree import Field, Param, Resource, TableElement, VOTableFile

    document, resource = VOTableFile(), Resource()
    element = TableElement(document)
    document.resources.append(resource)
    resource.tables.append(element)
    element.description = "Classes of galaxies, predicted by Galaxy Lightning"
    for name in table.colnames:
        info = table[name].info
        known = {key: (info.meta or {}).get(key) for key in ("ucd", "utype", "xtype")}
        unit = None if info.unit is None else str(info.unit)
        shape = _field_type(table[name], is_ascii=name in ascii_names)
        if sizes is not None:
            shape |= {"arraysize": sizes[name]} if name in sizes else {}
            number = math.prod(table[name].shape[1:])  # Its arrays have one dimension.
            shape |= {"arraysize": None if number == 1 else str(number)} if table[name].ndim > 1 else {}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # An ID has fewer kinds of characters than a name.
            field = Field(document, name=name, unit=unit, **shape, **known)
        field.description = info.description
        element.fields.append(field)
    for name, value in table.meta.items():
        param = Param(document, name=name, **_parameter(value))
        param.description = PARAMETERS[name][1]
        element.params.append(param)
    Field.uniqify_names(element.fields)
    content = BytesIO()
    document.to_xml(content)
    return content.getvalue()


def _field_type(column: Any, *, is_ascii: bool) -> dict[str, str | None]:
    """Returns the attributes ``datatype`` and ``arraysize`` of a column."""
    kind = _TYPES.get(f"{column.dtype.kind}{column.dtype.itemsize}")
    if kind is None:
        return {
            "datatype": "char" if is_ascii else "unicodeChar",
            "arraysize": "*",
        }
    sizes = "x".join(map(str, reversed(column.shape[1:])))  # In VOTable, the first index varies fastest.
    return {"datatype": kind, "arraysize": sizes or None}


def _row_cells(column: Any) -> list[str]:
    """Returns the elements ``TD`` of a column."""
    texts = array_texts(column, _FLAGS) if column.ndim > 1 else cell_texts(column, _FLAGS)
    if column.dtype.kind == "U":
        texts = list(map(escape, texts))
    return [f"<TD>{text}</TD>" if text else "<TD/>" for text in texts]


def _parameter(value: str | int | float) -> dict[str, Any]:
    """Returns the attributes of a parameter."""
    if isinstance(value, str):
        text = escape_control(value)
        return {"value": text, "datatype": "char" if text.isascii() else "unicodeChar", "arraysize": "*"}
    return {"value": value, "datatype": "int" if isinstance(value, int) else "double"}
