"""Writes FITS binary tables chunk by chunk."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from galaxy_lightning.tables.cells import escape_ascii
from galaxy_lightning.tables.schema import PARAMETERS
from galaxy_lightning.tables.writers import ChunkWriter

if TYPE_CHECKING:
    from astropy.io import fits
    from astropy.table import Table

_CODES: Final = {
    "b": "L",
    "u1": "B",
    "i2": "I",
    "i4": "J",
    "i8": "K",
    "f4": "E",
    "f8": "D",
    "c8": "C",
    "c16": "M",
}
_STORED: Final = {"i1": "i2", "u2": "i4", "u4": "i8", "u8": "i8", "f2": "f4"}
"""Types that FITS lacks, and larger ones that hold the same numbers; 64-bit unsigned ones have an offset."""
_OFFSET: Final = 1 << 63
_CARD_TEXT: Final = 60
_FULL: Final = ("i2", "i4", "i8", "u8")
"""Types of integers that may hold every value of the type in which they are stored."""


class _FitsColumn:
    """How a column is stored.

    Args:
        column: The column of the first chunk.
        width: The length of its longest text.
        null: The integer that stands for missing ones; by default, the smallest of its type.
        has_missing: Whether integers of any chunk are missing.
    """

    def __init__(self, column: Any, width: int, null: int | None, *, has_missing: bool) -> None:
        dtype, self.shape = column.dtype, column.shape[1:]
        self.name = column.info.name
        self.is_text = dtype.kind == "U"
        code = f"{dtype.kind}{dtype.itemsize}"
        self.is_offset = code == "u8"
        stored = _STORED.get(code, code)
        self.null: int | None = None
        if has_missing and dtype.kind in "iu":
            stored = "i2" if stored == "u1" else stored
            lowest = int(np.iinfo(stored).min)
            self.null = lowest if null is None else null - (_OFFSET if self.is_offset else 0)
        if self.is_text:
            self.dtype, self.format = np.dtype(f"S{width}"), f"{width}A"
        elif dtype.kind == "b":
            self.dtype, self.format = np.dtype("u1"), "L"
        else:
            self.dtype, self.format = np.dtype(f">{stored}"), _CODES[stored]
        if self.shape:
            self.format = f"{int(np.prod(self.shape))}{self.format}"

    def keywords(self) -> dict[str, Any]:
        """Returns the arguments of astropy's ``fits.Column``, besides name and unit."""
        about: dict[str, Any] = {"format": self.format, "null": self.null}
        if self.is_offset:
            about["bzero"] = _OFFSET
        if len(self.shape) > 1:
            about["dim"] = f"({','.join(map(str, reversed(self.shape)))})"
        return about

    def encode(self, column: Any) -> npt.NDArray[Any]:
        """Returns cells as FITS stores them: ``[N, ...]``."""
        missing, values = np.ma.getmaskarray(column), np.asarray(np.ma.getdata(column))
        if self.is_text:
            words = ["" if gone else word for word, gone in zip(values.tolist(), missing, strict=True)]
            return np.array([escape_ascii(word).encode("ascii") for word in words], dtype=self.dtype)
        if values.dtype.kind == "b":
            return np.where(missing, 0, np.where(values, ord("T"), ord("F"))).astype(np.uint8)
        if self.is_offset:
            values = (values ^ np.uint64(_OFFSET)).view(np.int64)
        if self.null is not None:
            return np.where(missing, self.null, values.astype(self.dtype)).astype(self.dtype)
        if values.dtype.kind in "fc":
            return np.where(missing, np.nan, values).astype(self.dtype)
        return values.astype(self.dtype)


def text_widths(table: "Table") -> dict[str, int]:
    """Returns the length of the longest text in each column of text, as FITS stores it; at least 1."""
    return {
        name: max([1, *(len(escape_ascii(word)) for word in np.unique(np.ma.getdata(table[name])).tolist())])
        for name in table.colnames
        if table[name].dtype.kind == "U"
    }


def free_integers(table: "Table") -> dict[str, int]:
    """Returns an integer that is no value, for each column of the largest types that misses integers.

    Smaller unsigned integers are stored in larger types, whose smallest values are free.
    """
    free = {}
    for name in table.colnames:
        column = table[name]
        if not hasattr(column, "mask") or f"{column.dtype.kind}{column.dtype.itemsize}" not in _FULL:
            continue
        bounds, present = np.iinfo(column.dtype), np.ma.getdata(column)[~np.ma.getmaskarray(column)]
        low, high = int(bounds.min), int(bounds.max)
        candidates = [high, high - 1] if low == 0 else [low, high, low + 1, high - 1]
        free[name] = next((each for each in candidates if not (present == each).any()), candidates[0])
    return free


@contextmanager
def fits_writer(
    path: Path, template: "Table", rows: int, widths: dict[str, int], nulls: Mapping[str, int]
) -> Iterator[ChunkWriter]:
    """Opens a FITS file with one binary table for writing.

    Texts are escaped to ASCII. A missing text is empty, a missing float NaN, a missing integer ``TNULL``,
    and a missing Boolean the byte 0, as the FITS standard says (section 7.3.3.1).

    Args:
        path: The file.
        template: The first chunk, for the types and metadata; a masked column may miss integers.
        rows: The number of rows of all chunks.
        widths: The length of the longest text in each column of text, as FITS stores it.
        nulls: The integers that stand for missing ones, if not the smallest of their types.

    Yields:
        A function that writes a chunk.
    """
    from astropy.io import fits

    columns = [
        _FitsColumn(
            template[name], widths.get(name, 1), nulls.get(name), has_missing=hasattr(template[name], "mask")
        )
        for name in template.colnames
    ]
    header = _header(template, columns, rows)
    dtype = np.dtype([(f"c{number}", each.dtype, each.shape) for number, each in enumerate(columns)])
    path.unlink(missing_ok=True)  # Astropy writes the empty first HDU only into a new file.
    stream = fits.StreamingHDU(path, header)

    def write(table: "Table") -> None:
        if not len(table):
            return
        records = np.empty(len(table), dtype=dtype)
        for number, column in enumerate(columns):
            records[f"c{number}"] = column.encode(table[column.name])
        stream.write(records.view(np.uint8))

    try:
        yield write
    finally:
        stream.close()


def _header(template: "Table", columns: list[_FitsColumn], rows: int) -> "fits.Header":
    """Makes the header of the table."""
    from astropy.io import fits

    made = [
        fits.Column(name=escape_ascii(each.name), unit=_unit(template[each.name]), **each.keywords())
        for each in columns
    ]
    header = fits.BinTableHDU.from_columns(made).header
    header["NAXIS2"] = rows
    header["EXTNAME"] = "PREDICTIONS"
    for number, each in enumerate(columns, 1):
        info = template[each.name].info
        if info.description:
            header.set(f"TCOMM{number}", escape_ascii(info.description), after=f"TFORM{number}")
        if (info.meta or {}).get("ucd"):
            header.set(f"TUCD{number}", escape_ascii(str(info.meta["ucd"])), after=f"TFORM{number}")
    for name, value in template.meta.items():
        keyword, comment = PARAMETERS[name]
        text = escape_ascii(value) if isinstance(value, str) else value
        # A card has 80 characters: the comment is left out behind a long text.
        fits_on_card = not isinstance(text, str) or len(text) + len(comment) <= _CARD_TEXT
        header[keyword] = (text, comment) if fits_on_card else text
    return header


def _unit(column: Any) -> str | None:
    """Returns a unit as FITS writes it or, if it is not a unit of FITS, as it is."""
    from astropy import units

    if column.unit is None:
        return None
    try:
        return str(units.Unit(column.unit).to_string("fits"))
    except (ValueError, TypeError):
        return escape_ascii(str(column.unit))
