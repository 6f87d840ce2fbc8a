"""The activation function between layers."""

import numpy as np
import numpy.typing as npt

from baselines.scratch.layer import Array, Layer


class ReLU(Layer):
    """The rectified linear unit, ``y = max(x, 0)``.

    Without something non-linear between them, two dense or convolutional layers in a row would be
    one linear map. ``dy/dx`` is 1 where ``x > 0`` and 0 elsewhere, so the gradient passes where the
    signal passed. At ``x = 0`` there is no derivative; 0 is taken, as everywhere.
    """

    def forward(self, inputs: Array, *, training: bool = False) -> Array:
        """Computes an array of the same shape."""
        self._outputs: Array = self._buffer("outputs", inputs.shape, inputs.dtype)
        return np.maximum(inputs, 0, out=self._outputs)

    def backward(self, gradient: Array) -> Array:
        """Passes the gradient on where the output is above zero."""
        passed: npt.NDArray[np.bool_] = self._buffer("passed", gradient.shape, np.bool_)
        np.greater(self._outputs, 0, out=passed)
        inputs_gradient: Array = self._buffer("inputs", gradient.shape, gradient.dtype)
        return np.multiply(gradient, passed, out=inputs_gradient)
