"""A network as a sequence of layers: forward pass, backward pass and training step."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from baselines.scratch.layer import Array, Layer
from baselines.scratch.loss import cross_entropy, softmax
from baselines.scratch.optimizers import Optimizer


class Network:
    """A classifier that applies a sequence of layers to images and returns logits.

    Args:
        layers: The layers in order. The last one returns ``[B, classes]``.
    """

    def __init__(self, layers: Sequence[Layer]) -> None:
        self.layers = list(layers)

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of the parameters; images must have the same type."""
        return next(array.dtype for layer in self.layers for array in layer.parameters.values())

    @property
    def parameters(self) -> int:
        """The number of learned parameters."""
        return sum(array.size for layer in self.layers for array in layer.parameters.values())

    def forward(self, images: Array, *, training: bool = False) -> Array:
        """Computes the logits.

        Args:
            images: ``[B, C, H, W]``, of the network's ``dtype``.
            training: Whether to apply dropout.

        Returns:
            ``[B, classes]``, as a new array.

        Raises:
            TypeError: The images and the parameters have different types.
        """
        if images.dtype != self.dtype:
            raise TypeError(f"the images are {images.dtype}, but the network's parameters are {self.dtype}")
        outputs = images
        for layer in self.layers:
            outputs = layer.forward(outputs, training=training)
        return outputs.copy()

    def backward(self, gradient: Array) -> Array:
        """Applies the chain rule from the last layer to the first; the layers store their gradients.

        Args:
            gradient: dL/d logits of the latest ``forward``, ``[B, classes]``.

        Returns:
            dL/d images, if the first layer computes it. The next ``backward`` may overwrite it.
        """
        for layer in reversed(self.layers):
            gradient = layer.backward(gradient)
        return gradient

    def predict(self, images: Array, batch_size: int = 64) -> Array:
        """Computes the class probabilities, without dropout.

        Args:
            images: ``[N, C, H, W]``.
            batch_size: The number of images per batch.

        Returns:
            ``[N, classes]``; each row sums to 1.
        """
        batches = range(0, max(len(images), 1), batch_size)
        return np.concatenate([softmax(self.forward(images[at : at + batch_size])) for at in batches])

    def penalty(self) -> float:
        """Returns the regularisation term of the loss."""
        return sum(layer.penalty() for layer in self.layers)

    def train_step(
        self, images: Array, labels: npt.NDArray[np.integer[Any]], optimizer: Optimizer
    ) -> tuple[float, Array]:
        """Performs a training step on a batch: forward pass, loss, backward pass and update of the weights.

        Args:
            images: ``[B, C, H, W]``.
            labels: ``[B]`` class numbers.
            optimizer: The optimiser, which updates the weights.

        Returns:
            The loss, including the regularisation term, and the probabilities, ``[B, classes]``, both before
            the update.
        """
        loss, probabilities, gradient = cross_entropy(self.forward(images, training=True), labels)
        loss += self.penalty()
        self.backward(gradient)
        optimizer.step(self.layers)
        return loss, probabilities

    def weights(self) -> dict[str, Array]:
        """Returns copies of all parameters by layer number and parameter name, such as ``"0.weights"``."""
        return {name: parameter.copy() for name, parameter in self._named_parameters().items()}

    def load_weights(self, weights: Mapping[str, Array]) -> None:
        """Copies parameters into the network.

        Args:
            weights: The result of :meth:`weights` of this or an identical network.

        Raises:
            ValueError: The parameters belong to a different network.
        """
        own = self._named_parameters()
        if {name: array.shape for name, array in weights.items()} != {n: a.shape for n, a in own.items()}:
            raise ValueError("these weights belong to a different network: names or shapes differ")
        for name, parameter in own.items():
            np.copyto(parameter, weights[name])

    def _named_parameters(self) -> dict[str, Array]:
        return {
            f"{number}.{name}": parameter
            for number, layer in enumerate(self.layers)
            for name, parameter in layer.parameters.items()
        }
