"""Converts columns of angles, in degrees or sexagesimal, to degrees."""

import re
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

Degrees = npt.NDArray[np.float64]

_PART: Final = r"(\d+(?:\.\d*)?|\.\d+)\s*"
_SEXAGESIMAL: Final = re.compile(
    rf"([+-]?)\s*{_PART}([hd:]|\s)\s*(?:{_PART}(?:[m:]|\s|$)\s*(?:{_PART}(?:s|$))?)?", re.IGNORECASE
)
_SYMBOLS: Final = {
    **dict.fromkeys("\u2212\u2013", "-"),
    **dict.fromkeys("\u00b0\u00ba", "d"),
    **dict.fromkeys("'\u2032\u2019", "m"),
    **dict.fromkeys('"\u2033\u201d', "s"),
}
"""Other forms of the minus sign, and of the marks of degrees, arcminutes and arcseconds."""
_MARKS: Final = str.maketrans(_SYMBOLS)


class InvalidAngleError(ValueError):
    """A cell is not an angle.

    Attributes:
        row: The row of the cell.
        cell: The cell.
        problem: What is wrong with it.
    """

    def __init__(self, row: int, cell: str, problem: str) -> None:
        super().__init__(f"{cell!r}: {problem}")
        self.row, self.cell, self.problem = row, cell, problem


def is_decimal(word: str) -> bool:
    """Returns whether an angle is a decimal number."""
    try:
        float(word)
    except ValueError:
        return False
    return word.isascii() and "_" not in word


def to_degrees(column: "pd.Series[Any]", *, hours: bool) -> Degrees:
    """Converts a column of angles to degrees.

    All angles must be decimal degrees, or all sexagesimal: ``10:02:03.4``, ``10 02 03.4``, ``10h02m03.4s``,
    ``-0d30m`` or ``150°30'00"``. The last part may have decimals. astropy's ``Angle`` does the same at a
    twentieth of the speed.

    Args:
        column: ``[N]`` angles as text; missing ones are None or NaN.
        hours: Whether sexagesimal angles are hours; those with ``d`` or ``°`` are degrees anyway.

    Returns:
        ``[N]``, NaN where the cell is missing.

    Raises:
        InvalidAngleError: A cell is not an angle, or of another kind than the cells before it.
    """
    cells = column.tolist()
    missing = column.isna().to_numpy(dtype=bool)
    words = ["nan" if gone else str(cell).strip() for cell, gone in zip(cells, missing, strict=True)]
    joined = "".join(words)
    if joined.isascii() and "_" not in joined:
        try:
            return np.array(words, dtype=object).astype(np.float64)
        except ValueError:
            pass
    first = next(word for word, gone in zip(words, missing, strict=True) if not gone)
    if is_decimal(first):
        row = next(row for row, word in enumerate(words) if not is_decimal(word))
        raise InvalidAngleError(row, words[row], f"it is not in decimal degrees, unlike {first!r}")
    return np.array(
        [_sexagesimal(word, row, hours=hours) for row, word in enumerate(words)], dtype=np.float64
    )


def _sexagesimal(word: str, row: int, *, hours: bool) -> float:
    """Converts one sexagesimal angle to degrees."""
    if word == "nan":
        return np.nan
    # The marks of minutes and seconds become letters; two marks of minutes are a mark of seconds.
    match = _SEXAGESIMAL.fullmatch(word.translate(_MARKS).replace("mm", "s"))
    if match is None:
        unlike = "sexagesimal, unlike others in this column" if is_decimal(word) else "an angle"
        example = "10:01:00 (hours)" if hours else "10:01:00"
        raise InvalidAngleError(row, word, f"it is not {unlike}: write degrees such as 150.25, or {example}")
    sign, whole, mark, minutes, seconds = match.groups()
    fractions = [float(part or 0) for part in (minutes, seconds)]
    if max(fractions) > 60:
        raise InvalidAngleError(row, word, "minutes and seconds must be at most 60")
    if mark in "hH" and not hours:
        raise InvalidAngleError(row, word, "a declination is in degrees, not hours")
    size = float(whole) + fractions[0] / 60 + fractions[1] / 3600
    in_hours = hours and mark not in "dD"
    return (-size if sign == "-" else size) * (15 if in_hours else 1)
