"""Reads the image of a galaxy from a FITS file."""

import contextlib
import io
import math
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

import numpy as np
from astropy.io import fits

from data_prep.images.cutouts import MAX_PIXELS, ImageError, centre_corner
from data_prep.images.fits_format import GZIP_SIGNATURE, SIGNATURE
from data_prep.images.fits_parts import FitsPart, find_parts, read_part
from data_prep.images.image_settings import BAND_NAME
from data_prep.images.pixel_scale import pixel_scales, scales_agree
from data_prep.images.stretch import Planes
from data_prep.schema import MAX_BANDS

MAX_BYTES: Final = 8 * MAX_PIXELS + 2**24
"""Maximum size of a file, uncompressed: that of ``MAX_PIXELS`` pixels of 64 bits, with headers."""


@dataclass(frozen=True)
class FitsImage:
    """The image of a galaxy.

    Attributes:
        planes: ``[H, W, C]``, native float32, in the units of the file; blank pixels are NaN. One band lies
            after another in memory.
        scale: Arcsec per pixel, the geometric mean of the two axes; None without celestial coordinates, or if
            it was not asked for.
    """

    planes: Planes
    scale: float | None


def read_fits(
    path: Path, bands: Sequence[str], crop: int | None = None, *, with_scale: bool = True
) -> FitsImage:
    """Reads an image with one or more bands from a FITS file.

    The bands are, whichever comes first:

    - the image extensions whose ``EXTNAME`` is the name of a band, regardless of case, if there is one for
      each band;
    - the first image of the file: a plane, or a cube whose third axis are the bands in order;
    - if the first image is a plane but there are several bands: all image extensions, in order.

    Axes of length 1 are ignored. Values are scaled by ``BSCALE`` and ``BZERO``, and ``BLANK`` pixels are NaN;
    units and zero points are left alone. The first row of a FITS image is the lowest. The rows are returned
    in the opposite order, so that an image with north up in FITS viewers has north up in the array, as in
    JPEG cutouts.

    Args:
        path: A FITS file, which may be gzipped or tile-compressed.
        bands: The names of the bands.
        crop: The side of the central square to read, with the margins of ``read_cutout``; None reads the
            whole image.
        with_scale: Whether to read the pixel scale, which takes as long as reading a header.

    Raises:
        ImageError: The file is damaged, too large, or holds no such image; or its pixels are not square, with
            scales that differ by more than ``pixel_scale.MAX_DIFFERENCE``, and the scale is asked for.
    """
    with _explained(path):
        if not path.is_file() and path.exists():  # Reading a pipe would block.
            raise ImageError("cannot be read: not a regular file")
        with path.open("rb") as stored:
            file, size = _unpack(stored)
            chosen = _choose(_find_images(file, size), bands)
            rows, columns = _window(chosen, len(bands), crop)
            planes = [read_part(file, size, part, rows, columns) for part in chosen]
            scale = _square_scale(chosen[0].header) if with_scale else None
        joined = planes[0] if len(planes) == 1 else np.concatenate(planes)
        return FitsImage(np.moveaxis(joined, 0, -1), scale)


def read_fits_scale(path: Path) -> float | None:
    """Returns the pixel scale of the first image of a FITS file in arcsec, from its header.

    Args:
        path: A FITS file.

    Returns:
        The scale; None without celestial coordinates.

    Raises:
        ImageError: The file is damaged or holds no image, or its pixels are not square.
    """
    with _explained(path), path.open("rb") as stored:
        return _square_scale(_find_images(*_unpack(stored))[0].header)


@contextlib.contextmanager
def _explained(path: Path) -> Iterator[None]:
    """Turns any exception into an ``ImageError`` of one line."""
    try:
        yield
    except ImageError:
        raise
    except FileNotFoundError:
        raise ImageError("missing") from None
    except Exception as error:  # astropy raises errors of any kind on damaged files.
        reason = " ".join(str(error).replace(str(path), path.name).split())
        if isinstance(error, MemoryError):
            reason = f"not enough memory {reason}".strip()
        raise ImageError(f"cannot be read as FITS: {reason[:200] or type(error).__name__}") from None


def _unpack(file: BinaryIO) -> tuple[BinaryIO, int]:
    """Returns a file and its size in bytes; a gzipped one is unpacked into memory, up to ``MAX_BYTES``."""
    start, size = file.read(len(SIGNATURE)), file.seek(0, io.SEEK_END)
    if size > MAX_BYTES:
        raise ImageError(f"{size:,} bytes, more than {MAX_BYTES:,}")
    if start.startswith(GZIP_SIGNATURE):
        file.seek(0)
        unpacker = zlib.decompressobj(wbits=31)
        content = unpacker.decompress(file.read(), MAX_BYTES)
        if unpacker.unconsumed_tail:
            raise ImageError(f"more than {MAX_BYTES:,} bytes uncompressed")
        file, start, size = io.BytesIO(content), content[: len(SIGNATURE)], len(content)
    if start != SIGNATURE:
        raise ImageError("not a FITS file" if start else "an empty file")
    return file, size


def _find_images(file: BinaryIO, size: int) -> Sequence[FitsPart]:
    """Returns the images in a file, at least one."""
    parts = find_parts(file, size)
    if not parts:
        raise ImageError("a FITS file without images")
    return parts


def _choose(parts: Sequence[FitsPart], bands: Sequence[str]) -> Sequence[FitsPart]:
    """Returns the images of a file that hold the bands."""
    planes = [part for part in parts if len(part.shape) == 2]
    named = {part.name: part for part in reversed(planes)}
    if all(band.upper() in named for band in bands):
        return [named[band.upper()] for band in bands]
    return planes if len(bands) > 1 and len(parts[0].shape) == 2 else parts[:1]


def _window(chosen: Sequence[FitsPart], bands: int, crop: int | None) -> tuple[slice, slice]:
    """Returns the rows and columns to read, after checking the shapes of the images."""
    shapes = [part.shape for part in chosen]
    height, width = shapes[0][-2:]
    if len(shapes[0]) > 3:
        raise ImageError(f"an image with {len(shapes[0])} axes: expected a plane, or a cube of bands")
    found = len(chosen) if len(shapes[0]) == 2 else shapes[0][0]
    if found != bands:
        raise ImageError(f"{found} {'band' if found == 1 else 'bands'}, not {bands}")
    if different := [shape for shape in shapes if shape != shapes[0]]:
        raise ImageError(
            f"bands of different sizes: {width} x {height} and {different[0][-1]} x {different[0][-2]} pixels"
        )
    if height * width * bands > MAX_PIXELS:
        raise ImageError(f"{width} x {height} pixels in {bands} bands, more than {MAX_PIXELS:,}")
    if crop is None:
        return slice(0, height), slice(0, width)
    left, top = centre_corner(width, height, crop)
    return slice(top, top + crop), slice(left, left + crop)


def _square_scale(header: fits.Header) -> float | None:
    """Returns the pixel scale of square pixels."""
    scales = pixel_scales(header)
    if scales is None:
        return None
    if not scales_agree(*scales):
        raise ImageError("pixels that are not square: {:.5g} x {:.5g} arcsec".format(*scales))
    return math.sqrt(math.prod(scales))


def find_bands(path: Path) -> tuple[str, ...]:
    """Returns names for the bands of a FITS file: those of its image extensions, or ``band1``, ``band2``, ...

    Args:
        path: A FITS file.

    Raises:
        ImageError: The file is damaged, or holds no image of 1 to ``MAX_BANDS`` bands.
    """
    with _explained(path), path.open("rb") as stored:
        parts = _find_images(*_unpack(stored))
    names = [part.name for part in parts if len(part.shape) == 2]
    count = parts[0].shape[0] if len(parts[0].shape) > 2 else len(names)
    if count > MAX_BANDS:
        raise ImageError(f"{count} bands, more than the maximum of {MAX_BANDS}")
    if count == len(names) == len(set(names)) > 1 and all(map(BAND_NAME.fullmatch, names)):
        return tuple(names)
    return tuple(f"band{number + 1}" for number in range(count))
