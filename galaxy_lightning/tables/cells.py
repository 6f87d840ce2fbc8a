"""Text that every format can hold, and the text of cells for CSV."""

import re
from typing import Any, Final

import numpy as np
import numpy.typing as npt

_CONTROL: Final = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
"""Control characters, and those that XML and UTF-8 forbid."""
_NOT_FINITE: Final = {"nan": "NaN", "inf": "Inf", "-inf": "-Inf"}
"""Words that VOTable and astropy read."""


def escape_control(text: str) -> str:
    r"""Returns a text with its control characters escaped: a line break becomes ``\x0a``."""
    return _CONTROL.sub(_escape, text)


def escape_ascii(text: str) -> str:
    r"""Returns a text in printable ASCII, as FITS requires: ``é`` becomes ``\xe9``."""
    if text.isascii() and text.isprintable():
        return text
    return escape_control(text).encode("ascii", "backslashreplace").decode("ascii")


def cell_texts(column: npt.NDArray[Any], flags: tuple[str, str] = ("0", "1")) -> list[str]:
    """Returns the cells of a column as text, missing cells empty.

    Args:
        column: ``[N]`` Booleans, numbers or text, masked where cells are missing.
        flags: The words for false and true.
    """
    missing, values = np.ma.getmaskarray(column), np.asarray(np.ma.getdata(column))
    if values.dtype.kind == "f":
        missing = missing | np.isnan(values)
    return ["" if gone else cell for cell, gone in zip(_words(values, flags), missing.tolist(), strict=True)]


def array_texts(column: npt.NDArray[Any], flags: tuple[str, str]) -> list[str]:
    """Returns the cells of a column of arrays as text, with blanks between the values.

    Args:
        column: ``[N, ...]`` Booleans or numbers; a missing float becomes NaN.
        flags: The words for false and true.
    """
    missing, values = np.ma.getmaskarray(column), np.asarray(np.ma.getdata(column))
    if values.dtype.kind in "fc":
        values = np.where(missing, np.nan, values)
    return [" ".join(_words(row, flags)) for row in values.reshape(len(values), -1)]


def _words(values: npt.NDArray[Any], flags: tuple[str, str]) -> list[str]:
    """Returns values as text: floats with as many digits as identify them, complex numbers as two floats."""
    if values.dtype.kind == "b":
        return [flags[flag] for flag in values.tolist()]
    if values.dtype.kind == "c":
        parts = np.stack([values.real, values.imag], axis=-1)
        return [" ".join(_words(pair, flags)) for pair in parts]
    if values.dtype.kind == "f":
        # tolist() would turn a 32-bit 0.1 into 0.10000000149011612.
        cells = map(str, values if values.dtype.itemsize < 8 else values.tolist())
        return [_NOT_FINITE.get(cell, cell) for cell in cells]
    return list(map(str, values.tolist()))


def _escape(match: re.Match[str]) -> str:
    code = ord(match[0])
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
