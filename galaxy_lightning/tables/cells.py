"""Text that every format can hold, and the text of cells for CSV."""

import re
from typing import Any, Final

import numpy as np
import numpy.typing as npt

_CONTROL: Final = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
"""Control characters, and those that XML and UTF-8 forbid."""


def escape_control(text: str) -> str:
    r"""Returns a text with its control characters escaped: a line break becomes ``\x0a``."""
    return _CONTROL.sub(_escape, text)


def escape_ascii(text: str) -> str:
    r"""Returns a text in printable ASCII, as FITS requires: ``é`` becomes ``\xe9``."""
    if text.isascii() and text.isprintable():
        return text
    return escape_control(text).encode("ascii", "backslashreplace").decode("ascii")


def cell_texts(column: npt.NDArray[Any], *, words: bool = False) -> list[str]:
    """Returns the cells of a column as text, missing cells empty.

    Args:
        column: ``[N]`` Booleans, numbers or text, masked where cells are missing.
        words: Whether Booleans are ``True`` and ``False`` as in ECSV, instead of 1 and 0 as in CSV.
    """
    missing, values = np.ma.getmaskarray(column), np.asarray(np.ma.getdata(column))
    if values.dtype.kind == "b" and not words:
        values = values.astype(np.int8)
    if values.dtype.kind == "f":
        missing = missing | np.isnan(values)
        # tolist() would turn a 32-bit 0.1 into 0.10000000149011612.
        cells = map(str, values if values.dtype.itemsize < 8 else values.tolist())
    else:
        cells = map(str, values.tolist())
    return ["" if gone else cell for cell, gone in zip(cells, missing.tolist(), strict=True)]


def _escape(match: re.Match[str]) -> str:
    code = ord(match[0])
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
