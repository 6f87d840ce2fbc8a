"""Max-pooling: of each small window only the largest value goes on."""

import numpy as np

from baselines.scratch.layer import Array, Engine, TwoEngineLayer


class MaxPool2D(TwoEngineLayer):
    """``y[b, c, r, s] = max of x[b, c, r * size + i, s * size + j]`` over ``i, j < size``.

    ``[B, C, H, W]`` becomes ``[B, C, H // size, W // size]``: the windows do not overlap; rows and
    columns at the end that do not fill one are dropped. What is found matters, and not exactly where:
    the layers after see ``size`` times as far for ``1 / size^2`` of the work.

    A small change of any input but the largest changes nothing, so ``dy/dx`` is 1 for the largest
    and 0 for all others, and the window's whole gradient goes to the largest. Where several are
    equally large there is no derivative; the first of them, row by row, takes the whole gradient,
    as in PyTorch. The course project that this grew from gave it to each of them, which sends back more
    than came in: windows of equal pixels, as in a black sky, would count four times.

    Args:
        size: Side of the windows.
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
        """Holds the windows' first places against the second, third, ..., all windows at once."""
        shape = (*inputs.shape[:2], *(side // self.size for side in inputs.shape[2:]))
        outputs = self._buffer("outputs", shape, inputs.dtype)
        self._winners = self._buffer("winners", shape, np.uint8)
        values = self._buffer("values", shape[1:], inputs.dtype)
        larger = self._buffer("larger", shape[1:], np.bool_)
        latest = self._buffer("latest", shape[1:], np.uint8)
        for image, best, winner in zip(inputs, outputs, self._winners, strict=True):
            best[...] = image[self._place(0, shape)]
            winner.fill(0)
            for place in range(1, self.size**2):
                values[...] = image[self._place(place, shape)]
                # Larger, and not larger or equal: of equal ones the first stays.
                np.greater(values, best, out=larger)
                np.maximum(values, best, out=best)
                # As places only go up, the latest that was larger has the largest number.
                np.multiply(larger, np.uint8(place), out=latest)
                np.maximum(winner, latest, out=winner)
        return outputs

    def _backward_vectorized(self, gradient: Array) -> Array:
        """Gives each place of the windows the gradient where it has won, and zero elsewhere."""
        inputs_gradient = self._buffer("inputs", self._inputs.shape, gradient.dtype)
        inputs_gradient[:, :, gradient.shape[2] * self.size :] = 0
        inputs_gradient[:, :, :, gradient.shape[3] * self.size :] = 0
        won = self._buffer("won", gradient.shape[1:], np.bool_)
        for image in range(len(gradient)):
            for place in range(self.size**2):
                np.equal(self._winners[image], place, out=won)
                target = inputs_gradient[image][self._place(place, gradient.shape)]
                np.multiply(gradient[image], won, out=target)
        return inputs_gradient

    def _place(self, place: int, shape: tuple[int, ...]) -> tuple[slice, slice, slice]:
        """Says where in an image ``[C, H, W]`` the windows have their ``place``-th number, row by row.

        Args:
            place: From 0 to ``size^2 - 1``.
            shape: Of the outputs.
        """
        i, j = divmod(place, self.size)
        rows, columns = shape[2] * self.size, shape[3] * self.size
        return slice(None), slice(i, rows, self.size), slice(j, columns, self.size)
