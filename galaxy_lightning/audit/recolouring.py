"""Changes the colour of galaxy images, and nothing else.

In each pixel, the bands are multiplied by factors relative to the sky, and then all by another one, so that
the mean of the bands, the luminosity, is unchanged. Images whose stretch keeps the ratios of the bands
(Lupton et al. 2004), such as those of SDSS and the Legacy Surveys, become those of a galaxy of another
colour.
"""

from typing import Final

import numpy as np
import numpy.typing as npt

Images = npt.NDArray[np.uint8]
Sky = npt.NDArray[np.float64]

SHIFTS: Final = (-0.4, -0.2, -0.1, 0.1, 0.2, 0.4)
"""Changes of the colour in magnitudes; negative ones are bluer."""


def shift_colours(images: Images, sky: Sky, shifts: npt.NDArray[np.float64], slope: float) -> Images:
    """Makes galaxies redder or bluer.

    Args:
        images: ``[N, H, H, 3]``: red, green and blue.
        sky: ``[N, 3]`` brightness of the sky.
        shifts: ``[N]`` changes of the colour blue minus green, in magnitudes; positive ones are redder.
        slope: Change of the colour green minus red per change of blue minus green; see :func:`colour_slope`.

    Returns:
        The images.
    """
    factors = 10 ** (0.4 * np.stack([slope * shifts, np.zeros(len(shifts)), -shifts], axis=1))
    return _scale(images, sky, factors)


def make_grey(images: Images, sky: Sky) -> Images:
    """Replaces each band by the mean of all bands.

    Args:
        images: ``[N, H, H, bands]``.
        sky: ``[N, bands]`` brightness of the sky.

    Returns:
        The images.
    """
    above = images.astype(np.float32) - sky[:, None, None].astype(np.float32)
    grey = above.mean(axis=-1, keepdims=True) + sky.mean(axis=-1).astype(np.float32)[:, None, None, None]
    return np.broadcast_to(_to_bytes(grey), images.shape).copy()


def colour_slope(blue_green: npt.NDArray[np.float64], green_red: npt.NDArray[np.float64]) -> float:
    """Returns the slope of the relation between two colours, the reduced major axis (Isobe et al. 1990).

    Args:
        blue_green: ``[N]`` colours blue minus green; may be NaN.
        green_red: ``[N]`` colours green minus red; may be NaN.

    Returns:
        Change of green minus red per change of blue minus green; 0 if there are fewer than three galaxies, or
        if one of the colours is the same for all.
    """
    known = np.isfinite(blue_green) & np.isfinite(green_red)
    one, other = blue_green[known], green_red[known]
    if len(one) < 3 or np.ptp(one) == 0 or np.ptp(other) == 0:
        return 0.0
    return float(np.sign(np.corrcoef(one, other)[0, 1]) * other.std() / one.std())


def _scale(images: Images, sky: Sky, factors: npt.NDArray[np.float64]) -> Images:
    """Multiplies the bands, relative to the sky, by ``[N, bands]`` factors, at the same luminosity."""
    level = sky[:, None, None].astype(np.float32)
    above = images.astype(np.float32) - level
    scaled = above * factors[:, None, None].astype(np.float32)
    before, after = above.mean(axis=-1, keepdims=True), scaled.mean(axis=-1, keepdims=True)
    # In the noise of the sky, both may be about zero.
    ratio = np.where(np.minimum(before, after) > 1, before / np.maximum(after, 1), 1)
    return _to_bytes(level + scaled * ratio)


def _to_bytes(values: npt.NDArray[np.float32]) -> Images:
    return np.asarray(np.rint(values).clip(0, 255), dtype=np.uint8)
