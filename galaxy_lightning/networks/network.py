"""What every network is."""

import torch
from torch import Tensor, nn


class Network(nn.Module):
    """Scaled images in, one logit per class out.

    A network takes float ``[B, 3, H, W]`` in [0, 1], in channels-last memory, and returns
    ``[B, classes]``.
    """

    def penalty(self) -> Tensor:
        """Returns what the network adds to the loss for its own weights, a scalar; by default none."""
        return torch.zeros((), device=next(self.parameters()).device)
