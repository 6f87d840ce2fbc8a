"""Reading one galaxy's image file."""

from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
from PIL import Image, UnidentifiedImageError

from data_prep.common.errors import GalaxyError

Cutout = npt.NDArray[np.uint8]
"""One galaxy's pixels, ``[H, W, 3]``, RGB."""

FORMATS: Final = ("JPEG", "PNG", "TIFF", "WEBP", "BMP", "GIF", "PPM")
"""What is decoded, whatever a file's name says. Of what else Pillow knows, it would have Ghostscript run a
PostScript file."""

MOST_PIXELS: Final = 2**26
"""The largest image that is decoded: 8,192 x 8,192. A file of a few kilobytes can say that it holds more than
the memory does."""

MOST_SCANS: Final = 64
"""The most passes over its pixels that a JPEG may ask for; a progressive one has about ten. A hundred
kilobytes can ask for thousands, and take minutes."""

_CONVERTED: Final = ("RGB", "RGBA", "RGBa", "RGBX", "L", "LA", "La", "1", "P", "PA", "YCbCr")
"""Pillow's modes whose pixels are RGB or become it without loss."""

_REFUSED: Final = {
    "CMYK": "CMYK, whose colours depend on a printer's profile: save it as RGB",
    "I": "32-bit integers, of which it is not known what is white: save it with 8 bits a channel",
    "F": "floats, of which it is not known what is white: save it with 8 bits a channel",
}
"""Why pixels of other modes are refused, and what to do."""


class ImageError(GalaxyError):
    """An image cannot be used. Among many, it is skipped and listed."""


def read_cutout(path: Path, crop: int) -> Cutout:
    """Decodes an image file and cuts out its centre, without resampling.

    The pixels are taken as they are stored: an orientation noted by a camera (EXIF) and a colour profile
    (ICC) are not followed. Of an animation the first picture is taken. Other kinds of pixels are converted to
    RGB of 8 bits:

    - Grey becomes three equal channels; a palette becomes its colours.
    - Of 16 bits a channel, the upper 8 are taken.
    - An alpha channel is dropped where the whole cutout is opaque.

    Cutouts with transparent pixels are refused, and so are 32-bit integers and floats, whose scale is not
    known, and CMYK, whose colours depend on a profile.

    Args:
        path: An image file of at least ``crop`` x ``crop`` pixels, and at most ``MOST_PIXELS``.
        crop: Side of the centre crop in pixels. Where the margins cannot be equal, as with an
            even crop of Galaxy Zoo's 423-pixel files, the upper left one is a pixel smaller.

    Returns:
        ``[crop, crop, 3]``, uint8.

    Raises:
        ImageError: The file is missing, empty, truncated, no image, of pixels that are refused, too small, or
            would take too much memory or time.
    """
    try:
        if not path.is_file() and path.exists():  # A pipe would be waited for without end.
            raise ImageError("cannot be decoded: no file")
        with Image.open(path, formats=FORMATS) as image:
            left, top = ((side - crop) // 2 for side in image.size)
            if min(left, top) < 0:
                raise ImageError(f"{image.width} x {image.height} pixels, smaller than the crop of {crop}")
            if image.width * image.height > MOST_PIXELS:
                raise ImageError(f"{image.width} x {image.height} pixels, more than {MOST_PIXELS:,}")
            if image.format in ("JPEG", "MPO") and path.read_bytes().count(b"\xff\xda") > MOST_SCANS:
                raise ImageError(f"a JPEG of more than {MOST_SCANS} scans, which would take too long")
            return _rgb(image.crop((left, top, left + crop, top + crop)))
    except FileNotFoundError:
        raise ImageError("missing") from None
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        if isinstance(error, UnidentifiedImageError):
            _refuse_what_is_no_image(path)
        raise ImageError(f"cannot be decoded: {str(error).replace(str(path), path.name)}") from None


def image_suffixes() -> list[str]:
    """Returns what the names of image files end in, in lower case; the most common first."""
    known = [suffix for suffix, name in Image.registered_extensions().items() if name in FORMATS]
    return list(dict.fromkeys([".jpg", ".jpeg", ".png", *sorted(known)]))


def is_image(path: Path) -> bool:
    """Says whether a file begins as an image of one of ``FORMATS`` does, whatever its name says.

    Args:
        path: A regular file.
    """
    try:
        with Image.open(path, formats=FORMATS):
            return True
    except UnidentifiedImageError:
        return False
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        return True  # One that read_cutout has something to say of.


def _refuse_what_is_no_image(path: Path) -> None:
    """Names what is often found under the name of an image.

    Raises:
        ImageError: The file is empty, a web page, or a pointer of Git LFS.
    """
    with path.open("rb") as file:
        start = file.read(512).removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if not start and path.stat().st_size == 0:
        raise ImageError("an empty file")
    if start.startswith((b"<!doctype html", b"<html")):
        raise ImageError("a web page, saved when the download failed: download the image again")
    if start.startswith(b"version https://git-lfs"):
        raise ImageError("a pointer of Git LFS, not the image: run git lfs pull where it was cloned")


def _rgb(image: Image.Image) -> Cutout:
    """Returns the pixels of an image as RGB of 8 bits."""
    if image.mode.startswith("I;16"):
        grey = (np.asarray(image) >> 8).astype(np.uint8)
        return np.repeat(grey[..., None], 3, axis=2)
    if image.mode not in _CONVERTED:
        raise ImageError(_REFUSED.get(image.mode, f"pixels of mode {image.mode}: save it as RGB"))
    if image.has_transparency_data:
        image = image.convert("RGBA")
        if image.getchannel("A").getextrema() != (255, 255):
            raise ImageError("transparent in places: put it on a background and save it without transparency")
    return np.asarray(image if image.mode == "RGB" else image.convert("RGB"))
