"""The convolution: the same small weighted sum at every place of an image.

How the vectorized engine turns it into a matrix product: let each channel of an image ``[C, H, W]`` lie
flat, row after row. At output place ``(r, s)``, place ``(i, j)`` of the kernel then meets pixel

    ``(r + i) * W + (s + j) = (r * W + s) + (i * W + j)``.

So what one place of the kernel meets at all output places, ``W`` of them to a row, is one slice of the
flat image, which begins at ``i * W + j``. These slices, one per channel and place of the kernel, are the
rows of a matrix of patches (this is known as "im2col"), and the convolution of an image is

    ``outputs [filters, P] = weights [filters, C * k * k] @ patches [C * k * k, P]``, ``P = (H - k + 1) * W``.

The last ``k - 1`` output places of each row are nonsense, as their kernel runs over the right edge into
the next row: they are computed with the others, and left out of the result.
"""

import numpy as np
import numpy.typing as npt

from baselines.scratch.initialisers import Initialiser, glorot_uniform
from baselines.scratch.layer import Array, Engine, TwoEngineLayer


class Conv2D(TwoEngineLayer):
    """``y[b, f, r, s] = sum over c, i, j of x[b, c, r + i, s + j] * w[f, c, i, j] + bias[f]``.

    Each filter ``f`` is a small pattern that is looked for everywhere: ``i`` and ``j`` run over the
    ``k * k`` places of its kernel, ``c`` over the channels. (Mathematicians call this a correlation;
    a convolution would turn the kernel round.) "Valid": the kernel stays within the image, so that
    ``[B, C, H, W]`` becomes ``[B, filters, H - k + 1, W - k + 1]``.

    With ``g = dL/dy``, the chain rule gives, as ``y`` is linear in all that it is made of,

    - ``dL/dw[f, c, i, j] = sum over b, r, s of g[b, f, r, s] * x[b, c, r + i, s + j]``: a
      weight is used at every place, so its gradient is summed over all of them,
    - ``dL/dx[b, c, r + i, s + j]`` gains ``g[b, f, r, s] * w[f, c, i, j]`` for every ``f, r, s, i, j``:
      a pixel is part of up to ``k * k`` patches, and its gradient is summed over those,
    - ``dL/dbias[f] = sum over b, r, s of g[b, f, r, s]``.

    Args:
        channels: Channels that go in.
        filters: Channels that come out.
        kernel_size: ``k``, the side of the kernel.
        bias: Whether each filter has a bias; it begins at zero.
        needs_input_gradient: Whether ``backward`` computes dL/dx. A network's first layer need
            not: nothing before it learns, and its images are the largest. ``backward`` then returns
            an empty array, ``[0, C, H, W]``.
        generator: Where the initial weights come from.
        initialise: How they are drawn.
        dtype: Type of the parameters: float32 or float64.
        engine: ``"loops"`` or ``"vectorized"``.
    """

    def __init__(
        self,
        channels: int,
        filters: int,
        kernel_size: int = 3,
        *,
        bias: bool = True,
        needs_input_gradient: bool = True,
        generator: np.random.Generator,
        initialise: Initialiser = glorot_uniform,
        dtype: npt.DTypeLike = np.float32,
        engine: Engine = "vectorized",
    ) -> None:
        super().__init__(engine)
        self.needs_input_gradient = needs_input_gradient
        shape = (filters, channels, kernel_size, kernel_size)
        self.parameters["weights"] = initialise(shape, generator).astype(dtype)
        if bias:
            self.parameters["bias"] = np.zeros(filters, dtype)

    def _forward_loops(self, inputs: Array) -> Array:
        weights = self.parameters["weights"]
        filters, _, size, _ = weights.shape
        batch, _, height, width = inputs.shape
        outputs = np.zeros((batch, filters, height - size + 1, width - size + 1), inputs.dtype)
        for image in range(batch):
            for row in range(height - size + 1):
                for column in range(width - size + 1):
                    patch = inputs[image, :, row : row + size, column : column + size]
                    for kernel in range(filters):
                        outputs[image, kernel, row, column] = np.sum(patch * weights[kernel])
                        if "bias" in self.parameters:
                            outputs[image, kernel, row, column] += self.parameters["bias"][kernel]
        return outputs

    def _backward_loops(self, gradient: Array) -> Array:
        weights = self.parameters["weights"]
        size = weights.shape[-1]
        batch, filters, rows, columns = gradient.shape
        weights_gradient = np.zeros_like(weights)
        bias_gradient = np.zeros(filters, weights.dtype)
        inputs_gradient = np.zeros_like(self._inputs)
        for image in range(batch):
            for row in range(rows):
                for column in range(columns):
                    here = (image, slice(None), slice(row, row + size), slice(column, column + size))
                    for kernel in range(filters):
                        weights_gradient[kernel] += gradient[image, kernel, row, column] * self._inputs[here]
                        bias_gradient[kernel] += gradient[image, kernel, row, column]
                        if self.needs_input_gradient:
                            inputs_gradient[here] += gradient[image, kernel, row, column] * weights[kernel]
        self.gradients["weights"] = weights_gradient
        if "bias" in self.parameters:
            self.gradients["bias"] = bias_gradient
        return inputs_gradient if self.needs_input_gradient else inputs_gradient[:0]

    def _forward_vectorized(self, inputs: Array) -> Array:
        batch, _, height, width = inputs.shape
        filters, _, size, _ = self.parameters["weights"].shape
        rows = height - size + 1
        weights = self.parameters["weights"].reshape(filters, -1)
        patches = self._patches_buffer()
        outputs = self._buffer("outputs", (batch, filters, rows * width), inputs.dtype)
        for image, output in zip(inputs, outputs, strict=True):
            self._gather_patches(image, patches)
            np.matmul(weights, patches, out=output)
            if "bias" in self.parameters:
                output += self.parameters["bias"][:, np.newaxis]
        return outputs.reshape(batch, filters, rows, width)[..., : width - size + 1]

    def _backward_vectorized(self, gradient: Array) -> Array:
        _, filters, rows, columns = gradient.shape
        weights = self.parameters["weights"].reshape(filters, -1)
        weights_gradient = np.zeros_like(weights.T)
        bias_gradient = np.zeros(filters, weights.dtype)
        patches = self._patches_buffer()
        # One image's gradient, as wide as the image: zero at the places that were left out.
        wide = self._buffer("wide", (filters, rows, self._inputs.shape[-1]), gradient.dtype)
        wide[:, :, columns:] = 0
        flat = wide.reshape(filters, -1)
        shape = self._inputs.shape if self.needs_input_gradient else (0, *self._inputs.shape[1:])
        inputs_gradient = self._buffer("inputs", shape, gradient.dtype)
        for image in range(len(gradient)):
            wide[:, :, :columns] = gradient[image]
            self._gather_patches(self._inputs[image], patches)
            weights_gradient += patches @ flat.T  # Transposed, which BLAS does faster.
            bias_gradient += flat.sum(axis=1)
            if self.needs_input_gradient:
                np.matmul(weights.T, flat, out=patches)
                self._scatter_patches(patches, inputs_gradient[image])
        self.gradients["weights"] = weights_gradient.T.reshape(self.parameters["weights"].shape)
        if "bias" in self.parameters:
            self.gradients["bias"] = bias_gradient
        return inputs_gradient

    def _patches_buffer(self) -> Array:
        """Gives memory for one image's patches, ``[C * k * k, (H - k + 1) * W]``."""
        _, channels, size, _ = self.parameters["weights"].shape
        _, _, height, width = self._inputs.shape
        return self._buffer(
            "patches", (channels * size * size, (height - size + 1) * width), self._inputs.dtype
        )

    def _gather_patches(self, image: Array, patches: Array) -> None:
        """Copies the pixels under each place ``(c, i, j)`` of the kernel to a row of ``patches``."""
        channels, _, width = image.shape
        size = self.parameters["weights"].shape[-1]
        pixels = image.reshape(channels, -1)
        under = patches.reshape(channels, size, size, -1)
        count = under.shape[-1] - (size - 1)  # The last places of all would look beyond the image.
        under[..., count:] = 0
        for i in range(size):
            for j in range(size):
                start = i * width + j
                under[:, i, j, :count] = pixels[:, start : start + count]

    def _scatter_patches(self, patches: Array, image: Array) -> None:
        """The way back: adds each row of ``patches`` to the pixels that it would be copied from."""
        channels, _, width = image.shape
        size = self.parameters["weights"].shape[-1]
        pixels = image.reshape(channels, -1)
        under = patches.reshape(channels, size, size, -1)
        count = under.shape[-1] - (size - 1)
        pixels.fill(0)
        for i in range(size):
            for j in range(size):
                start = i * width + j
                pixels[:, start : start + count] += under[:, i, j, :count]
