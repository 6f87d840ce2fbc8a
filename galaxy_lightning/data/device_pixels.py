"""Keeps all pixels of galaxy arrays in the memory of a GPU."""

from typing import Final

import torch
from torch import Tensor

from data_prep.arrays.format import GalaxyArrays
from data_prep.common.errors import GalaxyError
from data_prep.common.progress import progress_bar

_CHUNK: Final = 1024
"""Images that are copied at a time."""


class DevicePixels:
    """The pixels of galaxy arrays on a device, copied there once."""

    def __init__(self) -> None:
        self._pixels: Tensor | None = None

    def on(self, device: torch.device, arrays: GalaxyArrays) -> Tensor:
        """Returns all pixels, and copies them if they are not on the device yet.

        Args:
            device: The device.
            arrays: The galaxy arrays.

        Returns:
            uint8 ``[N, H, W, 3]``.

        Raises:
            GalaxyError: The device has too little memory.
        """
        if self._pixels is None or self._pixels.device != device:
            self._pixels = copy_to_device(arrays, device)
        return self._pixels


def copy_to_device(arrays: GalaxyArrays, device: torch.device) -> Tensor:
    """Copies all pixels to a device.

    Args:
        arrays: The galaxy arrays.
        device: The device.

    Returns:
        uint8 ``[N, H, W, 3]``.

    Raises:
        GalaxyError: The device has no room for them.
    """
    images = arrays.images
    try:
        pixels = torch.empty(images.shape, dtype=torch.uint8, device=device)
    except RuntimeError as error:
        raise GalaxyError(
            f"{device} has no room for the {images.nbytes / 1e9:.1f} GB of {arrays.folder}: leave "
            "--data.on_device out"
        ) from error
    with progress_bar(total=len(images), desc="to the device", unit=" images") as bar:
        for start in range(0, len(images), _CHUNK):
            chunk = images[start : start + _CHUNK].copy()
            pixels[start : start + _CHUNK] = torch.from_numpy(chunk)
            bar.update(len(chunk))
    return pixels
