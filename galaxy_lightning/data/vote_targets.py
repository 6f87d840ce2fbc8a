"""What the votes say of a label: how likely another vote would give each class, and on how many votes."""

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
    """Turns debiased votes into the probability of each class under the rule that the labels came from.

    A label says on which side of the threshold a vote fraction fell. ``k`` of ``n`` volunteers say
    that their kind answers so with a fraction distributed as Beta(k + 1, n - k + 1) (Bayes' uniform
    prior): elliptical is as likely as that fraction is to reach the threshold for P_EL_DEBIASED,
    spiral for P_CS_DEBIASED, irregular is what remains. So 29 of 30 votes are a sure label, 20 of
    30 at a threshold of 0.65 are not, and 200 of 300 are surer than 20 of 30.

    Args:
        arrays: Galaxy arrays whose catalogue keeps NVOTE, P_EL_DEBIASED and P_CS_DEBIASED.
        rows: ``[N]`` which of the galaxies.

    Returns:
        ``[N, 3]`` the probability of each class, and ``[N]`` what each galaxy counts: its number of
        votes over their mean. A galaxy without votes keeps its label, and counts 1.

    Raises:
        GalaxyError: The catalogue lacks the votes, or what it holds are none; or the labels' threshold is
            not known.
    """
    if arrays.classes != list(CLASSES):
        raise GalaxyError(
            f"{arrays.folder} has the classes {', '.join(arrays.classes)}, and votes say how sure "
            f"{', '.join(CLASSES)} are: train on --data.targets labels"
        )
    labels = np.eye(len(arrays.classes), dtype=np.float32)[arrays.labels[rows]]
    weights = np.ones(len(rows), dtype=np.float32)
    lacks = [name for name in ("NVOTE", *_FRACTIONS) if name not in arrays.catalog]
    if lacks:
        raise GalaxyError(
            f"{arrays.folder} lacks the column {', '.join(lacks)}: train on --data.targets labels, or make "
            "the arrays from a sample that keeps the votes"
        )
    table = arrays.catalog.iloc[rows]
    try:
        votes, elliptical, spiral = (
            table[name].to_numpy(dtype=np.float64) for name in ("NVOTE", *_FRACTIONS)
        )
    except ValueError as error:
        raise GalaxyError(f"{arrays.folder}: the votes are no numbers: {error}") from None
    known = np.isfinite(votes) & np.isfinite(elliptical) & np.isfinite(spiral) & (votes > 0)
    if not known.any():
        raise GalaxyError(
            f"not one training galaxy of {arrays.folder} has votes (NVOTE, {', '.join(_FRACTIONS)}): "
            "train on --data.targets labels"
        )
    wrong = known & ((np.minimum(elliptical, spiral) < 0) | (np.maximum(elliptical, spiral) > 1))
    if wrong.any():
        raise GalaxyError(
            f"{arrays.folder}: objid {table['objid'].iloc[int(np.argmax(wrong))]} has a vote fraction "
            "outside 0 to 1"
        )
    threshold = _threshold(arrays)
    n = votes[known]
    reach = [
        beta.sf(threshold, n * fraction[known] + 1, n * (1 - fraction[known]) + 1)
        for fraction in (elliptical, spiral)
    ]
    sides = np.stack([reach[0], np.maximum(0.0, 1 - reach[0] - reach[1]), reach[1]], axis=1)
    labels[known] = sides / sides.sum(axis=1, keepdims=True)
    weights[known] = n / n.mean()
    return labels, weights


def _threshold(arrays: GalaxyArrays) -> float:
    """Returns the debiased vote fraction at which the labels were set.

    A threshold of another rule than those of ``extract`` is taken where it is given, never assumed.
    """
    rule, threshold = arrays.dataset.get("label_rule"), arrays.dataset.get("threshold")
    if rule == "flags":
        return FLAG_THRESHOLD
    if threshold is None:
        raise GalaxyError(
            f"{arrays.folder} does not say at which vote fraction its labels were set (label_rule: {rule}): "
            "train on --data.targets labels, or make the arrays again with the sample's summary, made by "
            "extract, beside it"
        )
    return float(threshold)
