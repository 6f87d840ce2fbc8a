"""From logits to probabilities to a single number: softmax and cross-entropy."""

from typing import Any

import numpy as np
import numpy.typing as npt

from baselines.scratch.layer import Array


def softmax(logits: Array) -> Array:
    """Computes ``p[b, c] = exp(z[b, c]) / sum over j of exp(z[b, j])``.

    Every ``p`` is positive and each row sums to 1. A constant added to all logits of a row cancels;
    taking away the largest one keeps ``exp`` from overflowing.

    Args:
        logits: ``[B, classes]``, any numbers.

    Returns:
        Probabilities, ``[B, classes]``.
    """
    exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
    probabilities: Array = exponentials / exponentials.sum(axis=1, keepdims=True)
    return probabilities


def cross_entropy(logits: Array, labels: npt.NDArray[np.integer[Any]]) -> tuple[float, Array, Array]:
    """Computes the loss ``L = -mean over b of log p[b, y_b]``, with ``y_b`` the true class, and dL/dz.

    It is what the data's likelihood becomes under a logarithm: 0 when every true class is given
    probability 1, ``log(classes)`` when all classes are held equally likely.

    For one image, ``-log p_y = log(sum over j of exp(z_j)) - z_y``. The derivative by any logit is

    - ``exp(z_c) / sum over j of exp(z_j) = p_c`` from the first term, for every class ``c``,
    - ``-1`` from the second term, for ``c = y`` only.

    So ``dL/dz[b, c] = (p[b, c] - [c = y_b]) / B``; the mean over the batch gives the ``1 / B``. It
    says: raise the true class's logit, lower the others', by as much as each is wrong. Note that
    every logit moves every probability, ``dp_j/dz_c = p_j * ([j = c] - p_c)``: the long way, through
    ``dL/dp``, comes to the same, but not without the terms off the diagonal (``j != c``), which the course
    project that this grew from left out, and the ``1 / B`` with them.

    Args:
        logits: ``[B, classes]``.
        labels: ``[B]`` class numbers.

    Returns:
        The loss; the probabilities, ``[B, classes]``; the gradient dL/dz, ``[B, classes]``.
    """
    rows = np.arange(len(labels))
    shifted = logits - logits.max(axis=1, keepdims=True)
    # From the logits and not as the logarithm of p, which may have been rounded to zero.
    losses = np.log(np.exp(shifted).sum(axis=1)) - shifted[rows, labels]
    probabilities = softmax(logits)
    gradient = probabilities.copy()
    gradient[rows, labels] -= 1
    gradient /= len(labels)
    return float(losses.mean()), probabilities, gradient
