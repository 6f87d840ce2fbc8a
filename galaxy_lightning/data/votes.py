"""The volunteers' votes in a catalogue, and how the labels follow from them."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from data_prep.arrays.format import GalaxyArrays, id_column
from data_prep.common.errors import GalaxyError
from data_prep.schema import CLASSES, FLAG_THRESHOLD, VOTE_COUNT, VOTE_PREFIX

_TABLE2_FRACTIONS: Final = {"elliptical": "P_EL_DEBIASED", "spiral": "P_CS_DEBIASED"}
_TABLE2_COUNT: Final = "NVOTE"
_NO_COUNT: Final = "the catalogue has no number of votes"


class MissingVotesError(GalaxyError):
    """A catalogue lacks votes.

    Attributes:
        reason: What is missing, without a remedy.
    """

    def __init__(self, message: str, reason: str = "the catalogue has no votes") -> None:
        super().__init__(message)
        self.reason = reason


@dataclass(frozen=True)
class Votes:
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


def read_fractions(
    arrays: GalaxyArrays, rows: npt.NDArray[np.int64], votes: Votes
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
    """Reads the votes of galaxies.

    Args:
        arrays: The galaxy arrays.
        rows: ``[N]`` row numbers of the galaxies.
        votes: The columns.

    Returns:
        ``[N, voted classes]`` vote fractions and ``[N]`` numbers of votes, both NaN if missing; 1 vote if
        their number is unknown. ``[N]`` whether both are known.

    Raises:
        GalaxyError: A fraction is not a number from 0 to 1.
    """
    table = arrays.catalog.iloc[rows]
    fractions = _numbers(arrays, table, list(votes.columns.values()))
    known = np.asarray(np.isfinite(fractions).all(axis=1))
    n = np.ones(len(rows))
    if votes.count is not None:
        n = _numbers(arrays, table, [votes.count])[:, 0]
        known &= np.isfinite(n) & (n > 0)
    invalid = known & ((fractions.min(axis=1) < 0) | (fractions.max(axis=1) > 1))
    if invalid.any():
        galaxy = table[id_column(table)].iloc[int(np.argmax(invalid))]
        raise GalaxyError(f"{arrays.folder}: galaxy {galaxy} has a vote fraction outside 0 to 1")
    return fractions, n, known


def find_votes(arrays: GalaxyArrays) -> Votes:
    """Finds the votes in a catalogue: its own columns, or those of Galaxy Zoo 1's Table 2.

    Args:
        arrays: The galaxy arrays.

    Raises:
        MissingVotesError: The catalogue has no votes, or the threshold of the labels is unknown.
    """
    catalog, rule = arrays.catalog, arrays.dataset.get("votes")
    columns = {name: f"{VOTE_PREFIX}{name}" for name in arrays.classes if f"{VOTE_PREFIX}{name}" in catalog}
    if columns:
        rule = rule or {}
        count = VOTE_COUNT if VOTE_COUNT in catalog else None
        threshold, rest = rule.get("threshold"), rule.get("rest")
        if threshold is not None and count is None:
            raise MissingVotesError(
                f"{arrays.folder}, missing column: {VOTE_COUNT}, which targets from a vote threshold need: "
                "use --data.targets labels",
                _NO_COUNT,
            )
        return Votes(columns, count, threshold, rest)
    if arrays.classes != list(CLASSES):
        raise MissingVotesError(
            f"{arrays.folder} has no votes ({VOTE_PREFIX}<class>): use --data.targets labels, or label the "
            "galaxies by rules with a section 'votes' (see python -m data_prep label --help)"
        )
    missing = [name for name in (_TABLE2_COUNT, *_TABLE2_FRACTIONS.values()) if name not in catalog]
    if missing:
        message = (
            f"{arrays.folder}, missing columns: {', '.join(missing)}: use --data.targets labels, or make the "
            "arrays from a sample with votes"
        )
        raise MissingVotesError(message, *([_NO_COUNT] if missing == [_TABLE2_COUNT] else []))
    threshold = rule.get("threshold") if rule else _label_threshold(arrays)
    return Votes(_TABLE2_FRACTIONS, _TABLE2_COUNT, threshold, "irregular")


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
        raise MissingVotesError(
            f"{arrays.folder} does not state the vote fraction at which its labels were set (label_rule: "
            f"{rule}): use --data.targets labels, or make the arrays again with the summary that extract "
            "saves next to the sample",
            "the vote fraction at which the labels were set is unknown",
        )
    return float(threshold)
