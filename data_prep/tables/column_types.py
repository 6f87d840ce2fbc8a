"""The types of the columns of a whole table: text of any origin, and text that is numbers."""

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from data_prep.tables.cells import MISSING
from data_prep.tables.objids import LARGEST_ID

if TYPE_CHECKING:
    from astropy.table import Table

_INTEGER: Final = re.compile(r"0|-?[1-9][0-9]*", re.ASCII)
"""An integer that keeps its text: others, such as ``007``, are names."""
_FLOAT: Final = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?|[+-]?inf", re.ASCII)
_TRUTH: Final = {"true": True, "false": False}


def text_table(names: Sequence[str], cells: Sequence[npt.NDArray[Any]]) -> "Table":
    """Makes a table of text, whose columns have different names.

    Args:
        names: The column names. An empty name becomes ``col<n>``, and a repeated one gets a number.
        cells: For each column, ``[N]`` texts, possibly masked.
    """
    from astropy.table import Table  # Imported here, since it takes a second.

    table = Table()
    for number, (name, column) in enumerate(zip(names, cells, strict=True), 1):
        base = unique = name or f"col{number}"
        copy = 1
        while unique in table.colnames:
            copy += 1
            unique = f"{base}_{copy}"
        missing = np.ma.getmaskarray(column)
        text = np.array(["" if gone else cell for cell, gone in zip(column, missing, strict=True)], dtype=str)
        table[unique] = np.ma.MaskedArray(text, missing) if missing.any() else text
    return table


def with_types(table: "Table") -> "Table":
    """Gives the columns of a table of text the types that all their cells have: integers, floats or Booleans.

    Args:
        table: The table, as :func:`text_table` makes it.

    Returns:
        A new table. Cells that are empty are masked; in columns of numbers, also those that are one of the
        words in :data:`data_prep.tables.cells.MISSING`.
    """
    typed = table.copy(copy_data=False)
    for name in table.colnames:
        text = np.array([cell.strip() for cell in np.ma.getdata(table[name]).tolist()], dtype=object)
        gone = np.array([cell in MISSING for cell in text.tolist()], dtype=bool)
        values = _parse(text[~gone])
        if values is None:
            empty = text == ""
            if empty.any():
                set_column(typed, name, np.ma.MaskedArray(np.asarray(table[name]), empty))
            continue
        column = np.zeros(len(text), dtype=values.dtype)
        column[~gone] = values
        set_column(typed, name, np.ma.MaskedArray(column, gone) if gone.any() else column)
    return typed


def with_plain_text(table: "Table") -> "Table":
    """Turns columns of bytes, and of objects that are all text, into columns of text of the kind ``U``.

    Args:
        table: The table; it is changed.

    Returns:
        The same table.
    """
    for name in table.colnames:
        column = table[name]
        kind = getattr(getattr(column, "dtype", None), "kind", "")
        missing = np.ma.getmaskarray(column) if kind in ("S", "O", "U") else np.empty(0, dtype=bool)
        if kind == "S":
            text = _decode(np.asarray(np.ma.getdata(column)))
            text = np.strings.rstrip(text)
            missing = missing | (text == "")
        elif kind == "O" and column.ndim == 1:
            cells = np.ma.getdata(column).tolist()
            missing = missing | np.array([cell is None for cell in cells], dtype=bool)
            if not all(gone or isinstance(cell, str) for cell, gone in zip(cells, missing, strict=True)):
                continue
            text = np.array(
                ["" if gone else cell for cell, gone in zip(cells, missing, strict=True)], dtype=str
            )
        else:
            continue
        set_column(table, name, np.ma.MaskedArray(text, missing) if missing.any() else text)
    return table


def set_column(table: "Table", name: str, values: npt.NDArray[Any]) -> None:
    """Replaces the cells of a column, which keeps its unit, description and metadata.

    Args:
        table: The table; it is changed.
        name: The column.
        values: ``[N, ...]``, possibly masked.
    """
    from astropy.table import Column, MaskedColumn

    old = table[name]
    made = MaskedColumn if isinstance(values, np.ma.MaskedArray) else Column
    meta = dict(old.info.meta or {})
    table[name] = made(values, name=name, unit=old.unit, description=old.info.description, meta=meta)


def _parse(text: npt.NDArray[np.object_]) -> npt.NDArray[Any] | None:
    """Parses cells as Booleans, integers or floats; None if they are none of these, or if there are none."""
    cells = text.tolist()
    if not cells:
        return None
    if all(cell.lower() in _TRUTH for cell in cells):
        return np.array([_TRUTH[cell.lower()] for cell in cells], dtype=bool)
    if all(map(_INTEGER.fullmatch, cells)):
        numbers = list(map(int, cells))
        return np.array(numbers, dtype=np.int64) if max(map(abs, numbers)) <= LARGEST_ID else None
    if all(map(_FLOAT.fullmatch, cells)):
        # Large integers beside decimals are ids, or have more digits than a float keeps.
        exact = all(
            len(cell.lstrip("+-")) <= 15 for cell in cells if "." not in cell and "e" not in cell.lower()
        )
        padded = any(re.match(r"[+-]?0[0-9]", cell) for cell in cells if "." not in cell)
        return text.astype(np.float64) if exact and not padded else None
    return None


def _decode(cells: npt.NDArray[np.bytes_]) -> npt.NDArray[np.str_]:
    """Decodes bytes as UTF-8 or, if they are not UTF-8, as Latin-1."""
    try:
        return np.char.decode(cells, "utf-8")
    except UnicodeDecodeError:
        return np.char.decode(cells, "latin-1")
