"""The convolution: the same small weighted sum at every position of an image.

The vectorized engine computes it as a matrix product. Flatten each channel of an image ``[C, H, W]``, row by
row. At the output position ``(r, s)``, the kernel position ``(i, j)`` then corresponds to the pixel

    ``(r + i) * W + (s + j) = (r * W + s) + (i * W + j)``.

With ``W`` output positions per row, the pixels of one kernel position at all output positions are therefore a
contiguous slice of the flattened image, which starts at ``i * W + j``. These slices, one per channel and
kernel position, are the rows of a matrix of patches ("im2col"), and the convolution of an image is

    ``outputs [filters, P] = weights [filters, C * k * k] @ patches [C * k * k, P]``, ``P = (H - k + 1) * W``.

The last ``k - 1`` output positions of each row are invalid, since their kernel extends beyond the right edge
into the next row. They are computed with the others and then discarded.
"""

import numpy as np
import numpy.typing as npt

from baselines.scratch.initialisers import Initialiser, glorot_uniform
from baselines.scratch.layer import Array, Engine, TwoEngineLayer


class Conv2D(TwoEngineLayer):
    """``y[b, f, r, s] = sum over c, i, j of x[b, c, r + i, s + j] * w[f, c, i, j] + bias[f]``.

    Each filter ``f`` is a small pattern that is compared with every part of the image. ``i`` and ``j`` run
    over the ``k * k`` positions of its kernel, and ``c`` over the channels. (In mathematics, this is a
    correlation; a convolution would flip the kernel.) There is no padding ("valid"), so ``[B, C, H, W]``
    becomes ``[B, filters, H - k + 1, W - k + 1]``.

    ``y`` is linear in the inputs, weights and bias. With ``g = dL/dy``, the chain rule gives

    - ``dL/dw[f, c, i, j] = sum over b, r, s of g[b, f, r, s] * x[b, c, r + i, s + j]``: a weight is used at
      every output position, so its gradient is summed over all of them,
    - ``dL/dx[b, c, m, n] = sum of g[b, f, r, s] * w[f, c, i, j] over all f, r, s, i, j with r + i = m and
      s + j = n``: a pixel belongs to up to ``k * k`` patches, so its gradient is summed over these,
    - ``dL/dbias[f] = sum over b, r, s of g[b, f, r, s]``.

    Args:
        channels: The number of input channels.
        filters: The number of output channels.
        kernel_size: The side of the kernel, ``k``.
        bias: Whether the filters have a bias, which is initially zero.
        needs_input_gradient: Whether ``backward`` computes dL/dx. The first layer of a network does not need
            it, since no layer precedes it, and its images are the largest. ``backward`` then returns an empty
            array, ``[0, C, H, W]``.
        generator: The random number generator of the initial weights.
        initialise: The distribution of the initial weights.
        dtype: The type of the parameters: float32 or float64.
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
                    patch = (image, slice(None), slice(row, row + size), slice(column, column + size))
                    for kernel in range(filters):
                        weights_gradient[kernel] += gradient[image, kernel, row, column] * self._inputs[patch]
                        bias_gradient[kernel] += gradient[image, kernel, row, column]
                        if self.needs_input_gradient:
                            inputs_gradient[patch] += gradient[image, kernel, row, column] * weights[kernel]
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
        # The gradient of one image, padded to the width of the image: zero at the invalid output positions.
        padded = self._buffer("padded", (filters, rows, self._inputs.shape[-1]), gradient.dtype)
        padded[:, :, columns:] = 0
        flat = padded.reshape(filters, -1)
        shape = self._inputs.shape if self.needs_input_gradient else (0, *self._inputs.shape[1:])
        inputs_gradient = self._buffer("inputs", shape, gradient.dtype)
        for image in range(len(gradient)):
            padded[:, :, :columns] = gradient[image]
            self._gather_patches(self._inputs[image], patches)
            weights_gradient += patches @ flat.T  # The transposed product, which is faster in BLAS.
            bias_gradient += flat.sum(axis=1)
            if self.needs_input_gradient:
                np.matmul(weights.T, flat, out=patches)
                self._scatter_patches(patches, inputs_gradient[image])
        self.gradients["weights"] = weights_gradient.T.reshape(self.parameters["weights"].shape)
        if "bias" in self.parameters:
            self.gradients["bias"] = bias_gradient
        return inputs_gradient

    def _patches_buffer(self) -> Array:
        """Returns memory for the patches of one image, ``[C * k * k, (H - k + 1) * W]``."""
        _, channels, size, _ = self.parameters["weights"].shape
        _, _, height, width = self._inputs.shape
        return self._buffer(
            "patches", (channels * size * size, (height - size + 1) * width), self._inputs.dtype
        )

    def _gather_patches(self, image: Array, patches: Array) -> None:
        """Copies the pixels of each kernel position ``(c, i, j)`` to a row of ``patches``."""
        channels, _, width = image.shape
        size = self.parameters["weights"].shape[-1]
        pixels = image.reshape(channels, -1)
        rows = patches.reshape(channels, size, size, -1)
        count = rows.shape[-1] - (size - 1)  # The last positions would read beyond the end of the image.
        rows[..., count:] = 0
        for i in range(size):
            for j in range(size):
                start = i * width + j
                rows[:, i, j, :count] = pixels[:, start : start + count]

    def _scatter_patches(self, patches: Array, image: Array) -> None:
        """Adds each row of ``patches`` to its pixels in ``image``; the adjoint of :meth:`_gather_patches`."""
        channels, _, width = image.shape
        size = self.parameters["weights"].shape[-1]
        pixels = image.reshape(channels, -1)
        rows = patches.reshape(channels, size, size, -1)
        count = rows.shape[-1] - (size - 1)
        pixels.fill(0)
        for i in range(size):
            for j in range(size):
                start = i * width + j
                pixels[:, start : start + count] += rows[:, i, j, :count]
