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
        field: Share of the images' side that it looks at, in the centre.
        pixels: Side in pixels of what it looks at; the images' own when None.
    """

    name: str
    field: float = 1.0
    pixels: int | None = None

    def look(self, images: Tensor, frames: Tensor | None = None) -> Tensor:
        """Samples what the network sees of the images: its field, at its resolution.

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
        if frames is None and self.field == 1 and pixels == side:
            return images
        with torch.autocast(images.device.type, enabled=False):  # Coordinates need all their digits.
            if (reduction := int(self.field * side / pixels)) > 1:
                images = functional.adaptive_avg_pool2d(images, side // reduction)
            if frames is None:
                frames = torch.eye(2, 3, device=images.device).expand(len(images), 2, 3)
            frames = frames * frames.new_tensor([self.field, self.field, 1])
            grid = functional.affine_grid(
                frames.to(images.dtype), [len(images), 3, pixels, pixels], align_corners=False
            )
            return functional.grid_sample(images, grid, align_corners=False)

    def penalty(self) -> Tensor:
        """Returns what the network adds to the loss for its own weights, a scalar; by default none."""
        return torch.zeros((), device=next(self.parameters()).device)

    def parameter_groups(self) -> list[tuple[list[nn.Parameter], float]]:
        """Returns what is to be learnt, each part with its multiple of the learning rate."""
        return [([weights for weights in self.parameters() if weights.requires_grad], 1.0)]
