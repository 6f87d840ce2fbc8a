"""The image services of surveys: their requests, their limits, and URLs of other services.

The limits are checked here, since the services do not report them: SkyServer moves a size out of its range
into it, and the viewer of the Legacy Surveys cuts a size that is too large.
"""

import re
import string
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal
from urllib.parse import quote, urlencode, urlsplit

from data_prep.common.errors import GalaxyError
from data_prep.schema import MAX_BANDS

SDSS_URL: Final = "https://skyserver.sdss.org/dr18/SkyServerWS/ImgCutout/getjpeg"
"""SkyServer's image cutouts: https://skyserver.sdss.org/dr18/SkyServerWS/ImgCutout."""
LEGACY_URL: Final = "https://www.legacysurvey.org/viewer/cutout"
"""The viewer of the Legacy Surveys, without the suffix of the format: https://www.legacysurvey.org/viewer."""
LEGACY_LAYER: Final = "ls-dr9"
LEGACY_BANDS: Final = "grz"
FIELDS: Final = ("ra", "dec", "scale", "size", "id")
"""The fields of a URL template."""

_SIZES: Final = {"sdss": (64, 2048), "legacy": (1, 3000), None: (1, 8192)}
"""The smallest and the largest side of a cutout in pixels. The last is that of the largest readable image."""


@dataclass(frozen=True)
class Service:
    """An image service with the settings that are the same for all cutouts.

    Attributes:
        survey: The survey; None for a URL template.
        template: The URL template; None for a survey.
        layer: The layer of the Legacy Surveys.
        format: The format of the images; None if the answers decide it.
        bands: The bands of FITS images, one letter each; empty if not known, or for colour images.
        size: The side of the cutouts in pixels.
    """

    survey: Literal["sdss", "legacy"] | None
    template: str | None
    layer: str | None
    format: Literal["jpg", "fits"] | None
    bands: str
    size: int

    @property
    def uses_id(self) -> bool:
        """Whether the request of a cutout depends on the id of the galaxy."""
        return self.template is not None and "{id}" in self.template

    @property
    def max_bytes(self) -> int:
        """The maximum size of an answer in bytes: that of uncompressed 32-bit images, with headers."""
        return 4 * (len(self.bands) or MAX_BANDS) * self.size**2 + 2**20

    def url(self, ra: float, dec: float, scale: float, name: str) -> str:
        """Returns the URL of a cutout.

        Args:
            ra: Right ascension in degrees (J2000).
            dec: Declination in degrees (J2000).
            scale: Pixel scale in arcsec per pixel.
            name: The id of the galaxy.
        """
        position = {"ra": _decimal(ra), "dec": _decimal(dec)}
        if self.template is not None:
            sizes = {"scale": _decimal(scale), "size": str(self.size)}
            return self.template.format(**position, **sizes, id=quote(name, safe=""))
        if self.survey == "sdss":
            sizes = {"scale": _decimal(scale), "width": str(self.size), "height": str(self.size)}
            return f"{SDSS_URL}?{urlencode(position | sizes)}"
        sizes = {"layer": str(self.layer), "pixscale": _decimal(scale), "size": str(self.size)}
        bands = {"bands": self.bands} if self.format == "fits" else {}
        return f"{LEGACY_URL}.{self.format}?{urlencode(position | sizes | bands)}"

    def to_json(self) -> dict[str, Any]:
        """Returns the settings as JSON types."""
        return {
            "survey": self.survey,
            "layer": self.layer,
            "url": self.template,
            "format": self.format,
            "size": self.size,
            "bands": list(self.bands) or None,
        }


def choose_service(
    survey: Literal["sdss", "legacy"] | None,
    template: str | None,
    size: int,
    *,
    format: Literal["jpg", "fits"] | None = None,
    layer: str | None = None,
    bands: Sequence[str] = (),
) -> Service:
    """Returns the service that the options of the command describe.

    Args:
        survey: The survey, or None.
        template: The URL template, or None.
        size: The side of the cutouts in pixels.
        format: The format of a survey's images; ``jpg`` by default.
        layer: The layer of the Legacy Surveys; ``LEGACY_LAYER`` by default.
        bands: The bands of FITS images, one letter each, in one or several words; ``LEGACY_BANDS`` by
            default.

    Raises:
        GalaxyError: The options exclude each other, or one is invalid.
    """
    if survey is None and template is None:
        raise GalaxyError("name a survey with --survey (sdss or legacy), or another service with --url")
    if survey is not None and template is not None:
        raise GalaxyError("--survey and --url exclude each other: leave out one of them")
    letters = "".join(bands)
    if template is not None:
        _refuse({"format": format, "layer": layer, "bands": letters or None}, "--survey legacy, not to --url")
        _check_template(template)
        format = None
    else:
        format = format or "jpg"
    if survey == "sdss":
        if format == "fits":
            raise GalaxyError("--format fits: SDSS's image service has JPEGs only; choose --survey legacy")
        _refuse({"layer": layer, "bands": letters or None}, "--survey legacy, not to sdss")
    if survey == "legacy":
        if letters and format != "fits":
            raise GalaxyError("--bands applies to FITS cutouts: add --format fits")
        if format == "fits":
            letters = letters or LEGACY_BANDS
        is_valid = letters.isascii() and letters.isalnum() and len(set(letters)) == len(letters) <= MAX_BANDS
        if letters and not is_valid:
            raise GalaxyError(
                f"--bands {letters}: name up to {MAX_BANDS} different bands, one letter each, such as grz"
            )
    smallest, largest = _SIZES[survey]
    if not smallest <= size <= largest:
        owner = f"cutouts of --survey {survey}" if survey else "cutouts"
        raise GalaxyError(f"--size {size}: {owner} have {smallest} to {largest} pixels a side")
    if layer is not None and not layer.strip():
        raise GalaxyError("--layer is empty: name a layer, such as ls-dr9")
    return Service(
        survey, template, (layer or LEGACY_LAYER) if survey == "legacy" else None, format, letters, size
    )


def _refuse(options: dict[str, Any], owner: str) -> None:
    """Raises an error if an option is given that does not apply."""
    for name, value in options.items():
        if value is not None:
            raise GalaxyError(f"--{name} applies to {owner}: leave it out")


def without_query(url: str) -> str:
    """Returns a URL as it appears in messages: without user name and query, which may hold passwords."""
    return re.sub(r"^(\w+://)?[^/@]*@", r"\1", re.split(r"[?#]", url, maxsplit=1)[0])


def _check_template(template: str) -> None:
    """Raises an error if a template is not the URL of an image service.

    Raises:
        GalaxyError: It is not http or https, cannot be parsed, has unknown fields or parts that are not sent,
            or lacks the position.
    """
    name = f"--url {without_query(template)}"
    listed = " ".join(f"{{{field}}}" for field in FIELDS)
    if not template.isprintable():
        raise GalaxyError("--url: it has control characters: leave them out")
    try:
        parts = urlsplit(template)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise GalaxyError(f"{name}: it must begin with https:// or http:// and a host")
        parsed = list(string.Formatter().parse(template))
    except ValueError as error:
        raise GalaxyError(f"{name}: {error}; the fields are {listed}") from None
    if "@" in parts.netloc:
        raise GalaxyError(
            f"{name}: leave out the user name and the password, and write them into ~/.netrc, which is read"
        )
    if "#" in template:
        raise GalaxyError(f"{name}: leave out the part from # on, which is not sent to a server")
    fields = [field for _, field, _, _ in parsed if field is not None]
    for _, field, specification, conversion in parsed:
        if field is not None and (field not in FIELDS or specification or conversion):
            raise GalaxyError(f"{name}: {{{field}}} is not one of the fields: {listed}")
    if missing := [field for field in ("ra", "dec") if field not in fields]:
        raise GalaxyError(f"{name}: {{{missing[0]}}} is missing; the fields are {listed}")


def _decimal(value: float) -> str:
    """Returns a number without exponent, with up to eight decimals: angles to better than 0.1 mas."""
    text = f"{value:.8f}".rstrip("0").rstrip(".")
    return "0" if text in ("-0", "") else text
