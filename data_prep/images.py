"""Reading one galaxy's image file."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, UnidentifiedImageError

from data_prep.ahead import cores
from data_prep.errors import GalaxyError

# Else Pillow hands the memory of each image back to the system and waits for the same pages again: a fifth of
# its time.
Image.core.set_blocks_max(cores())  # type: ignore[attr-defined]

Cutout = npt.NDArray[np.uint8]
"""One galaxy's pixels, ``[H, W, 3]``, RGB."""


class ImageError(GalaxyError):
    """One image cannot be used. A bad image among many is listed and stepped over."""


def read_cutout(path: Path, crop: int) -> Cutout:
    """Decodes an image file and cuts out its centre, without resampling.

    Args:
        path: An RGB image file of at least ``crop`` x ``crop`` pixels.
        crop: Side of the centre crop in pixels. Where the margins cannot be equal, as with an
            even crop of Galaxy Zoo's 423-pixel files, the upper left one is a pixel smaller.

    Returns:
        ``[crop, crop, 3]``, uint8.

    Raises:
        ImageError: The file is missing, empty, truncated, no image, not RGB, or too small.
    """
    try:
        with Image.open(path) as image:
            if image.mode != "RGB":
                raise ImageError(f"not RGB but of mode {image.mode}")
            left, top = ((side - crop) // 2 for side in image.size)
            if min(left, top) < 0:
                raise ImageError(f"{image.width} x {image.height} pixels, smaller than the crop of {crop}")
            return np.asarray(image.crop((left, top, left + crop, top + crop)))
    except FileNotFoundError:
        raise ImageError("missing") from None
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        if isinstance(error, UnidentifiedImageError) and path.stat().st_size == 0:
            raise ImageError("an empty file") from None
        raise ImageError(f"cannot be decoded: {str(error).replace(str(path), path.name)}") from None
