"""Recognises the answer of an image service by its content: an image, or why it is none.

Services answer with the status 200 and a page, a text or an empty image if something is wrong, so neither
the status nor the content type nor the suffix of a URL tells what an answer is.
"""

import html
import io
import math
import re
from dataclasses import dataclass
from typing import Final

import numpy as np
from PIL import Image

from data_prep.common.errors import GalaxyError, shown
from data_prep.cutouts.services import Service
from data_prep.images.cutouts import FORMATS, MAX_PIXELS, MAX_SCANS, Cutout, ImageError, rgb_pixels
from data_prep.images.fits_format import SIGNATURE
from data_prep.schema import MAX_BANDS

BLANK_SHARE: Final = 0.75
"""An image of a survey is blank if at least this share of its pixels has the same colour.

Measured on 6,659 SDSS cutouts of galaxies, at the scale of Galaxy Zoo 2: the median is 0.05 and the maximum
0.45. If half of such an image lay outside the survey, it would reach 0.73. SkyServer's error messages, text
on black, have 0.80 and more, and so have images that are uniform but for one line of text. Images of other
services may have a masked background, so that they are blank only if all pixels are equal.
"""
NO_LAYER: Final = b"no such layer"
"""The answer of the viewer of the Legacy Surveys to an unknown layer, with the status 200."""

_BLANK: Final = "blank image, as outside the survey"
_JPEG: Final = b"\xff\xd8"
_TITLE: Final = re.compile(r"<title[^>]*>(.*?)</title", re.DOTALL | re.IGNORECASE)
_TAG: Final = re.compile(r"<(script|style)\b.*?</\1\s*>|<[^>]*>", re.DOTALL | re.IGNORECASE)
_TEXT_BYTES: Final = 4096
"""Number of bytes of a page or text that are searched for a message."""


class AnswerError(Exception):
    """An answer is not the requested cutout.

    Its message is the reason in the list of failed rows.
    """


class TransientError(AnswerError):
    """The same request may succeed later."""


class NoImageError(AnswerError):
    """The survey has no image at this position and will not have one later."""


class WrongAnswerError(AnswerError):
    """The service has answered something else than the requested cutout, and probably will do so again."""


@dataclass(frozen=True)
class CutoutImage:
    """A cutout as the service sent it.

    Attributes:
        content: The content of the file.
        suffix: The suffix of its format: ``.jpg`` or ``.fits``.
    """

    content: bytes
    suffix: str


def recognise(content: bytes, service: Service) -> CutoutImage:
    """Returns the image that an answer contains.

    Args:
        content: The body of an answer with the status 200.
        service: The service and the settings of the cutout.

    Raises:
        TransientError: The answer is empty, incomplete, a page or a text.
        NoImageError: The image is blank.
        WrongAnswerError: It is an image of another size, other bands, or another format, or is not readable.
        GalaxyError: The layer does not exist.
    """
    if not content:
        raise TransientError("empty answer")
    if content.startswith(_JPEG):
        suffix = ".jpg"
    elif content.startswith(SIGNATURE):
        suffix = ".fits"
    else:
        raise _unexpected(content, service)
    if service.format not in (None, suffix[1:]):
        raise WrongAnswerError(f"image in the format {suffix[1:]}, not {service.format}")
    if suffix == ".jpg":
        _check_jpeg(content, service)
    else:
        _check_fits(content, service)
    return CutoutImage(content, suffix)


def _check_jpeg(content: bytes, service: Service) -> None:
    """Raises an error unless a JPEG is complete, of the requested size, readable and not blank."""
    pixels = _decode_jpeg(content, service.size)
    # A colour of most pixels is the most frequent value of each channel. Rows are counted one by one, since
    # NumPy converts what it counts to 64 bits.
    common = [
        int(np.argmax(sum(np.bincount(row, minlength=256) for row in pixels[..., channel])))
        for channel in range(3)
    ]
    equal = np.count_nonzero((pixels == np.array(common, dtype=np.uint8)).all(axis=-1))
    if equal >= (BLANK_SHARE if service.survey else 1) * pixels.shape[0] * pixels.shape[1]:
        raise NoImageError(_BLANK)


def _decode_jpeg(content: bytes, size: int) -> Cutout:
    """Returns the pixels of a JPEG."""
    try:
        with Image.open(io.BytesIO(content), formats=("JPEG",)) as image:
            _check_size(image.width, image.height, size)
            if content.count(b"\xff\xda") > MAX_SCANS:
                raise WrongAnswerError(f"JPEG with more than {MAX_SCANS} scans")
            return rgb_pixels(image)
    except ImageError as error:
        raise WrongAnswerError(f"JPEG that cannot be used: {error}") from None
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        raise TransientError("incomplete or damaged JPEG") from None


def _check_fits(content: bytes, service: Service) -> None:
    """Raises an error unless a FITS file is complete, has the requested size and bands, and is not blank."""
    from astropy.io import fits  # Imported here, since it takes a quarter of a second.

    from data_prep.images.fits_parts import find_parts, read_part

    file, size = io.BytesIO(content), len(content)
    is_blank = True
    try:
        parts = find_parts(file, size)
        if not parts:
            file.seek(0)
            overlaps = fits.Header.fromfile(file).get("OVERLAP", True)
            raise NoImageError(
                "FITS file without an image" if overlaps else "no overlap with the survey's images"
            )
        *others, height, width = parts[0].shape
        _check_size(width, height, service.size)
        bands = int(np.prod(others)) if others else len([part for part in parts if len(part.shape) == 2])
        found = str(parts[0].header.get("BANDS", "")).strip()
        if service.bands and (bands != len(service.bands) or found not in ("", service.bands)):
            raise WrongAnswerError(f"bands {found or bands}, not {service.bands}")
        if len(others) > 1 or bands > MAX_BANDS:
            raise WrongAnswerError(
                f"FITS image with {bands} bands, not a plane or a cube of up to {MAX_BANDS}"
            )
        for part in parts:
            if math.prod(part.shape) > MAX_PIXELS:
                raise WrongAnswerError(f"FITS image of more than {MAX_PIXELS:,} pixels")
            values = read_part(file, size, part, slice(None), slice(None))
            is_blank = is_blank and not np.any(np.isfinite(values) & (values != 0))
    except AnswerError:
        raise
    except ImageError as error:
        raise TransientError(f"incomplete or damaged FITS file: {error}") from None
    except Exception:  # astropy raises errors of any kind on damaged files.
        raise TransientError("incomplete or damaged FITS file") from None
    if is_blank:
        raise NoImageError(_BLANK)


def _check_size(width: int, height: int, size: int) -> None:
    if (width, height) != (size, size):
        raise WrongAnswerError(f"image of {width} x {height} pixels, not {size} x {size}")


def _unexpected(content: bytes, service: Service) -> Exception:
    """Returns the error for an answer that is neither a JPEG nor a FITS file, and says what it is."""
    if service.survey == "legacy" and content[:100].strip().lower().startswith(NO_LAYER):
        return GalaxyError(f"--layer {service.layer}: the Legacy Surveys have no such layer")
    try:
        with Image.open(io.BytesIO(content), formats=FORMATS) as image:
            return WrongAnswerError(f"image in the format {image.format}, not JPEG or FITS")
    except Exception:  # noqa: S110  # Pillow raises errors of any kind on other content.
        pass
    if message := describe_text(content):
        return TransientError(message)
    return WrongAnswerError("neither a JPEG nor a FITS file")


def describe_text(content: bytes) -> str:
    """Returns what a page or a text says, quoted and shortened; empty if the content is neither.

    Args:
        content: The body of an answer.
    """
    text = content[:_TEXT_BYTES].decode(errors="replace").strip()
    if not text or "\0" in text or text.count("\ufffd") > len(text) / 10:
        return ""
    is_page = text.startswith("<")
    title = _TITLE.search(text)
    words = title[1] if title else _TAG.sub(" ", text)
    message = shown(" ".join(html.unescape(words).split()))
    return f"{'web page' if is_page else 'text'} instead of an image: {message}"
