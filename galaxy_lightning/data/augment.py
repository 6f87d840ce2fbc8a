"""Augmentation, on the device, a batch at a time, on training batches only."""

from collections.abc import Callable, Iterator
from typing import Final, Literal

import torch
from torch import Tensor

from galaxy_lightning.data.batches import GalaxyBatch
from galaxy_lightning.networks.dihedral import ELEMENTS, transform

Augmentation = Literal["none", "quarter_turns", "any_view"]

ZOOM: Final = 0.2
"""Largest natural logarithm of the zoom of :func:`any_view`, in or out."""

SHIFT: Final = 0.02
"""Largest shift of :func:`any_view` in each direction, as a share of half the image's side."""


def quarter_turns(images: Tensor, generator: torch.Generator) -> Tensor:
    """Turns each image by 0, 90, 180 or 270 degrees at random, each as likely.

    A galaxy has no preferred direction, and a quarter turn moves pixels without resampling them.
    The reference turned each image once, on disk; here each is turned anew every time it is seen.

    Args:
        images: ``[B, H, H, 3]``.
        generator: Where the chance comes from, on the CPU.

    Returns:
        The turned images, in the same layout.
    """
    turns = torch.randint(4, (len(images),), generator=generator)
    if images.device.type == "cpu":  # One copy of each.
        turned = torch.empty_like(images)
        for number, quarters in enumerate(turns.tolist()):
            turned[number] = torch.rot90(images[number], quarters)
        return turned
    turned = images.clone()
    for quarters in (1, 2, 3):
        # Found on the CPU, so that a GPU need not be waited for.
        chosen = (turns == quarters).nonzero().squeeze(1).to(images.device, non_blocking=True)
        turned[chosen] = torch.rot90(images[chosen], quarters, dims=(1, 2))
    return turned


def any_view(n: int, generator: torch.Generator) -> Tensor:
    """Draws how galaxies are to be looked at: turned by any angle, mirrored, zoomed, moved.

    The network samples its pixels along these frames (:meth:`galaxy_lightning.networks.Network.look`),
    so that each image is resampled once, and only where it is looked at.

    Args:
        n: How many galaxies.
        generator: Where the chance comes from, on the CPU.

    Returns:
        float32 ``[n, 2, 3]``, as :func:`torch.nn.functional.affine_grid` takes them.
    """
    angle = 2 * torch.pi * torch.rand(n, generator=generator)
    scale = torch.exp(ZOOM * (2 * torch.rand(n, generator=generator) - 1))
    mirror = 1 - 2 * torch.randint(2, (n,), generator=generator)
    shift = SHIFT * (2 * torch.rand(n, 2, generator=generator) - 1)
    cosine, sine = scale * angle.cos(), scale * angle.sin()
    rows = [cosine * mirror, -sine, shift[:, 0], sine * mirror, cosine, shift[:, 1]]
    return torch.stack(rows, dim=1).view(n, 2, 3)


def zoomed(n: int, zooms: int, device: torch.device) -> Iterator[Tensor | None]:
    """Yields frames for looking at galaxies at sizes evenly spread over those of :func:`any_view`.

    Args:
        n: How many galaxies.
        zooms: How many sizes; one is the image as it is.
        device: Where the images are.

    Yields:
        float32 ``[n, 2, 3]``, as :func:`any_view` returns them; None for the image as it is.
    """
    if zooms == 1:
        yield None
        return
    for zoom in torch.linspace(-ZOOM, ZOOM, zooms).exp():
        yield (zoom * torch.eye(2, 3)).to(device).expand(n, 2, 3)


def eight_views(images: Tensor) -> Iterator[Tensor]:
    """Yields the eight views of images that move no pixel off the grid: four turns and their mirror images.

    Args:
        images: ``[B, C, H, H]``.
    """
    for element in range(ELEMENTS):
        yield transform(images, element)


def mixup(
    images: Tensor, targets: Tensor, weights: Tensor | None, alpha: float
) -> tuple[Tensor, Tensor, Tensor | None]:
    """Blends each galaxy of a batch with another one, and their targets alike (Zhang et al. 2018).

    One share for the batch, drawn from Beta(alpha, alpha) and never below a half, so that each galaxy
    remains the stronger one in its place. The chance is torch's own, which each training batch seeds anew.

    Args:
        images: ``[B, C, H, W]``.
        targets: ``[B, classes]`` probabilities.
        weights: ``[B]`` what each galaxy counts, or None.
        alpha: Above 0; the larger, the more is blended.

    Returns:
        All three, blended.
    """
    share = float(torch.distributions.Beta(alpha, alpha).sample())
    share = max(share, 1 - share)
    partner = torch.randperm(len(images), device=images.device)

    def blend(values: Tensor) -> Tensor:
        return torch.lerp(values[partner], values, share)

    return blend(images), blend(targets), None if weights is None else blend(weights)


def _turn(batch: GalaxyBatch, generator: torch.Generator) -> GalaxyBatch:
    return batch._replace(images=quarter_turns(batch.images, generator))


def _frame(batch: GalaxyBatch, generator: torch.Generator) -> GalaxyBatch:
    frames = any_view(len(batch.images), generator)
    return batch._replace(frames=frames.to(batch.images.device, non_blocking=True))


AUGMENTATIONS: Final[dict[Augmentation, Callable[[GalaxyBatch, torch.Generator], GalaxyBatch]]] = {
    "none": lambda batch, generator: batch,
    "quarter_turns": _turn,
    "any_view": _frame,
}
