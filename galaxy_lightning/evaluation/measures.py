"""What is measured on held-out galaxies, and how sure it is.

``test``, ``crossval``, ``compare`` and the logs of a fit all take their figures from here. Recall is what
astronomers call completeness, precision purity.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from scipy import stats

BINS: Final = 15
"""Bins of the expected calibration error, as in Guo et al. 2017."""

RESAMPLES: Final = 10_000
Labels = npt.NDArray[np.int64]
Probabilities = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]


def confusion_counts(labels: Labels, predicted: Labels, classes: int) -> Counts:
    """Counts galaxies by true and predicted class.

    Args:
        labels: ``[N]`` true class numbers.
        predicted: ``[N]`` predicted class numbers.
        classes: How many classes there are.

    Returns:
        ``[true class, predicted class]``.
    """
    counts = np.bincount(labels * classes + predicted, minlength=classes * classes)
    return counts.reshape(classes, classes).astype(np.int64)


def accuracy(counts: Counts) -> float:
    """Returns the share of galaxies whose predicted class is the true one.

    Args:
        counts: The confusion matrix, ``[true class, predicted class]``.
    """
    return float(np.diag(counts).sum() / counts.sum()) if counts.sum() else float("nan")


def recalls(counts: Counts) -> npt.NDArray[np.float64]:
    """Returns each class's recall (completeness), the share of its galaxies that was found.

    Args:
        counts: The confusion matrix, ``[true class, predicted class]``.

    Returns:
        ``[classes]``; NaN for a class without galaxies.
    """
    return _shares(np.diag(counts), counts.sum(axis=1))


def precisions(counts: Counts) -> npt.NDArray[np.float64]:
    """Returns each class's precision (purity), the share of those predicted that truly belong to it.

    Args:
        counts: The confusion matrix, ``[true class, predicted class]``.

    Returns:
        ``[classes]``; 0 for a class with galaxies of which none is predicted, as scikit-learn has it, and NaN
        for one with neither.
    """
    predicted = counts.sum(axis=0)
    return np.where(_present(counts), np.nan_to_num(_shares(np.diag(counts), predicted)), np.nan)


def f1_scores(counts: Counts) -> npt.NDArray[np.float64]:
    """Returns each class's F1 score, the harmonic mean of recall and precision.

    Args:
        counts: The confusion matrix, ``[true class, predicted class]``.

    Returns:
        ``[classes]``; NaN for a class with neither galaxies nor predictions.
    """
    return _shares(2 * np.diag(counts), counts.sum(axis=0) + counts.sum(axis=1))


def macro(values: npt.NDArray[np.float64]) -> float:
    """Returns the mean over the classes for which a figure is defined.

    The macro recall is scikit-learn's ``balanced_accuracy_score``: a class without galaxies does not count,
    whatever is predicted.

    Args:
        values: ``[classes]``, NaN where it is not defined.
    """
    defined = values[~np.isnan(values)]
    return float(defined.mean()) if len(defined) else float("nan")


PER_CLASS: Final[dict[str, Callable[[Counts], npt.NDArray[np.float64]]]] = {
    "recall": recalls,
    "precision": precisions,
    "f1": f1_scores,
}
"""The figures of each class, by name; see :func:`macro` for their means."""


def figures(counts: Counts, classes: Sequence[str]) -> dict[str, float]:
    """Returns the accuracy, the macro figures and those of each class.

    Args:
        counts: The confusion matrix, ``[true class, predicted class]``.
        classes: The class names, in order.

    Returns:
        ``accuracy``; ``macro_recall``, ``macro_precision`` and ``macro_f1``; ``recall_<class>`` and so on;
        NaN where not defined.
    """
    each = {name: measure(counts) for name, measure in PER_CLASS.items()}
    values = [macro(figure) for figure in each.values()]
    values += [float(value) for figure in each.values() for value in figure]
    return dict(zip(figure_names(classes), [accuracy(counts), *values], strict=True))


def figure_names(classes: Sequence[str]) -> list[str]:
    """Returns the names of the figures that :func:`figures` computes, in its order.

    Args:
        classes: The class names, in order.
    """
    each = [f"{name}_{label}" for name in PER_CLASS for label in classes]
    return ["accuracy", *(f"macro_{name}" for name in PER_CLASS), *each]


def calibration_error(labels: Labels, predicted: Labels, probabilities: Probabilities) -> float:
    """Returns the expected calibration error of the predicted class's probability.

    Galaxies are put into ``BINS`` bins of equal width by that probability; the error is the mean
    distance of a bin's accuracy from its mean probability, weighted by the bin's galaxies
    (Naeini et al. 2015; Guo et al. 2017).

    Args:
        labels: ``[N]`` true class numbers.
        predicted: ``[N]`` predicted class numbers.
        probabilities: ``[N, classes]``.
    """
    confidences, accuracies, galaxies = reliability(labels, predicted, probabilities)
    gaps = np.nan_to_num(np.abs(accuracies - confidences))
    return float((gaps * galaxies).sum() / len(labels))


def reliability(
    labels: Labels, predicted: Labels, probabilities: Probabilities
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64], npt.NDArray[np.int64]]:
    """Measures how often a model is right against how sure it is, the numbers of a reliability diagram.

    Args:
        labels: ``[N]`` true class numbers.
        predicted: ``[N]`` predicted class numbers.
        probabilities: ``[N, classes]``.

    Returns:
        Per bin ``[BINS]`` the predicted class's mean probability, the accuracy, both NaN where the bin
        is empty, and the number of galaxies.
    """
    confidences = _confidences(predicted, probabilities)
    bins = np.clip(np.ceil(confidences * BINS).astype(int) - 1, 0, BINS - 1)
    galaxies = np.bincount(bins, minlength=BINS)
    sums = (
        np.bincount(bins, weights=values, minlength=BINS) for values in (confidences, labels == predicted)
    )
    mean, accuracy = (_shares(total, galaxies) for total in sums)
    return mean, accuracy, galaxies.astype(np.int64)


def accuracy_at_coverage(
    labels: Labels, predicted: Labels, probabilities: Probabilities
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Measures the accuracy of the most confident galaxies, for every share of them.

    Galaxies that are equally sure are taken in together.

    Args:
        labels: ``[N]`` true class numbers.
        predicted: ``[N]`` predicted class numbers.
        probabilities: ``[N, classes]``.

    Returns:
        The coverages, the accuracy at each, and the lowest probability that is taken in, from the
        most confident galaxies to all of them.
    """
    confidences = _confidences(predicted, probabilities)
    order = np.argsort(-confidences, kind="stable")
    lowest = confidences[order]
    right = np.cumsum((labels == predicted)[order])
    taken = np.arange(1, len(labels) + 1)
    last = np.append(np.diff(lowest) != 0, True)
    return (taken / len(labels))[last], (right / taken)[last], lowest[last]


def bootstrap_interval(
    scores: npt.NDArray[np.float64], galaxies: npt.NDArray[np.int64]
) -> tuple[float, float]:
    """Returns the 95% percentile bootstrap interval of the mean score (Efron & Tibshirani 1993).

    Galaxies are resampled, each with all of its images, which are not independent. The interval says how far
    the mean would vary over other test galaxies; the spread over seeds, how far over other trainings.

    Args:
        scores: ``[N]``: the score of each image, the mean over seeds where there are several.
        galaxies: ``[N]``: the object id of each image.

    Returns:
        Its bounds; NaN where all scores are equal.
    """
    if len(np.unique(scores)) < 2:  # Resampling equal scores would claim certainty.
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


def mcnemar(one_right: npt.NDArray[np.bool_], other_right: npt.NDArray[np.bool_]) -> tuple[int, int, float]:
    """Tests whether two models differ, by the galaxies that only one of them has right (McNemar 1947).

    If they were equally good, either would be as likely as the other to be the one that is right:
    the exact two-sided binomial test of that.

    Args:
        one_right: ``[N]`` whether one model is right.
        other_right: ``[N]`` whether the other is, on the same galaxies.

    Returns:
        How many galaxies only the one has right, how many only the other, and p.
    """
    only_one, only_other = int((one_right & ~other_right).sum()), int((~one_right & other_right).sum())
    if not only_one + only_other:
        return 0, 0, 1.0
    return only_one, only_other, float(stats.binomtest(only_one, only_one + only_other).pvalue)


def combined_p(values: npt.ArrayLike) -> float:
    """Combines the p-values of several runs on the same galaxies: twice their median, at most 1.

    Valid however the runs depend on each other (Rüger 1978; DiCiccio et al. 2020).
    """
    p = np.asarray(values, dtype=float)
    return float(p[0]) if len(p) == 1 else float(min(1.0, 2 * np.median(p)))


def holm(p_values: Sequence[float]) -> list[float]:
    """Corrects p-values for their number (Holm 1979).

    Rejecting where a corrected value lies below 0.05 is wrong for any of them in 5% of all cases at most,
    however the tests depend on each other.

    Args:
        p_values: The p-values of several tests.

    Returns:
        The corrected ones, in the same order.
    """
    p = np.asarray(p_values, dtype=float)
    order = np.argsort(p, kind="stable")
    corrected = np.empty_like(p)
    corrected[order] = np.minimum(1, np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1)))
    return [float(value) for value in corrected]


def _confidences(predicted: Labels, probabilities: Probabilities) -> npt.NDArray[np.float64]:
    """Returns ``[N]`` the predicted class's probability."""
    return np.asarray(probabilities[np.arange(len(predicted)), predicted], dtype=np.float64)


def _present(counts: Counts) -> npt.NDArray[np.bool_]:
    """Returns ``[classes]`` which classes have galaxies or predictions."""
    return np.asarray(counts.sum(axis=0) + counts.sum(axis=1) > 0)


def _shares(part: npt.NDArray[Any], whole: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    shares: npt.NDArray[np.float64] = np.divide(part, whole, out=np.full(len(part), np.nan), where=whole > 0)
    return shares
