"""Dropout, which prevents a network from relying on a few features."""

import numpy as np

from baselines.scratch.layer import Array, Layer


class Dropout(Layer):
    """Sets each input to zero with probability ``rate`` in training, and scales up the others.

    ``y = x * m`` with ``m = 0`` (with probability ``rate``) or ``1 / (1 - rate)``, drawn independently for
    each element of each batch. The scaling preserves the expected value, ``E[y] = x``, so that ``y = x`` at
    inference ("inverted" dropout; Srivastava et al. 2014 scaled the weights after training instead). Since
    ``dy/dx = m``, the gradient is multiplied by the same mask.

    Args:
        rate: The probability of omitting an input, at least 0 and less than 1.
        generator: The random number generator, used only in training.
    """

    def __init__(self, rate: float, generator: np.random.Generator) -> None:
        super().__init__()
        self.rate = rate
        self.generator = generator
        self._mask: Array | None = None

    def forward(self, inputs: Array, *, training: bool = False) -> Array:
        """Returns an array of the same shape."""
        if not training or self.rate == 0:
            self._mask = None
            return inputs
        # Always float32, so that float32 and float64 networks omit the same features.
        uniform = self._buffer("uniform", inputs.shape, np.float32)
        self.generator.random(out=uniform, dtype=np.float32)
        self._mask = self._buffer("mask", inputs.shape, inputs.dtype)
        np.greater_equal(uniform, self.rate, out=self._mask)
        self._mask /= 1 - self.rate
        outputs: Array = self._buffer("outputs", inputs.shape, inputs.dtype)
        return np.multiply(inputs, self._mask, out=outputs)

    def backward(self, gradient: Array) -> Array:
        """Returns the gradient times the mask of the forward pass."""
        if self._mask is None:
            return gradient
        inputs_gradient: Array = self._buffer("inputs", gradient.shape, gradient.dtype)
        return np.multiply(gradient, self._mask, out=inputs_gradient)
