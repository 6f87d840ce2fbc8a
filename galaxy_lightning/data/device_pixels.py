"""Keeps all images of galaxy arrays in GPU memory."""

from typing import Final

import torch
from torch import Tensor

from data_prep.arrays.format import GalaxyArrays
from data_prep.common.errors import GalaxyError
from data_prep.common.progress import progress_bar

_CHUNK: Final = 1024
"""Number of images to copy at a time."""


class DevicePixels:
    """A copy of all images of galaxy arrays on a device."""

    def __init__(self) -> None:
        self._pixels: Tensor | None = None

    def load(self, arrays: GalaxyArrays, device: torch.device) -> Tensor:
        """Returns all images, and copies them first if they are not on the device yet.

        Args:
            arrays: The galaxy arrays.
            device: The device.

        Returns:
            uint8 ``[N, H, W, 3]``.

        Raises:
            GalaxyError: The device has too little memory.
        """
        if self._pixels is None or self._pixels.device != device:
            self._pixels = _copy_to_device(arrays, device)
        return self._pixels


def _copy_to_device(arrays: GalaxyArrays, device: torch.device) -> Tensor:
    images = arrays.images
    try:
        pixels = torch.empty(images.shape, dtype=torch.uint8, device=device)
    except RuntimeError as error:
        raise GalaxyError(
            f"{device} has too little memory for the {images.nbytes / 1e9:.1f} GB of images in "
            f"{arrays.folder}: use --data.on_device false"
        ) from error
    with progress_bar(total=len(images), desc="copying to the GPU", unit=" images") as bar:
        for start in range(0, len(images), _CHUNK):
            chunk = images[start : start + _CHUNK].copy()
            pixels[start : start + _CHUNK] = torch.from_numpy(chunk)
            bar.update(len(chunk))
    return pixels
