"""What every network is."""

import torch
from torch import Tensor, nn
from torch.nn import functional


class Network(nn.Module):
    """Images in, one logit per class out.

    A network takes what its :meth:`look` returns, float ``[B, 3, h, w]`` in [0, 1], and returns
    ``[B, classes]``.

    Attributes:
        name: What a run calls it.
        heads: What the names of those parameters begin with that depend on the number of classes.
        pixels: Side in pixels at which it looks at images; their own when None.
    """

    name: str
    heads: tuple[str, ...] = ()
    pixels: int | None = None

    def look(self, images: Tensor, frames: Tensor | None = None) -> Tensor:
        """Scales images, and samples what the network sees of them, at its resolution.

        Args:
            images: uint8 ``[B, H, H, 3]``, as they are stored.
            frames: ``[B, 2, 3]`` how each galaxy is turned, zoomed and moved
                (:func:`galaxy_lightning.data.augment.any_view`); upright and centred when None.

        Returns:
            ``[B, 3, pixels, pixels]``.

        Raises:
            ValueError: The images are of another type or layout, already scaled, say.
        """
        return self.sample(self.reduce(images), frames)

    def reduce(self, images: Tensor) -> Tensor:
        """Scales images; where there are many more pixels than the network looks at, they are averaged.

        Args:
            images: As for :meth:`look`.

        Returns:
            ``[B, 3, h, h]`` in [0, 1], ``h`` at least ``pixels`` where the images have as many.

        Raises:
            ValueError: As for :meth:`look`.
        """
        if images.dtype != torch.uint8 or images.ndim != 4 or images.shape[-1] != 3:
            raise ValueError(f"expected uint8 images [B, H, W, 3], got {images.dtype} {list(images.shape)}")
        side = images.shape[1]
        return _reduced(images, max(side // (self.pixels or side), 1), next(self.parameters()).dtype)

    def sample(self, reduced: Tensor, frames: Tensor | None = None) -> Tensor:
        """Samples what the network sees of reduced images; beyond the edge the sky is black.

        Args:
            reduced: ``[B, 3, h, h]``, as :meth:`reduce` returns them.
            frames: As for :meth:`look`.

        Returns:
            ``[B, 3, pixels, pixels]``.
        """
        pixels = self.pixels or reduced.shape[-1]
        if frames is None and reduced.shape[-1] == pixels:
            return reduced
        if frames is None:
            frames = torch.eye(2, 3, device=reduced.device).expand(len(reduced), 2, 3)
        with torch.autocast(reduced.device.type, enabled=False):  # Coordinates need all their digits.
            grid = functional.affine_grid(
                frames.to(reduced.dtype), [len(reduced), 3, pixels, pixels], align_corners=False
            )
            return functional.grid_sample(reduced, grid, align_corners=False)

    def expert_logits(self, images: Tensor) -> list[Tensor]:
        """Returns the logits that are trained, each by itself: by default the one answer that there is.

        A network of several experts returns theirs; :meth:`forward` returns the mean of them. Where it
        learns auxiliary quantities, their estimates come after the logits.
        """
        return [self(images)]

    def penalty(self) -> Tensor:
        """Returns what the network adds to the loss for its own weights, a scalar; by default none."""
        return torch.zeros((), device=next(self.parameters()).device)

    def parameter_groups(self) -> list[tuple[list[nn.Parameter], float]]:
        """Returns what is to be learnt, each part with its multiple of the learning rate."""
        return [([weights for weights in self.parameters() if weights.requires_grad], 1.0)]


def _reduced(images: Tensor, reduction: int, dtype: torch.dtype) -> Tensor:
    """Takes uint8 ``[B, H, H, 3]`` to the means of squares of that side, ``[B, 3, h, h]`` in [0, 1]."""
    exact = torch.promote_types(dtype, torch.float32)
    if images.shape[1] % reduction:
        scaled = images.permute(0, 3, 1, 2).to(exact).div_(255)
        return functional.adaptive_avg_pool2d(scaled, images.shape[1] // reduction).to(dtype)
    # Slices are summed, which is exact, and several times as fast as pooling three colours side by side.
    rows = images[:, ::reduction].to(exact)
    for place in range(1, reduction):
        rows += images[:, place::reduction]
    sums = rows[:, :, ::reduction].clone() if reduction > 1 else rows
    for place in range(1, reduction):
        sums += rows[:, :, place::reduction]
    return sums.permute(0, 3, 1, 2).div_(255 * reduction**2).to(dtype)
