"""The course project's Keras CNN, in PyTorch."""

import torch
from torch import Tensor, nn

from data_prep.common.errors import GalaxyError
from galaxy_lightning.networks import onednn
from galaxy_lightning.networks.adaptation import BandLayers
from galaxy_lightning.networks.network import Network
from galaxy_lightning.reference import DROPOUT, FILTERS, HIDDEN, L2, SMALLEST_PX


class ReferenceCNN(Network):
    """Four times [3x3 convolution, ReLU, 2x2 max-pooling], dropout, a dense layer of 32, dropout, logits.

    Architecture, initialisation (Glorot uniform weights, zero biases) and L2 term equal those of the Keras
    network. ReLU follows the pooling, which gives the same values (both are monotonic) with a quarter of the
    operations. Features are flattened in Keras's order (row, column, channel), so that the dense weights of
    Keras can be used.

    Args:
        classes: Number of classes.
        image_size: Side of the images in pixels, at least ``SMALLEST_PX``.
        bands: Number of bands of the images.

    Attributes:
        used_side: Side in pixels of the part of an image that affects the logits: the pooling drops the last
            row and column of feature maps with an odd side.
    """

    name = "reference_cnn"
    heads = ("head.",)
    band_layers = BandLayers(("features.0.weight",))

    def __init__(self, classes: int = 3, image_size: int = 224, *, bands: int = 3) -> None:
        super().__init__()
        self.bands = bands
        if image_size < SMALLEST_PX:
            raise GalaxyError(
                f"reference_cnn needs images of at least {SMALLEST_PX} pixels, not {image_size}"
            )
        side = image_size
        for _ in FILTERS:
            side = (side - 2) // 2
        layers: list[nn.Module] = []
        for inputs, outputs in zip((bands, *FILTERS), FILTERS, strict=False):
            layers += [nn.Conv2d(inputs, outputs, kernel_size=3), nn.MaxPool2d(2), nn.ReLU(inplace=True)]
        self.features = nn.Sequential(*layers)
        self.used_side = side
        for _ in FILTERS:
            self.used_side = 2 * self.used_side + 2
        self.hidden = nn.Linear(side * side * FILTERS[-1], HIDDEN)
        self.head = nn.Sequential(nn.ReLU(), Dropout(DROPOUT[1]), nn.Linear(HIDDEN, classes))
        self.dropout = Dropout(DROPOUT[0])
        self.apply(_initialise_like_keras)

    def forward(self, images: Tensor) -> Tensor:
        """Computes the logits.

        Args:
            images: float ``[B, bands, H, W]`` in [0, 1].

        Returns:
            ``[B, classes]``.
        """
        if onednn.accepts(images):
            features = onednn.run(self.features, images[:, :, : self.used_side, : self.used_side])
        else:
            features = self.features(images)
        features = self.dropout(features).permute(0, 2, 3, 1).flatten(1)
        logits: Tensor = self.head(self.hidden(features))
        return logits

    def penalty(self) -> Tensor:
        """Returns the L2 term, ``L2 * sum(w^2)`` over the hidden dense layer's weights."""
        return L2 * self.hidden.weight.square().sum()


class Dropout(nn.Dropout):
    """Dropout with uniform random numbers on the CPU, over twice as fast as torch's Bernoulli numbers."""

    def forward(self, values: Tensor) -> Tensor:
        """Sets a fraction ``p`` of the values to zero in training, and scales up the others."""
        if not self.training or values.device.type != "cpu":
            return super().forward(values)
        kept = (torch.rand(values.shape) >= self.p).to(values.dtype)
        return values * kept.mul_(1 / (1 - self.p))


def _initialise_like_keras(layer: nn.Module) -> None:
    """Sets Glorot uniform weights (Glorot & Bengio 2010) and zero biases, Keras's defaults."""
    if isinstance(layer, nn.Conv2d | nn.Linear):
        nn.init.xavier_uniform_(layer.weight)
        if layer.bias is not None:
            torch.nn.init.zeros_(layer.bias)
