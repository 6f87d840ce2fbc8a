import re

import numpy as np
import pandas as pd
import pytest

from data_prep.common.errors import GalaxyError
from data_prep.samples.galaxy_zoo_1 import label_galaxies, suggest_other_rule
from data_prep.schema import TABLE2_COLUMNS


def votes(spiral, elliptical):
    return pd.DataFrame({"P_CS_DEBIASED": spiral, "P_EL_DEBIASED": elliptical}, dtype="float64")


def test_the_threshold_is_inclusive_and_spiral_comes_first():
    table = votes([0.65, 0.649, 0.0, 0.7, 0.3], [0.1, 0.2, 0.65, 0.7, 0.3])
    expected = ["spiral", "irregular", "elliptical", "spiral", "irregular"]
    assert label_galaxies(table, "threshold", 0.65).tolist() == expected


def test_a_missing_vote_is_never_read_as_zero():
    table = votes([np.nan, 0.9, np.nan], [0.9, np.nan, np.nan])
    assert label_galaxies(table, "threshold").tolist() == ["", "", ""]


def test_exactly_one_flag_must_be_set():
    flags = {
        "SPIRAL": [1, 0, 0, 1, 0, np.nan],
        "ELLIPTICAL": [0, 1, 0, 1, 0, 1],
        "UNCERTAIN": [0, 0, 1, 0, 0, 0],
    }
    labels = label_galaxies(pd.DataFrame(flags), "flags")
    assert labels.tolist() == ["spiral", "elliptical", "irregular", "", "", "elliptical"]


@pytest.mark.parametrize("threshold", [0.0, 1.1, -1.0, float("nan")])
def test_a_threshold_that_is_not_a_vote_fraction_is_refused(threshold):
    with pytest.raises(GalaxyError, match="vote fraction"):
        label_galaxies(votes([0.5], [0.5]), "threshold", threshold)


def test_an_unknown_label_rule_is_refused():
    with pytest.raises(GalaxyError, match="unknown label rule 'majority': use one of threshold, flags"):
        label_galaxies(pd.DataFrame(columns=list(TABLE2_COLUMNS), dtype=float), "majority")


@pytest.mark.parametrize(
    ("p", "flags", "rule", "suggested"),
    [
        (
            [np.nan, np.nan, 0.9],
            1,
            "threshold",
            "2 of the 3 galaxies have no debiased votes .*--label-rule flags",
        ),
        ([0.9, 0.9, 0.9], np.nan, "flags", "3 of the 3 galaxies have no flags .*--label-rule threshold"),
        ([np.nan, 0.9, 0.9], 1, "threshold", None),
        ([np.nan, np.nan, np.nan], np.nan, "threshold", None),
        ([], 1, "threshold", None),
    ],
)
def test_the_other_label_rule_is_suggested_if_it_labels_more_galaxies(p, flags, rule, suggested):
    table = votes(p, p).assign(SPIRAL=flags, ELLIPTICAL=0 * flags, UNCERTAIN=0 * flags)
    suggestion = suggest_other_rule(table.assign(label=label_galaxies(table, rule)), rule)
    assert suggestion is None if suggested is None else re.search(suggested, suggestion)
