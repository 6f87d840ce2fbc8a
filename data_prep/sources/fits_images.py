"""Reads the image of a galaxy from a FITS file."""

import io
import math
import warnings
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, Final

import numpy as np
import numpy.typing as npt
from astropy.io import fits
from astropy.utils.exceptions import AstropyWarning

from data_prep.sources.fits_format import GZIP_SIGNATURE, SIGNATURE
from data_prep.sources.image_settings import BAND_NAME
from data_prep.sources.images import MAX_PIXELS, ImageError
from data_prep.sources.pixel_scale import pixel_scales, scales_agree
from data_prep.sources.stretch import MAX_BANDS, Planes

MAX_HDUS: Final = 64
"""Maximum number of parts (HDUs) of a file that are searched for images."""

MAX_BYTES: Final = 8 * MAX_PIXELS + 2**24
"""Maximum size of a file, uncompressed: that of ``MAX_PIXELS`` pixels of 64 bits, with headers."""

MAX_TILES: Final = 2**16
"""Maximum number of tiles of a tile-compressed image."""

_COMPRESSIONS: Final = ("RICE_1", "RICE_ONE", "GZIP_1", "GZIP_2", "NOCOMPRESS")

# Damaged headers are reported as errors where they matter. The filter is set once: catch_warnings would
# change the filters of all threads that read images.
warnings.simplefilter("ignore", AstropyWarning)


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
    try:
        if not path.is_file() and path.exists():  # Reading a pipe would block.
            raise ImageError("cannot be read: not a regular file")
        with path.open("rb") as file, _open(file) as hdus:
            planes, header = _read(hdus, bands, crop)
            return FitsImage(planes, _square_scale(header) if with_scale else None)
    except ImageError:
        raise
    except FileNotFoundError:
        raise ImageError("missing") from None
    except Exception as error:  # astropy raises errors of any kind on damaged files.
        reason = " ".join(str(error).replace(str(path), path.name).split())
        if isinstance(error, MemoryError):
            reason = f"not enough memory {reason}".strip()
        raise ImageError(f"cannot be read as FITS: {reason[:200] or type(error).__name__}") from None


def _open(file: BinaryIO) -> Any:
    """Opens a file; a gzipped one is unpacked into memory, up to ``MAX_BYTES``."""
    start, size = file.read(len(SIGNATURE)), file.seek(0, io.SEEK_END)
    file.seek(0)
    if size > MAX_BYTES:
        raise ImageError(f"{size:,} bytes, more than {MAX_BYTES:,}")
    if start.startswith(GZIP_SIGNATURE):
        unpacker = zlib.decompressobj(wbits=31)
        content = unpacker.decompress(file.read(), MAX_BYTES)
        if unpacker.unconsumed_tail:
            raise ImageError(f"more than {MAX_BYTES:,} bytes uncompressed")
        file, start = io.BytesIO(content), content[: len(SIGNATURE)]
    if start != SIGNATURE:
        raise ImageError("not a FITS file" if start else "an empty file")
    return fits.open(file, mode="readonly", memmap=False, lazy_load_hdus=True)


def _read(hdus: Any, bands: Sequence[str], crop: int | None) -> tuple[Planes, fits.Header]:
    """Reads the bands from an open file; returns ``[H, W, C]`` and the header of the first."""
    images = [hdu for hdu in islice(hdus, MAX_HDUS) if _squeezed(hdu)]
    if not images:
        raise ImageError("a FITS file without images")
    named = {str(hdu.name).strip().upper(): hdu for hdu in reversed(images) if len(_squeezed(hdu)) == 2}
    if all(band.upper() in named for band in bands):
        chosen = [named[band.upper()] for band in bands]
    elif len(bands) > 1 and len(_squeezed(images[0])) == 2:
        chosen = [hdu for hdu in images if len(_squeezed(hdu)) == 2]
    else:
        chosen = images[:1]
    return _stack(chosen, len(bands), crop), chosen[0].header


def _stack(chosen: Sequence[Any], bands: int, crop: int | None) -> Planes:
    """Reads images that together have all bands; returns ``[H, W, C]``."""
    shapes = [_squeezed(hdu) for hdu in chosen]
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
    rows, columns = slice(None), slice(None)
    if crop is not None:
        top, left = (height - crop) // 2, (width - crop) // 2
        if min(top, left) < 0:
            raise ImageError(f"{width} x {height} pixels, smaller than the crop of {crop}")
        rows, columns = slice(top, top + crop), slice(left, left + crop)
    with np.errstate(all="ignore"):  # Values beyond the range of float32 become infinite.
        parts = [_upright(hdu)[:, rows, columns].astype(np.float32) for hdu in chosen]
    planes = parts[0] if len(parts) == 1 else np.concatenate(parts)
    return np.moveaxis(planes, 0, -1)


def _square_scale(header: fits.Header) -> float | None:
    """Returns the pixel scale of square pixels."""
    scales = pixel_scales(header)
    if scales is None:
        return None
    if not scales_agree(*scales):
        raise ImageError("pixels that are not square: {:.5g} x {:.5g} arcsec".format(*scales))
    return math.sqrt(math.prod(scales))


def _squeezed(hdu: Any) -> tuple[int, ...]:
    """Returns the shape of an image, ``[H, W]`` or ``[C, H, W]``; that of anything else is empty."""
    if not isinstance(hdu, fits.PrimaryHDU | fits.ImageHDU | fits.CompImageHDU):
        return ()
    if isinstance(hdu, fits.GroupsHDU) or len(hdu.shape) < 2 or 0 in hdu.shape:
        return ()
    *others, height, width = hdu.shape
    return (*(side for side in others if side != 1), height, width)


def _upright(hdu: Any) -> npt.NDArray[Any]:
    """Returns the values of an image as ``[C, H, W]``, with the top row first."""
    if isinstance(hdu, fits.CompImageHDU):
        _check_tiles(hdu)
    values = np.asarray(hdu.data)
    if values.dtype.kind not in "iuf":
        raise ImageError(f"values of type {values.dtype}, not numbers")
    return values.reshape(-1, *values.shape[-2:])[:, ::-1]


def _check_tiles(hdu: Any) -> None:
    """Refuses tiles that could take too much time or memory, or whose decoder does not check its input."""
    if hdu.compression_type not in _COMPRESSIONS:
        raise ImageError(f"compressed by {hdu.compression_type}, which is not supported: use fpack -r")
    table = hdu.compressed_data
    if len(table) > MAX_TILES:
        raise ImageError(f"{len(table):,} compressed tiles, more than {MAX_TILES:,}")
    limit = 8 * math.prod(hdu.shape)
    for name in table.names:
        is_gzip = name == "COMPRESSED_DATA" and hdu.compression_type.startswith("GZIP")
        if is_gzip or name == "GZIP_COMPRESSED_DATA":
            for tile in table[name]:
                unpacker = zlib.decompressobj(wbits=31)
                unpacker.decompress(tile.tobytes(), limit)
                if unpacker.unconsumed_tail:
                    raise ImageError("compressed tiles that are larger than the image")


def find_bands(path: Path) -> tuple[str, ...]:
    """Returns names for the bands of a FITS file: those of its image extensions, or ``band1``, ``band2``, ...

    Args:
        path: A FITS file.

    Raises:
        ImageError: The file is damaged, or holds no image of 1 to ``MAX_BANDS`` bands.
    """
    try:
        with path.open("rb") as file, _open(file) as hdus:
            images = [hdu for hdu in islice(hdus, MAX_HDUS) if _squeezed(hdu)]
            shapes = [_squeezed(hdu) for hdu in images]
            names = [str(hdu.name).strip() for hdu in images]
    except ImageError:
        raise
    except Exception as error:  # astropy raises errors of any kind on damaged files.
        raise ImageError(f"cannot be read as FITS: {error}") from None
    if not shapes:
        raise ImageError("a FITS file without images")
    planes = [name for name, shape in zip(names, shapes, strict=True) if len(shape) == 2]
    count = shapes[0][0] if len(shapes[0]) > 2 else len(planes)
    if not 1 <= count <= MAX_BANDS:
        raise ImageError(f"{count} bands, more than the maximum of {MAX_BANDS}")
    if count == len(planes) == len(set(planes)) > 1 and all(map(BAND_NAME.fullmatch, planes)):
        return tuple(planes)
    return tuple(f"band{number + 1}" for number in range(count))
