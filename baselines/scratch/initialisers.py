"""The random initial weights.

They must differ: units with equal weights would have equal gradients and remain equal for ever. Their scale
determines whether a signal vanishes or explodes as it passes through the layers.
"""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

Initialiser = Callable[[tuple[int, ...], np.random.Generator], npt.NDArray[np.float64]]
"""A function that draws weights of a given shape from a random number generator."""


def glorot_uniform(shape: tuple[int, ...], generator: np.random.Generator) -> npt.NDArray[np.float64]:
    """Draws from U(-a, a) with ``a = sqrt(6 / (fan_in + fan_out))``, Keras's default.

    The variance is 2 / (fan_in + fan_out), a compromise between preserving the variance of the signals in the
    forward pass (1 / fan_in) and that of the gradients in the backward pass (1 / fan_out) (Glorot & Bengio
    2010).

    Args:
        shape: ``[inputs, outputs]`` of a dense layer, or ``[filters, C, k, k]`` of a convolution. The fans of
            a convolution are its input and output channels times ``k * k``.
        generator: The random number generator.

    Returns:
        The weights.
    """
    fans = (shape[0] + shape[1]) * np.prod(shape[2:])
    limit = np.sqrt(6 / fans)
    return generator.uniform(-limit, limit, shape)


def normal(standard_deviation: float) -> Initialiser:
    """Returns an initialiser that draws from N(0, standard_deviation^2).

    Args:
        standard_deviation: The standard deviation of the weights.

    Returns:
        The initialiser.
    """

    def draw(shape: tuple[int, ...], generator: np.random.Generator) -> npt.NDArray[np.float64]:
        return generator.standard_normal(shape) * standard_deviation

    return draw
