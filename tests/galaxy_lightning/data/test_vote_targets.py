import dataclasses

import numpy as np
import pytest
from scipy.integrate import quad

from data_prep.arrays.format import open_arrays
from data_prep.common.errors import GalaxyError
from galaxy_lightning.data.vote_targets import vote_targets


@pytest.fixture
def arrays(small_arrays):
    """Returns a function that makes arrays with other votes."""
    made = open_arrays(small_arrays)

    def change(n, elliptical, spiral, **dataset):
        catalog = made.catalog.assign(NVOTE=n, P_EL_DEBIASED=elliptical, P_CS_DEBIASED=spiral)
        older = {"votes": None}  # Arrays of format version 1 do not have it.
        return dataclasses.replace(made, catalog=catalog, dataset=made.dataset | older | dataset)

    return change


def likelihood(n, fraction, threshold):
    """The probability that a fraction, given the votes, reaches the threshold, by numerical integration."""
    k = n * fraction
    weight = [quad(lambda f: f**k * (1 - f) ** (n - k), low, 1)[0] for low in (threshold, 0)]
    return weight[0] / weight[1]


@pytest.mark.parametrize(("n", "elliptical", "spiral"), [(30, 0.7, 0.2), (8, 0.5, 0.45), (60, 0.02, 0.97)])
def test_targets_are_the_probabilities_of_each_side_of_the_threshold(arrays, n, elliptical, spiral):
    rows = np.arange(4)
    targets, _ = vote_targets(arrays(n, elliptical, spiral, threshold=0.65), rows)
    reach = likelihood(n, elliptical, 0.65), likelihood(n, spiral, 0.65)
    np.testing.assert_allclose(targets[0], [reach[0], 1 - sum(reach), reach[1]], atol=1e-5)
    np.testing.assert_allclose(targets.sum(axis=1), 1, atol=1e-6)


def test_more_votes_give_surer_targets_and_larger_weights(arrays):
    made = arrays(30.0, 0.8, 0.1, threshold=0.65)
    made.catalog.loc[0, "NVOTE"] = 300
    targets, weights = vote_targets(made, np.arange(2))
    assert targets[0, 0] > 0.999 > targets[1, 0] > 0.9
    np.testing.assert_allclose(weights, [300 / 165, 30 / 165], rtol=1e-6)


def test_a_galaxy_without_votes_keeps_its_label_with_weight_one(arrays):
    made = arrays(30.0, 0.8, 0.1)
    made.catalog.loc[1, "P_EL_DEBIASED"] = np.nan
    targets, weights = vote_targets(made, np.arange(3))
    assert sorted(targets[1]) == [0, 0, 1]
    assert targets[1].argmax() == made.labels[1]
    assert weights[1] == 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ((np.nan, 0.5, 0.2), "no training galaxy"),
        ((30, 1.5, 0.2), "vote fraction outside 0 to 1"),
        (("many", 0.5, 0.2), "the votes are not numbers"),
    ],
)
def test_invalid_votes_are_refused(arrays, change, message):
    with pytest.raises(GalaxyError, match=message):
        vote_targets(arrays(*change), np.arange(3))


def test_a_catalogue_without_votes_is_refused(arrays):
    made = arrays(30, 0.5, 0.2)
    without = dataclasses.replace(made, catalog=made.catalog.drop(columns=["NVOTE"]))
    with pytest.raises(GalaxyError, match="missing columns: NVOTE: use --data.targets labels"):
        vote_targets(without, np.arange(3))


def test_arrays_of_other_classes_without_votes_are_refused(arrays):
    with pytest.raises(GalaxyError, match="has no votes .vote_<class>.: use --data.targets labels"):
        vote_targets(arrays(30, 0.5, 0.2, classes=["lens", "no lens"]), np.arange(3))


def with_votes(made, classes, votes, **columns):
    labels = np.resize(classes, len(made.catalog))
    catalog = made.catalog.assign(label=labels, **columns)
    dataset = made.dataset | {"classes": classes, "votes": votes}
    return dataclasses.replace(made, catalog=catalog, dataset=dataset)


def test_vote_fractions_are_the_targets_without_a_threshold(arrays):
    made = with_votes(
        arrays(30, 0.5, 0.2),
        ["bar", "disc", "ring"],
        {"threshold": None, "rest": "disc"},
        vote_bar=0.5,
        vote_ring=[0.1] * 40 + [0.3] * 40,
        n_votes=40.0,
    )
    targets, weights = vote_targets(made, np.array([0, 79]))
    np.testing.assert_allclose(targets, [[0.5, 0.4, 0.1], [0.5, 0.2, 0.3]], atol=1e-6)
    np.testing.assert_allclose(weights, 1)


def test_the_columns_of_any_classes_equal_those_of_table_2(arrays):
    n, rows = np.arange(80) + 20, np.arange(80)
    table2 = arrays(n, 0.6, np.linspace(0, 0.4, 80), threshold=0.65)
    columns = {"vote_elliptical": 0.6, "vote_spiral": np.linspace(0, 0.4, 80), "n_votes": n}
    catalog = table2.catalog.drop(columns=["NVOTE", "P_EL_DEBIASED", "P_CS_DEBIASED"]).assign(**columns)
    votes = {"votes": {"threshold": 0.65, "rest": "irregular"}}
    own = dataclasses.replace(table2, catalog=catalog, dataset=table2.dataset | votes)
    for ours, theirs in zip(vote_targets(own, rows), vote_targets(table2, rows), strict=True):
        np.testing.assert_allclose(ours, theirs)


def test_a_galaxy_without_any_fraction_keeps_its_label(arrays):
    votes = {"threshold": None, "rest": None}
    made = with_votes(arrays(30, 0.5, 0.2), ["bar", "ring"], votes, vote_bar=0.0, vote_ring=0.0)
    made.catalog.loc[2, "vote_bar"] = 0.3
    targets, weights = vote_targets(made, np.arange(3))
    np.testing.assert_allclose(targets, [[1, 0], [0, 1], [1, 0]])
    np.testing.assert_allclose(weights, 1)


def test_a_threshold_needs_the_number_of_votes(arrays):
    votes = {"threshold": 0.5, "rest": None}
    made = with_votes(arrays(30, 0.5, 0.2), ["bar", "ring"], votes, vote_bar=0.2, vote_ring=0.1)
    with pytest.raises(GalaxyError, match="missing column: n_votes"):
        vote_targets(made, np.arange(2))


def test_only_the_flags_rule_uses_the_threshold_of_the_flags(arrays):
    for rule, threshold in (
        ("unknown: the sample has no summary", None),
        ("my own", None),
        (None, None),
    ):
        with pytest.raises(GalaxyError, match="does not state the vote fraction .*--data.targets labels"):
            vote_targets(arrays(30, 0.7, 0.2, label_rule=rule, threshold=threshold), np.arange(3))
    flags, at_08, own = (
        vote_targets(arrays(30, 0.7, 0.2, **rule), np.arange(3))[0]
        for rule in (
            {"label_rule": "flags", "threshold": None},
            {"label_rule": "threshold", "threshold": 0.8},
            {"label_rule": "my own", "threshold": 0.65},
        )
    )
    np.testing.assert_array_equal(flags, at_08)
    assert own[0, 0] > flags[0, 0]
