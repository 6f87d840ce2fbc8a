"""Stretches of float images to 8-bit pixels: Lupton et al.'s, asinh and linear."""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from data_prep.common.errors import GalaxyError, shown
from data_prep.common.json_values import is_number, read_object
from data_prep.schema import MAX_BANDS

Planes = npt.NDArray[np.float32]
"""The values of an image in each band, ``[H, W, C]``."""

PARAMETERS: Final = {
    "lupton": ("minimum", "stretch", "Q"),
    "asinh": ("minimum", "maximum", "a"),
    "linear": ("minimum", "maximum"),
}
"""The parameters of each stretch."""

PER_BAND: Final = ("minimum", "maximum")
"""The parameters that have a value for each band."""

_SLOPE_AT: Final = 0.1
"""The intensity, in units of ``stretch``, up to which Lupton et al.'s stretch is nearly linear (astropy)."""

_LARGEST: Final = np.float32(1e30)
_SMALLEST: Final = np.float32(1e-30)


@dataclass(frozen=True)
class Stretch:
    """A stretch of float images to 8-bit pixels, with the values of all its parameters.

    - ``lupton`` (Lupton et al. 2004, PASP 116, 133) stretches the intensity I, the mean of the bands after
      subtraction of their minimum, to asinh(Q I / stretch), normalised as in astropy's ``make_lupton_rgb``.
      The ratios between the bands, and therefore the colours, do not change: pixels above 255 in a band are
      scaled down in all bands.
    - ``asinh`` stretches each band by itself: asinh(x / a) / asinh(1 / a) of x = (value - minimum) /
      (maximum - minimum).
    - ``linear`` maps each band linearly, its minimum to 0 and its maximum to 255.

    Attributes:
        name: ``lupton``, ``asinh`` or ``linear``.
        minimum: The value of black in each band, in the units of the files.
        maximum: The value of white in each band; only of ``asinh`` and ``linear``.
        stretch: The intensity at which the stretch turns from linear to logarithmic; only of ``lupton``.
        Q: The strength of the asinh; only of ``lupton``.
        a: Where ``asinh`` turns from linear to logarithmic, as a fraction of the range.

    Raises:
        GalaxyError: A parameter is missing, invalid, or none of this stretch.
    """

    name: str
    minimum: tuple[float, ...]
    maximum: tuple[float, ...] | None = None
    stretch: float | None = None
    Q: float | None = None
    a: float | None = None

    def __post_init__(self) -> None:
        check_parameters(self.name, [name for name in self._names() if getattr(self, name) is not None])
        for name in PARAMETERS[self.name]:
            value = getattr(self, name)
            if name in PER_BAND:
                if not (
                    isinstance(value, tuple) and 1 <= len(value) <= MAX_BANDS and all(map(is_number, value))
                ):
                    raise GalaxyError(
                        f"the {name} of the stretch must be 1 to {MAX_BANDS} numbers, not {shown(value)}"
                    )
            elif not (is_number(value) and value >= 1e-30):
                raise GalaxyError(f"{name} of the stretch must be a positive number, not {shown(value)}")
        if self.maximum is not None:
            if len(self.maximum) != len(self.minimum):
                raise GalaxyError(
                    f"the stretch has {len(self.minimum)} minima, but {len(self.maximum)} maxima"
                )
            for low, high in zip(self.minimum, self.maximum, strict=True):
                if not high - low >= 1e-30:
                    raise GalaxyError(f"the maximum of the stretch, {high}, is not above the minimum, {low}")

    @property
    def bands(self) -> int:
        """The number of bands."""
        return len(self.minimum)

    def describe(self) -> str:
        """Returns the name and the parameters in one line; a parameter that is equal in all bands once."""
        values = []
        for name in PARAMETERS[self.name]:
            value = getattr(self, name)
            numbers = value if isinstance(value, tuple) else (value,)
            listed = numbers if len(set(numbers)) > 1 else numbers[:1]
            values.append(f"{name}={','.join(f'{number:.4g}' for number in listed)}")
        return f"{self.name} ({' '.join(values)})"

    def apply(self, planes: Planes) -> npt.NDArray[np.uint8]:
        """Stretches an image to 8-bit pixels.

        Args:
            planes: ``[H, W, C]``, with as many bands as the stretch. Values that are not finite become black.

        Returns:
            ``[H, W, C]``, uint8, C-contiguous.
        """
        # One band after another in memory, which makes means and maxima over the bands fast.
        values = np.ascontiguousarray(np.moveaxis(planes, -1, 0), dtype=np.float32)
        with np.errstate(all="ignore"):
            values = values - _by_band(self.minimum)
            if self.name == "lupton":
                self._stretch_intensity(values)
            else:
                self._stretch_bands(values)
        pixels = np.empty(planes.shape, dtype=np.uint8)
        for band, plane in enumerate(values):  # Faster than all bands at once.
            pixels[..., band] = plane
        return pixels

    def fill_blank(self, planes: Planes) -> tuple[Planes, int]:
        """Replaces values that are not finite by the minimum of their band.

        Args:
            planes: ``[H, W, C]``.

        Returns:
            The filled planes, and the number of pixels in which any band was blank.
        """
        finite = np.isfinite(planes)
        if finite.all():
            return planes, 0
        filled = np.where(finite, planes, np.asarray(self.minimum, dtype=np.float32))
        return filled, int((~finite.all(axis=-1)).sum())

    def to_json(self) -> dict[str, Any]:
        """Returns the stretch as JSON types; ``from_json`` reads them."""
        values = {name: getattr(self, name) for name in PARAMETERS[self.name]}
        return {"name": self.name} | {
            name: list(value) if isinstance(value, tuple) else value for name, value in values.items()
        }

    @classmethod
    def from_json(cls, content: Any) -> "Stretch":
        """Reads a stretch from parsed JSON, which may be of any origin.

        Args:
            content: What ``to_json`` returned.

        Raises:
            GalaxyError: An entry is unknown, missing or invalid.
        """
        values = dict(read_object(content, ("name", *cls._names()), "stretch"))
        check_parameters(values.pop("name", None), [name for name in values if values[name] is not None])
        if "minimum" not in values:
            raise GalaxyError("the minimum of the stretch is missing")
        for name in PER_BAND:
            if isinstance(values.get(name), list):
                values[name] = tuple(values[name])
        return cls(content["name"], **values)

    @staticmethod
    def _names() -> tuple[str, ...]:
        return "minimum", "maximum", "stretch", "Q", "a"

    def _stretch_intensity(self, values: Planes) -> None:
        """Applies Lupton et al.'s stretch in place, to ``[C, H, W]`` values above their minimum."""
        assert self.Q is not None
        assert self.stretch is not None
        intensity = np.minimum(sum(values[1:], start=values[0]) / np.float32(len(values)), _LARGEST)
        soften = np.float32(self.Q / self.stretch)
        slope = np.float32(255 * _SLOPE_AT / np.arcsinh(_SLOPE_AT * self.Q))
        # Pixels of negative intensity become black.
        scaled = np.clip(intensity * soften, 0, _LARGEST)
        values *= np.arcsinh(scaled) * slope / np.maximum(intensity, _SMALLEST)
        np.fmax(values, 0, out=values)  # Unlike np.maximum, it replaces NaN too.
        peak = values.max(axis=0)
        if (bright := peak >= 255).any():
            values[:, bright] = np.clip(np.nan_to_num(values[:, bright] / peak[bright] * 255), 0, 255)

    def _stretch_bands(self, values: Planes) -> None:
        """Applies the asinh or linear stretch in place, to ``[C, H, W]`` values above their minimum."""
        assert self.maximum is not None
        values /= _by_band(np.subtract(self.maximum, self.minimum))
        if self.a is not None:
            np.multiply(values, np.float32(1 / self.a), out=values)
            np.arcsinh(values, out=values)
            values /= np.float32(np.arcsinh(1 / self.a))
        values *= 255
        values += 0.5  # Truncation to integers then rounds.
        np.fmin(np.fmax(values, 0, out=values), 255, out=values)


def _by_band(numbers: npt.ArrayLike) -> npt.NDArray[np.float32]:
    """Returns a number for each band as ``[C, 1, 1]``."""
    return np.asarray(numbers, dtype=np.float32)[:, None, None]


def check_parameters(name: Any, parameters: list[str]) -> None:
    """Checks the name of a stretch and the names of its parameters.

    Raises:
        GalaxyError: There is no such stretch, or it lacks one of the parameters.
    """
    if not isinstance(name, str) or name not in PARAMETERS:
        raise GalaxyError(f"unknown stretch {shown(name)}: give one of {', '.join(PARAMETERS)}")
    for parameter in parameters:
        if parameter not in PARAMETERS[name]:
            raise GalaxyError(
                f"the stretch {name} has no parameter {shown(parameter)}; "
                f"its parameters: {', '.join(PARAMETERS[name])}"
            )
