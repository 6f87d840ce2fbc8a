"""The settings by which image files become the pixels of galaxy arrays."""

import re
from dataclasses import dataclass, fields, replace
from typing import Any, Final

from data_prep.common.errors import GalaxyError, shown
from data_prep.common.json_values import is_integer, is_number, read_object
from data_prep.images.stretch import Stretch
from data_prep.schema import COLOURS, MAX_BANDS

MAX_SIDE: Final = 8192
"""Maximum side of an image in pixels."""

MAX_SCALE: Final = 1e6
"""Maximum pixel scale in arcsec per pixel; the minimum is its reciprocal."""

_MAX_NAME: Final = 32
_MAX_PATTERN: Final = 200
BAND_NAME: Final = re.compile(r"[\w.+-]+")
"""The form of the name of a band."""


@dataclass(frozen=True)
class ImageSettings:
    """How image files become the pixels of galaxy arrays.

    An image is first scaled, if at all: either its central square to ``size`` pixels, or its pixel scale to
    ``target_scale``. Then the central ``crop`` x ``crop`` pixels are cut out. The values of FITS files and of
    16-bit and float TIFFs are scaled as they are, and become 8-bit pixels by ``stretch``.

    Attributes:
        crop: The side of the result in pixels.
        size: The side in pixels to which the central square of the image is scaled; None does not scale.
        bands: The names of the bands, 1 to 8, in the order of the channels.
        pattern: For images with one file per band: the names of the files, with ``{id}`` and ``{band}`` once
            each, such as ``{id}_{band}.fits`` or ``{band}/{id}.fits``. None: one file per image.
        stretch: The stretch of float values to 8-bit pixels, or None to refuse such images.
        pixel_scale: The pixel scale of the files in arcsec per pixel, for files without celestial WCS.
        target_scale: The pixel scale in arcsec per pixel to which images are resampled; None does not
            resample.

    Raises:
        GalaxyError: A value is invalid, or the values contradict each other.
    """

    crop: int
    size: int | None = None
    bands: tuple[str, ...] = COLOURS
    pattern: str | None = None
    stretch: Stretch | None = None
    pixel_scale: float | None = None
    target_scale: float | None = None

    def __post_init__(self) -> None:
        _check_side("crop", self.crop)
        _check_bands(self.bands)
        if self.size is not None:
            _check_side("size", self.size)
            if self.size < self.crop:
                raise GalaxyError(f"the size of {self.size} pixels is smaller than the crop of {self.crop}")
            for name in ("pixel_scale", "target_scale"):
                if getattr(self, name) is not None:
                    raise GalaxyError(
                        f"size and {name.replace('_', ' ')} exclude each other: a size scales every image to "
                        "the same number of pixels, whatever its pixel scale"
                    )
        if self.pattern is not None:
            _check_pattern(self.pattern)
        if self.stretch is not None and self.stretch.bands != len(self.bands):
            raise GalaxyError(f"the stretch has {self.stretch.bands} bands, the images {len(self.bands)}")
        for name in ("pixel_scale", "target_scale"):
            scale = getattr(self, name)
            if scale is not None and not (is_number(scale) and 1 / MAX_SCALE <= scale <= MAX_SCALE):
                raise GalaxyError(
                    f"the {name.replace('_', ' ')} must be a positive number of arcsec per pixel, "
                    f"not {shown(scale)}"
                )

    @property
    def scales(self) -> bool:
        """Whether images are scaled before the crop."""
        return self.size is not None or self.target_scale is not None

    def with_stretch(self, stretch: Stretch) -> "ImageSettings":
        """Returns the same settings with another stretch."""
        return replace(self, stretch=stretch)

    def to_json(self) -> dict[str, Any]:
        """Returns the settings as JSON types; ``from_json`` reads them."""
        content = {field.name: getattr(self, field.name) for field in fields(self)}
        stretch = None if self.stretch is None else self.stretch.to_json()
        return content | {"bands": list(self.bands), "stretch": stretch}

    @classmethod
    def from_json(cls, content: Any, where: str = "image settings", crop: Any = None) -> "ImageSettings":
        """Reads settings from parsed JSON, which may be of any origin.

        Args:
            content: What ``to_json`` returned; entries other than ``crop`` may be missing.
            where: A description of the content, for messages.
            crop: The crop, if it is not an entry.

        Raises:
            GalaxyError: An entry is unknown, missing or invalid.
        """
        preset = {} if crop is None else {"crop": crop}
        values = preset | dict(read_object(content, [field.name for field in fields(cls)], where))
        if "crop" not in values:
            raise GalaxyError(f"{where}: the entry crop is missing")
        try:
            if isinstance(values.get("bands"), list):
                values["bands"] = tuple(values["bands"])
            if values.get("stretch") is not None:
                values["stretch"] = Stretch.from_json(values["stretch"])
            return cls(**values)
        except GalaxyError as error:
            raise GalaxyError(f"{where}: {error}") from None


def _check_side(name: str, side: Any) -> None:
    if not (is_integer(side) and 1 <= side <= MAX_SIDE):
        raise GalaxyError(f"the {name} must be 1 to {MAX_SIDE:,} pixels, not {shown(side)}")


def _check_bands(bands: Any) -> None:
    if not (isinstance(bands, tuple) and 1 <= len(bands) <= MAX_BANDS):
        raise GalaxyError(f"bands must be a list of 1 to {MAX_BANDS} names, not {shown(bands)}")
    for band in bands:
        if not (isinstance(band, str) and len(band) <= _MAX_NAME and BAND_NAME.fullmatch(band)):
            raise GalaxyError(
                f"the name of a band must consist of letters, digits and the characters _.+-, "
                f"not {shown(band)}"
            )
    if len(set(bands)) < len(bands):
        raise GalaxyError(f"two bands have the same name: {', '.join(bands)}")


def _check_pattern(pattern: Any) -> None:
    if not (isinstance(pattern, str) and len(pattern) <= _MAX_PATTERN and pattern.isprintable()):
        raise GalaxyError(f"the pattern must be text, not {shown(pattern)}")
    rest = pattern.replace("{id}", "", 1).replace("{band}", "", 1)
    if len(rest) != len(pattern) - len("{id}{band}") or "{" in rest or "}" in rest:
        raise GalaxyError(
            f"the pattern must contain {{id}} and {{band}} once each, as {{id}}_{{band}}.fits does, "
            f"not {shown(pattern)}"
        )
    if pattern.startswith("/") or "\\" in pattern or ".." in pattern.split("/"):
        raise GalaxyError(f"the pattern must be a relative path without .., not {shown(pattern)}")
