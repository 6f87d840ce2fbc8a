"""Metrics of held-out galaxies, their uncertainties, and tests of their differences.

``test``, ``crossval``, ``compare`` and the logs of a fit all use these functions. Astronomers call recall
completeness, and precision purity.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from scipy import stats

BINS: Final = 15
"""Number of bins of the expected calibration error, as in Guo et al. 2017."""

RESAMPLES: Final = 10_000
"""Number of bootstrap resamples."""

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
    """
    counts = np.bincount(labels * classes + predicted, minlength=classes * classes)
    return counts.reshape(classes, classes).astype(np.int64)


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
"""The metrics of each class, by name; :func:`macro_average` computes their means."""


def classification_metrics(counts: Counts, classes: Sequence[str]) -> dict[str, float]:
    """Returns the accuracy, the macro averages and the metrics of each class.

    Args:
        counts: The confusion matrix, ``[true class, predicted class]``.
        classes: The class names, in order.

    Returns:
        ``accuracy``; ``macro_recall``, ``macro_precision`` and ``macro_f1``; ``recall_<class>`` and so on;
        NaN if not defined.
    """
    by_class = [metric(counts) for metric in CLASS_METRICS.values()]
    averages = [macro_average(values) for values in by_class]
    values = [accuracy(counts), *averages, *np.concatenate(by_class).tolist()]
    return dict(zip(metric_names(classes), values, strict=True))


def metric_names(classes: Sequence[str]) -> list[str]:
    """Returns the names of the metrics of :func:`classification_metrics`, in order.

    Args:
        classes: The class names, in order.
    """
    by_class = [f"{name}_{label}" for name in CLASS_METRICS for label in classes]
    return ["accuracy", *(f"macro_{name}" for name in CLASS_METRICS), *by_class]


def calibration_error(labels: Labels, predicted: Labels, probabilities: Probabilities) -> float:
    """Returns the expected calibration error of the probability of the predicted class.

    Galaxies are binned by this probability, in ``BINS`` bins of equal width. The error is the mean absolute
    difference between the accuracy and the mean probability of a bin, weighted by the number of its galaxies
    (Naeini et al. 2015; Guo et al. 2017).

    Args:
        labels: ``[N]`` true class numbers.
        predicted: ``[N]`` predicted class numbers.
        probabilities: ``[N, classes]``.
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


def bootstrap_interval(
    scores: npt.NDArray[np.float64], galaxies: npt.NDArray[np.int64]
) -> tuple[float, float]:
    """Returns the 95% percentile bootstrap interval of the mean score (Efron & Tibshirani 1993).

    Galaxies are resampled, each with all its images, because the images of a galaxy are not independent. The
    interval is the uncertainty due to the choice of test galaxies; the spread over seeds is that due to the
    randomness of training.

    Args:
        scores: ``[N]`` score of each image, or its mean over several seeds.
        galaxies: ``[N]`` object id of each image.

    Returns:
        The lower and upper bound; NaN if all scores are equal, or of one galaxy.
    """
    if len(np.unique(scores)) < 2:  # The interval of equal scores would have zero width.
        return float("nan"), float("nan")
    _, galaxy = np.unique(galaxies, return_inverse=True)
    sums, images = np.bincount(galaxy, weights=scores), np.bincount(galaxy).astype(np.float64)
    if len(images) < 2:
        return float("nan"), float("nan")

    def mean(sums: npt.NDArray[np.float64], images: npt.NDArray[np.float64], axis: int) -> Any:
        return sums.sum(axis=axis) / images.sum(axis=axis)

    interval = stats.bootstrap(
        (sums, images),
        mean,
        paired=True,
        vectorized=True,
        n_resamples=RESAMPLES,
        batch=max(1, 10_000_000 // len(sums)),
        method="percentile",
        rng=np.random.default_rng(0),
    ).confidence_interval
    return float(interval.low), float(interval.high)


def mcnemar_test(
    correct_a: npt.NDArray[np.bool_], correct_b: npt.NDArray[np.bool_]
) -> tuple[int, int, float]:
    """Performs McNemar's (1947) test of the difference in accuracy between two models.

    This is the exact two-sided binomial test on the galaxies that only one model classifies correctly.

    Args:
        correct_a: ``[N]`` which galaxies the first model classifies correctly.
        correct_b: ``[N]`` which galaxies the second model classifies correctly.

    Returns:
        The number of galaxies that only the first model classifies correctly, that for the second model, and
        the p-value.
    """
    only_a, only_b = int((correct_a & ~correct_b).sum()), int((~correct_a & correct_b).sum())
    if not only_a + only_b:
        return 0, 0, 1.0
    return only_a, only_b, float(stats.binomtest(only_a, only_a + only_b).pvalue)


def combine_p_values(p_values: npt.ArrayLike) -> float:
    """Combines the p-values of several runs on the same galaxies: twice their median, at most 1.

    The result is valid for any dependence between the runs (Rüger 1978; DiCiccio et al. 2020).
    """
    p = np.asarray(p_values, dtype=float)
    return float(p[0]) if len(p) == 1 else float(min(1.0, 2 * np.median(p)))


def holm_correction(p_values: Sequence[float]) -> list[float]:
    """Corrects p-values for multiple testing (Holm 1979).

    Rejecting all tests with a corrected value below 0.05 limits the probability of any false rejection to 5%,
    for any dependence between the tests.

    Args:
        p_values: The p-values of several tests.

    Returns:
        The corrected p-values, in the same order.
    """
    p = np.asarray(p_values, dtype=float)
    order = np.argsort(p, kind="stable")
    corrected = np.empty_like(p)
    corrected[order] = np.minimum(1, np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1)))
    return [float(value) for value in corrected]


def _confidences(predicted: Labels, probabilities: Probabilities) -> npt.NDArray[np.float64]:
    """Returns ``[N]`` probabilities of the predicted classes."""
    return np.asarray(probabilities[np.arange(len(predicted)), predicted], dtype=np.float64)


def _ratios(part: npt.NDArray[Any], total: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    ratios: npt.NDArray[np.float64] = np.divide(part, total, out=np.full(len(part), np.nan), where=total > 0)
    return ratios
