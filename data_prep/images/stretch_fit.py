"""Finds the parameters of a stretch from a sample of images."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from data_prep.common.errors import GalaxyError
from data_prep.images.stretch import PARAMETERS, PER_BAND, Planes, Stretch, check_parameters

BLACK: Final = -1.0
"""The default minimum, in units of the noise above the sky: black is just below the sky."""

LUPTON_NOISE: Final = 20.0
"""The default of Lupton et al.'s ``stretch``, in units of the noise of the mean of the bands."""

ASINH_NOISE: Final = 10.0
"""The default of ``a``, in units of the noise: fainter light is mapped linearly."""

WHITE_PERCENTILE: Final = 99.9
"""The default maximum is this percentile of all pixels."""

DEFAULT_Q: Final = 8.0
"""The default of Lupton et al.'s ``Q``, as in astropy."""

_MAX_PIXELS: Final = 2**16
"""Approximate number of pixels of an image that are used."""

_A_RANGE: Final = (1e-4, 1.0)
_MAD_TO_SIGMA: Final = 1.482602218505602
"""The standard deviation of a normal distribution, in units of its median absolute deviation."""


def fit_stretch(
    name: str,
    sample: Sequence[Planes],
    parameters: Mapping[str, float | Sequence[float]] | None = None,
    *,
    bands: int,
) -> Stretch:
    """Returns a stretch with all parameters: those that are given, and the others from a sample of images.

    Sky and noise of a band are the median and the scaled median absolute deviation of the pixels of an image,
    and of these the median over the images. By default, black is one noise below the sky; white is the
    percentile ``WHITE_PERCENTILE``; and the stretch turns from linear to logarithmic at ``LUPTON_NOISE`` or
    ``ASINH_NOISE`` times the noise. Where more than half of the pixels are equal, as in simulated images
    without noise, a hundredth of the range between sky and white stands for the noise.

    Args:
        name: ``lupton``, ``asinh`` or ``linear``.
        sample: Images, each ``[H, W, C]``; it may be empty if all parameters are given.
        parameters: The given parameters; minimum and maximum are one number, or one for each band.
        bands: The number of bands, C.

    Raises:
        GalaxyError: The stretch or a parameter is unknown or invalid, or the sample has no finite pixels.
    """
    given = dict(parameters or {})
    check_parameters(name, list(given))
    values: dict[str, float | tuple[float, ...]] = {
        key: _per_band(key, value, bands) if key in PER_BAND else _single(key, value)
        for key, value in given.items()
    }
    if missing := [key for key in PARAMETERS[name] if key not in values]:
        defaults: dict[str, float | tuple[float, ...]] = {"Q": DEFAULT_Q}
        if needs_sample(name, given):
            defaults |= _defaults(_measure(sample, bands), values)
        values |= {key: defaults[key] for key in missing}
    return Stretch(name, **values)  # type: ignore[arg-type]


def needs_sample(name: str, parameters: Mapping[str, Any] | None) -> bool:
    """Returns whether ``fit_stretch`` finds a parameter from the sample.

    Raises:
        GalaxyError: The stretch or a parameter is unknown.
    """
    given = list(parameters or {})
    check_parameters(name, given)
    return bool(set(PARAMETERS[name]) - {"Q", *given})


def thin_out(planes: Planes) -> Planes:
    """Returns every n-th row and column of an image, about ``_MAX_PIXELS`` pixels in all."""
    step = max(1, int(np.sqrt(planes.shape[0] * planes.shape[1] / _MAX_PIXELS)))
    return planes[::step, ::step]


@dataclass(frozen=True)
class _Light:
    """Sky, noise and bright pixels of a sample; each ``[C]`` but the noise of the mean of the bands."""

    sky: npt.NDArray[np.float64]
    noise: npt.NDArray[np.float64]
    white: npt.NDArray[np.float64]
    mean_noise: float


def _measure(sample: Sequence[Planes], bands: int) -> _Light:
    """Measures the light of a sample."""
    skies, noises, pixels = [], [], []
    for planes in sample:
        values = thin_out(planes).reshape(-1, bands).astype(np.float64)
        values = values[np.isfinite(values).all(axis=1)]
        if len(values):
            values_and_mean = np.column_stack([values, values.mean(axis=1)])
            sky = np.median(values_and_mean, axis=0)
            skies.append(sky)
            noises.append(np.median(np.abs(values_and_mean - sky), axis=0) * _MAD_TO_SIGMA)
            pixels.append(values_and_mean)
    if not pixels:
        raise GalaxyError(
            "no image has finite pixels from which the stretch could be found: give all its parameters"
        )
    sky, noise = np.median(skies, axis=0), np.median(noises, axis=0)
    everything = np.concatenate(pixels)
    white = np.percentile(everything, WHITE_PERCENTILE, axis=0)
    white = np.where(white > sky, white, everything.max(axis=0))
    noise = np.where(noise > 0, noise, (white - sky) / 100)
    if not (noise > 0).all():
        raise GalaxyError(
            "all pixels of the sampled images are equal in a band: give all parameters of the stretch"
        )
    return _Light(sky[:-1], noise[:-1], white[:-1], float(noise[-1]))


def _defaults(
    light: _Light, given: Mapping[str, float | tuple[float, ...]]
) -> dict[str, float | tuple[float, ...]]:
    """Returns the default of each parameter; that of ``a`` depends on the minimum and maximum."""
    minimum = np.asarray(given.get("minimum", light.sky + BLACK * light.noise))
    # Of images whose light is all noise, no percentile is far above the sky.
    white = np.maximum(light.white, light.sky + light.noise)
    maximum = np.asarray(given.get("maximum", white))
    a = np.median(ASINH_NOISE * light.noise / np.maximum(maximum - minimum, 1e-30))
    return {
        "minimum": tuple(minimum.tolist()),
        "maximum": tuple(maximum.tolist()),
        "stretch": LUPTON_NOISE * light.mean_noise,
        "a": float(np.clip(a, *_A_RANGE)),
    }


def _per_band(name: str, value: float | Sequence[float], bands: int) -> tuple[float, ...]:
    """Returns a parameter as one number per band."""
    numbers = tuple(value) if isinstance(value, Sequence) else (value,) * bands
    if len(numbers) != bands:
        raise GalaxyError(
            f"the {name} of the stretch has {len(numbers)} numbers; the images have {bands} bands"
        )
    return numbers


def _single(name: str, value: float | Sequence[float]) -> float:
    """Returns a parameter that has one value for all bands."""
    if isinstance(value, Sequence):
        if len(value) != 1:
            raise GalaxyError(f"{name} of the stretch must be one number, not {len(value)}")
        return value[0]
    return value
