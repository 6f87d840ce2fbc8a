"""Images that a galaxy classifier has not been trained on, made from real galaxies or drawn."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
from PIL import Image
from scipy.ndimage import gaussian_filter

Images = npt.NDArray[np.uint8]
Generator = np.random.Generator

_CORNER: Final = 16
"""Side of the corners from which the sky of an image is taken, in pixels."""
_ENDS: Final = (slice(None, _CORNER), slice(-_CORNER, None))


def sky_noise(images: Images, generator: Generator) -> Images:
    """Draws sky: smoothed noise with mean and standard deviation of the corners of each image.

    Args:
        images: ``[N, H, H, 3]`` real galaxies.
        generator: The random number generator.
    """
    return _to_bytes(_skies(images, generator))


def stars(images: Images, generator: Generator) -> Images:
    """Draws a star at the centre of a sky: a Gaussian of 4 to 20 pixels full width at half maximum."""
    return _to_bytes(_with_star(images, generator, (60, 250), (4, 20)))


def saturated_stars(images: Images, generator: Generator) -> Images:
    """Draws a star so bright that its core and the spikes of diffraction are white."""
    star = _with_star(images, generator, (2_000, 20_000), (15, 40))
    offsets = np.abs(_offsets(images.shape[1]))
    for number in range(len(images)):
        length = generator.uniform(0.2, 0.5) * images.shape[1]
        for along, across in (offsets, offsets[::-1]):
            star[number] += (400 * np.exp(-along / length - (across / 2) ** 2))[..., None]
    return _to_bytes(star)


def satellite_trails(images: Images, generator: Generator) -> Images:
    """Draws a straight trail, 4 to 12 pixels wide, across a sky."""
    rows, columns = _offsets(images.shape[1])
    found = _skies(images, generator)
    for sky in found:
        angle, shift = generator.uniform(0, np.pi), generator.uniform(-20, 20)
        width, peak = generator.uniform(4, 12) / 2.355, generator.uniform(100, 300)
        distance = rows * np.cos(angle) + columns * np.sin(angle) - shift
        sky += (peak * np.exp(-((distance / width) ** 2) / 2))[..., None]
    return _to_bytes(found)


def negatives(images: Images, generator: Generator) -> Images:
    """Returns the images with inverted colours: dark galaxies on a bright sky."""
    return np.asarray(255 - images)


def swapped_bands(images: Images, generator: Generator) -> Images:
    """Returns the images with blue and red exchanged, as a program does that takes BGR for RGB."""
    return np.ascontiguousarray(images[..., ::-1])


MADE: Final[dict[str, Callable[[Images, Generator], Images]]] = {
    "sky noise": sky_noise,
    "stars": stars,
    "saturated stars": saturated_stars,
    "satellite trails": satellite_trails,
    "negatives": negatives,
    "blue and red exchanged": swapped_bands,
}
"""The strangers that are made from the images of galaxy arrays."""


def recut(files: Sequence[Path], side: int, generator: Generator) -> dict[str, Images]:
    """Cuts galaxies from larger images, in other ways than for the training.

    Args:
        files: ``[N]`` the image files.
        side: Side of the training images in pixels, cut from the centre.
        generator: The random number generator.

    Returns:
        ``[N, side, side, 3]`` by the kind of cut.
    """
    found: dict[str, list[Images]] = {"twice the scale": [], "half the scale": [], "off-centre": []}
    for file in files:
        with Image.open(file) as opened:
            image = opened.convert("RGB")
        size = (side, side)
        found["twice the scale"].append(np.asarray(_centre(image, side // 2).resize(size)))
        found["half the scale"].append(np.asarray(_centre(image, min(2 * side, *image.size)).resize(size)))
        angle, distance = generator.uniform(0, 2 * np.pi), generator.uniform(0.25, 0.4) * side
        shift = round(distance * np.cos(angle)), round(distance * np.sin(angle))
        found["off-centre"].append(np.asarray(_centre(image, side, shift)))
    return {name: np.stack(images) for name, images in found.items()}


def _centre(image: Image.Image, side: int, shift: tuple[int, int] = (0, 0)) -> Image.Image:
    """Cuts a square from the centre of an image, or beside it."""
    left, top = ((size - side) // 2 + offset for size, offset in zip(image.size, shift, strict=True))
    return image.crop((left, top, left + side, top + side))


def _skies(images: Images, generator: Generator) -> npt.NDArray[np.float64]:
    """Draws the sky of each image."""
    corners = np.concatenate(
        [images[:, rows, columns] for rows in _ENDS for columns in _ENDS], axis=1
    ).astype(float)
    mean, deviation = corners.mean(axis=(1, 2)), corners.std(axis=(1, 2))
    noise = gaussian_filter(generator.normal(size=images.shape), (0, 1.5, 1.5, 0))
    noise /= noise.std(axis=(1, 2), keepdims=True)
    return np.asarray(mean[:, None, None] + deviation[:, None, None] * noise)


def _with_star(
    images: Images, generator: Generator, peaks: tuple[float, float], widths: tuple[float, float]
) -> npt.NDArray[np.float64]:
    """Adds a star of a random colour to the sky of each image."""
    squared = (_offsets(images.shape[1]) ** 2).sum(axis=0)
    found = _skies(images, generator)
    for sky in found:
        width = generator.uniform(*widths) / 2.355
        profile = np.exp(generator.uniform(*np.log(peaks))) * np.exp(-squared / (2 * width**2))
        sky += profile[..., None] * generator.uniform(0.7, 1, 3)
    return found


def _offsets(side: int) -> npt.NDArray[np.float64]:
    """Returns ``[2, side, side]`` offsets of the pixels from the centre."""
    return np.asarray(np.indices((side, side)) - (side - 1) / 2, dtype=np.float64)


def _to_bytes(images: npt.NDArray[np.float64]) -> Images:
    return np.asarray(images.clip(0, 255).round(), dtype=np.uint8)
