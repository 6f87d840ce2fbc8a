"""Layers in a row: forwards, backwards, and one step of training."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from baselines.scratch.layer import Array, Layer
from baselines.scratch.loss import cross_entropy, softmax
from baselines.scratch.optimizers import Optimizer


class Network:
    """A classifier: images go through the layers one after the other and come out as logits.

    Args:
        layers: The layers, first to last. The last one gives ``[B, classes]``.
    """

    def __init__(self, layers: Sequence[Layer]) -> None:
        self.layers = list(layers)

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of the parameters, which images must have too."""
        return next(array.dtype for layer in self.layers for array in layer.parameters.values())

    @property
    def parameters(self) -> int:
        """How many numbers are learnt."""
        return sum(array.size for layer in self.layers for array in layer.parameters.values())

    def forward(self, images: Array, *, training: bool = False) -> Array:
        """Computes the logits.

        Args:
            images: ``[B, C, H, W]``, of the network's ``dtype``.
            training: Whether dropout is at work.

        Returns:
            ``[B, classes]``, the caller's own.

        Raises:
            TypeError: The images are of another type than the parameters.
        """
        if images.dtype != self.dtype:
            raise TypeError(f"the images are {images.dtype}, the network's parameters {self.dtype}")
        outputs = images
        for layer in self.layers:
            outputs = layer.forward(outputs, training=training)
        return outputs.copy()

    def backward(self, gradient: Array) -> Array:
        """Applies the chain rule from the last layer to the first; each keeps its parameters' gradients.

        Args:
            gradient: dL/d logits, ``[B, classes]``, of the latest ``forward``.

        Returns:
            dL/d images, if the first layer computes it; valid until the next ``backward``.
        """
        for layer in reversed(self.layers):
            gradient = layer.backward(gradient)
        return gradient

    def predict(self, images: Array, batch_size: int = 64) -> Array:
        """Computes the probabilities of the classes, without dropout.

        Args:
            images: ``[N, C, H, W]``.
            batch_size: How many images go through the layers at a time.

        Returns:
            ``[N, classes]``; each row sums to 1.
        """
        batches = range(0, max(len(images), 1), batch_size)
        return np.concatenate([softmax(self.forward(images[at : at + batch_size])) for at in batches])

    def penalty(self) -> float:
        """Returns what the layers add to the loss for their weights."""
        return sum(layer.penalty() for layer in self.layers)

    def train_step(
        self, images: Array, labels: npt.NDArray[np.integer[Any]], optimizer: Optimizer
    ) -> tuple[float, Array]:
        """Learns from one batch: forwards, loss, backwards, new weights.

        Args:
            images: ``[B, C, H, W]``.
            labels: ``[B]`` class numbers.
            optimizer: What changes the weights.

        Returns:
            The loss, penalties included, and the probabilities, ``[B, classes]``, both from before
            the weights were changed.
        """
        loss, probabilities, gradient = cross_entropy(self.forward(images, training=True), labels)
        loss += self.penalty()
        self.backward(gradient)
        optimizer.step(self.layers)
        return loss, probabilities

    def weights(self) -> dict[str, Array]:
        """Copies all parameters, under the layer's place and the parameter's name: ``"0.weights"``."""
        return {name: parameter.copy() for name, parameter in self._named_parameters().items()}

    def load_weights(self, weights: Mapping[str, Array]) -> None:
        """Puts parameters back, by copying them.

        Args:
            weights: What ``weights`` gave, of this network or an equal one.

        Raises:
            ValueError: They are of another network.
        """
        own = self._named_parameters()
        if {name: array.shape for name, array in weights.items()} != {n: a.shape for n, a in own.items()}:
            raise ValueError("these weights are of another network: names or shapes differ")
        for name, parameter in own.items():
            np.copyto(parameter, weights[name])

    def _named_parameters(self) -> dict[str, Array]:
        return {
            f"{place}.{name}": parameter
            for place, layer in enumerate(self.layers)
            for name, parameter in layer.parameters.items()
        }
