"""Shows the stored pixels of a galaxy as a picture."""

import numpy as np
import numpy.typing as npt
from PIL import Image


def as_picture(pixels: npt.NDArray[np.uint8]) -> Image.Image:
    """Returns stored pixels as a picture: in colour for three bands, otherwise the mean of the bands in grey.

    Args:
        pixels: uint8 ``[H, W, bands]``.
    """
    if pixels.shape[-1] == 3:
        return Image.fromarray(np.ascontiguousarray(pixels))
    return Image.fromarray(pixels.mean(axis=-1).round().astype(np.uint8))
