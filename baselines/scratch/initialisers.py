"""The random weights that training begins with.

They must differ from one another: units with equal weights would have equal gradients, and stay
equal for ever. Their size decides whether a signal fades or explodes on its way through the layers.
"""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

Initialiser = Callable[[tuple[int, ...], np.random.Generator], npt.NDArray[np.float64]]
"""Draws weights of a shape from a generator."""


def glorot_uniform(shape: tuple[int, ...], generator: np.random.Generator) -> npt.NDArray[np.float64]:
    """Draws from U(-a, a) with ``a = sqrt(6 / (fan_in + fan_out))``, Keras's default.

    The variance of these is 2 / (fan_in + fan_out): a compromise between keeping the variance of
    the signals forwards (1 / fan_in) and of the gradients backwards (1 / fan_out), after Glorot &
    Bengio (2010).

    Args:
        shape: ``[inputs, outputs]`` of a dense layer or ``[filters, C, k, k]`` of a convolution,
            whose fans are the channels on either side times the ``k * k`` places of the kernel.
        generator: Where chance comes from.

    Returns:
        Weights of that shape.
    """
    fans = (shape[0] + shape[1]) * np.prod(shape[2:])
    limit = np.sqrt(6 / fans)
    return generator.uniform(-limit, limit, shape)


def normal(standard_deviation: float) -> Initialiser:
    """Makes an initialiser that draws from N(0, standard_deviation^2).

    Args:
        standard_deviation: Of the weights.

    Returns:
        The initialiser.
    """

    def draw(shape: tuple[int, ...], generator: np.random.Generator) -> npt.NDArray[np.float64]:
        return generator.standard_normal(shape) * standard_deviation

    return draw
