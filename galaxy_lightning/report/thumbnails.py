"""Encodes the images of a report's galaxies for a web page, within a limit on their total size."""

import base64
import io
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import numpy as np
import numpy.typing as npt
from PIL import Image

from data_prep.common.progress import progress_bar
from data_prep.images.display import as_picture

MAX_BYTES: Final = 9_500_000
"""Limit on the encoded images of a page in bytes; as text in the page, they are larger by a third."""
_FORMATS: Final = (
    (256, 88),
    (224, 75),
    (160, 75),
    (160, 60),
    (128, 60),
    (96, 60),
    (64, 60),
    (48, 50),
    (32, 40),
)
"""Sides in pixels and qualities of the images, the best first."""
_SAMPLE: Final = 60
"""Number of images whose sizes decide the format."""
_CHUNK: Final = 64
"""Number of images that a thread encodes at a time."""


def encode_thumbnails(
    images: npt.NDArray[np.uint8], rows: npt.NDArray[np.int64], max_bytes: int | None = None
) -> list[str]:
    """Encodes galaxy images, as large and as well as the limit on their total size allows.

    Args:
        images: uint8 ``[N, H, H, bands]``; three bands are a colour image, of others the mean is shown.
        rows: The rows to encode.
        max_bytes: The limit on the total size; ``MAX_BYTES`` by default.

    Returns:
        The images as WebP, base64.
    """
    limit = (MAX_BYTES if max_bytes is None else max_bytes) / max(len(rows), 1)
    sample = rows[np.linspace(0, len(rows) - 1, min(_SAMPLE, len(rows))).astype(int)]
    for side, quality in _FORMATS:
        encoded = [_encode(images[row], side, quality) for row in sample]
        if sum(map(len, encoded)) <= limit * len(encoded):
            break
    chunks = [rows[first : first + _CHUNK] for first in range(0, len(rows), _CHUNK)]

    def encode(chunk: npt.NDArray[np.int64]) -> list[str]:
        return [base64.b64encode(_encode(images[row], side, quality)).decode("ascii") for row in chunk]

    texts: list[str] = []
    with ThreadPoolExecutor() as threads, progress_bar(total=len(rows), desc="images") as bar:
        for chunk in threads.map(encode, chunks):
            texts += chunk
            bar.update(len(chunk))
    return texts


def _encode(pixels: npt.NDArray[np.uint8], side: int, quality: int) -> bytes:
    """Returns an image as WebP, which is smaller than JPEG by half at these sizes."""
    image = as_picture(pixels)
    if image.width > side:
        image = image.resize((side, side), Image.Resampling.LANCZOS, reducing_gap=3)
    stream = io.BytesIO()
    image.save(stream, "webp", quality=quality, method=2)
    return stream.getvalue()
