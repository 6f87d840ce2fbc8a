"""Training targets from volunteers' votes: class probabilities, and weights by the number of votes."""

from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.stats import beta

from data_prep.arrays.format import GalaxyArrays
from data_prep.common.errors import GalaxyError
from data_prep.schema import CLASSES, FLAG_THRESHOLD

_FRACTIONS: Final = ("P_EL_DEBIASED", "P_CS_DEBIASED")


def vote_targets(
    arrays: GalaxyArrays, rows: npt.NDArray[np.int64]
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Computes the probability of each class from debiased vote fractions, under the rule of the labels.

    A label states whether a vote fraction reaches a threshold. If ``k`` of ``n`` volunteers vote for a class,
    the true fraction has the posterior Beta(k + 1, n - k + 1), for a uniform prior. The probability of
    elliptical (spiral) is the probability that the true fraction of P_EL_DEBIASED (P_CS_DEBIASED) reaches
    the threshold; the remainder is the probability of irregular. With a threshold of 0.65, 29 of 30 votes
    make a label almost certain, 20 of 30 do not, and 200 of 300 make it more certain than 20 of 30.

    Args:
        arrays: Galaxy arrays whose catalogue has the columns NVOTE, P_EL_DEBIASED and P_CS_DEBIASED.
        rows: ``[N]`` row numbers of the galaxies.

    Returns:
        ``[N, 3]`` class probabilities, and ``[N]`` weights: the number of votes divided by its mean. A galaxy
        without votes has its label with probability 1, and a weight of 1.

    Raises:
        GalaxyError: The catalogue lacks votes, the votes are invalid, or the threshold of the labels is
            unknown.
    """
    if arrays.classes != list(CLASSES):
        raise GalaxyError(
            f"{arrays.folder} has the classes {', '.join(arrays.classes)}, but votes exist only for "
            f"{', '.join(CLASSES)}: use --data.targets labels"
        )
    labels = np.eye(len(arrays.classes), dtype=np.float32)[arrays.labels[rows]]
    weights = np.ones(len(rows), dtype=np.float32)
    missing = [name for name in ("NVOTE", *_FRACTIONS) if name not in arrays.catalog]
    if missing:
        raise GalaxyError(
            f"{arrays.folder}, missing columns: {', '.join(missing)}: use --data.targets labels, or make the "
            "arrays from a sample with votes"
        )
    table = arrays.catalog.iloc[rows]
    try:
        votes, elliptical, spiral = (
            table[name].to_numpy(dtype=np.float64) for name in ("NVOTE", *_FRACTIONS)
        )
    except ValueError as error:
        raise GalaxyError(f"{arrays.folder}: the votes are not numbers: {error}") from None
    known = np.isfinite(votes) & np.isfinite(elliptical) & np.isfinite(spiral) & (votes > 0)
    if not known.any():
        raise GalaxyError(
            f"no training galaxy of {arrays.folder} has votes (NVOTE, {', '.join(_FRACTIONS)}): "
            "use --data.targets labels"
        )
    invalid = known & ((np.minimum(elliptical, spiral) < 0) | (np.maximum(elliptical, spiral) > 1))
    if invalid.any():
        raise GalaxyError(
            f"{arrays.folder}: objid {table['objid'].iloc[int(np.argmax(invalid))]} has a vote fraction "
            "outside 0 to 1"
        )
    threshold = _label_threshold(arrays)
    n = votes[known]
    p_elliptical, p_spiral = (
        beta.sf(threshold, n * fraction[known] + 1, n * (1 - fraction[known]) + 1)
        for fraction in (elliptical, spiral)
    )
    p_irregular = np.maximum(0.0, 1 - p_elliptical - p_spiral)
    probabilities = np.stack([p_elliptical, p_irregular, p_spiral], axis=1)
    labels[known] = probabilities / probabilities.sum(axis=1, keepdims=True)
    weights[known] = n / n.mean()
    return labels, weights


def _label_threshold(arrays: GalaxyArrays) -> float:
    """Returns the threshold of the labels in the debiased vote fraction.

    For rules other than those of ``extract``, ``dataset.json`` must state the threshold.
    """
    rule, threshold = arrays.dataset.get("label_rule"), arrays.dataset.get("threshold")
    if rule == "flags":
        return FLAG_THRESHOLD
    if threshold is None:
        raise GalaxyError(
            f"{arrays.folder} does not state the vote fraction at which its labels were set (label_rule: "
            f"{rule}): use --data.targets labels, or make the arrays again with the summary that extract "
            "saves next to the sample"
        )
    return float(threshold)
