"""Max-pooling, which keeps the maximum of each small window."""

import numpy as np

from baselines.scratch.layer import Array, Engine, TwoEngineLayer


class MaxPool2D(TwoEngineLayer):
    """``y[b, c, r, s] = max of x[b, c, r * size + i, s * size + j]`` over ``i, j < size``.

    ``[B, C, H, W]`` becomes ``[B, C, H // size, W // size]``: the windows do not overlap, and rows and
    columns that do not fill a window are dropped. Pooling discards the exact position of a feature. The
    following layers see ``size`` times as far, at ``1 / size^2`` of the cost.

    Only the maximum of a window affects the output, so ``dy/dx`` is 1 for the maximum and 0 for all other
    inputs: the maximum receives the whole gradient. If several inputs share the maximum, the derivative is
    undefined, and the first one, row by row, receives the gradient, as in PyTorch. The reference gave it to
    each of them, so that windows of equal pixels, as in a black sky, counted four times.

    Args:
        size: The side of the windows.
        engine: ``"loops"`` or ``"vectorized"``.
    """

    def __init__(self, size: int = 2, *, engine: Engine = "vectorized") -> None:
        super().__init__(engine)
        self.size = size

    def _forward_loops(self, inputs: Array) -> Array:
        batch, channels, height, width = inputs.shape
        size = self.size
        outputs = np.zeros((batch, channels, height // size, width // size), inputs.dtype)
        for image in range(batch):
            for channel in range(channels):
                for row in range(height // size):
                    for column in range(width // size):
                        top, left = row * size, column * size
                        window = inputs[image, channel, top : top + size, left : left + size]
                        outputs[image, channel, row, column] = window.max()
        return outputs

    def _backward_loops(self, gradient: Array) -> Array:
        size = self.size
        inputs_gradient = np.zeros(self._inputs.shape, gradient.dtype)
        for image, channel, row, column in np.ndindex(gradient.shape):
            top, left = row * size, column * size
            window = self._inputs[image, channel, top : top + size, left : left + size]
            i, j = divmod(int(window.argmax()), size)
            inputs_gradient[image, channel, top + i, left + j] = gradient[image, channel, row, column]
        return inputs_gradient

    def _forward_vectorized(self, inputs: Array) -> Array:
        """Compares position 0 of all windows with positions 1, 2, ..., for all windows at once."""
        shape = (*inputs.shape[:2], *(side // self.size for side in inputs.shape[2:]))
        outputs = self._buffer("outputs", shape, inputs.dtype)
        self._argmax = self._buffer("argmax", shape, np.uint8)
        values = self._buffer("values", shape[1:], inputs.dtype)
        larger = self._buffer("larger", shape[1:], np.bool_)
        candidate = self._buffer("candidate", shape[1:], np.uint8)
        for image, maximum, argmax in zip(inputs, outputs, self._argmax, strict=True):
            maximum[...] = image[self._position_slices(0, shape)]
            argmax.fill(0)
            for position in range(1, self.size**2):
                values[...] = image[self._position_slices(position, shape)]
                # Strictly greater, so that the first of several equal values is kept.
                np.greater(values, maximum, out=larger)
                np.maximum(values, maximum, out=maximum)
                # Positions increase, so the last one with a larger value is the maximum of these numbers.
                np.multiply(larger, np.uint8(position), out=candidate)
                np.maximum(argmax, candidate, out=argmax)
        return outputs

    def _backward_vectorized(self, gradient: Array) -> Array:
        """Assigns the gradient to the position of each window's maximum, and zero to the others."""
        inputs_gradient = self._buffer("inputs", self._inputs.shape, gradient.dtype)
        inputs_gradient[:, :, gradient.shape[2] * self.size :] = 0
        inputs_gradient[:, :, :, gradient.shape[3] * self.size :] = 0
        is_maximum = self._buffer("is_maximum", gradient.shape[1:], np.bool_)
        for image in range(len(gradient)):
            for position in range(self.size**2):
                np.equal(self._argmax[image], position, out=is_maximum)
                target = inputs_gradient[image][self._position_slices(position, gradient.shape)]
                np.multiply(gradient[image], is_maximum, out=target)
        return inputs_gradient

    def _position_slices(self, position: int, shape: tuple[int, ...]) -> tuple[slice, slice, slice]:
        """Returns the slices that select one position of all windows in an image ``[C, H, W]``.

        Args:
            position: The position in the window, row by row, from 0 to ``size^2 - 1``.
            shape: The shape of the outputs.
        """
        i, j = divmod(position, self.size)
        rows, columns = shape[2] * self.size, shape[3] * self.size
        return slice(None), slice(i, rows, self.size), slice(j, columns, self.size)
