"""Measures the galaxy in the centre of an image: colour, size, brightness, shape and surroundings.

The measures refer to the images as the model sees them. In images with a stretch, such as the colour images
of SDSS, brightness and size are therefore not those of a catalogue; they order galaxies in the same way.
"""

import warnings
from collections.abc import Iterable
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
from astropy.stats import mad_std, sigma_clipped_stats
from scipy.ndimage import gaussian_filter

PIXELS: Final = 112
"""Images are averaged down to about this side, for speed; sizes are given in stored pixels."""
_SMOOTHING: Final = 1.5
"""Standard deviation of the Gaussian that smooths images before the detection, in pixels."""
_THRESHOLD: Final = 3.0
"""Detection threshold above the sky, in standard deviations of the smoothed sky."""
_MIN_PIXELS: Final = 8
"""Minimum number of connected pixels of a source."""
_CONTRAST: Final = 0.01
"""Minimum fraction of the flux of a source that is separated from another one."""

MEASURES: Final = {
    "colour": "colour, blue minus green band (g - r in SDSS) [mag]",
    "brightness": "brightness in the image [mag, arbitrary zero point]",
    "size": "half-light radius [pixels]",
    "axis_ratio": "axis ratio",
    "noise": "noise of the sky, relative to the galaxy's brightness",
    "neighbours": "number of other sources in the image",
}
"""The measures and how they are named in figures."""
GREEN_RED: Final = "green_red"
"""The colour green minus red band (r - i in SDSS), in magnitudes."""


class Source(NamedTuple):
    """The galaxy in an image.

    Attributes:
        sky: ``[bands]`` brightness of the sky, in the unit of the images.
        measures: The values of :data:`MEASURES`, and of :data:`GREEN_RED`; NaN if not defined.
    """

    sky: npt.NDArray[np.float64]
    measures: dict[str, float]


def measure_source(image: npt.NDArray[np.uint8]) -> Source:
    """Measures the galaxy in the centre of an image.

    The sky is the sigma-clipped median of each band. Sources are connected pixels above the sky in the
    smoothed mean of the bands, and are deblended (photutils). The galaxy is the source in the centre.

    Args:
        image: ``[H, H, bands]``, as in the galaxy arrays.

    Returns:
        The sky and the measures. If there is no source in the centre, all measures but the number of
        neighbours are NaN. The colour is also NaN unless the image has three bands, taken as red, green,
        blue.
    """
    from photutils.segmentation import SourceCatalog

    size = max(image.shape[0] // PIXELS, 1)
    bands = _average_blocks(image, size)
    sky = np.array([sigma_clipped_stats(bands[..., band], sigma=3)[1] for band in range(bands.shape[-1])])
    above = bands - sky
    luminosity = above.mean(axis=-1)
    smoothed = gaussian_filter(luminosity, _SMOOTHING)
    segments = _detect(smoothed)
    measures = dict.fromkeys((*MEASURES, GREEN_RED), np.nan)
    measures["neighbours"] = 0.0
    if segments is None:
        return Source(sky, measures)
    label = _central_label(segments.data)
    measures["neighbours"] = float(segments.n_labels - (label > 0))
    if not label:
        return Source(sky, measures)
    mask = segments.data == label
    source = SourceCatalog(luminosity, segments, convolved_data=smoothed).select_label(label)
    total = luminosity[mask].sum()
    noise = mad_std(np.diff(luminosity, axis=1)[~mask[:, 1:] & ~mask[:, :-1]]) / np.sqrt(2)
    measures |= {
        "brightness": _magnitude(total),
        "size": size * float(np.squeeze(source.flux_radius(0.5).value)),
        "axis_ratio": 1 - float(source.ellipticity),
        "noise": float(noise / luminosity[mask].mean()) if total > 0 else np.nan,
    }
    if bands.shape[-1] == 3:
        red, green, blue = (_magnitude(flux) for flux in above[mask].sum(axis=0))
        measures |= {"colour": blue - green, GREEN_RED: green - red}
    return Source(sky, measures)


def measure_sources(images: Iterable[npt.NDArray[np.uint8]]) -> tuple[npt.NDArray[np.float64], pd.DataFrame]:
    """Measures the galaxies of several images; see :func:`measure_source`.

    Args:
        images: ``N`` images.

    Returns:
        ``[N, bands]`` brightness of the sky, and ``N`` rows of measures.
    """
    sources = [measure_source(image) for image in images]
    return np.array([source.sky for source in sources]), pd.DataFrame([source.measures for source in sources])


def _detect(smoothed: npt.NDArray[np.float64]) -> Any:
    """Returns the deblended sources of an image, a photutils ``SegmentationImage``; None without any."""
    from photutils.segmentation import deblend_sources, detect_sources

    _, sky, deviation = sigma_clipped_stats(smoothed, sigma=3)
    threshold = sky + max(_THRESHOLD * float(deviation), 1e-6)
    if not (smoothed > threshold).any():
        return None
    with warnings.catch_warnings():
        # That there is no source; and, in photutils 3.1, that there is no progress bar any more.
        warnings.simplefilter("ignore")
        segments = detect_sources(smoothed, threshold, n_pixels=_MIN_PIXELS)
        if segments is None:
            return None
        return deblend_sources(
            smoothed, segments, n_pixels=_MIN_PIXELS, n_levels=16, contrast=_CONTRAST, progress_bar=False
        )


def _central_label(labels: npt.NDArray[np.int64]) -> int:
    """Returns the label of the source in the centre; 0 if there is none."""
    middle, reach = labels.shape[0] // 2, max(labels.shape[0] // 28, 1)
    center = labels[middle - reach : middle + reach, middle - reach : middle + reach]
    found = center[center > 0]
    return int(np.bincount(found).argmax()) if len(found) else 0


def _magnitude(flux: float) -> float:
    """Returns a magnitude with the zero point 0; NaN if the flux is not positive."""
    return float(-2.5 * np.log10(flux)) if flux > 0 else np.nan


def _average_blocks(image: npt.NDArray[np.uint8], size: int) -> npt.NDArray[np.float64]:
    """Averages square blocks of pixels; the last rows and columns may be left out."""
    side = image.shape[0] // size
    blocks = image[: side * size, : side * size].reshape(side, size, side, size, -1)
    return np.asarray(blocks.mean(axis=(1, 3)), dtype=np.float64)
