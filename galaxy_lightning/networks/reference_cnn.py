"""The reference's Keras CNN, in PyTorch."""

import torch
from torch import Tensor, nn

from data_prep.common.errors import GalaxyError
from galaxy_lightning.networks import onednn
from galaxy_lightning.networks.network import Network
from galaxy_lightning.reference import DROPOUT, FILTERS, HIDDEN, L2, SMALLEST_PX


class ReferenceCNN(Network):
    """Four times [3x3 convolution, ReLU, 2x2 max-pooling], dropout, a dense layer of 32, dropout, logits.

    Equal to the Keras network in architecture, initialisation (Glorot uniform weights, zero
    biases) and L2 term. Two things differ in form only: ReLU comes after the pooling, which gives
    the same numbers (both are monotonic) for a quarter of the work, and the features are
    flattened in Keras's order (row, column, channel), so that its dense weights carry over.

    Attributes:
        seen: Side in pixels of the part of an image that counts: where a convolution's output has an odd
            side, the pooling leaves out its last row and column.

    Args:
        classes: How many classes it tells apart.
        image_size: Side of its images in pixels, at least ``SMALLEST_PX``.
    """

    name = "reference_cnn"
    heads = ("head.",)

    def __init__(self, classes: int = 3, image_size: int = 224) -> None:
        super().__init__()
        if image_size < SMALLEST_PX:
            raise GalaxyError(
                f"the reference CNN takes images of at least {SMALLEST_PX} pixels, not {image_size}"
            )
        side = image_size
        for _ in FILTERS:
            side = (side - 2) // 2
        layers: list[nn.Module] = []
        for inputs, outputs in zip((3, *FILTERS), FILTERS, strict=False):
            layers += [nn.Conv2d(inputs, outputs, kernel_size=3), nn.MaxPool2d(2), nn.ReLU(inplace=True)]
        self.features = nn.Sequential(*layers)
        self.seen = side
        for _ in FILTERS:
            self.seen = 2 * self.seen + 2
        self.hidden = nn.Linear(side * side * FILTERS[-1], HIDDEN)
        self.head = nn.Sequential(nn.ReLU(), Dropout(DROPOUT[1]), nn.Linear(HIDDEN, classes))
        self.dropout = Dropout(DROPOUT[0])
        self.apply(_initialise_like_keras)

    def forward(self, images: Tensor) -> Tensor:
        """Computes the logits.

        Args:
            images: float ``[B, 3, H, W]`` in [0, 1].

        Returns:
            ``[B, classes]``.
        """
        if onednn.accepts(images):
            # What lies beyond is in no window of the pooling that counts.
            features = onednn.run(self.features, images[:, :, : self.seen, : self.seen])
        else:
            features = self.features(images)
        features = self.dropout(features).permute(0, 2, 3, 1).flatten(1)
        logits: Tensor = self.head(self.hidden(features))
        return logits

    def penalty(self) -> Tensor:
        """Returns the L2 term, ``L2 * sum(w^2)`` over the hidden dense layer's weights."""
        return L2 * self.hidden.weight.square().sum()


class Dropout(nn.Dropout):
    """Dropout that draws uniform numbers on the CPU, in less than half the time of torch's Bernoulli ones."""

    def forward(self, values: Tensor) -> Tensor:
        """Sets a share ``p`` of the values to nothing while training, and scales up the others."""
        if not self.training or values.device.type != "cpu":
            return super().forward(values)
        kept = (torch.rand(values.shape) >= self.p).to(values.dtype)
        return values * kept.mul_(1 / (1 - self.p))


def _initialise_like_keras(layer: nn.Module) -> None:
    """Glorot uniform weights (Glorot & Bengio 2010) and zero biases, Keras's defaults."""
    if isinstance(layer, nn.Conv2d | nn.Linear):
        nn.init.xavier_uniform_(layer.weight)
        if layer.bias is not None:
            torch.nn.init.zeros_(layer.bias)
