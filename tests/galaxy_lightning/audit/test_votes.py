import dataclasses

import numpy as np
import pytest

from data_prep.common.errors import GalaxyError
from data_prep.schema import CLASSES
from galaxy_lightning.data.votes import MissingVotesError, Votes, find_votes, read_fractions
from tests.many_classes import make_arrays

OWN = Votes({"bar": "vote_bar", "ring": "vote_ring"}, "n_votes", None, None)


@pytest.fixture
def make(tmp_path):
    """Returns a function that makes arrays with columns of votes, and keys of ``dataset.json``."""

    def arrays(classes=("bar", "ring"), dataset=None, **columns):
        made = make_arrays(tmp_path / "arrays", list(classes), 4, size=4, **columns)
        return dataclasses.replace(made, dataset=made.dataset | (dataset or {}))

    return arrays


def test_the_columns_of_the_classes_and_the_rule_are_found(make):
    own = {"vote_bar": 0.5, "vote_ring": 0.2, "n_votes": 30}
    rule = {"threshold": 0.6, "rest": "disc"}
    votes = find_votes(make(("bar", "disc", "ring"), {"votes": rule}, **own))
    assert votes == dataclasses.replace(OWN, threshold=0.6, rest="disc")


def test_without_a_rule_the_most_common_vote_decides_and_the_count_may_be_missing(make):
    assert find_votes(make(vote_bar=0.5, vote_ring=0.2)) == dataclasses.replace(OWN, count=None)


@pytest.mark.parametrize(
    ("dataset", "threshold"),
    [
        ({"label_rule": "flags"}, 0.8),
        ({"label_rule": "threshold", "threshold": 0.65}, 0.65),
        ({"votes": {"threshold": 0.7, "rest": "irregular"}}, 0.7),
        ({"votes": {"rest": "irregular"}}, None),
    ],
)
def test_table_2_has_the_votes_of_galaxy_zoo_1(make, dataset, threshold):
    table2 = {"NVOTE": 30, "P_EL_DEBIASED": 0.5, "P_CS_DEBIASED": 0.2}
    columns = {"elliptical": "P_EL_DEBIASED", "spiral": "P_CS_DEBIASED"}
    assert find_votes(make(CLASSES, dataset, **table2)) == Votes(columns, "NVOTE", threshold, "irregular")


@pytest.mark.parametrize(
    ("classes", "dataset", "columns", "reason"),
    [
        (("bar", "ring"), {}, {}, "the catalogue has no votes"),
        (("bar", "ring"), {"votes": {"threshold": 0.5}}, {"vote_bar": 0.5}, "no number of votes"),
        (CLASSES, {}, {"P_EL_DEBIASED": 0.5, "P_CS_DEBIASED": 0.2}, "no number of votes"),
        (CLASSES, {}, {"NVOTE": 9, "P_EL_DEBIASED": 0.5}, "the catalogue has no votes"),
        (CLASSES, {}, {"NVOTE": 9, "P_EL_DEBIASED": 0.5, "P_CS_DEBIASED": 0.2}, "labels were set is unknown"),
    ],
)
def test_what_is_missing_is_an_error_with_a_reason(make, classes, dataset, columns, reason):
    with pytest.raises(MissingVotesError, match="--data.targets labels") as error:
        find_votes(make(classes, dataset, **columns))
    assert reason in error.value.reason


def test_fractions_and_counts_are_read_and_galaxies_without_them_are_unknown(make):
    arrays = make(vote_bar=lambda n: np.arange(n) / 10, vote_ring=0.2, n_votes=30.0)
    arrays.catalog.loc[1, "vote_ring"] = np.nan
    arrays.catalog.loc[2, "n_votes"] = np.nan
    arrays.catalog.loc[3, "n_votes"] = 0
    fractions, counts, known = read_fractions(arrays, np.array([5, 3, 2, 1, 0]), OWN)
    np.testing.assert_allclose(fractions[[0, 4]], [[0.5, 0.2], [0, 0.2]])
    np.testing.assert_array_equal(counts, [30, 0, np.nan, 30, 30])
    assert known.tolist() == [True, False, False, False, True]
    _, counts, known = read_fractions(arrays, np.array([2, 3]), dataclasses.replace(OWN, count=None))
    assert (counts.tolist(), known.tolist()) == ([1, 1], [True, True])


@pytest.mark.parametrize("fraction", [-0.01, 1.01])
def test_a_fraction_outside_0_to_1_is_an_error_that_names_the_galaxy(make, fraction):
    arrays = make(vote_bar=0.5, vote_ring=0.2, n_votes=30, id=lambda n: [f"J{each}" for each in range(n)])
    arrays.catalog.loc[2, "vote_ring"] = fraction
    with pytest.raises(GalaxyError, match="galaxy J2 has a vote fraction outside 0 to 1"):
        read_fractions(arrays, np.arange(4), OWN)
    read_fractions(arrays, np.array([0, 1, 3]), OWN)


def test_votes_that_are_no_numbers_are_refused(make):
    with pytest.raises(GalaxyError, match="the votes are not numbers"):
        read_fractions(make(vote_bar="half", vote_ring=0.2, n_votes=30), np.arange(3), OWN)
