"""The images in a FITS file: their headers, and their values.

The headers are parsed by astropy, and checked before anything depends on them: when astropy opens a whole
file, it makes a list of all axes that a header declares, which takes forever if a damaged header declares
billions. The values of the rows that are needed are read directly, in a third of the time. Tile-compressed
images are decompressed by astropy.
"""

import math
import warnings
import zlib
from dataclasses import dataclass
from typing import Any, BinaryIO, Final

import numpy as np
import numpy.typing as npt
from astropy.io import fits
from astropy.utils.exceptions import AstropyWarning

from data_prep.images.cutouts import MAX_PIXELS, ImageError
from data_prep.images.stretch import Planes

MAX_PARTS: Final = 64
"""Maximum number of parts (HDUs) of a file that are searched for images."""

MAX_TILES: Final = 2**16
"""Maximum number of tiles of a tile-compressed image."""

_BLOCK: Final = 2880
_MAX_AXES: Final = 999
_TYPES: Final = {8: "u1", 16: ">i2", 32: ">i4", 64: ">i8", -32: ">f4", -64: ">f8"}
"""NumPy's type of each ``BITPIX``."""

_COMPRESSIONS: Final = ("RICE_1", "RICE_ONE", "GZIP_1", "GZIP_2", "NOCOMPRESS")
"""Compressions that are supported. astropy's decoders of the others do not check their input."""


_RICE_SETTINGS: Final = {"BLOCKSIZE": (16, 32), "BYTEPIX": (1, 2, 4)}
"""The values that the FITS standard allows, except for 64-bit integers, which astropy cannot decode."""

_MAX_SEED: Final = 10_000
"""Maximum seed of the dither of quantised values."""

# Damaged headers are reported as errors where they matter. The filter is set once: catch_warnings would
# change the filters of all threads that read images.
warnings.simplefilter("ignore", AstropyWarning)


@dataclass(frozen=True)
class FitsPart:
    """An image in a FITS file.

    Attributes:
        number: The number of the part (HDU) in the file, from 0.
        header: The header as stored: of a tile-compressed image, that of its table.
        start: The position of the data in the file, in bytes.
        size: The size of the data in bytes.
        shape: The length of the axes, ``[H, W]`` or ``[C, H, W]``; axes of length 1 before H are left out.
        is_compressed: Whether the image is tile-compressed.
    """

    number: int
    header: fits.Header
    start: int
    size: int
    shape: tuple[int, ...]
    is_compressed: bool

    @property
    def name(self) -> str:
        """The name of the extension in upper case; empty if it has none."""
        return str(self.header.get("EXTNAME", "")).strip().upper()


def find_parts(file: BinaryIO, size: int) -> list[FitsPart]:
    """Finds the images in a FITS file by its headers.

    Args:
        file: The file.
        size: The size of the file in bytes.

    Returns:
        The images with two or more axes, among the first ``MAX_PARTS`` parts of the file.

    Raises:
        ImageError: A header is damaged.
        Exception: astropy cannot parse the first header.
    """
    parts: list[FitsPart] = []
    end = 0
    for number in range(MAX_PARTS):
        file.seek(end)
        if number and file.read(8) != b"XTENSION":
            break  # Padding after the last part.
        file.seek(end)
        header = fits.Header.fromfile(file)
        start = file.tell()
        axes = _axes(header, "NAXIS")
        bits = abs(_integer(header, "BITPIX"))
        count = math.prod(axes) if axes else 0
        count = _integer(header, "GCOUNT", 1) * (_integer(header, "PCOUNT", 0) + count)
        length = bits // 8 * count
        if length < 0 or header.get("GROUPS") is True:
            break  # Random groups, which hold no images.
        is_compressed = header.get("ZIMAGE") is True
        if is_compressed:
            axes = _axes(header, "ZNAXIS")
        if len(axes) >= 2 and 0 not in axes and (is_compressed or not _is_table(header)):
            shape = (*(axis for axis in axes[:-2] if axis != 1), *axes[-2:])
            parts.append(FitsPart(number, header, start, length, shape, is_compressed))
        end = start + -(-length // _BLOCK) * _BLOCK
        if end >= size:
            break
    return parts


def read_part(file: BinaryIO, size: int, part: FitsPart, rows: slice, columns: slice) -> Planes:
    """Reads a part of an image.

    Args:
        file: The file.
        size: The size of the file in bytes.
        part: The image, of at most ``MAX_PIXELS`` pixels.
        rows: The rows, counted from the top, which is the last row of the file.
        columns: The columns.

    Returns:
        ``[C, rows, columns]``, native float32, top row first. Blank pixels are NaN.

    Raises:
        ImageError: The image is truncated, or of a kind that is not supported.
        Exception: astropy cannot decompress the image.
    """
    if missing := max(0, part.start + part.size - size):
        raise ImageError(f"truncated: {missing:,} bytes are missing")
    *others, height, width = part.shape
    bottom, top, _ = rows.indices(height)
    first, last = height - top, height - bottom
    with np.errstate(all="ignore"):  # Values beyond the range of float32 become infinite.
        if part.is_compressed:
            values = np.asarray(_decompress(file, part))
            if values.dtype.kind not in "iuf":
                raise ImageError(f"values of type {values.dtype}, not numbers")
            stored = values.reshape(-1, height, width)[:, first:last, columns]
            return stored[:, ::-1].astype(np.float32)
        dtype = np.dtype(_TYPES[_integer(part.header, "BITPIX")])
        planes = np.empty((math.prod(others), last - first, len(range(*columns.indices(width)))), np.float32)
        for band in range(len(planes)):
            file.seek(part.start + (band * height + first) * width * dtype.itemsize)
            content = file.read((last - first) * width * dtype.itemsize)
            stored = np.frombuffer(content, dtype).reshape(last - first, width)[::-1, columns]
            planes[band] = _apply_scale(stored, part.header)
    return planes


def _apply_scale(values: npt.NDArray[Any], header: fits.Header) -> npt.NDArray[Any]:
    """Applies ``BSCALE`` and ``BZERO``; blank pixels become NaN."""
    scale, zero = _number(header, "BSCALE", 1.0), _number(header, "BZERO", 0.0)
    blank = header.get("BLANK")
    if values.dtype.kind == "f" or not isinstance(blank, int):
        return values if (scale, zero) == (1, 0) else values * np.float64(scale) + zero
    return np.where(values == blank, np.nan, values * np.float64(scale) + zero)


def _decompress(file: BinaryIO, part: FitsPart) -> Any:
    """Decompresses a tile-compressed image, after checking that it cannot take too much time or memory."""
    kind = part.header.get("ZCMPTYPE")
    if kind not in _COMPRESSIONS:
        raise ImageError(f"compressed by {kind}, which is not supported: use fpack -r")
    if _integer(part.header, "NAXIS2") > MAX_TILES:
        raise ImageError(f"{_integer(part.header, 'NAXIS2'):,} compressed tiles, more than {MAX_TILES:,}")
    _axes(part.header, "TFIELDS", lengths=False)
    _check_decoder(part.header)
    file.seek(0)
    hdus = fits.open(file, mode="readonly", memmap=False, lazy_load_hdus=True)
    try:
        hdu = hdus[part.number]
        if not isinstance(hdu, fits.CompImageHDU) or math.prod(hdu.shape) > MAX_PIXELS:
            raise ImageError("a damaged tile-compressed image")
        table = hdu.compressed_data
        for column in table.names:
            if column == "GZIP_COMPRESSED_DATA" or (column == "COMPRESSED_DATA" and kind.startswith("GZIP")):
                _check_gzip(file, part, np.asarray(table[column]).reshape(-1, 2).tolist())
        return hdu.data
    finally:
        hdus.close(closed=False)  # Other parts may follow in the same file.


def _check_decoder(header: fits.Header) -> None:
    """Refuses settings with which astropy's decoders in C would read beyond their memory."""
    names = {card.value: card.keyword[len("ZNAME") :] for card in header["ZNAME*"].cards}
    for name, allowed in _RICE_SETTINGS.items():
        if name in names and header.get(f"ZVAL{names[name]}") not in allowed:
            raise ImageError(f"a damaged header: {name} of the compression is not one of {allowed}")
    if not 0 <= _integer(header, "ZDITHER0", 0) <= _MAX_SEED:
        raise ImageError(f"a damaged header: ZDITHER0 = {header['ZDITHER0']}"[:100])


def _check_gzip(file: BinaryIO, part: FitsPart, tiles: list[list[int]]) -> None:
    """Refuses gzipped tiles that are larger than the image once unpacked.

    Args:
        file: The file.
        part: The image.
        tiles: The length of each tile and its position in the heap, in bytes.
    """
    heap = _integer(part.header, "NAXIS1") * _integer(part.header, "NAXIS2")
    heap = part.start + _integer(part.header, "THEAP", heap)
    limit = 8 * math.prod(part.shape) + 1
    for length, position in tiles:
        file.seek(heap + position)
        unpacker = zlib.decompressobj(wbits=31)
        unpacker.decompress(file.read(length), limit)
        if unpacker.unconsumed_tail:
            raise ImageError("compressed tiles that are larger than the image")


def _is_table(header: fits.Header) -> bool:
    return str(header.get("XTENSION", "IMAGE")).strip() not in ("IMAGE", "IUEIMAGE")


def _axes(header: fits.Header, name: str, *, lengths: bool = True) -> tuple[int, ...]:
    """Returns the lengths of the axes, the last one first, after checking their number."""
    number = _integer(header, name)
    if number > _MAX_AXES:
        raise ImageError(f"a damaged header: {name} = {number}")
    return tuple(_integer(header, f"{name}{axis}") for axis in range(number, 0, -1)) if lengths else ()


def _integer(header: fits.Header, name: str, default: int | None = None) -> int:
    """Returns an integer of a header; only ``BITPIX`` may be negative."""
    value = header.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int) or (value < 0 and name != "BITPIX"):
        raise ImageError(f"a damaged header: {name} = {value if value is not None else 'missing'}"[:100])
    if name == "BITPIX" and value not in _TYPES:
        raise ImageError(f"a damaged header: BITPIX = {value}"[:100])
    return value


def _number(header: fits.Header, name: str, default: float) -> float:
    """Returns a finite number of a header."""
    value = header.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ImageError(f"a damaged header: {name} = {value}"[:100])
    return float(value)
