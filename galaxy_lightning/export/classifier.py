"""The computation that an exported file contains: from stored pixels to calibrated probabilities."""

from typing import Final

import torch
from torch import Tensor, nn

from data_prep.common.errors import GalaxyError
from galaxy_lightning.training.ensemble import Ensemble
from galaxy_lightning.training.module import GalaxyClassifier

_SMALLEST: Final = 1e-12
"""Lower limit of a probability, so that its logarithm is finite."""


class ExportedClassifier(nn.Module):
    """Maps images to calibrated probabilities, with all that ``predict`` does in between.

    The central square of each image is cut out and classified in all views; the mean logits are divided by
    the temperature. With several networks, the result is the calibrated mean of their probabilities. An
    exported file does not know which galaxies the networks have seen, so that all of them are always used.

    Args:
        ensemble: The network, or several.
    """

    def __init__(self, ensemble: Ensemble) -> None:
        super().__init__()
        self.networks = nn.ModuleList(_Calibrated(member) for member in ensemble.members)
        self.crop = ensemble.members[0].image_size
        self.bands = ensemble.members[0].bands
        self.temperature = ensemble.calibration.temperature

    def forward(self, images: Tensor) -> Tensor:
        """Classifies galaxies.

        Args:
            images: uint8 ``[B, H, W, bands]``; ``H`` and ``W`` are at least :attr:`crop`.

        Returns:
            float32 ``[B, classes]``.
        """
        # By indices: slices would tie the height and the width to those of the traced images.
        side = torch.arange(self.crop, device=images.device)
        top, left = ((images.shape[axis] - self.crop) // 2 for axis in (1, 2))
        images = images.index_select(1, side + top).index_select(2, side + left)
        probabilities = torch.stack([network(images) for network in self.networks])
        if len(self.networks) == 1:
            return probabilities[0]
        mean = probabilities.double().mean(dim=0).clamp(min=_SMALLEST)
        return (mean.log() / self.temperature).softmax(dim=1).float()


def require_numbers(ensemble: Ensemble) -> None:
    """Checks the weights of networks before they are exported.

    Args:
        ensemble: The network, or several.

    Raises:
        GalaxyError: A weight is infinite or not a number.
    """
    for member, about in zip(ensemble.members, ensemble.trained, strict=True):
        parameters = {name for name, _ in member.network.named_parameters()}
        for name, values in member.network.state_dict().items():
            # A buffer may be infinite, such as a mask of attention.
            if values.isnan().any() or (name in parameters and values.isinf().any()):
                raise GalaxyError(f"{about.path}: the weights {name} are not all numbers: train again")


class _Calibrated(nn.Module):
    """The calibrated probabilities of one network."""

    def __init__(self, model: GalaxyClassifier) -> None:
        super().__init__()
        self.network, self._inference = model.network, model.inference
        self.temperature = model.inference.calibration.temperature

    def forward(self, images: Tensor) -> Tensor:
        logits = self._inference.logits(self.network, images)
        return (logits / self.temperature).float().softmax(dim=1)
