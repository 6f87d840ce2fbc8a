"""Reading the Galaxy Zoo tables: every object id exact, every missing vote kept missing."""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from data_prep.errors import GalaxyError
from data_prep.files import CHUNK_BYTES
from data_prep.schema import FLAG_COLUMNS, MAPPING_COLUMNS, POSITION_COLUMNS, TABLE2_COLUMNS, VOTE_COLUMNS

LARGEST_EXACT_FLOAT: Final = 2**53
"""Integers above this one do not all survive a conversion to a 64-bit float."""

FLOAT_STEP: Final = 128
"""Distance between neighbouring 64-bit floats from 2^59 to 2^60, where SDSS's ids lie (about 5.9e17)."""

MOST_COLUMNS: Final = 30_000
"""More take minutes, and no catalogue has as many."""

SEPARATORS: Final = {";": "semicolons", "\t": "tabs", "|": "bars"}
"""What other programs separate cells by."""


def read_mapping(path: Path) -> pd.DataFrame:
    """Reads ``gz2_filename_mapping.csv``: which image file shows which galaxy.

    Args:
        path: The CSV, with at least ``objid`` and ``asset_id``.

    Returns:
        Columns ``objid`` (int64) and ``asset_id`` (int64), in the file's order.

    Raises:
        GalaxyError: The file or a column is missing, or an id is no whole number.
    """
    wanted = [name for name in MAPPING_COLUMNS if name != "sample"]
    return read_table(path, dict.fromkeys(wanted, "int64"))


def read_table2(path: Path) -> pd.DataFrame:
    """Reads Galaxy Zoo 1's Table 2: the votes of each galaxy.

    Args:
        path: ``GalaxyZoo1_DR_table2.csv``.

    Returns:
        All 16 columns in the published order; ``OBJID`` is int64, the votes are float64 and the
        flags float64, both with NaN where the cell is empty.

    Raises:
        GalaxyError: The file or a column is missing, or a cell is no number where it must be one.
    """
    votes = dict.fromkeys((*VOTE_COLUMNS, *FLAG_COLUMNS), "float64")
    table = read_table(path, {"OBJID": "int64", **dict.fromkeys(POSITION_COLUMNS, "str"), **votes})
    for name in VOTE_COLUMNS[1:]:
        wrong = (table[name] < 0) | (table[name] > 1)
        if wrong.any():
            row = int(np.argmax(wrong))
            raise GalaxyError(
                f"{path}, line {row + 2}, column {name}: {table[name].iloc[row]:g} is no share of votes: "
                "it must lie from 0 to 1, or be empty where it is unknown"
            )
    return table[list(TABLE2_COLUMNS)]


def read_table(path: Path, dtypes: Mapping[str, str], *, keep_others: bool = False) -> pd.DataFrame:
    """Reads the columns named in ``dtypes`` from a CSV, and says exactly what is wrong if it cannot.

    Whole numbers are read as text first: a CSV reader takes ``5.87e17`` for an integer too.

    Args:
        path: The CSV, with a header line.
        dtypes: The type of each wanted column: ``"int64"``, ``"float64"`` or ``"str"``.
        keep_others: Read the file's other columns too, after the wanted ones, as they are; a
            position stays the text that it is.

    Returns:
        Those columns, in that order.

    Raises:
        GalaxyError: The file is missing, empty or no table, a column is missing, or a cell does
            not hold what its column must.
    """
    require_columns(path, list(dtypes))
    whole = [name for name, dtype in dtypes.items() if dtype == "int64"]
    try:
        # All columns are read, so that a row with more cells than the first line names is noticed.
        table = pd.read_csv(
            path,
            dtype=dict.fromkeys(POSITION_COLUMNS, "str") | dict(dtypes) | dict.fromkeys(whole, "str"),
            encoding="utf-8-sig",
            low_memory=False,
        )
        if not isinstance(table.index, pd.RangeIndex):
            raise GalaxyError(f"{path}: its rows have more cells than its first line has names")
        for name in whole:
            table[name] = table[name].to_numpy(dtype=object).astype(np.int64)
    except (OSError, ValueError, TypeError, OverflowError) as error:
        raise GalaxyError(
            _first_bad_cell(path, dtypes) or f"{path} cannot be read as a table: {_readable(error)}"
        ) from None
    for name in whole:
        refuse_rounded_ids(table[name].to_numpy(), path, name)
    others = [name for name in table.columns if name not in dtypes]
    return table[[*dtypes, *(others if keep_others else [])]]


def require_columns(path: Path, wanted: Sequence[str]) -> list[str]:
    """Returns a CSV's column names, or says which of the wanted ones it lacks.

    Raises:
        GalaxyError: The file is missing, empty or not text, lacks a wanted column, or has it twice; or there
            are too many of them.
    """
    try:
        if path.exists() and not path.is_file():  # A device has no end.
            raise GalaxyError(f"{path} is no file: name the table itself")
        with path.open(encoding="utf-8-sig", newline="") as file:
            found = next(csv.reader(file), [])
        with path.open("rb") as content:  # pandas before 3.1 ends a cell at a NUL.
            while chunk := content.read(CHUNK_BYTES):
                if b"\0" in chunk:
                    raise GalaxyError(f"{path} holds NUL characters, which no table does: export it again")
    except FileNotFoundError:
        raise GalaxyError(f"{path} is missing") from None
    except (OSError, ValueError, csv.Error) as error:
        raise GalaxyError(f"{path} cannot be read as a table: {_readable(error)}") from None
    if len(found) > MOST_COLUMNS:
        raise GalaxyError(
            f"{path} has {len(found):,} columns, and at most {MOST_COLUMNS:,} are read: is it a table with "
            "one row per galaxy?"
        )
    missing = [name for name in wanted if name not in found]
    if missing:
        first = ",".join(found).replace('"', "")
        other = next(
            (word for mark, word in SEPARATORS.items() if set(missing) <= {*first.split(mark)}), None
        )
        raise GalaxyError(
            f"{path} lacks the column{'s' if len(missing) > 1 else ''} {', '.join(missing)} "
            f"(its first line names: {', '.join(found)[:300] or 'nothing'})"
            + (
                f"; its cells are separated by {other}, not commas: export it again with commas"
                if other
                else ""
            )
        )
    twice = [name for name in wanted if found.count(name) > 1]
    if twice:
        raise GalaxyError(f"{path} has the column {twice[0]} more than once: keep the one that is meant")
    return found


def refuse_unknown(
    table: pd.DataFrame, path: Path, column: str, allowed: Sequence[str], remedy: str = ""
) -> None:
    """Stops at the first row of a table that holds none of a column's allowed values.

    Raises:
        GalaxyError: There is one; the message ends with ``remedy``.
    """
    unknown = table[~table[column].isin(allowed)]
    if len(unknown):
        raise GalaxyError(
            f"{path}, line {unknown.index[0] + 2}, column {column}: {unknown[column].iloc[0]!r} is none of "
            f"{', '.join(allowed)}{remedy}"
        )


def refuse_rounded_ids(ids: npt.NDArray[np.int64], path: Path, column: str) -> None:
    """Stops at object ids that have been through a float and now point at other galaxies.

    An id above 2^53 that was once held in a 64-bit float is rounded to a multiple of 128; among
    true ids one in 128 happens to be one, so a column in which all are has been rounded.

    Raises:
        GalaxyError: The column has been rounded.
    """
    large = ids[ids > LARGEST_EXACT_FLOAT]
    if large.size >= 3 and not np.any(large % FLOAT_STEP):
        raise GalaxyError(
            f"{path}, column {column}: every id is a multiple of {FLOAT_STEP}, so the ids were rounded by a "
            "program that read them as floats, and point at other galaxies: export the column again as "
            "64-bit integers or text"
        )


def _readable(error: Exception) -> str:
    """Says what a CSV reader has met in the words of who wrote the file."""
    text = str(error)
    if isinstance(error, UnicodeDecodeError):
        return f"it is not UTF-8, export it again as UTF-8 ({error.reason} at byte {error.start:,})"
    if "inside string" in text or "field limit" in text:
        return f'a quotation mark (") is opened and never closed ({text})'
    return text


def _first_bad_cell(path: Path, dtypes: Mapping[str, str]) -> str | None:
    """Reads the table again as text and describes its first unfit cell, if that is what is wrong."""
    try:
        text = pd.read_csv(path, dtype="str", encoding="utf-8-sig", keep_default_na=False)
    except ValueError:
        return None
    for name, dtype in dtypes.items():
        if dtype == "int64":
            bad = ~text[name].str.strip().str.fullmatch(r"[+-]?\d{1,18}")
            remedy = "it must be a whole number of at most 18 digits"
            if text[name][bad].str.contains(r"[.eE]").any():
                remedy = (
                    "the ids came through a float, which rounds them to other galaxies' ids: "
                    "export the column again as 64-bit integers or text"
                )
        elif dtype == "float64":
            bad = pd.to_numeric(text[name], errors="coerce").isna() & (text[name].str.strip() != "")
            remedy = "it must be a number, or empty where it is unknown"
        else:
            continue
        if bad.any():
            row = int(np.flatnonzero(bad.to_numpy())[0])
            return f"{path}, line {row + 2}, column {name}: {text[name].iloc[row]!r}: {remedy}"
    return None
