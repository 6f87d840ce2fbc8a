"""Uncertainties of the metrics, and tests of the differences between models."""

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy import stats

RESAMPLES: Final = 10_000
"""Number of bootstrap resamples."""


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
        The lower and upper bound; NaN if all scores are equal or there is only one galaxy.
    """
    if len(np.unique(scores)) < 2:  # The interval of equal scores would have zero width.
        return float("nan"), float("nan")
    _, galaxy = np.unique(galaxies, return_inverse=True)
    sums, images = np.bincount(galaxy, weights=scores), np.bincount(galaxy).astype(np.float64)
    number = len(images)
    if number < 2:
        return float("nan"), float("nan")
    # The mean depends only on how often each distinct galaxy is drawn: a multinomial draw of few numbers.
    distinct, counts = np.unique(np.stack([sums, images]), axis=1, return_counts=True)
    generator, batch = np.random.default_rng(0), max(1, 10_000_000 // len(counts))
    means: list[float] = []
    while len(means) < RESAMPLES:
        size = min(batch, RESAMPLES - len(means))
        drawn = generator.multinomial(number, counts / number, size=size) @ distinct.T
        means += (drawn[:, 0] / drawn[:, 1]).tolist()
    low, high = np.percentile(means, [2.5, 97.5])
    return float(low), float(high)


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

    Examples:
        >>> mcnemar_test(np.array([True] * 8 + [False] * 2), np.array([True] * 4 + [False] * 6))
        (4, 0, 0.125)
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

    Examples:
        >>> holm_correction([0.01, 0.04, 0.03])
        [0.03, 0.06, 0.06]
    """
    p = np.asarray(p_values, dtype=float)
    order = np.argsort(p, kind="stable")
    corrected = np.empty_like(p)
    corrected[order] = np.minimum(1, np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1)))
    return [float(value) for value in corrected]
