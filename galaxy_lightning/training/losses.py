"""What a fit minimises: the cross-entropy of the class, and the error of auxiliary targets (Caruana 1997)."""

from typing import Final

from torch import Tensor
from torch.nn import functional

WEIGHT: Final = 0.5
"""Weight of the auxiliary error (squared standard deviations) relative to the cross-entropy, chosen by
cross-validation; see docs/galaxy_cnn.md."""


def cross_entropy(
    logits: Tensor, targets: Tensor, weights: Tensor | None = None, label_smoothing: float = 0.0
) -> Tensor:
    """Returns a batch's mean cross-entropy, a scalar.

    Args:
        logits: ``[B, classes]``.
        targets: ``[B]`` class numbers, or ``[B, classes]`` probabilities.
        weights: ``[B]`` what each galaxy counts; all the same when left out.
        label_smoothing: Share of a target that goes to all classes alike.
    """
    losses = functional.cross_entropy(logits, targets, reduction="none", label_smoothing=label_smoothing)
    return losses.mean() if weights is None else (losses * weights).mean()


def squared_error(estimates: Tensor, truth: Tensor) -> Tensor:
    """Returns the mean squared error over what is known, a scalar.

    Args:
        estimates: ``[B, quantities]``.
        truth: ``[B, quantities]``, NaN where unknown.
    """
    known = truth.isfinite()
    return ((estimates - truth.nan_to_num()).square() * known).sum() / known.sum().clamp(min=1)
