"""Writes VOTable chunk by chunk, and the VOTable header of a Parquet file."""

import re
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from galaxy_lightning.tables.cells import escape_control
from galaxy_lightning.tables.schema import PARAMETERS
from galaxy_lightning.tables.writers import ChunkWriter

if TYPE_CHECKING:
    from astropy.table import Table

_START: Final = b"<TABLEDATA>\n"
_END: Final = re.compile(rb"[ ]*</TABLEDATA>")
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
"""The smallest type of VOTable that holds the numbers of each type; 64-bit unsigned integers become text."""


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
    start, _, end = _split(_document(template[:1], ascii_names))
    with path.open("wb") as file:
        file.write(start)

        def write(table: "Table") -> None:
            file.write(_split(_document(table, ascii_names))[1])

        yield write
        file.write(end)


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
    """Returns a VOTable with the rows of a table; without rows, it has no element ``DATA``.

    Args:
        table: The table.
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
            shape |= {"datatype": "long", "arraysize": None} if _is_large(table[name]) else {}
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
    if len(table):
        element.create_arrays(len(table))
        for place, name in zip(element.array.dtype.names, table.colnames, strict=True):
            values = _values(table[name])
            element.array[place] = values
            element.array.mask[place] = np.ma.getmaskarray(values)
    content = BytesIO()
    document.to_xml(content, tabledata_format="tabledata")
    return content.getvalue()


def _field_type(column: Any, *, is_ascii: bool) -> dict[str, str | None]:
    """Returns the attributes ``datatype`` and ``arraysize`` of a column."""
    kind = _TYPES.get(f"{column.dtype.kind}{column.dtype.itemsize}")
    if kind is None:
        return {
            "datatype": "char" if is_ascii or column.dtype.kind == "u" else "unicodeChar",
            "arraysize": "*",
        }
    sizes = "x".join(map(str, reversed(column.shape[1:])))  # In VOTable, the first index varies fastest.
    return {"datatype": kind, "arraysize": sizes or None}


def _values(column: Any) -> npt.NDArray[Any]:
    """Returns the cells of a column as astropy's VOTable has them."""
    missing, values = np.ma.getmaskarray(column), np.asarray(np.ma.getdata(column))
    if values.dtype.kind == "U" or _is_large(column):
        texts = ["" if gone else str(cell) for cell, gone in zip(values.tolist(), missing, strict=True)]
        return np.ma.MaskedArray(np.array(texts, dtype=object), missing)
    return np.ma.MaskedArray(values, missing)


def _is_large(column: Any) -> bool:
    """Returns whether a column holds 64-bit unsigned integers, which VOTable lacks."""
    return (column.dtype.kind, column.dtype.itemsize) == ("u", 8)


def _parameter(value: str | int | float) -> dict[str, Any]:
    """Returns the attributes of a parameter."""
    if isinstance(value, str):
        text = escape_control(value)
        return {"value": text, "datatype": "char" if text.isascii() else "unicodeChar", "arraysize": "*"}
    return {"value": value, "datatype": "int" if isinstance(value, int) else "double"}


def _split(document: bytes) -> tuple[bytes, bytes, bytes]:
    """Splits a VOTable into all before its rows, the rows, and all after them."""
    head, start, rest = document.partition(_START)
    end = list(_END.finditer(rest))[-1]
    return head + start, rest[: end.start()], rest[end.start() :]
