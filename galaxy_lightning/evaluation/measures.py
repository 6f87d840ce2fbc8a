"""Metrics of held-out galaxies.

``test``, ``crossval``, ``compare`` and the logs of a fit all use these functions. Astronomers call recall
completeness, and precision purity.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final

import numpy as np
import numpy.typing as npt

MAX_WITH_COUNTS: Final = 8
"""Maximum number of classes for which each cell of a shown confusion matrix has a fraction and a count."""
MAX_WITH_FRACTIONS: Final = 15
"""Maximum number of classes for which each cell of a drawn confusion matrix has a fraction."""
SHOWN_FRACTION: Final = 0.05
"""Smallest fraction that is shown if not all are."""
BINS: Final = 15
"""Number of bins of the expected calibration error, as in Guo et al. 2017."""

Labels = npt.NDArray[np.int64]
Probabilities = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]
"""A confusion matrix: numbers of galaxies, ``[true class, predicted class]``."""


def confusion_matrix(labels: Labels, predicted: Labels, classes: int) -> Counts:
    """Counts galaxies by true and predicted class.

    Args:
        labels: ``[N]`` true class numbers.
        predicted: ``[N]`` predicted class numbers.
        classes: Number of classes.

    Returns:
        ``[true class, predicted class]``.

    Examples:
        >>> confusion_matrix(np.array([0, 0, 1]), np.array([0, 1, 1]), classes=2)
        array([[1, 1],
               [0, 1]])
    """
    counts = np.bincount(labels * classes + predicted, minlength=classes * classes)
    return counts.reshape(classes, classes).astype(np.int64)


def row_fractions(counts: Counts) -> npt.NDArray[np.float64]:
    """Returns the fractions of each true class, so that the diagonal holds the recalls.

    Args:
        counts: The confusion matrix, ``[true class, predicted class]``.

    Returns:
        ``[true class, predicted class]``; zeros for a class without galaxies.
    """
    return np.asarray(counts / np.maximum(counts.sum(axis=1, keepdims=True), 1), dtype=np.float64)


def misclassified(counts: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Returns a confusion matrix without its diagonal, the galaxies that are classified correctly.

    Args:
        counts: The confusion matrix, ``[true class, predicted class]``, or a mean of several.
    """
    return np.where(np.eye(len(counts), dtype=bool), 0, counts)


def accuracy(counts: Counts) -> float:
    """Returns the fraction of galaxies whose predicted class is the true class.

    Args:
        counts: The confusion matrix, ``[true class, predicted class]``.
    """
    return float(np.diag(counts).sum() / counts.sum()) if counts.sum() else float("nan")


def recalls(counts: Counts) -> npt.NDArray[np.float64]:
    """Returns each class's recall (completeness), the fraction of its galaxies that are predicted as such.

    Args:
        counts: The confusion matrix, ``[true class, predicted class]``.

    Returns:
        ``[classes]``; NaN for a class without galaxies.

    Examples:
        >>> recalls(np.array([[8, 2], [1, 9]])).tolist()
        [0.8, 0.9]
    """
    return _ratios(np.diag(counts), counts.sum(axis=1))


def precisions(counts: Counts) -> npt.NDArray[np.float64]:
    """Returns each class's precision (purity), the fraction of its predicted galaxies that belong to it.

    Args:
        counts: The confusion matrix, ``[true class, predicted class]``.

    Returns:
        ``[classes]``; 0 for a class without predictions, as in scikit-learn; NaN if it also has no galaxies.
    """
    galaxies, predicted = counts.sum(axis=1), counts.sum(axis=0)
    values = np.nan_to_num(_ratios(np.diag(counts), predicted))
    return np.where(galaxies + predicted > 0, values, np.nan)


def f1_scores(counts: Counts) -> npt.NDArray[np.float64]:
    """Returns each class's F1 score, the harmonic mean of recall and precision.

    Args:
        counts: The confusion matrix, ``[true class, predicted class]``.

    Returns:
        ``[classes]``; NaN for a class with neither galaxies nor predictions.
    """
    return _ratios(2 * np.diag(counts), counts.sum(axis=0) + counts.sum(axis=1))


def macro_average(values: npt.NDArray[np.float64]) -> float:
    """Returns the mean of a metric over the classes for which it is defined.

    The macro recall equals scikit-learn's ``balanced_accuracy_score``: classes without galaxies are left out,
    even if they are predicted.

    Args:
        values: ``[classes]``, NaN if not defined.
    """
    defined = values[~np.isnan(values)]
    return float(defined.mean()) if len(defined) else float("nan")


CLASS_METRICS: Final[dict[str, Callable[[Counts], npt.NDArray[np.float64]]]] = {
    "recall": recalls,
    "precision": precisions,
    "f1": f1_scores,
}
"""The metrics of each class, by name. A metric that is added here is computed by every command."""


def _macro_average_of(metric: Callable[[Counts], npt.NDArray[np.float64]], counts: Counts) -> float:
    return macro_average(metric(counts))


OVERALL_METRICS: Final[dict[str, Callable[[Counts], float]]] = {
    "accuracy": accuracy,
    **{f"macro_{name}": partial(_macro_average_of, metric) for name, metric in CLASS_METRICS.items()},
}
"""The metrics of all classes together, by name. A metric that is added here is computed by every command."""


def classification_metrics(counts: Counts, classes: Sequence[str]) -> dict[str, float]:
    """Computes the overall metrics and the metrics of each class.

    Args:
        counts: The confusion matrix, ``[true class, predicted class]``.
        classes: The class names, in order.

    Returns:
        ``OVERALL_METRICS`` by name, then ``recall_<class>`` and so on; NaN if not defined.
    """
    overall = [metric(counts) for metric in OVERALL_METRICS.values()]
    by_class = [float(value) for metric in CLASS_METRICS.values() for value in metric(counts)]
    return dict(zip(metric_names(classes), [*overall, *by_class], strict=True))


def metric_names(classes: Sequence[str]) -> list[str]:
    """Returns the names of the metrics of :func:`classification_metrics`, in order.

    Args:
        classes: The class names, in order.
    """
    return [*OVERALL_METRICS, *(f"{name}_{label}" for name in CLASS_METRICS for label in classes)]


def metric_title(name: str) -> str:
    """Returns how a metric is named in text: ``macro recall`` for ``macro_recall``, ``F1`` for ``f1``.

    Args:
        name: The name of the metric.
    """
    return name.replace("_", " ").replace("f1", "F1")


def calibration_error(labels: Labels, predicted: Labels, probabilities: Probabilities) -> float:
    """Returns the expected calibration error of the probability of the predicted class.

    Galaxies are binned by this probability, in ``BINS`` bins of equal width. The error is the mean absolute
    difference between the accuracy and the mean probability of a bin, weighted by the number of its galaxies
    (Naeini et al. 2015; Guo et al. 2017).

    Args:
        labels: ``[N]`` true class numbers.
        predicted: ``[N]`` predicted class numbers.
        probabilities: ``[N, classes]``.

    Examples:
        Four galaxies are classified with a confidence of 0.95, and three of them correctly:

        >>> probabilities = np.array([[0.95, 0.05]] * 4)
        >>> round(calibration_error(np.array([0, 0, 0, 1]), np.zeros(4, dtype=int), probabilities), 2)
        0.2
    """
    confidences, accuracies, galaxies = reliability_bins(labels, predicted, probabilities)
    gaps = np.nan_to_num(np.abs(accuracies - confidences))
    return float((gaps * galaxies).sum() / len(labels))


def reliability_bins(
    labels: Labels, predicted: Labels, probabilities: Probabilities
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64], npt.NDArray[np.int64]]:
    """Computes the accuracy in bins of confidence, for a reliability diagram.

    Args:
        labels: ``[N]`` true class numbers.
        predicted: ``[N]`` predicted class numbers.
        probabilities: ``[N, classes]``.

    Returns:
        ``[BINS]`` mean probabilities of the predicted class, ``[BINS]`` accuracies, both NaN in an empty bin,
        and ``[BINS]`` numbers of galaxies.
    """
    confidences = _confidences(predicted, probabilities)
    bins = np.clip(np.ceil(confidences * BINS).astype(int) - 1, 0, BINS - 1)
    galaxies = np.bincount(bins, minlength=BINS)
    sums = (
        np.bincount(bins, weights=values, minlength=BINS) for values in (confidences, labels == predicted)
    )
    confidence, accuracy = (_ratios(total, galaxies) for total in sums)
    return confidence, accuracy, galaxies.astype(np.int64)


def accuracy_at_coverage(
    labels: Labels, predicted: Labels, probabilities: Probabilities
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Computes the accuracy of the most confident galaxies at each coverage.

    Galaxies with equal confidence are included together.

    Args:
        labels: ``[N]`` true class numbers.
        predicted: ``[N]`` predicted class numbers.
        probabilities: ``[N, classes]``.

    Returns:
        The coverages in increasing order, up to 1, and for each the accuracy and the lowest probability.
    """
    confidences = _confidences(predicted, probabilities)
    order = np.argsort(-confidences, kind="stable")
    lowest = confidences[order]
    correct = np.cumsum((labels == predicted)[order])
    covered = np.arange(1, len(labels) + 1)
    last_of_equals = np.append(np.diff(lowest) != 0, True)
    coverages, accuracies = covered / len(labels), correct / covered
    return coverages[last_of_equals], accuracies[last_of_equals], lowest[last_of_equals]


def _confidences(predicted: Labels, probabilities: Probabilities) -> npt.NDArray[np.float64]:
    """Returns ``[N]`` probabilities of the predicted classes."""
    return np.asarray(probabilities[np.arange(len(predicted)), predicted], dtype=np.float64)


def _ratios(part: npt.NDArray[Any], total: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    ratios: npt.NDArray[np.float64] = np.divide(part, total, out=np.full(len(part), np.nan), where=total > 0)
    return ratios
