"""Recognises the answer of an image service by its content: an image, or why it is none.

Services answer with the status 200 and a page, a text or an empty image if something is wrong, so neither
the status nor the content type nor the suffix of a URL tells what an answer is.
"""

import html
import io
import re
from dataclasses import dataclass
from typing import Final

import numpy as np
from PIL import Image

from data_prep.common.errors import GalaxyError, shown
from data_prep.cutouts.services import Service
from data_prep.images.cutouts import FORMATS, MAX_SCANS, ImageError
from data_prep.images.fits_format import SIGNATURE

BLANK_SHARE: Final = 0.75
"""Share of pixels of one and the same colour from which on an image is blank.

Measured on 6,659 SDSS cutouts of galaxies, at the scale of Galaxy Zoo 2: the median is 0.05 and the maximum
0.45. If half of such an image lay outside the survey, it would reach 0.73. SkyServer's error messages, text
on black, have 0.80 and more, and so have images that are uniform but for one line of text.
"""
NO_LAYER: Final = b"no such layer"
"""The answer of the viewer of the Legacy Surveys to an unknown layer, with the status 200."""

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
    """The survey has no image at this position, which is the case again later."""


class NotFoundError(NoImageError):
    """The service has no page for this request (HTTP status 404 or 410)."""


class WrongAnswerError(AnswerError):
    """The service has answered something else than the requested cutout, and will do so again."""


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
        WrongAnswerError: It is an image of another size, other bands, or another format.
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
        _check_jpeg(content, service.size)
    else:
        _check_fits(content, service)
    return CutoutImage(content, suffix)


def _check_jpeg(content: bytes, size: int) -> None:
    """Raises an error unless a JPEG is complete, of the requested size and not blank."""
    try:
        with Image.open(io.BytesIO(content), formats=("JPEG",)) as image:
            _check_size(image.width, image.height, size)
            if content.count(b"\xff\xda") > MAX_SCANS:
                raise WrongAnswerError(f"JPEG with more than {MAX_SCANS} scans")
            pixels = np.asarray(image.convert("RGB"), dtype=np.uint32)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        raise TransientError("incomplete or damaged JPEG") from None
    colours = np.sort((pixels[..., 0] << 16 | pixels[..., 1] << 8 | pixels[..., 2]).ravel())
    ends = np.flatnonzero(np.diff(colours, append=colours[-1] + 1))  # Of the runs of equal colours.
    if np.diff(ends, prepend=-1).max() >= BLANK_SHARE * len(colours):
        raise NoImageError("blank image, as outside the survey")


def _check_fits(content: bytes, service: Service) -> None:
    """Raises an error unless a FITS file is complete, has the requested size and bands, and is not blank."""
    from astropy.io import fits  # Imported here, since it takes a quarter of a second.

    from data_prep.images.fits_parts import find_parts, read_part

    file, size = io.BytesIO(content), len(content)
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
        values = read_part(file, size, parts[0], slice(None), slice(None))
    except AnswerError:
        raise
    except ImageError as error:
        raise TransientError(f"incomplete or damaged FITS file: {error}") from None
    except Exception:  # astropy raises errors of any kind on damaged files.
        raise TransientError("incomplete or damaged FITS file") from None
    if not np.any(np.isfinite(values) & (values != 0)):
        raise NoImageError("blank image, as outside the survey")


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
