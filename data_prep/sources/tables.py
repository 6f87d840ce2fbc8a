"""Reading the Galaxy Zoo tables: every object id exact, every missing vote kept missing."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from data_prep.common.errors import GalaxyError
from data_prep.schema import POSITION_COLUMNS
from data_prep.sources.objids import refuse_rounded_ids, whole_number, whole_numbers
from data_prep.sources.table_layout import UNREADABLE, TableLayout, describe_error, read_layout


def read_table(
    path: Path,
    dtypes: Mapping[str, str],
    *,
    optional: Mapping[str, str] | None = None,
    keep_others: bool = False,
) -> pd.DataFrame:
    """Reads the columns named in ``dtypes`` from a CSV, and says exactly what is wrong if it cannot.

    The file may be gzipped, have semicolons, tabs or bars for commas, and its names in any case; see
    :func:`data_prep.sources.table_layout.read_layout`. Whole numbers are read as text first: a CSV reader
    takes ``5.87e17`` for an integer too.

    Args:
        path: The CSV, with a header line.
        dtypes: The type of each wanted column: ``"int64"``, ``"float64"`` or ``"str"``.
        optional: The types of columns that are read too where the file has them.
        keep_others: Read the file's other columns too, after the wanted ones, as they are; a
            position stays the text that it is.

    Returns:
        Those columns, in that order.

    Raises:
        GalaxyError: The file is missing, empty or no table, a column is missing, or a cell does
            not hold what its column must.
    """
    layout = read_layout(path, list(dtypes), list(optional or ()))
    dtypes = dict(dtypes) | {name: kind for name, kind in (optional or {}).items() if name in layout.names}
    whole = [name for name, dtype in dtypes.items() if dtype == "int64"]
    text = dict.fromkeys(POSITION_COLUMNS, "str") | dtypes | dict.fromkeys(whole, "str")
    try:
        # All columns are read, so that a row with more cells than the first line names is noticed.
        table = _read_csv(layout, dtype=text, low_memory=False)
        if not isinstance(table.index, pd.RangeIndex):
            raise GalaxyError(f"{path}: its rows have more cells than its first line has names")
        for name in whole:
            table[name] = whole_numbers(table[name].to_numpy(dtype=object))
    except (*UNREADABLE, TypeError, OverflowError) as error:
        raise GalaxyError(
            _first_bad_cell(layout, dtypes) or f"{path} cannot be read as a table: {describe_error(error)}"
        ) from None
    for name in whole:
        refuse_rounded_ids(table[name].to_numpy(), path, name)
    others = [name for name in table.columns if name not in dtypes]
    return table[[*dtypes, *(others if keep_others else [])]]


def refuse_unknown(
    table: pd.DataFrame, path: Path, column: str, allowed: Sequence[str], remedy: str = ""
) -> None:
    """Stops at the first row of a table that holds none of a column's allowed values.

    Raises:
        GalaxyError: There is one; the message ends with ``remedy``.
    """
    unknown = table[~table[column].isin(allowed)]
    if len(unknown):
        line = read_layout(path, [column]).line(int(unknown.index[0]))
        raise GalaxyError(
            f"{path}, line {line}, column {column}: {unknown[column].iloc[0]!r} is none of "
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


def _first_bad_cell(layout: TableLayout, dtypes: Mapping[str, str]) -> str | None:
    """Reads the table again as text and describes its first unfit cell, if that is what is wrong."""
    try:
        text = _read_csv(layout, dtype="str", keep_default_na=False)
        missing = _read_csv(layout, dtype="str").isna()
    except UNREADABLE:
        return None
    for name, dtype in dtypes.items():
        cells = text[name].tolist()
        bad = None
        if dtype == "int64":
            bad = next(((row, why) for row, cell in enumerate(cells) if (why := _explain_unfit(cell))), None)
        elif dtype == "float64":
            wrong = (pd.to_numeric(text[name], errors="coerce").isna() & ~missing[name]).to_numpy()
            if wrong.any():
                bad = int(np.argmax(wrong)), "it must be a number such as 0.5, or empty where it is unknown"
        if bad:
            row, why = bad
            if cells[row].strip().lower() == name.lower():
                why = "the column names again, as in tables that were joined: delete this line"
            return f"{layout.path}, line {layout.line(row)}, column {name}: {cells[row]!r}: {why}"
    return None


def _explain_unfit(cell: str) -> str | None:
    """Says why a cell is not a whole number, if it is not."""
    try:
        whole_number(cell)
    except ValueError as error:
        return str(error)
    return None
