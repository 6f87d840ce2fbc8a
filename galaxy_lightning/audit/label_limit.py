"""How far labels from votes can be trusted: if the volunteers voted again, some labels would change."""

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.stats import binom

from data_prep.arrays.format import GalaxyArrays
from data_prep.common.errors import GalaxyError
from galaxy_lightning.data.votes import MissingVotesError, find_votes, read_fractions

DRAWS: Final = 100
"""Number of draws of the true fractions of each galaxy."""
_REPEATS: Final = 50
"""Number of repeated votes for each draw, where the most common vote decides."""
_MAJORITY: Final = 0.5
_CELLS: Final = 4_000_000
"""Number of values at a time, which bounds the memory."""
_MIN_KNOWN: Final = 0.5
"""Minimum fraction of the galaxies with votes."""
_MIN_AGREEMENT: Final = 0.95
"""Minimum fraction of the labels that the rule gives for the votes of the catalogue."""


class LabelLimit(NamedTuple):
    """How reproducible labels are.

    Attributes:
        rows: ``[N]`` the galaxies with votes, as positions among those asked for.
        repeated: ``[N]`` probability that a galaxy gets the same label if the volunteers vote again.
        best: ``[N]`` probability of its most probable label. The mean is the accuracy of a model that knows
            which fraction of all people would vote for each class, but not who has voted: no model can be
            expected to exceed it.
    """

    rows: npt.NDArray[np.int64]
    repeated: npt.NDArray[np.float64]
    best: npt.NDArray[np.float64]


def estimate_label_limit(arrays: GalaxyArrays, rows: npt.NDArray[np.int64], seed: int = 0) -> LabelLimit:
    """Estimates how often the labels of galaxies would change if the volunteers voted again.

    See :func:`repeat_votes`.

    Args:
        arrays: Galaxy arrays with votes in the catalogue.
        rows: Row numbers of the galaxies.
        seed: Seed of the random numbers.

    Raises:
        GalaxyError: It cannot be computed; the message says why.
    """
    problem = "cannot be computed"
    if arrays.dataset.get("label_rule") == "flags":
        problem += " from flags"
    try:
        votes = find_votes(arrays)
    except MissingVotesError as error:
        raise GalaxyError(f"{problem}: {error.reason}") from None
    if votes.count is None:
        raise GalaxyError(f"{problem}: the catalogue has no number of votes")
    fractions, counts, known = read_fractions(arrays, rows, votes)
    chosen = np.flatnonzero(known)
    if len(chosen) < _MIN_KNOWN * len(rows):
        raise GalaxyError(f"{problem}: only {len(chosen):,} of {len(rows):,} galaxies have votes")
    classes = [arrays.classes.index(name) for name in votes.columns]
    rest = None if votes.rest is None else arrays.classes.index(votes.rest)
    probabilities = np.empty((len(chosen), 2))
    labels = arrays.labels[rows[chosen]]
    generator = np.random.default_rng(seed)
    given = assign_labels(fractions[chosen], classes, votes.threshold, rest)
    if len(labels) and (agreement := float((given == labels).mean())) < _MIN_AGREEMENT:
        raise GalaxyError(f"{problem}: the votes give only {agreement:.0%} of the labels")
    step = max(1, _CELLS // (DRAWS * _REPEATS * (len(classes) + 1)))
    for start in range(0, len(chosen), step):
        part = chosen[start : start + step]
        drawn = repeat_votes(fractions[part], counts[part], classes, votes.threshold, rest, generator)
        # No votes make a class that volunteers could not vote for.
        drawn = np.pad(drawn, ((0, 0), (0, 0), (0, len(arrays.classes) - drawn.shape[2])))
        own = np.take_along_axis(drawn, labels[start : start + step, None, None], axis=2)
        probabilities[start : start + step, 0] = own.mean(axis=(1, 2))
        probabilities[start : start + step, 1] = drawn.max(axis=2).mean(axis=1)
    return LabelLimit(chosen, probabilities[:, 0], probabilities[:, 1])


def assign_labels(
    fractions: npt.NDArray[np.float64], classes: list[int], threshold: float | None, rest: int | None
) -> npt.NDArray[np.int64]:
    """Returns the labels that vote fractions give.

    Args:
        fractions: ``[..., voted classes]`` vote fractions.
        classes: The class number of each column.
        threshold: The vote fraction at which a class is assigned; None if the most common vote decides.
        rest: The class number of galaxies without a majority; None if there is none.
    """
    winners: npt.NDArray[np.int64] = np.take(classes, fractions.argmax(axis=-1))
    if threshold is None or rest is None:
        return winners
    return np.asarray(np.where(fractions.max(axis=-1) >= threshold - 1e-9, winners, rest))


def repeat_votes(
    fractions: npt.NDArray[np.float64],
    counts: npt.NDArray[np.float64],
    classes: list[int],
    threshold: float | None,
    rest: int | None,
    generator: np.random.Generator,
) -> npt.NDArray[np.float64]:
    """Lets the volunteers vote again.

    With ``n`` votes and the vote fractions ``f``, the fractions of all people have the posterior
    Dirichlet(n f + 1), for a uniform prior (Gelman et al. 2013, Bayesian Data Analysis, section 3.4). For
    each draw from it, ``n`` people vote again, and the rule of the labels is applied to their votes. With a
    threshold ``t`` above 0.5, which one class at most can reach, the probability of a class is that of at
    least ``t n`` votes for it, from the binomial distribution.

    Args:
        fractions: ``[N, voted classes]`` vote fractions.
        counts: ``[N]`` numbers of votes.
        classes: The class number of each column.
        threshold: The vote fraction at which a class is assigned; None if the most common vote decides.
        rest: The class number of galaxies without a majority; None if there is none.
        generator: Random number generator.

    Returns:
        ``[N, DRAWS, C]`` probabilities of the labels; ``C`` is the highest class number plus 1.
    """
    votes = fractions * counts[:, None]
    others = np.maximum(counts - votes.sum(axis=1), 0)  # Votes for none of the classes.
    alpha = np.concatenate([votes, others[:, None]], axis=1) + 1
    gammas = generator.standard_gamma(alpha[:, None], size=(len(alpha), DRAWS, alpha.shape[1]))
    drawn = gammas / gammas.sum(axis=2, keepdims=True)
    numbers = np.maximum(np.rint(counts), 1)
    number = max([*classes, *([] if rest is None else [rest])]) + 1
    probabilities = np.zeros((len(votes), DRAWS, number))
    if threshold is not None and rest is not None and threshold > _MAJORITY:
        n = numbers[:, None, None]
        reached = np.asarray(binom.sf(np.ceil(threshold * n - 1e-9) - 1, n, drawn[..., :-1]))
        probabilities[..., classes] = reached
        probabilities[..., rest] += np.maximum(1 - reached.sum(axis=2), 0)
        return probabilities
    repeats = generator.multinomial(
        numbers.astype(int)[:, None, None], drawn[:, :, None], size=(len(votes), DRAWS, _REPEATS)
    )
    fractions = repeats[..., :-1] / numbers[:, None, None, None]
    labels = assign_labels(fractions, classes, threshold, rest)
    for label in range(number):
        probabilities[..., label] = (labels == label).mean(axis=-1)
    return probabilities
