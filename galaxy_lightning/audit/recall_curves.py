"""The recall of each class as a function of a measure of the galaxies."""

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.stats import binomtest

BINS: Final = 5
"""Number of bins with about equal numbers of galaxies."""


def recall_curves(
    measures: pd.DataFrame,
    labels: npt.NDArray[np.int64],
    correct: npt.NDArray[np.bool_],
    classes: Sequence[str],
) -> pd.DataFrame:
    """Computes the recall of each class in bins of each measure, with 95% intervals (Wilson 1927).

    Args:
        measures: ``N`` rows with a column per measure; galaxies with a missing value are left out.
        labels: ``[N]`` true class numbers.
        correct: ``[N]`` whether the predicted class is the true class.
        classes: The class names, in order.

    Returns:
        A row per measure, bin and class with galaxies: ``measure``, ``low`` and ``high`` (the bounds of the
        bin), ``median`` (of its galaxies), ``class``, ``galaxies``, ``recall``, ``recall_low``,
        ``recall_high``.
    """
    rows = []
    for name in measures:
        values = measures[name].to_numpy(dtype=np.float64)
        edges = _edges(values)
        bins = np.searchsorted(edges, values, side="right") - 1
        bins = np.where(np.isfinite(values), np.minimum(bins, len(edges) - 2), -1)
        for number in range(len(edges) - 1):
            inside = bins == number
            for label, title in enumerate(classes):
                chosen = inside & (labels == label)
                if not (galaxies := int(chosen.sum())):
                    continue
                found = binomtest(int(correct[chosen].sum()), galaxies)
                interval = found.proportion_ci(method="wilson")
                rows.append(
                    {
                        "measure": name,
                        "low": edges[number],
                        "high": edges[number + 1],
                        "median": float(np.median(values[inside])),
                        "class": title,
                        "galaxies": galaxies,
                        "recall": found.statistic,
                        "recall_low": interval.low,
                        "recall_high": interval.high,
                    }
                )
    names = ["measure", "low", "high", "median", "class", "galaxies", "recall", "recall_low", "recall_high"]
    return pd.DataFrame(rows, columns=names)


def _edges(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Returns the bounds of the bins; fewer of them if many values are equal, none without two values."""
    known = values[np.isfinite(values)]
    if not len(known):
        return np.empty(0)
    return np.asarray(np.unique(np.quantile(known, np.linspace(0, 1, BINS + 1))), dtype=np.float64)
