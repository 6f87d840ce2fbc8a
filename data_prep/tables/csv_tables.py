"""Reads CSV tables with exact integers and explicit missing values."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from data_prep.common.errors import GalaxyError
from data_prep.schema import POSITION_COLUMNS
from data_prep.tables.objids import parse_integer, parse_integers, refuse_rounded_ids
from data_prep.tables.table_layout import READ_ERRORS, TableLayout, describe_error, read_layout


def read_table(
    path: Path,
    dtypes: Mapping[str, str],
    *,
    optional: Mapping[str, str] | None = None,
    keep_others: bool = False,
) -> pd.DataFrame:
    """Reads the columns named in ``dtypes`` from a CSV; the error message locates an invalid cell.

    The file may be gzipped, separated by semicolons, tabs or bars, and its column names may be in any case;
    see :func:`data_prep.tables.table_layout.read_layout`. Integers are read as text first, since a CSV
    reader would accept ``5.87e17`` as an integer.

    Args:
        path: The CSV, with a header line.
        dtypes: The type of each required column: ``"int64"``, ``"float64"`` or ``"str"``.
        optional: The types of optional columns, which are read if the file has them.
        keep_others: Whether to read all other columns too; ``RA`` and ``DEC`` are then read as text.

    Returns:
        The required columns, the optional columns and the other columns, in this order.

    Raises:
        GalaxyError: The file is missing, empty or not a table, a column is missing, or a cell is invalid.
    """
    layout = read_layout(path, list(dtypes), list(optional or ()))
    dtypes = dict(dtypes) | {name: kind for name, kind in (optional or {}).items() if name in layout.names}
    integers = [name for name, dtype in dtypes.items() if dtype == "int64"]
    csv_dtypes = dict.fromkeys(POSITION_COLUMNS, "str") | dtypes | dict.fromkeys(integers, "str")
    try:
        # All columns are read, so that a row with more cells than the header is detected.
        table = _read_csv(layout, dtype=csv_dtypes, low_memory=False)
        if not isinstance(table.index, pd.RangeIndex):
            raise GalaxyError(f"{path}: the rows have more cells than the header has names")
        for name in integers:
            table[name] = parse_integers(table[name].to_numpy(dtype=object))
    except (*READ_ERRORS, TypeError, OverflowError) as error:
        raise GalaxyError(
            _describe_invalid_cell(layout, dtypes)
            or f"{path} cannot be read as a table: {describe_error(error)}"
        ) from None
    for name in integers:
        refuse_rounded_ids(table[name].to_numpy(), path, name)
    others = [name for name in table.columns if name not in dtypes]
    return table[[*dtypes, *(others if keep_others else [])]]


def refuse_unknown(
    table: pd.DataFrame, path: Path, column: str, allowed: Sequence[str], remedy: str = ""
) -> None:
    """Raises an error if a column holds a value that is not allowed.

    Args:
        table: The table.
        path: The file that it was read from, for the message.
        column: The column's name.
        allowed: The allowed values.
        remedy: The end of the message.

    Raises:
        GalaxyError: A value is not allowed; the message names the first line.
    """
    unknown = table[~table[column].isin(allowed)]
    if len(unknown):
        line = read_layout(path, [column]).line(int(unknown.index[0]))
        raise GalaxyError(
            f"{path}, line {line}, column {column}: {unknown[column].iloc[0]!r} is not one of "
            f"{', '.join(allowed)}{remedy}"
        )


def _read_csv(layout: TableLayout, **options: Any) -> pd.DataFrame:
    """Reads the rows of a table."""
    table: pd.DataFrame = pd.read_csv(
        layout.path,
        sep=layout.separator,
        skipinitialspace=layout.spaced,
        header=None,
        names=layout.names,
        skiprows=layout.header,
        compression="gzip" if layout.gzipped else None,
        encoding="utf-8-sig",
        **options,
    )
    return table


def _describe_invalid_cell(layout: TableLayout, dtypes: Mapping[str, str]) -> str | None:
    """Reads the table again as text and describes the first invalid cell; None if there is none."""
    try:
        text = _read_csv(layout, dtype="str", keep_default_na=False)
        missing = _read_csv(layout, dtype="str").isna()
    except READ_ERRORS:
        return None
    for name, dtype in dtypes.items():
        cells = text[name].tolist()
        found = None
        if dtype == "int64":
            problems = ((row, _integer_problem(cell)) for row, cell in enumerate(cells))
            found = next(((row, problem) for row, problem in problems if problem), None)
        elif dtype == "float64":
            invalid = (pd.to_numeric(text[name], errors="coerce").isna() & ~missing[name]).to_numpy()
            if invalid.any():
                found = int(np.argmax(invalid)), "it must be a number such as 0.5, or empty if unknown"
        if found:
            row, problem = found
            if cells[row].strip().lower() == name.lower():
                problem = "the header is repeated, as in concatenated tables: delete this line"
            return f"{layout.path}, line {layout.line(row)}, column {name}: {cells[row]!r}: {problem}"
    return None


def _integer_problem(cell: str) -> str | None:
    """Returns why a cell is not an integer; None if it is one."""
    try:
        parse_integer(cell)
    except ValueError as error:
        return str(error)
    return None
