"""The base class of all networks."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from galaxy_lightning.networks.adaptation import BandLayers


class Network(nn.Module):
    """Maps galaxy images to one logit per class.

    The input of a network is the output of :meth:`prepare`, float ``[B, bands, h, w]`` in [0, 1]; its output
    is ``[B, classes]``.

    Attributes:
        name: Name of the network in run records.
        experts: Names of the experts, in the order of :meth:`expert_logits`; empty for a single one.
        heads: Name prefixes of the parameters whose shape depends on the number of classes.
        pixels: Side of the input in pixels; None for the side of the images.
        bands: Number of bands of the images.
        band_layers: The parameters whose shape depends on the number of bands.
        grey: Whether each band is replaced by the mean of all bands, so that the colour plays no role.
        notes: Sentences for the user on how the initial weights were adapted to the classes and bands.
    """

    name: str
    experts: tuple[str, ...] = ()
    heads: tuple[str, ...] = ()
    pixels: int | None = None
    bands: int = 3
    band_layers: BandLayers = BandLayers()
    grey: bool = False
    notes: Sequence[str] = ()

    def prepare(self, images: Tensor, frames: Tensor | None = None) -> Tensor:
        """Scales stored images to [0, 1] and resamples them at the network's resolution.

        Args:
            images: uint8 ``[B, H, H, bands]``, as stored in the galaxy arrays.
            frames: ``[B, 2, 3]`` affine transformations that rotate, zoom and shift each galaxy
                (:func:`galaxy_lightning.data.augment.random_frames`); None for the identity.

        Returns:
            ``[B, bands, pixels, pixels]``.

        Raises:
            ValueError: The images have another type, layout or number of bands, for example because they are
                already scaled.
        """
        return self.resample(self.downscale(images), frames)

    def downscale(self, images: Tensor) -> Tensor:
        """Scales stored images to [0, 1], and averages blocks of pixels down to the network's resolution.

        Args:
            images: As for :meth:`prepare`.

        Returns:
            ``[B, bands, h, h]`` in [0, 1]; ``h`` is at least ``pixels``, unless the images are smaller.

        Raises:
            ValueError: As for :meth:`prepare`.
        """
        if images.dtype != torch.uint8 or images.ndim != 4 or images.shape[-1] != self.bands:
            raise ValueError(
                f"expected uint8 images [B, H, W, {self.bands}], got {images.dtype} {list(images.shape)}"
            )
        side = images.shape[1]
        scaled = _average_blocks(images, max(side // (self.pixels or side), 1), next(self.parameters()).dtype)
        return scaled.mean(dim=1, keepdim=True).expand_as(scaled) if self.grey else scaled

    def resample(self, downscaled: Tensor, frames: Tensor | None = None) -> Tensor:
        """Resamples downscaled images at the network's resolution; outside the image, pixels are black.

        Args:
            downscaled: ``[B, bands, h, h]``, the output of :meth:`downscale`.
            frames: As for :meth:`prepare`.

        Returns:
            ``[B, bands, pixels, pixels]``.

        Raises:
            ValueError: The images have another number of bands.
        """
        if downscaled.shape[1] != self.bands:
            raise ValueError(f"expected images [B, {self.bands}, h, h], got {list(downscaled.shape)}")
        pixels = self.pixels or downscaled.shape[-1]
        if frames is None:
            if downscaled.shape[-1] == pixels:
                return downscaled
            frames = torch.eye(2, 3, device=downscaled.device).expand(downscaled.shape[0], 2, 3)
        with torch.autocast(downscaled.device.type, enabled=False):  # Coordinates need full precision.
            grid = functional.affine_grid(
                frames.to(downscaled.dtype), [downscaled.shape[0], 1, pixels, pixels], align_corners=False
            )
            return functional.grid_sample(downscaled, grid, align_corners=False)

    def expert_logits(self, images: Tensor) -> list[Tensor]:
        """Returns the logits of each expert; each expert has its own loss.

        By default the network is its only expert. A network with several experts returns the logits of each,
        and their mean from :meth:`forward`. Estimates of auxiliary targets follow the logits.
        """
        return [self(images)]

    def penalty(self) -> Tensor:
        """Returns the regularisation term of the loss, a scalar; 0 by default."""
        return torch.zeros((), device=next(self.parameters()).device)

    def parameter_groups(self) -> list[tuple[list[nn.Parameter], float]]:
        """Returns groups of trainable parameters, each with its learning-rate factor."""
        return [([weights for weights in self.parameters() if weights.requires_grad], 1.0)]


def _average_blocks(images: Tensor, size: int, dtype: torch.dtype) -> Tensor:
    """Averages square blocks of pixels.

    Args:
        images: uint8 ``[B, H, H, bands]``.
        size: Side of a block in pixels.
        dtype: Type of the result.

    Returns:
        ``[B, bands, H // size, H // size]`` in [0, 1].
    """
    exact = torch.promote_types(dtype, torch.float32)
    if images.shape[1] % size:
        scaled = images.permute(0, 3, 1, 2).to(exact).div_(255)
        return functional.adaptive_avg_pool2d(scaled, images.shape[1] // size).to(dtype)
    # Sums of slices are exact, and several times faster than pooling with the bands in the last dimension.
    rows = images[:, ::size].to(exact)
    for offset in range(1, size):
        rows += images[:, offset::size]
    sums = rows[:, :, ::size].clone() if size > 1 else rows
    for offset in range(1, size):
        sums += rows[:, :, offset::size]
    return sums.permute(0, 3, 1, 2).div_(255 * size**2).to(dtype)
