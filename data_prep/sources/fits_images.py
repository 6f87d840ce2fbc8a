"""Reads the image of a galaxy from a FITS file."""

import io
import math
import warnings
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from astropy.io import fits
from astropy.utils.exceptions import AstropyWarning

from data_prep.sources.fits_format import GZIP_SIGNATURE, SIGNATURE
from data_prep.sources.images import MAX_PIXELS, ImageError
from data_prep.sources.pixel_scale import pixel_scales, scales_agree
from data_prep.sources.stretch import Planes

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
        scales: Arcsec per pixel along rows and columns; None without celestial coordinates.
    """

    planes: Planes
    scales: tuple[float, float] | None

    @property
    def scale(self) -> float | None:
        """Arcsec per pixel, the geometric mean of the two axes; None without celestial coordinates."""
        return None if self.scales is None else math.sqrt(math.prod(self.scales))

    def require_square_pixels(self) -> None:
        """Checks that the scales of the two axes agree.

        Raises:
            ImageError: They differ by more than ``pixel_scale.MAX_DIFFERENCE``.
        """
        if self.scales is not None and not scales_agree(*self.scales):
            raise ImageError(
                f"pixels that are not square: {self.scales[0]:.5g} x {self.scales[1]:.5g} arcsec"
            )


def read_fits(path: Path, bands: Sequence[str], crop: int | None = None) -> FitsImage:
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

    Raises:
        ImageError: The file is damaged, too large, or holds no such image.
    """
    try:
        if not path.is_file() and path.exists():  # Reading a pipe would block.
            raise ImageError("cannot be read: not a regular file")
        with _open(path) as hdus:
            return _read(hdus, bands, crop)
    except ImageError:
        raise
    except FileNotFoundError:
        raise ImageError("missing") from None
    except Exception as error:  # astropy raises errors of any kind on damaged files.
        reason = " ".join(str(error).replace(str(path), path.name).split())
        if isinstance(error, MemoryError):
            reason = f"not enough memory {reason}".strip()
        raise ImageError(f"cannot be read as FITS: {reason[:200] or type(error).__name__}") from None


def _open(path: Path) -> Any:
    """Opens a file; a gzipped one is unpacked into memory, up to ``MAX_BYTES``."""
    if path.stat().st_size > MAX_BYTES:
        raise ImageError(f"{path.stat().st_size:,} bytes, more than {MAX_BYTES:,}")
    source: Path | io.BytesIO = path
    with path.open("rb") as file:
        start = file.read(len(SIGNATURE))
        if start.startswith(GZIP_SIGNATURE):
            unpacker = zlib.decompressobj(wbits=31)
            content = unpacker.decompress(start + file.read(), MAX_BYTES)
            if unpacker.unconsumed_tail:
                raise ImageError(f"more than {MAX_BYTES:,} bytes uncompressed")
            source, start = io.BytesIO(content), content[: len(SIGNATURE)]
    if start != SIGNATURE:
        raise ImageError("an empty file" if not start else "not a FITS file")
    return fits.open(source, mode="readonly", memmap=False, lazy_load_hdus=True)


def _read(hdus: Any, bands: Sequence[str], crop: int | None) -> FitsImage:
    """Reads the bands from an open file."""
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
    return _stack(chosen, len(bands), crop)


def _stack(chosen: Sequence[Any], bands: int, crop: int | None) -> FitsImage:
    """Reads images, which together have all bands."""
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
    return FitsImage(np.moveaxis(planes, 0, -1), pixel_scales(chosen[0].header))


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
