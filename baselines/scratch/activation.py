"""The activation function between layers."""

import numpy as np
import numpy.typing as npt

from baselines.scratch.layer import Array, Layer


class ReLU(Layer):
    """The rectified linear unit, ``y = max(x, 0)``.

    Without a non-linear function between them, two consecutive dense or convolutional layers would be a
    single linear map. ``dy/dx`` is 1 where ``x > 0`` and 0 elsewhere, so the gradient passes where the signal
    passed. At ``x = 0`` the derivative is undefined; by convention, it is set to 0.
    """

    def forward(self, inputs: Array, *, training: bool = False) -> Array:
        """Returns an array of the same shape."""
        self._outputs: Array = self._buffer("outputs", inputs.shape, inputs.dtype)
        return np.maximum(inputs, 0, out=self._outputs)

    def backward(self, gradient: Array) -> Array:
        """Returns the gradient where the output is positive, and 0 elsewhere."""
        positive: npt.NDArray[np.bool_] = self._buffer("positive", gradient.shape, np.bool_)
        np.greater(self._outputs, 0, out=positive)
        inputs_gradient: Array = self._buffer("inputs", gradient.shape, gradient.dtype)
        return np.multiply(gradient, positive, out=inputs_gradient)
