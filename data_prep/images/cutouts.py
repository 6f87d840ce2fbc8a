"""Reads the image file of a galaxy."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
from PIL import Image, UnidentifiedImageError

from data_prep.common.errors import GalaxyError
from data_prep.images.fits_format import is_fits

Cutout = npt.NDArray[np.uint8]
"""The pixels of a galaxy, ``[H, W, C]``; RGB for colour images."""

FORMATS: Final = ("JPEG", "PNG", "TIFF", "WEBP", "BMP", "GIF", "PPM")
"""The formats that are decoded, regardless of the file name. Pillow supports others, among them PostScript,
which it runs as a program with Ghostscript."""

MAX_PIXELS: Final = 2**26
"""Maximum number of pixels of an image, 8,192 x 8,192. A file of a few kilobytes can declare more pixels than
fit into memory."""

MAX_SCANS: Final = 64
"""Maximum number of scans of a JPEG, its passes over the pixels; a progressive one has about ten. A file of a
hundred kilobytes can hold thousands, which take minutes to decode."""

_CONVERTIBLE_MODES: Final = ("RGB", "RGBA", "RGBa", "RGBX", "L", "LA", "La", "1", "P", "PA", "YCbCr")
"""Pillow's modes whose pixels are RGB or can be converted to RGB without loss."""

_GREY_MODES: Final = ("L", "LA", "La", "1")
"""Pillow's modes whose pixels are grey."""

_REFUSED_MODES: Final = {
    "CMYK": "CMYK, whose colours depend on a printer's profile: save it as RGB",
    "I": "32-bit integers of unknown scale: save it with 8 bits per channel",
    "F": "floats of unknown scale: save it with 8 bits per channel",
}
"""Why other modes are refused, and what to do."""


class ImageError(GalaxyError):
    """An image cannot be used. Commands that read many images skip and list it."""


def read_cutout(path: Path, crop: int) -> Cutout:
    """Decodes an image file and crops its centre, without resampling.

    The pixels are read as stored: the EXIF orientation and the ICC colour profile are ignored. Only the first
    frame of an animation is read. Other kinds of pixels are converted to 8-bit RGB:

    - Greyscale becomes three equal channels; a palette is replaced by its colours.
    - Of 16 bits per channel, the upper 8 are kept.
    - An alpha channel is dropped if the whole cutout is opaque.

    Cutouts with transparent pixels are refused, as are 32-bit integers and floats, whose scale is unknown,
    and CMYK, whose colours depend on a profile.

    Args:
        path: An image file of at least ``crop`` x ``crop`` and at most ``MAX_PIXELS`` pixels.
        crop: The side of the centre crop in pixels. If the margins cannot be equal, as for an even crop of
            Galaxy Zoo's 423-pixel files, the left and upper margins are one pixel smaller.

    Returns:
        ``[crop, crop, 3]``, uint8.

    Raises:
        ImageError: The file is missing, empty, truncated, not an image, too small, or would take too much
            memory or time to decode; or its kind of pixels is refused.
    """
    with open_image(path) as image:
        left, top = centre_corner(image.width, image.height, crop)
        return rgb_pixels(image.crop((left, top, left + crop, top + crop)))


def centre_corner(width: int, height: int, crop: int) -> tuple[int, int]:
    """Returns the left column and the top row of the central square of an image.

    If the margins cannot be equal, the left and upper ones are one pixel smaller.

    Args:
        width: The width of the image in pixels.
        height: Its height.
        crop: The side of the square.

    Raises:
        ImageError: The image is smaller than the square.
    """
    left, top = (width - crop) // 2, (height - crop) // 2
    if min(left, top) < 0:
        raise ImageError(f"{width} x {height} pixels, smaller than the crop of {crop}")
    return left, top


@contextlib.contextmanager
def open_image(path: Path) -> Iterator[Image.Image]:
    """Opens an image file in one of ``FORMATS``; Pillow's errors in the block become ``ImageError``.

    Args:
        path: An image file of at most ``MAX_PIXELS`` pixels.

    Yields:
        The image, not yet decoded.

    Raises:
        ImageError: The file is missing, empty, truncated, not an image, or would take too much memory or
            time to decode.
    """
    try:
        if not path.is_file() and path.exists():  # Reading a pipe would block.
            raise ImageError("cannot be decoded: not a regular file")
        with Image.open(path, formats=FORMATS) as image:
            if image.width * image.height > MAX_PIXELS:
                raise ImageError(f"{image.width} x {image.height} pixels, more than {MAX_PIXELS:,}")
            if image.format in ("JPEG", "MPO") and path.read_bytes().count(b"\xff\xda") > MAX_SCANS:
                raise ImageError(
                    f"a JPEG with more than {MAX_SCANS} scans, which would take too long to decode"
                )
            yield image
    except FileNotFoundError:
        raise ImageError("missing") from None
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        if isinstance(error, UnidentifiedImageError):
            _raise_if_recognized(path)
        raise ImageError(f"cannot be decoded: {str(error).replace(str(path), path.name)}") from None


def image_suffixes() -> list[str]:
    """Returns the suffixes of image files in lower case, the most common first."""
    known = [suffix for suffix, name in Image.registered_extensions().items() if name in FORMATS]
    return list(dict.fromkeys([".jpg", ".jpeg", ".png", *sorted(known)]))


def is_image(path: Path) -> bool:
    """Returns whether a file starts like an image in one of ``FORMATS``, regardless of its name.

    Args:
        path: A regular file.
    """
    try:
        with Image.open(path, formats=FORMATS):
            return True
    except UnidentifiedImageError:
        return False
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        return True  # A damaged image; read_cutout names the problem.


def _raise_if_recognized(path: Path) -> None:
    """Raises a specific error for files that are often stored under the name of an image.

    Raises:
        ImageError: The file is empty, a web page, a Git LFS pointer, or a FITS file.
    """
    with path.open("rb") as file:
        start = file.read(512).removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if not start and path.stat().st_size == 0:
        raise ImageError("an empty file")
    if start.startswith((b"<!doctype html", b"<html")):
        raise ImageError("a web page, saved when the download failed: download the image again")
    if start.startswith(b"version https://git-lfs"):
        raise ImageError("a Git LFS pointer, not the image: run git lfs pull in the clone")
    if is_fits(path):
        raise ImageError("a FITS image, unlike the other images: its values become pixels by a stretch only")


def rgb_pixels(image: Image.Image) -> Cutout:
    """Returns the pixels of an image as 8-bit RGB, ``[H, W, 3]``.

    Args:
        image: An image of any mode.

    Raises:
        ImageError: Pixels of this mode are refused, or are partly transparent.
    """
    if image.mode.startswith("I;16"):
        return np.repeat(_upper_8_bits(image)[..., None], 3, axis=2)
    image = _drop_alpha(image)
    return np.asarray(image if image.mode == "RGB" else image.convert("RGB"))


def grey_pixels(image: Image.Image) -> Cutout:
    """Returns the pixels of a greyscale image with 8 bits, ``[H, W, 1]``.

    Args:
        image: An image of any mode.

    Raises:
        ImageError: The image has colours, pixels of this mode are refused, or are partly transparent.
    """
    if image.mode.startswith("I;16"):
        return _upper_8_bits(image)[..., None]
    is_grey = image.mode in _GREY_MODES
    image = _drop_alpha(image)
    if not is_grey:
        raise ImageError("a colour image with 3 bands, not 1: save it as greyscale")
    return np.asarray(image.convert("L"))[..., None]


def _upper_8_bits(image: Image.Image) -> Cutout:
    return (np.asarray(image) >> 8).astype(np.uint8)


def _drop_alpha(image: Image.Image) -> Image.Image:
    """Returns an opaque image without its alpha channel; refuses transparent pixels and other modes."""
    if image.mode not in _CONVERTIBLE_MODES:
        raise ImageError(_REFUSED_MODES.get(image.mode, f"pixels of mode {image.mode}: save it as RGB"))
    if image.has_transparency_data:
        image = image.convert("RGBA")
        if image.getchannel("A").getextrema() != (255, 255):
            raise ImageError("partly transparent: put it on a background and save it without transparency")
    return image
