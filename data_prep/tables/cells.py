"""Converts the cells of a catalogue to text and to numbers, exactly and with missing cells marked."""

from collections.abc import Callable
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from data_prep.common.errors import GalaxyError

MISSING: Final = frozenset(
    [
        *("", "--", "<NA>", "#N/A", "#N/A N/A", "#NA", "N/A", "n/a", "NA", "NULL", "Null", "null", "None"),
        *("NaN", "nan", "NAN", "-NaN", "-nan", "1.#IND", "-1.#IND", "1.#QNAN", "-1.#QNAN"),
    ]
)
"""How programs write a missing cell: the words of ``pandas.read_csv``, and ``--``, which astropy prints."""

_TRUTH: Final = {"true": 1.0, "false": 0.0}

Text = npt.NDArray[np.object_]
"""``[N]``: each cell is a string without surrounding blanks, or None if missing."""


def as_text(cells: npt.NDArray[Any]) -> Text:
    """Converts a column to text without rounding.

    Args:
        cells: ``[N]`` strings, bytes, numbers, Booleans or objects; a masked array if cells are missing.

    Returns:
        ``[N]``. Integers have all their digits, floats as many as identify them, and Booleans are ``True``
        or ``False``. Masked cells, NaN and the words in ``MISSING`` are None.
    """
    values = np.ma.getdata(cells)
    # tolist() would turn a 32-bit 0.1 into 0.10000000149011612.
    short = values.dtype.kind == "f" and values.dtype.itemsize < 8
    words = map(_word, values if short else values.tolist())
    text = np.array([None if word in MISSING else word for word in words], dtype=object)
    text[np.ma.getmaskarray(cells)] = None
    return text


def as_numbers(cells: npt.NDArray[Any], where: Callable[[int], str]) -> npt.NDArray[np.float64]:
    """Converts a column to numbers.

    Args:
        cells: ``[N]``, as in :func:`as_text`. Text must be decimal numbers, or ``True`` and ``False``.
        where: Describes the place of a row's cell, for the message.

    Returns:
        ``[N]``; missing cells are NaN.

    Raises:
        GalaxyError: A cell is not a number.
    """
    if cells.dtype.kind in "biuf":
        numbers = np.ma.getdata(cells).astype(np.float64)
        numbers[np.ma.getmaskarray(cells)] = np.nan
        return numbers
    if not np.ma.isMaskedArray(cells):
        # The common case. Python's float() accepts 1_0 and the digits of other scripts, too.
        words = ["nan" if cell in MISSING else cell for cell in cells.tolist()]
        try:
            joined = "".join(words)
            if joined.isascii() and "_" not in joined:
                numbers = np.array(words, dtype=object).astype(np.float64)
                if not np.isinf(numbers).any():
                    return numbers
        except (TypeError, ValueError):  # Another type than text, blanks in place of a number, or no number.
            pass
    text = as_text(cells)
    return np.array([_number(word, row, where) for row, word in enumerate(text)], dtype=np.float64)


def _word(value: object) -> str:
    """Returns a cell as text without surrounding blanks."""
    if isinstance(value, str):  # The common case.
        return value.strip()
    if isinstance(value, bytes):
        try:
            return value.decode("utf-8").strip()
        except UnicodeDecodeError:
            return value.decode("latin-1").strip()
    return str(value).strip()


def _number(word: str | None, row: int, where: Callable[[int], str]) -> float:
    """Parses one cell, or explains why it is not a number."""
    if word is None:
        return np.nan
    if word.lower() in _TRUTH:
        return _TRUTH[word.lower()]
    problem = "it must be a number such as 0.5, or empty if unknown"
    if word.isascii() and "_" not in word:
        try:
            number = float(word)
        except ValueError:
            if word.count(",") == 1 and word.replace(",", "").lstrip("+-").isdigit():
                problem = "it has a decimal comma: export the table with decimal points"
        else:
            if not np.isinf(number) or "inf" in word.lower():
                return number
            problem = "it exceeds the largest 64-bit float"
    raise GalaxyError(f"{where(row)}: {word!r}: {problem}")
