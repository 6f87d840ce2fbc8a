"""The loss of auxiliary targets, learnt beside the class (Caruana 1997)."""

from typing import Final

from torch import Tensor

WEIGHT: Final = 0.5
"""What their error, in squared standard deviations, counts beside the cross-entropy."""


def squared_error(estimates: Tensor, truth: Tensor) -> Tensor:
    """Returns the mean squared error over what is known, a scalar.

    Args:
        estimates: ``[B, quantities]``.
        truth: ``[B, quantities]``, NaN where unknown.
    """
    known = truth.isfinite()
    return ((estimates - truth.nan_to_num()).square() * known).sum() / known.sum().clamp(min=1)
