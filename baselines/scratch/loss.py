"""Softmax and cross-entropy: probabilities and loss from logits."""

from typing import Any

import numpy as np
import numpy.typing as npt

from baselines.scratch.layer import Array


def softmax(logits: Array) -> Array:
    """Returns ``p[b, c] = exp(z[b, c]) / sum over j of exp(z[b, j])``.

    All ``p`` are positive, and each row sums to 1. Adding a constant to all logits of a row does not change
    ``p``; subtracting the largest logit prevents ``exp`` from overflowing.

    Args:
        logits: ``[B, classes]``.

    Returns:
        Probabilities, ``[B, classes]``.
    """
    exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
    probabilities: Array = exponentials / exponentials.sum(axis=1, keepdims=True)
    return probabilities


def cross_entropy(logits: Array, labels: npt.NDArray[np.integer[Any]]) -> tuple[float, Array, Array]:
    """Computes the loss ``L = -mean over b of log p[b, y_b]``, with ``y_b`` the true class, and dL/dz.

    The loss is the mean negative log-likelihood: 0 if every true class has probability 1, and
    ``log(classes)`` if all classes have the same probability.

    For one image, ``-log p_y = log(sum over j of exp(z_j)) - z_y``. Its derivative with respect to a logit is

    - ``exp(z_c) / sum over j of exp(z_j) = p_c`` from the first term, for every class ``c``,
    - ``-1`` from the second term, only for ``c = y``.

    Therefore ``dL/dz[b, c] = (p[b, c] - [c = y_b]) / B``, with ``1 / B`` from the mean over the batch:
    training raises the logit of the true class and lowers the others, each in proportion to its error.

    The derivation via ``dL/dp`` gives the same result, but it must include all terms of
    ``dp_j/dz_c = p_j * ([j = c] - p_c)``, since each logit changes all probabilities. The reference omitted
    the terms with ``j != c`` and the factor ``1 / B``.

    Args:
        logits: ``[B, classes]``.
        labels: ``[B]`` class numbers.

    Returns:
        The loss; the probabilities, ``[B, classes]``; the gradient dL/dz, ``[B, classes]``.
    """
    rows = np.arange(len(labels))
    shifted = logits - logits.max(axis=1, keepdims=True)
    # Computed from the logits, because p may be rounded to zero.
    losses = np.log(np.exp(shifted).sum(axis=1)) - shifted[rows, labels]
    probabilities = softmax(logits)
    gradient = probabilities.copy()
    gradient[rows, labels] -= 1
    gradient /= len(labels)
    return float(losses.mean()), probabilities, gradient
