"""Training targets from volunteers' votes: class probabilities, and weights by the number of votes."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.stats import beta

from data_prep.arrays.format import GalaxyArrays, id_column
from data_prep.common.errors import GalaxyError
from data_prep.schema import CLASSES, FLAG_THRESHOLD, VOTE_COUNT, VOTE_PREFIX

_TABLE2_FRACTIONS: Final = {"elliptical": "P_EL_DEBIASED", "spiral": "P_CS_DEBIASED"}
_TABLE2_COUNT: Final = "NVOTE"


@dataclass(frozen=True)
class _Votes:
    """The votes in a catalogue, and how the labels follow from them.

    Attributes:
        columns: The column of vote fractions of each class that volunteers could vote for.
        count: The column of the number of votes; None if unknown.
        threshold: The vote fraction at which a class is assigned; None if the most common vote decides.
        rest: The class of galaxies without a majority; None if there is none.
    """

    columns: dict[str, str]
    count: str | None
    threshold: float | None
    rest: str | None


def vote_targets(
    arrays: GalaxyArrays, rows: npt.NDArray[np.int64]
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Computes the probability of each class from vote fractions, under the rule of the labels.

    If a label states whether a vote fraction reaches a threshold: let ``k`` of ``n`` volunteers vote for a
    class. The true fraction then has the posterior Beta(k + 1, n - k + 1), for a uniform prior, and the
    target is the probability that it reaches the threshold. The remainder is the probability of the class of
    undecided votes. With a threshold of 0.65, 29 of 30 votes make a label almost certain, 20 of 30 do not,
    and 200 of 300 make it more certain than 20 of 30.

    Without a threshold, the target is the vote fraction itself.

    Args:
        arrays: Galaxy arrays whose catalogue has the columns ``vote_<class>`` and ``n_votes``, or those of
            Galaxy Zoo 1's Table 2.
        rows: ``[N]`` row numbers of the galaxies.

    Returns:
        ``[N, classes]`` class probabilities, and ``[N]`` weights: the number of votes divided by its mean. A
        galaxy without votes has its label with probability 1, and a weight of 1.

    Raises:
        GalaxyError: The catalogue lacks votes, the votes are invalid, or the threshold of the labels is
            unknown.
    """
    votes = _find_votes(arrays)
    table = arrays.catalog.iloc[rows]
    fractions = _numbers(arrays, table, list(votes.columns.values()))
    known = np.asarray(np.isfinite(fractions).all(axis=1))
    n = np.ones(len(rows))
    if votes.count is not None:
        n = _numbers(arrays, table, [votes.count])[:, 0]
        known &= np.isfinite(n) & (n > 0)
    if not known.any():
        named = [*votes.columns.values(), *([votes.count] if votes.count else [])]
        raise GalaxyError(
            f"no training galaxy of {arrays.folder} has votes ({', '.join(named)}): use --data.targets labels"
        )
    invalid = known & ((fractions.min(axis=1) < 0) | (fractions.max(axis=1) > 1))
    if invalid.any():
        galaxy = table[id_column(table)].iloc[int(np.argmax(invalid))]
        raise GalaxyError(f"{arrays.folder}: galaxy {galaxy} has a vote fraction outside 0 to 1")
    probabilities = np.zeros((len(rows), len(arrays.classes)))
    voted = [arrays.classes.index(name) for name in votes.columns]
    probabilities[:, voted] = fractions
    if votes.threshold is not None:
        successes = n[:, None] * np.where(known[:, None], fractions, 0)
        reached = beta.sf(votes.threshold, successes + 1, n[:, None] - successes + 1)
        probabilities[:, voted] = reached
    if votes.rest is not None:
        rest = np.maximum(0.0, 1 - probabilities[:, voted].sum(axis=1))
        probabilities[:, arrays.classes.index(votes.rest)] += rest
    known &= np.nan_to_num(probabilities).sum(axis=1) > 0
    targets = np.eye(len(arrays.classes), dtype=np.float32)[arrays.labels[rows]]
    targets[known] = probabilities[known] / probabilities[known].sum(axis=1, keepdims=True)
    weights = np.ones(len(rows), dtype=np.float32)
    if votes.count is not None:
        weights[known] = n[known] / n[known].mean()
    return targets, weights


def _find_votes(arrays: GalaxyArrays) -> _Votes:
    """Finds the votes in a catalogue: its own columns, or those of Galaxy Zoo 1's Table 2."""
    catalog, rule = arrays.catalog, arrays.dataset.get("votes")
    columns = {name: f"{VOTE_PREFIX}{name}" for name in arrays.classes if f"{VOTE_PREFIX}{name}" in catalog}
    if columns:
        rule = rule or {}
        count = VOTE_COUNT if VOTE_COUNT in catalog else None
        threshold, rest = rule.get("threshold"), rule.get("rest")
        if threshold is not None and count is None:
            raise GalaxyError(
                f"{arrays.folder}, missing column: {VOTE_COUNT}, which targets from a vote threshold need: "
                "use --data.targets labels"
            )
        return _Votes(columns, count, threshold, rest)
    if arrays.classes != list(CLASSES):
        raise GalaxyError(
            f"{arrays.folder} has no votes ({VOTE_PREFIX}<class>): use --data.targets labels, or label the "
            "galaxies by rules with a section 'votes' (see python -m data_prep label --help)"
        )
    missing = [name for name in (_TABLE2_COUNT, *_TABLE2_FRACTIONS.values()) if name not in catalog]
    if missing:
        raise GalaxyError(
            f"{arrays.folder}, missing columns: {', '.join(missing)}: use --data.targets labels, or make the "
            "arrays from a sample with votes"
        )
    threshold = rule["threshold"] if rule else _label_threshold(arrays)
    return _Votes(_TABLE2_FRACTIONS, _TABLE2_COUNT, threshold, "irregular")


def _numbers(arrays: GalaxyArrays, table: pd.DataFrame, columns: list[str]) -> npt.NDArray[np.float64]:
    """Returns columns of a catalogue as ``[N, columns]`` numbers."""
    try:
        return table[columns].to_numpy(dtype=np.float64)
    except ValueError as error:
        raise GalaxyError(f"{arrays.folder}: the votes are not numbers: {error}") from None


def _label_threshold(arrays: GalaxyArrays) -> float:
    """Returns the threshold of the labels of older arrays, which do not state it for the rule ``flags``."""
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
