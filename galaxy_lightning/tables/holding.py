"""Which columns of a catalogue each format can hold."""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from data_prep.common.errors import GalaxyError
from galaxy_lightning.tables.cells import escape_ascii
from galaxy_lightning.tables.formats import SUFFIXES, list_suffixes

if TYPE_CHECKING:
    from astropy.table import Table

_ARRAYS: Final = (".fits", ".vot", ".xml", ".ecsv", ".parquet")
_COMPLEX: Final = (".fits", ".vot", ".xml", ".ecsv")
_NUMBERS: Final = frozenset("biuf")
_LONGEST_NAME: Final = 68
"""Characters between the quotation marks of a FITS header card."""


def require_writable(table: "Table", path: Path, source: Path, option: str = "--out") -> None:
    """Checks that a format can hold all columns of a catalogue.

    Args:
        table: The catalogue.
        path: The table to write.
        source: The file of the catalogue, for the message.
        option: The option that names the table, for the message.

    Raises:
        GalaxyError: It cannot hold a column.
    """
    require_names(table.colnames, path, option, f"{source}, ")
    for name in table.colnames:
        what, accepted = _holders(table[name])
        if path.suffix.lower() not in accepted:
            raise GalaxyError(
                f"{source}, column {name} holds {what}, which {path.suffix} cannot hold: name the table "
                f"{option} NAME{list_suffixes(*accepted)}, or remove the column"
            )


def require_names(names: Iterable[str], path: Path, option: str = "--out", source: str = "") -> None:
    """Checks that a format can hold the names of columns: in FITS, they have at most 68 characters.

    Args:
        names: The names.
        path: The table to write.
        option: The option that names the table, for the message.
        source: What comes before the name of the column in the message.

    Raises:
        GalaxyError: A name is too long.
    """
    if SUFFIXES[path.suffix.lower()] != "fits":
        return
    for name in names:
        if len(escape_ascii(name).replace("'", "''")) > _LONGEST_NAME:
            others = list_suffixes(*(suffix for suffix in SUFFIXES if suffix != ".fits"))
            raise GalaxyError(
                f"{source}column {name}: names of more than {_LONGEST_NAME} characters do not fit into FITS: "
                f"name the table {option} NAME{others}, or rename the column"
            )


def _holders(column: Any) -> tuple[str, tuple[str, ...]]:
    """Describes what a column holds, and the suffixes of the formats that can hold it."""
    from astropy.table import Column

    if not isinstance(column, Column):
        return f"values of the type {type(column).__name__}", (".ecsv",)
    kind = column.dtype.kind
    if kind == "O":
        return "arrays of different lengths", (".ecsv",)
    if column.ndim > 1:
        if kind == "c":
            return "arrays of complex numbers", _COMPLEX
        if kind == "b" and np.any(getattr(column, "mask", False)):
            return "arrays of Booleans, of which some are missing", _COMPLEX
        return ("arrays", _ARRAYS) if kind in _NUMBERS else ("arrays of text", (".ecsv",))
    if kind == "c":
        return "complex numbers", _COMPLEX
    if kind == "f" and column.dtype.itemsize > 8:
        return "128-bit floats", (".ecsv",)
    if kind not in _NUMBERS | {"U"}:
        return f"values of the type {column.dtype}", (".ecsv",)
    return "values", tuple(SUFFIXES)
