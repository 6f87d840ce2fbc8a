"""From votes to a class: the two label rules."""

from typing import Final, Literal, get_args

import numpy as np
import numpy.typing as npt
import pandas as pd

from data_prep.common.errors import GalaxyError
from data_prep.schema import FLAG_COLUMNS, VOTE_THRESHOLD

LabelRule = Literal["threshold", "flags"]
LABEL_RULES: Final = get_args(LabelRule)
UNLABELLED: Final = ""
"""The label of a galaxy without the votes that a rule needs."""


def label_galaxies(
    table: pd.DataFrame, rule: LabelRule, threshold: float = VOTE_THRESHOLD
) -> npt.NDArray[np.str_]:
    """Labels each galaxy from its votes.

    ``threshold``: spiral where ``P_CS_DEBIASED >= threshold``, else elliptical where
    ``P_EL_DEBIASED >= threshold``, else irregular. ``flags``: the class that Galaxy Zoo 1
    published, with its UNCERTAIN as irregular (Lintott et al. 2011, who set the flags at a
    debiased vote of 0.8). "Irregular" is in both a catch-all of undecided votes, not a morphology.

    Args:
        table: Rows of Table 2, ``N`` of them.
        rule: Which of the two rules.
        threshold: The debiased vote fraction, above 0 and at most 1, that decides a class.

    Returns:
        ``[N]`` class names, ``UNLABELLED`` where the needed votes are missing (or where not
        exactly one flag is set): a missing vote is never read as 0.

    Raises:
        GalaxyError: The rule or the threshold is none.
    """
    if rule == "flags":
        spiral, elliptical, uncertain = (table[name].to_numpy() == 1 for name in FLAG_COLUMNS)
        known = spiral.astype(int) + elliptical + uncertain == 1
    elif rule == "threshold":
        if not 0 < threshold <= 1:
            raise GalaxyError(f"the threshold is a vote fraction above 0 and at most 1, not {threshold}")
        p_spiral, p_elliptical = (table[name].to_numpy() for name in ("P_CS_DEBIASED", "P_EL_DEBIASED"))
        known = np.isfinite(p_spiral) & np.isfinite(p_elliptical)
        spiral, elliptical = p_spiral >= threshold, p_elliptical >= threshold
    else:
        raise GalaxyError(f"there is no label rule {rule!r}: the rules are {', '.join(LABEL_RULES)}")
    return np.select([~known, spiral, elliptical], [UNLABELLED, "spiral", "elliptical"], default="irregular")


def suggest_other_rule(table: pd.DataFrame, rule: LabelRule) -> str | None:
    """Suggests the other rule where it labels most of the galaxies that lack what this rule needs.

    Args:
        table: Rows of Table 2 with their ``label``.
        rule: The rule that they were labelled by.

    Returns:
        The suggestion; None where most galaxies are labelled, or the other rule would not label them either.
    """
    unlabelled = table["label"] == UNLABELLED
    if 2 * int(unlabelled.sum()) <= len(table):
        return None
    without = table[unlabelled]
    other: LabelRule = "threshold" if rule == "flags" else "flags"
    labelled = int(np.count_nonzero(label_galaxies(without, other) != UNLABELLED))
    if 2 * labelled <= len(without):
        return None
    needs: dict[LabelRule, str] = {
        "threshold": "debiased votes (P_CS_DEBIASED, P_EL_DEBIASED)",
        "flags": f"flags ({', '.join(FLAG_COLUMNS)})",
    }
    return (
        f"{len(without):,} of the {len(table):,} galaxies have no {needs[rule]}, and {labelled:,} of these "
        f"have {needs[other]}: use --label-rule {other}"
    )
