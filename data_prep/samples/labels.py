"""The label rules, which assign a class from the votes."""

from typing import Final, Literal, get_args

import numpy as np
import numpy.typing as npt
import pandas as pd

from data_prep.common.errors import GalaxyError
from data_prep.schema import FLAG_COLUMNS, VOTE_THRESHOLD

LabelRule = Literal["threshold", "flags"]
LABEL_RULES: Final = get_args(LabelRule)
UNLABELLED: Final = ""
"""The label of a galaxy that lacks the votes or flags that the rule needs."""


def label_galaxies(
    table: pd.DataFrame, rule: LabelRule, threshold: float = VOTE_THRESHOLD
) -> npt.NDArray[np.str_]:
    """Labels each galaxy from its votes.

    ``threshold``: spiral if ``P_CS_DEBIASED >= threshold``, else elliptical if ``P_EL_DEBIASED >=
    threshold``, else irregular. ``flags``: the class that Galaxy Zoo 1 published, with UNCERTAIN as irregular
    (Lintott et al. 2011, who set the flags at a debiased vote fraction of 0.8). In both rules, "irregular"
    collects undecided votes; it is not a morphology.

    Args:
        table: ``N`` rows of Table 2.
        rule: The label rule.
        threshold: The debiased vote fraction at which a class is assigned, above 0 and at most 1.

    Returns:
        ``[N]`` class names, ``UNLABELLED`` where a needed vote is missing or not exactly one flag is set. A
        missing vote is never read as 0.

    Raises:
        GalaxyError: The rule is unknown or the threshold is out of range.
    """
    if rule == "flags":
        spiral, elliptical, uncertain = (table[name].to_numpy() == 1 for name in FLAG_COLUMNS)
        known = spiral.astype(int) + elliptical + uncertain == 1
    elif rule == "threshold":
        if not 0 < threshold <= 1:
            raise GalaxyError(
                f"threshold {threshold} is not a vote fraction: it must be above 0 and at most 1"
            )
        p_spiral, p_elliptical = (table[name].to_numpy() for name in ("P_CS_DEBIASED", "P_EL_DEBIASED"))
        known = np.isfinite(p_spiral) & np.isfinite(p_elliptical)
        spiral, elliptical = p_spiral >= threshold, p_elliptical >= threshold
    else:
        raise GalaxyError(f"unknown label rule {rule!r}: use one of {', '.join(LABEL_RULES)}")
    return np.select([~known, spiral, elliptical], [UNLABELLED, "spiral", "elliptical"], default="irregular")


def suggest_other_rule(table: pd.DataFrame, rule: LabelRule) -> str | None:
    """Suggests the other label rule if most galaxies are unlabelled and it would label most of these.

    Args:
        table: Rows of Table 2 with their ``label``.
        rule: The label rule that was used.

    Returns:
        The suggestion; None if most galaxies are labelled or the other rule would not help.
    """
    unlabelled = table[table["label"] == UNLABELLED]
    if 2 * len(unlabelled) <= len(table):
        return None
    other: LabelRule = "threshold" if rule == "flags" else "flags"
    labelled = int(np.count_nonzero(label_galaxies(unlabelled, other) != UNLABELLED))
    if 2 * labelled <= len(unlabelled):
        return None
    columns: dict[LabelRule, str] = {
        "threshold": "debiased votes (P_CS_DEBIASED, P_EL_DEBIASED)",
        "flags": f"flags ({', '.join(FLAG_COLUMNS)})",
    }
    return (
        f"{len(unlabelled):,} of the {len(table):,} galaxies have no {columns[rule]}, but {labelled:,} of "
        f"these have {columns[other]}: use --label-rule {other}"
    )
