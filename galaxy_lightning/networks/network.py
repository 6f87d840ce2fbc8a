"""What every network is."""

import torch
from torch import Tensor, nn
from torch.nn import functional


class Network(nn.Module):
    """Scaled images in, one logit per class out.

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
        """Samples what the network sees of the images, at its resolution.

        Where there are many more pixels than it looks at, they are averaged first. Beyond the edge the
        sky is black.

        Args:
            images: float ``[B, 3, H, H]`` in [0, 1].
            frames: ``[B, 2, 3]`` how each galaxy is turned, zoomed and moved
                (:func:`galaxy_lightning.augment.any_view`); upright and centred when None.

        Returns:
            ``[B, 3, pixels, pixels]``.
        """
        side = images.shape[-1]
        pixels = self.pixels or side
        with torch.autocast(images.device.type, enabled=False):  # Coordinates need all their digits.
            if (reduction := side // pixels) > 1:
                images = functional.adaptive_avg_pool2d(images, side // reduction)
            if frames is None and images.shape[-1] == pixels:
                return images
            if frames is None:
                frames = torch.eye(2, 3, device=images.device).expand(len(images), 2, 3)
            grid = functional.affine_grid(
                frames.to(images.dtype), [len(images), 3, pixels, pixels], align_corners=False
            )
            return functional.grid_sample(images, grid, align_corners=False)

    def opinions(self, images: Tensor) -> list[Tensor]:
        """Returns the logits that are trained, each by itself: by default the one answer that there is.

        A network of several experts returns theirs; :meth:`forward` returns the mean of them.
        """
        return [self(images)]

    def penalty(self) -> Tensor:
        """Returns what the network adds to the loss for its own weights, a scalar; by default none."""
        return torch.zeros((), device=next(self.parameters()).device)

    def parameter_groups(self) -> list[tuple[list[nn.Parameter], float]]:
        """Returns what is to be learnt, each part with its multiple of the learning rate."""
        return [([weights for weights in self.parameters() if weights.requires_grad], 1.0)]
