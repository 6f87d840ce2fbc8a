"""Training targets from volunteers' votes: class probabilities, and weights by the number of votes."""

import numpy as np
import numpy.typing as npt
from scipy.stats import beta

from data_prep.arrays.format import GalaxyArrays
from data_prep.common.errors import GalaxyError
from galaxy_lightning.data.votes import find_votes, read_fractions


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
    votes = find_votes(arrays)
    fractions, n, known = read_fractions(arrays, rows, votes)
    if not known.any():
        named = [*votes.columns.values(), *([votes.count] if votes.count else [])]
        raise GalaxyError(
            f"no training galaxy of {arrays.folder} has votes ({', '.join(named)}): use --data.targets labels"
        )
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
