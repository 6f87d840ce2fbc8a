"""Columns of a table as numbers or text, with messages that name the first invalid row."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from pandas.api.types import is_bool_dtype, is_complex_dtype, is_numeric_dtype

from data_prep.common.errors import GalaxyError, shown
from data_prep.common.suggestions import nearest


class TableColumns:
    """The columns of a table, found in any case of their names and converted once.

    Args:
        table: The table.
        source: What reads it, for messages: the file of the label rules.
        id_columns: Usual names of the column that names a galaxy, for messages.
    """

    def __init__(self, table: pd.DataFrame, source: str, id_columns: Sequence[str] = ()) -> None:
        self.rows = len(table)
        self._table = table
        self._source = source
        self._id_columns = id_columns
        self._numbers: dict[str, npt.NDArray[np.float64]] = {}
        self._text: dict[str, npt.NDArray[np.object_]] = {}

    def missing_from(self, names: Sequence[str]) -> list[str]:
        """Returns those of the names that the table does not have."""
        return [name for name in names if not self._find(name)]

    def refuse_missing(self, names: Sequence[str]) -> None:
        """Raises an error if the table lacks any of the columns, with the nearest names that it has."""
        if missing := self.missing_from(names):
            hints = [f"{name}{nearest(name, map(str, self._table.columns))}" for name in missing[:5]]
            more = f" and {len(missing) - 5} more" if len(missing) > 5 else ""
            raise GalaxyError(
                f"the table lacks columns that {self._source} reads: {', '.join(hints)}{more}: use the rules "
                "of this table's catalogue, or correct the names in the rules"
            )

    def numbers(self, name: str) -> npt.NDArray[np.float64]:
        """Returns a column as numbers.

        Args:
            name: The column's name.

        Returns:
            ``[N]`` numbers, NaN where a cell is missing or infinite; 1 and 0 for true and false.

        Raises:
            GalaxyError: The column is missing, or a cell is not a number.
        """
        if name not in self._numbers:
            column = self._column(name)
            if is_bool_dtype(column.dtype) or (
                is_numeric_dtype(column.dtype) and not is_complex_dtype(column.dtype)
            ):
                cells = column.to_numpy(dtype=np.float64, na_value=np.nan)
            else:
                text = self.text(name)
                cells = pd.to_numeric(pd.Series(text, dtype=object), errors="coerce").to_numpy(np.float64)
                invalid = np.isnan(cells) & _is_value(text)
                self.refuse(invalid, name, f"is not a number, which {self._source} needs: correct the table")
            self._numbers[name] = np.where(np.isfinite(cells), cells, np.nan)
        return self._numbers[name]

    def text(self, name: str) -> npt.NDArray[np.object_]:
        """Returns a column as text.

        Args:
            name: The column's name.

        Returns:
            ``[N]`` texts without surrounding spaces, empty where a cell is missing.

        Raises:
            GalaxyError: The column is missing or holds numbers.
        """
        if name not in self._text:
            column = self._column(name)
            known = column.notna().to_numpy(dtype=bool)
            if is_numeric_dtype(column.dtype) and known.any():
                raise GalaxyError(
                    f"column {name} holds numbers, but {self._source} compares it with text: compare it with "
                    "a number, such as '== 1'"
                )
            cells = np.full(self.rows, "", dtype=object)
            cells[known] = [str(cell).strip() for cell in column[known]]
            self._text[name] = cells
        return self._text[name]

    def is_known(self, name: str) -> npt.NDArray[np.bool_]:
        """Returns ``[N]`` whether each row has a value in a column."""
        column = self._column(name)
        if is_numeric_dtype(column.dtype) and not is_complex_dtype(column.dtype):
            return ~np.isnan(self.numbers(name))
        return _is_value(self.text(name))

    def refuse(self, invalid: npt.NDArray[np.bool_], name: str, problem: str) -> None:
        """Raises an error if any row is invalid; the message names the first, with the galaxy's id if known.

        Args:
            invalid: ``[N]`` whether each row is invalid.
            name: The column's name.
            problem: What is wrong with its cell.
        """
        if not invalid.any():
            return
        row = int(np.argmax(invalid))
        found = next((found for other in self._id_columns if (found := self._find(other))), [])
        galaxy = f" ({found[0]} {self._column(found[0]).iloc[row]})" if len(found) == 1 else ""
        cell = shown(str(self._column(name).iloc[row]))
        raise GalaxyError(f"row {row + 1:,}{galaxy}, column {name}: {cell} {problem}")

    def _column(self, name: str) -> "pd.Series[Any]":
        """Returns a column of the table."""
        self.refuse_missing([name])
        found = self._find(name)
        if len(found) > 1 or list(self._table.columns).count(found[0]) > 1:
            raise GalaxyError(f"the table has several columns {name}: rename or remove all but one")
        return self._table[found[0]]

    def _find(self, name: str) -> list[str]:
        """Returns the table's columns of a name: the exact one, or else those that differ only in case."""
        if name in self._table.columns:
            return [name]
        names = [other for other in self._table.columns if isinstance(other, str)]
        return [other for other in names if other.lower() == name.lower()]


def _is_value(text: npt.NDArray[np.object_]) -> npt.NDArray[np.bool_]:
    """Returns ``[N]`` whether each text is neither empty nor a spelling of NaN."""
    return ~pd.Series(text, dtype=object).isin(["", "nan", "NaN", "NAN"]).to_numpy(dtype=bool)
