"""Antialiased scaling of images about their centre.

Pillow's ``resize`` gives the same values, as a test shows, but takes about twice as long.
"""

import itertools
import threading
from functools import lru_cache
from typing import Final, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from data_prep.images.cutouts import ImageError, centre_corner

Pixels = TypeVar("Pixels", bound=np.generic)

SAME: Final = 1e-4
"""Scale factors that differ from 1 by less do not resample: it is 0.05 pixels at the edge of 1,000 pixels."""

_SUPPORT: Final = 2.0
"""Half-width of the cubic kernel, in pixels of the coarser of the two images."""

_BLOCK: Final = 8
"""Pixels of the result per product: larger blocks hold more zeros, smaller ones need more calls."""

_LARGE: Final = 2**22
"""Number of values, in an image or its intermediate results, above which memory matters more than time."""


def cut_centre(image: npt.NDArray[Pixels], crop: int, factor: float = 1.0) -> npt.NDArray[Pixels]:
    """Scales an image and cuts out its centre.

    The values are those of a surface brightness: a constant image stays constant. The filter is the cubic
    convolution of Keys (1981), widened when it reduces the image, as Pillow's ``BICUBIC`` is, so that it
    removes what finer structure would turn into aliases. The centre of the image, which lies between two
    pixels if its side is even, becomes that of the result. Without scaling, it is half a pixel off if the
    margins cannot be equal: the left and upper margins are then one pixel smaller, as in ``read_cutout``.

    Args:
        image: ``[H, W, C]``, uint8 or float32. Float values must be finite.
        crop: The side of the result in pixels.
        factor: Number of pixels of the image per pixel of the result, above 0.

    Returns:
        ``[crop, crop, C]`` of the same type; a view of ``image`` if the factor is 1 within ``SAME``.

    Raises:
        ImageError: The image is too small.
    """
    height, width = image.shape[:2]
    if abs(factor - 1) < SAME:
        left, top = centre_corner(width, height, crop)
        return image[top : top + crop, left : left + crop]
    if crop * factor > min(height, width) * (1 + SAME):
        raise ImageError(
            f"{width} x {height} pixels, smaller than the crop of {crop} pixels, "
            f"each of which covers {factor:.3g} pixels"
        )
    bands = image.shape[-1]
    scaled = np.empty((crop, crop, bands), dtype=image.dtype)
    step = bands if image.size <= _LARGE else 1  # All bands at once are faster, but need more memory.
    for band in range(0, bands, step):
        part = _resample(image[..., band : band + step], crop, factor)
        if image.dtype == np.uint8:
            np.clip(part, 0, 255, out=part)
            part += np.float32(0.5)
        scaled[..., band : band + step] = part
    return scaled


def _resample(image: npt.NDArray[np.generic], crop: int, factor: float) -> npt.NDArray[np.float32]:
    """Returns the scaled centre of an image, ``[crop, crop, C]``, which is valid until the next call."""
    height, width, bands = image.shape
    top, bottom, row_blocks = _weights(height, crop, factor)
    left, right, column_blocks = _weights(width, crop, factor, bands)
    values_per_row = (right - left) * bands
    pixels, rows, scaled = _SCRATCH.take(
        (bottom - top, values_per_row), (crop, values_per_row), (crop, crop * bands)
    )
    pixels.reshape(bottom - top, right - left, bands)[...] = image[top:bottom, left:right]
    for block in row_blocks:
        np.matmul(block.weights, pixels[block.inputs], out=rows[block.outputs])
    for block in column_blocks:
        np.matmul(rows[:, block.inputs], block.weights.T, out=scaled[:, block.outputs])
    return scaled.reshape(crop, crop, bands)


class _Scratch(threading.local):
    """Memory for up to ``_LARGE`` intermediate results, which each thread keeps.

    Getting new memory from the system takes longer than the products of a small image.
    """

    def __init__(self) -> None:
        self._values = np.empty(_LARGE, dtype=np.float32)

    def take(self, *shapes: tuple[int, int]) -> list[npt.NDArray[np.float32]]:
        """Returns float32 arrays of these shapes, with any values; valid until the next call."""
        *starts, size = itertools.accumulate((rows * columns for rows, columns in shapes), initial=0)
        values = self._values if size <= _LARGE else np.empty(size, dtype=np.float32)
        return [
            values[start : start + rows * columns].reshape(rows, columns)
            for start, (rows, columns) in zip(starts, shapes, strict=True)
        ]


_SCRATCH: Final = _Scratch()


def cut_margins(image: npt.NDArray[Pixels], crop: int, factor: float = 1.0) -> npt.NDArray[Pixels]:
    """Returns the part of an image that ``cut_centre`` needs, about the same centre.

    Args:
        image: ``[H, W, C]``.
        crop: The side of the result of ``cut_centre`` in pixels.
        factor: Number of pixels of the image per pixel of this result.

    Raises:
        ImageError: The factor is 1, and the image is too small.
    """
    if abs(factor - 1) < SAME:
        return cut_centre(image, crop)
    needed = crop * factor / 2 + _SUPPORT * max(factor, 1.0) + 1
    top, left = (max(0, int(side / 2 - needed)) for side in image.shape[:2])
    return image[top : image.shape[0] - top, left : image.shape[1] - left]


class _Block(NamedTuple):
    """The weights of some neighbouring values of a result.

    Attributes:
        outputs: The values of the result.
        inputs: The values that they depend on.
        weights: float32 ``[outputs, inputs]``; its transpose is contiguous, which makes products faster.
    """

    outputs: slice
    inputs: slice
    weights: npt.NDArray[np.float32]


@lru_cache(maxsize=256)
def _weights(side: int, crop: int, factor: float, bands: int = 1) -> tuple[int, int, list[_Block]]:
    """Returns the weights of the pixels of an axis in those of the result.

    They are a band matrix; the blocks along its diagonal hold all that is not zero.

    Args:
        side: The number of pixels of the axis.
        crop: The number of pixels of the result.
        factor: Number of pixels of the axis per pixel of the result.
        bands: Number of values per pixel, which are next to each other and do not mix.

    Returns:
        The first and the last pixel (exclusive) with a weight, and the blocks, whose inputs count from the
        first one. The weights of each value of the result sum to 1.
    """
    width = max(factor, 1.0)
    centres = side / 2 + (np.arange(crop) + 0.5 - crop / 2) * factor
    starts = np.floor(centres - _SUPPORT * width).astype(np.int64)
    columns = starts[:, None] + np.arange(int(2 * _SUPPORT * width) + 2)
    weights = _cubic((columns + 0.5 - centres[:, None]) / width)
    weights[(columns < 0) | (columns >= side)] = 0
    weights /= weights.sum(axis=1, keepdims=True)
    used = weights != 0
    first, last = int(columns[used].min()), int(columns[used].max()) + 1
    matrix = np.zeros((crop, last - first), dtype=np.float32)
    matrix[np.nonzero(used)[0], columns[used] - first] = weights[used]
    blocks = []
    size = _BLOCK if bands == 1 else _BLOCK // 2  # With several bands, blocks hold more zeros.
    for start in range(0, crop, size):
        block = matrix[start : start + size]
        needed = np.flatnonzero(block.any(axis=0))
        low, high = int(needed[0]), int(needed[-1]) + 1
        kernel = np.kron(block[:, low:high], np.eye(bands, dtype=np.float32))
        outputs = slice(start * bands, (start + len(block)) * bands)
        inputs = slice(low * bands, high * bands)
        blocks.append(_Block(outputs, inputs, np.asfortranarray(kernel)))
    return first, last, blocks


def _cubic(distance: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """The cubic convolution kernel of Keys (1981, IEEE Trans. ASSP 29, 1153), with a = -1/2."""
    x = np.abs(distance)
    near = (1.5 * x - 2.5) * x**2 + 1
    far = ((-0.5 * x + 2.5) * x - 4) * x + 2
    return np.where(x < 1, near, np.where(x < 2, far, 0))
