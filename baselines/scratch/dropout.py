"""Dropout: a network that may lose any feature at any time cannot lean on a few of them."""

import numpy as np

from baselines.scratch.layer import Array, Layer


class Dropout(Layer):
    """Sets each input to zero with probability ``rate`` while training, and scales up the others.

    ``y = x * m`` with ``m = 0`` (probability ``rate``) or ``1 / (1 - rate)``, drawn anew for every
    number of every batch. The scaling keeps the expected value, ``E[y] = x``, so that nothing needs
    to be done when the network is used: then ``y = x`` ("inverted" dropout; Srivastava et al. 2014
    scaled the weights afterwards instead). As ``dy/dx = m``, the gradient meets the same mask.

    Args:
        rate: The share of the inputs to leave out, at least 0 and less than 1.
        generator: Where chance comes from; used while training only.
    """

    def __init__(self, rate: float, generator: np.random.Generator) -> None:
        super().__init__()
        self.rate = rate
        self.generator = generator
        self._mask: Array | None = None

    def forward(self, inputs: Array, *, training: bool = False) -> Array:
        """Computes an array of the same shape."""
        if not training or self.rate == 0:
            self._mask = None
            return inputs
        # Drawn in float32 for either precision, so that both leave out the same features.
        chances = self._buffer("chances", inputs.shape, np.float32)
        self.generator.random(out=chances, dtype=np.float32)
        self._mask = self._buffer("mask", inputs.shape, inputs.dtype)
        np.greater_equal(chances, self.rate, out=self._mask)
        self._mask /= 1 - self.rate
        outputs: Array = self._buffer("outputs", inputs.shape, inputs.dtype)
        return np.multiply(inputs, self._mask, out=outputs)

    def backward(self, gradient: Array) -> Array:
        """Multiplies by the mask of the forward pass."""
        if self._mask is None:
            return gradient
        inputs_gradient: Array = self._buffer("inputs", gradient.shape, gradient.dtype)
        return np.multiply(gradient, self._mask, out=inputs_gradient)
