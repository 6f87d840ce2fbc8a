"""Augmentation of training batches, on the model's device."""

import math
from collections.abc import Callable, Iterator
from typing import Final, Literal, NamedTuple

import torch
from torch import Tensor

from galaxy_lightning.data.batches import GalaxyBatch
from galaxy_lightning.networks.dihedral import ELEMENTS, transform

Augmentation = Literal["none", "quarter_turns", "any_view"]

ZOOM: Final = 0.2
"""Maximum absolute value of the natural logarithm of the zoom factor in :func:`random_frames`."""

SHIFT: Final = 0.02
"""Maximum shift along each axis in :func:`random_frames`, as a fraction of half the image's side."""

_NOISE: Final = 1 / 255


class Share(NamedTuple):
    """The part of a batch that one of several processes has: every ``processes``-th galaxy, from ``rank`` on.

    Random numbers are drawn for the whole batch, so that they do not depend on the number of processes.
    """

    processes: int = 1
    rank: int = 0

    def of(self, values: Tensor) -> Tensor:
        """Returns this process's part of values of the whole batch."""
        return values[self.rank :: self.processes]


WHOLE: Final = Share()


def rotate_randomly(images: Tensor, generator: torch.Generator, share: Share = WHOLE) -> Tensor:
    """Rotates each image by 0, 90, 180 or 270 degrees, with equal probability.

    A galaxy has no preferred direction, and a quarter turn needs no resampling. The course project rotated
    each image once, on disk; here each image is rotated anew in each epoch.

    Args:
        images: ``[B, H, H, 3]``.
        generator: Random number generator on the CPU.
        share: The part of the batch that the images are.

    Returns:
        The rotated images, in the same layout.
    """
    turns = share.of(torch.randint(4, (len(images) * share.processes,), generator=generator))
    if images.device.type == "cpu":  # One copy per image.
        rotated = torch.empty_like(images)
        for index, quarters in enumerate(turns.tolist()):
            rotated[index] = torch.rot90(images[index], quarters)
        return rotated
    rotated = images.clone()
    for quarters in (1, 2, 3):
        # Indices are computed on the CPU, which avoids a synchronisation with the GPU.
        chosen = (turns == quarters).nonzero().squeeze(1).to(images.device, non_blocking=True)
        rotated[chosen] = torch.rot90(images[chosen], quarters, dims=(1, 2))
    return rotated


def random_frames(n: int, generator: torch.Generator) -> Tensor:
    """Draws affine transformations: rotation by any angle, mirroring, zoom and shift.

    The network resamples its input with these frames (:meth:`galaxy_lightning.networks.Network.prepare`), so
    that each image is resampled only once, at the network's resolution.

    Args:
        n: Number of galaxies.
        generator: Random number generator on the CPU.

    Returns:
        float32 ``[n, 2, 3]``, as for :func:`torch.nn.functional.affine_grid`.
    """
    angle = 2 * torch.pi * torch.rand(n, generator=generator)
    scale = torch.exp(ZOOM * (2 * torch.rand(n, generator=generator) - 1))
    mirror = 1 - 2 * torch.randint(2, (n,), generator=generator)
    shift = SHIFT * (2 * torch.rand(n, 2, generator=generator) - 1)
    cosine, sine = scale * angle.cos(), scale * angle.sin()
    rows = [cosine * mirror, -sine, shift[:, 0], sine * mirror, cosine, shift[:, 1]]
    return torch.stack(rows, dim=1).view(n, 2, 3)


def zoom_frames(n: int, zooms: int, device: torch.device) -> Iterator[Tensor | None]:
    """Yields affine transformations for zooms evenly spaced, in the logarithm, from ``-ZOOM`` to ``ZOOM``.

    Args:
        n: Number of galaxies.
        zooms: Number of zooms; with 1, the images are unchanged.
        device: Device of the images.

    Yields:
        float32 ``[n, 2, 3]``, as from :func:`random_frames`; None for unchanged images.
    """
    if zooms == 1:
        yield None
        return
    for zoom in torch.linspace(-ZOOM, ZOOM, zooms).exp():
        yield (zoom * torch.eye(2, 3)).to(device).expand(n, 2, 3)


def eight_views(images: Tensor) -> Iterator[Tensor]:
    """Yields the eight views of images that need no resampling: four quarter turns and their mirror images.

    Args:
        images: ``[B, C, H, H]``.
    """
    for element in range(ELEMENTS):
        yield transform(images, element)


def mixup(
    images: Tensor, targets: Tensor, weights: Tensor | None, alpha: float
) -> tuple[Tensor, Tensor, Tensor | None]:
    """Blends the images, targets and weights of each galaxy of a batch with another's (Zhang et al. 2018).

    The batch has one mixing fraction: a number drawn from Beta(alpha, alpha) or its complement, whichever is
    larger. It is drawn from torch's global generator, which is seeded before each training batch.

    Args:
        images: ``[B, C, H, W]``.
        targets: ``[B, classes]`` probabilities.
        weights: ``[B]`` weights of the galaxies, or None.
        alpha: Parameter of the beta distribution, above 0; larger values blend more.

    Returns:
        The blended images, targets and weights.
    """
    fraction = float(torch.distributions.Beta(alpha, alpha).sample())
    fraction = max(fraction, 1 - fraction)
    partner = torch.randperm(len(images), device=images.device)

    def blend(values: Tensor) -> Tensor:
        return torch.lerp(values[partner], values, fraction)

    return blend(images), blend(targets), None if weights is None else blend(weights)


def jitter_colours(images: Tensor, magnitudes: float) -> Tensor:
    """Changes the colour of each galaxy at random, at the same luminosity.

    Relative to the sky, the median of each band, each band is multiplied by a factor of its own, and then all
    by another one in each pixel, so that their mean is unchanged. The factors are drawn from torch's global
    generator, which is seeded before each training batch.

    Args:
        images: ``[B, bands, H, W]`` in [0, 1].
        magnitudes: Standard deviation of the factors, in magnitudes.

    Returns:
        The images.
    """
    sky = images.float().flatten(2).median(dim=2).values[..., None, None]
    shifts = magnitudes * torch.randn(*images.shape[:2], 1, 1)
    above = images - sky
    scaled = above * torch.exp(math.log(10) * 0.4 * shifts).to(images.device)
    before, after = above.mean(dim=1, keepdim=True), scaled.mean(dim=1, keepdim=True)
    # In the noise of the sky, both may be about zero.
    ratio = torch.where(torch.minimum(before, after) > _NOISE, before / after.clamp(min=_NOISE), 1.0)
    return (sky + scaled * ratio).clamp(0, 1).to(images.dtype)


def _rotate_images(batch: GalaxyBatch, generator: torch.Generator, share: Share) -> GalaxyBatch:
    return batch._replace(images=rotate_randomly(batch.images, generator, share))


def _add_frames(batch: GalaxyBatch, generator: torch.Generator, share: Share) -> GalaxyBatch:
    frames = share.of(random_frames(len(batch.images) * share.processes, generator))
    return batch._replace(frames=frames.to(batch.images.device, non_blocking=True))


AUGMENTATIONS: Final[dict[Augmentation, Callable[[GalaxyBatch, torch.Generator, Share], GalaxyBatch]]] = {
    "none": lambda batch, generator, share: batch,
    "quarter_turns": _rotate_images,
    "any_view": _add_frames,
}
