"""The two label rules of ``extract``, for Galaxy Zoo 1's Table 2."""

from typing import Final, Literal, get_args

import numpy as np
import numpy.typing as npt
import pandas as pd

from data_prep.common.errors import GalaxyError
from data_prep.samples.labelling import UNLABELLED, LabelRules, label_table
from data_prep.samples.rules import read_rules
from data_prep.schema import FLAG_COLUMNS, VOTE_THRESHOLD

LabelRule = Literal["threshold", "flags"]
LABEL_RULES: Final = get_args(LabelRule)


def label_galaxies(
    table: pd.DataFrame, rule: LabelRule, threshold: float = VOTE_THRESHOLD
) -> npt.NDArray[np.str_]:
    """Labels each galaxy with ``gz1_threshold`` or ``gz1_flags``, presets in ``configs/labels``.

    Args:
        table: ``N`` rows of Table 2.
        rule: The label rule.
        threshold: The debiased vote fraction at which ``threshold`` assigns a class, above 0 and at most 1.

    Returns:
        ``[N]`` class names, ``UNLABELLED`` where a needed vote is missing or not exactly one flag is set. A
        missing vote is never read as 0.

    Raises:
        GalaxyError: The rule is unknown or the threshold is out of range.
    """
    return label_table(galaxy_zoo_1_rules(rule, threshold), table).labels


def galaxy_zoo_1_rules(rule: LabelRule, threshold: float = VOTE_THRESHOLD) -> LabelRules:
    """Returns the preset of a rule, ``gz1_threshold`` or ``gz1_flags``.

    Args:
        rule: The label rule.
        threshold: The debiased vote fraction at which ``threshold`` assigns a class, above 0 and at most 1.

    Raises:
        GalaxyError: The rule is unknown or the threshold is out of range.
    """
    if rule not in LABEL_RULES:
        raise GalaxyError(f"unknown label rule {rule!r}: use one of {', '.join(LABEL_RULES)}")
    return read_rules(f"gz1_{rule}", {"threshold": threshold} if rule == "threshold" else {})


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
