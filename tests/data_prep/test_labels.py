import numpy as np
import pandas as pd
import pytest

from data_prep.errors import GalaxyError
from data_prep.labels import label_galaxies
from data_prep.schema import TABLE2_COLUMNS


def votes(spiral, elliptical):
    return pd.DataFrame({"P_CS_DEBIASED": spiral, "P_EL_DEBIASED": elliptical}, dtype="float64")


def test_threshold_is_reached_from_above_and_spiral_goes_first():
    table = votes([0.65, 0.649, 0.0, 0.7, 0.3], [0.1, 0.2, 0.65, 0.7, 0.3])
    expected = ["spiral", "irregular", "elliptical", "spiral", "irregular"]
    assert label_galaxies(table, "threshold", 0.65).tolist() == expected


def test_a_missing_vote_is_never_read_as_zero():
    table = votes([np.nan, 0.9, np.nan], [0.9, np.nan, np.nan])
    assert label_galaxies(table, "threshold").tolist() == ["", "", ""]


def test_flags_need_exactly_one_set():
    flags = {
        "SPIRAL": [1, 0, 0, 1, 0, np.nan],
        "ELLIPTICAL": [0, 1, 0, 1, 0, 1],
        "UNCERTAIN": [0, 0, 1, 0, 0, 0],
    }
    labels = label_galaxies(pd.DataFrame(flags), "flags")
    assert labels.tolist() == ["spiral", "elliptical", "irregular", "", "", "elliptical"]


@pytest.mark.parametrize("threshold", [0.0, 1.1, -1.0, float("nan")])
def test_a_threshold_that_is_no_vote_fraction_is_refused(threshold):
    with pytest.raises(GalaxyError, match="vote fraction"):
        label_galaxies(votes([0.5], [0.5]), "threshold", threshold)


def test_another_rule_is_refused():
    with pytest.raises(GalaxyError, match="no label rule 'majority': the rules are threshold, flags"):
        label_galaxies(pd.DataFrame(columns=list(TABLE2_COLUMNS), dtype=float), "majority")
