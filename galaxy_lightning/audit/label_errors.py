"""Galaxies whose labels are likely wrong, by confident learning."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from data_prep.common.errors import GalaxyError

SUGGESTED = "suggested"
QUALITY = "label_quality"
FLAGGED = "flagged"


def likely_wrong_labels(
    labels: npt.NDArray[np.int64], probabilities: npt.NDArray[np.float64], classes: Sequence[str]
) -> pd.DataFrame:
    """Ranks galaxies by how likely their labels are wrong, with cleanlab.

    The quality of a label is its probability minus the mean probability of the galaxies with this label,
    which corrects for classes that the model is rarely sure of. Confident learning (Northcutt et al. 2021)
    estimates how many labels are wrong. Of the labels that differ from the prediction, as many of the lowest
    quality are flagged.

    Args:
        labels: ``[N]`` class numbers.
        probabilities: ``[N, classes]`` from models that were not trained on these galaxies.
        classes: The class names, in order.

    Returns:
        ``N`` rows, in the order of the galaxies: ``label_quality``, from 0 to 1; ``flagged``; and
        ``suggested``, the most probable class.

    Raises:
        GalaxyError: All galaxies have the same label.
    """
    from cleanlab.count import num_label_issues
    from cleanlab.rank import get_label_quality_scores

    present = np.unique(labels)
    if len(present) < 2:
        raise GalaxyError("all galaxies have the same label")
    # cleanlab needs galaxies of every class.
    shares = probabilities[:, present]
    shares = shares / shares.sum(axis=1, keepdims=True).clip(min=1e-12)
    numbers = np.searchsorted(present, labels)
    quality = get_label_quality_scores(numbers, shares, method="self_confidence", adjust_pred_probs=True)
    predicted = probabilities.argmax(axis=1)
    contradicted = np.flatnonzero(predicted != labels)
    order = contradicted[np.argsort(quality[contradicted], kind="stable")]
    flagged = np.zeros(len(labels), dtype=bool)
    flagged[order[: num_label_issues(numbers, shares)]] = True
    suggested = np.array(classes, dtype=object)[predicted]
    return pd.DataFrame({QUALITY: quality, FLAGGED: flagged, SUGGESTED: suggested})
