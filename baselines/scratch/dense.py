"""The dense layer, whose outputs are weighted sums of all inputs, and ``Flatten``, which precedes it."""

import math

import numpy as np
import numpy.typing as npt

from baselines.scratch.initialisers import Initialiser, glorot_uniform
from baselines.scratch.layer import Array, Engine, Layer, TwoEngineLayer


class Flatten(Layer):
    """Flattens each image: ``[B, C, H, W]`` to ``[B, C * H * W]``."""

    def forward(self, inputs: Array, *, training: bool = False) -> Array:
        """See :meth:`Layer.forward`."""
        self._shape = inputs.shape
        return inputs.reshape(len(inputs), math.prod(inputs.shape[1:]))

    def backward(self, gradient: Array) -> Array:
        """Returns the gradient in the shape of the inputs; nothing was computed."""
        return gradient.reshape(self._shape)


class Dense(TwoEngineLayer):
    """``y[b, o] = sum over i of x[b, i] * w[i, o] + bias[o]``, or ``y = x @ w + bias``.

    ``[B, inputs]`` becomes ``[B, outputs]``.

    Each ``y[b, o]`` is linear in the inputs, weights and bias. With ``g = dL/dy``, the chain rule gives

    - ``dL/dx[b, i] = sum over o of g[b, o] * w[i, o]``, or ``g @ w.T``,
    - ``dL/dw[i, o] = sum over b of g[b, o] * x[b, i]``, or ``x.T @ g``,
    - ``dL/dbias[o] = sum over b of g[b, o]``.

    L2 regularisation adds ``l2 * sum(w^2)`` to the loss, which keeps the weights small, and its derivative
    ``2 * l2 * w`` to the gradient of the weights.

    Args:
        inputs: The number of inputs per image.
        outputs: The number of outputs per image.
        l2: The factor of the L2 regularisation.
        generator: The random number generator of the initial weights.
        initialise: The distribution of the initial weights; the initial bias is zero.
        dtype: The type of the parameters: float32 or float64.
        engine: ``"loops"`` or ``"vectorized"``.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        l2: float = 0.0,
        *,
        generator: np.random.Generator,
        initialise: Initialiser = glorot_uniform,
        dtype: npt.DTypeLike = np.float32,
        engine: Engine = "vectorized",
    ) -> None:
        super().__init__(engine)
        self.l2 = l2
        self.parameters = {
            "weights": initialise((inputs, outputs), generator).astype(dtype),
            "bias": np.zeros(outputs, dtype),
        }

    def backward(self, gradient: Array) -> Array:
        """Returns dL/dx, ``[B, inputs]``, and stores the gradients of weights and bias."""
        inputs_gradient = super().backward(gradient)
        if self.l2:
            self.gradients["weights"] += 2 * self.l2 * self.parameters["weights"]
        return inputs_gradient

    def penalty(self) -> float:
        """Returns ``l2 * sum(w^2)``; the bias is not regularised."""
        return self.l2 * float(np.square(self.parameters["weights"]).sum()) if self.l2 else 0.0

    def _forward_loops(self, inputs: Array) -> Array:
        weights, bias = self.parameters["weights"], self.parameters["bias"]
        outputs = np.zeros((len(inputs), len(bias)), inputs.dtype)
        for image in range(len(inputs)):
            for unit in range(len(bias)):
                outputs[image, unit] = np.sum(inputs[image] * weights[:, unit]) + bias[unit]
        return outputs

    def _forward_vectorized(self, inputs: Array) -> Array:
        outputs: Array = inputs @ self.parameters["weights"] + self.parameters["bias"]
        return outputs

    def _backward_loops(self, gradient: Array) -> Array:
        weights = self.parameters["weights"]
        inputs_gradient = np.zeros_like(self._inputs)
        weights_gradient = np.zeros_like(weights)
        bias_gradient = np.zeros_like(self.parameters["bias"])
        for image in range(gradient.shape[0]):
            for unit in range(gradient.shape[1]):
                inputs_gradient[image] += gradient[image, unit] * weights[:, unit]
                weights_gradient[:, unit] += gradient[image, unit] * self._inputs[image]
                bias_gradient[unit] += gradient[image, unit]
        self.gradients = {"weights": weights_gradient, "bias": bias_gradient}
        return inputs_gradient

    def _backward_vectorized(self, gradient: Array) -> Array:
        weights = self.parameters["weights"]
        self.gradients = {
            "weights": np.matmul(
                self._inputs.T, gradient, out=self._buffer("weights", weights.shape, weights.dtype)
            ),
            "bias": gradient.sum(axis=0),
        }
        return np.matmul(
            gradient, weights.T, out=self._buffer("inputs", self._inputs.shape, self._inputs.dtype)
        )
