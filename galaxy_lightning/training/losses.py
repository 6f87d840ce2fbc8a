"""The terms of the training loss: cross-entropy, and the error of the auxiliary targets (Caruana 1997)."""

from typing import Final

from torch import Tensor
from torch.nn import functional

AUXILIARY_WEIGHT: Final = 0.5
"""Weight of the squared error of the standardised auxiliary targets, relative to the cross-entropy; chosen by
cross-validation, see docs/galaxy_cnn.md."""


def cross_entropy(
    logits: Tensor, targets: Tensor, weights: Tensor | None = None, label_smoothing: float = 0.0
) -> Tensor:
    """Returns the mean cross-entropy of a batch, a scalar.

    Args:
        logits: ``[B, classes]``.
        targets: ``[B]`` class numbers, or ``[B, classes]`` probabilities.
        weights: ``[B]`` weights of the galaxies; None for equal weights.
        label_smoothing: Fraction of each target that is spread evenly over all classes.
    """
    losses = functional.cross_entropy(logits, targets, reduction="none", label_smoothing=label_smoothing)
    return losses.mean() if weights is None else (losses * weights).mean()


def squared_error(estimates: Tensor, truth: Tensor) -> Tensor:
    """Returns the mean squared error of the known values, a scalar.

    Args:
        estimates: ``[B, targets]``.
        truth: ``[B, targets]``, NaN where unknown.
    """
    known = truth.isfinite()
    return ((estimates - truth.nan_to_num()).square() * known).sum() / known.sum().clamp(min=1)
