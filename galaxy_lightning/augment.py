"""Augmentation, on the device, a batch at a time, on training batches only."""

from collections.abc import Callable
from typing import Final, Literal

import torch
from torch import Tensor

Augmentation = Literal["none", "quarter_turns"]


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
    turned = images.clone()
    for quarters in (1, 2, 3):
        # Found on the CPU, so that a GPU need not be waited for.
        chosen = (turns == quarters).nonzero().squeeze(1).to(images.device, non_blocking=True)
        turned[chosen] = torch.rot90(images[chosen], quarters, dims=(1, 2))
    return turned


def no_augmentation(images: Tensor, generator: torch.Generator) -> Tensor:
    """Returns the images as they are."""
    return images


AUGMENTATIONS: Final[dict[Augmentation, Callable[[Tensor, torch.Generator], Tensor]]] = {
    "none": no_augmentation,
    "quarter_turns": quarter_turns,
}
