import dataclasses

import numpy as np
import pytest

from data_prep.common.errors import GalaxyError
from data_prep.schema import CLASSES
from galaxy_lightning.audit.label_limit import assign_labels, estimate_label_limit, repeat_votes
from tests.many_classes import make_arrays

RULES = [(None, None), (0.65, 3), (0.5, 3), (0.4, 3)]
"""The threshold, and the class of galaxies that do not reach it."""


@pytest.fixture(scope="module")
def votes():
    """Vote fractions of 40 galaxies for three classes, and their numbers of votes."""
    generator = np.random.default_rng(1)
    counts = generator.integers(8, 60, 40)
    shares = generator.dirichlet([1, 1, 1, 0.3], 40)
    numbers = np.array([generator.multinomial(n, share) for n, share in zip(counts, shares, strict=True)])
    return numbers[:, :3] / counts[:, None], counts.astype(float)


def vote_again(fractions, count, threshold, rest, generator, draws=200, repeats=300):
    """Lets ``count`` people vote, many times, for each of many draws of the fractions of all people.

    Returns the probability of each of four labels, and that of the most probable one.
    """
    others = max(count - (fractions * count).sum(), 0)
    people = generator.dirichlet([*(fractions * count + 1), others + 1], draws)
    given = generator.multinomial(int(count), people[:, None], size=(draws, repeats))[..., :3]
    labels = given.argmax(axis=-1)
    if threshold is not None:
        labels = np.where(given.max(axis=-1) + 1e-9 >= threshold * count, labels, rest)
    found = np.stack([(labels == label).mean(axis=1) for label in range(4)], axis=1)
    return found.mean(axis=0), found.max(axis=1).mean()


@pytest.mark.parametrize(("threshold", "rest"), RULES)
def test_repeated_votes_agree_with_a_simulation_of_every_volunteer(votes, threshold, rest):
    fractions, counts = votes
    drawn = repeat_votes(fractions, counts, [0, 1, 2], threshold, rest, np.random.default_rng(0))
    np.testing.assert_allclose(drawn.sum(axis=2), 1, atol=1e-9)
    generator = np.random.default_rng(2)
    simulated = [
        vote_again(each, count, threshold, rest, generator)
        for each, count in zip(fractions, counts, strict=True)
    ]
    labels = np.array([each for each, _ in simulated])[:, : drawn.shape[2]]
    best = np.array([each for _, each in simulated])
    np.testing.assert_allclose(drawn.mean(axis=1), labels, atol=0.15)
    np.testing.assert_allclose(drawn.mean(axis=(0, 1)), labels.mean(axis=0), atol=0.015)
    np.testing.assert_allclose(drawn.max(axis=2).mean(), best.mean(), atol=0.015)


@pytest.mark.parametrize(("threshold", "rest"), RULES)
def test_the_rule_gives_the_labels_of_the_votes(votes, threshold, rest):
    fractions, _ = votes
    expected = [
        rest if threshold is not None and max(each) < threshold - 1e-9 else list(each).index(max(each))
        for each in fractions
    ]
    assert assign_labels(fractions, [0, 1, 2], threshold, rest).tolist() == expected


@pytest.fixture
def make(tmp_path):
    """Returns a function that makes arrays of Galaxy Zoo 1's classes whose labels follow from the votes."""

    def arrays(number=40, rule="threshold", threshold=0.65, count=40, **columns):
        made = make_arrays(tmp_path / "arrays", list(CLASSES), number, size=4)
        elliptical = np.random.default_rng(0).random(3 * number)
        spiral = 0.9 * (1 - elliptical)
        labels = np.where(
            elliptical >= threshold, "elliptical", np.where(spiral >= threshold, "spiral", "irregular")
        )
        votes = {"NVOTE": count, "P_EL_DEBIASED": elliptical, "P_CS_DEBIASED": spiral, "label": labels}
        catalog = made.catalog.assign(**votes | columns)
        about = {"label_rule": rule, "threshold": None if rule == "flags" else threshold}
        return dataclasses.replace(made, catalog=catalog, dataset=made.dataset | about)

    return arrays


def without(arrays, *columns):
    return dataclasses.replace(arrays, catalog=arrays.catalog.drop(columns=list(columns)))


def test_the_limit_is_a_probability_of_each_galaxy_and_that_of_the_best_label_is_larger(make):
    arrays = make()
    rows = np.arange(120)[::-1]
    limit = estimate_label_limit(arrays, rows)
    np.testing.assert_array_equal(limit.rows, np.arange(120))
    assert ((limit.repeated >= 0) & (limit.repeated <= limit.best + 1e-9) & (limit.best <= 1 + 1e-9)).all()
    assert limit.best.min() >= 1 / 3
    fraction = arrays.catalog["P_EL_DEBIASED"].to_numpy()[rows]
    assert limit.repeated[fraction > 0.95].min() > 0.95
    assert limit.repeated[abs(fraction - 0.65) < 0.05].max() < 0.8
    np.testing.assert_array_equal(estimate_label_limit(arrays, rows).best, limit.best)


def test_more_votes_make_labels_more_reproducible(make):
    few = make(count=10)
    many = dataclasses.replace(few, catalog=few.catalog.assign(NVOTE=1000))
    few_limit, many_limit = (
        estimate_label_limit(arrays, np.arange(120)).best.mean() for arrays in (few, many)
    )
    assert many_limit > 0.95 > few_limit


def test_galaxies_without_votes_are_left_out(make):
    arrays = make()
    arrays.catalog.loc[[3, 7], "P_EL_DEBIASED"] = np.nan
    limit = estimate_label_limit(arrays, np.arange(2, 12))
    assert limit.rows.tolist() == [0, 2, 3, 4, 6, 7, 8, 9]


def test_one_galaxy_or_none_is_enough(make):
    arrays = make()
    assert len(estimate_label_limit(arrays, np.array([5])).best) == 1
    assert len(estimate_label_limit(arrays, np.array([], dtype=int)).best) == 0


def test_a_class_that_nobody_could_vote_for_is_never_repeated(tmp_path):
    columns = {"vote_a": [0.9] * 30 + [0.1] * 30, "vote_b": [0.1] * 30 + [0.9] * 30, "n_votes": 40}
    made = make_arrays(tmp_path / "arrays", ["a", "b", "c"], 20, size=4, **columns)
    labels = ["a"] * 30 + ["b"] * 29 + ["c"]
    limit = estimate_label_limit(
        dataclasses.replace(made, catalog=made.catalog.assign(label=labels)), np.arange(60)
    )
    assert limit.repeated[:-1].min() > 0.9
    assert limit.repeated[-1] == 0


@pytest.mark.parametrize("rule", ["threshold", "flags"])
@pytest.mark.parametrize(
    ("missing", "reason"),
    [
        (["P_EL_DEBIASED", "P_CS_DEBIASED", "NVOTE"], "the catalogue has no votes"),
        (["P_CS_DEBIASED"], "the catalogue has no votes"),
        (["NVOTE"], "the catalogue has no number of votes"),
    ],
)
def test_missing_columns_are_the_reason_without_a_limit(make, rule, missing, reason):
    arrays = without(make(rule=rule, threshold=0.8), *missing)
    flags = " from flags" if rule == "flags" else ""
    with pytest.raises(GalaxyError, match=f"^cannot be computed{flags}: {reason}$"):
        estimate_label_limit(arrays, np.arange(20))


@pytest.mark.parametrize("rule", ["threshold", "flags"])
def test_too_few_votes_or_other_labels_are_the_reason_without_a_limit(make, rule):
    arrays = make(rule=rule, threshold=0.8)
    flags = " from flags" if rule == "flags" else ""
    known = arrays.catalog["NVOTE"].where(arrays.catalog.index < 9)
    few = dataclasses.replace(arrays, catalog=arrays.catalog.assign(NVOTE=known))
    with pytest.raises(GalaxyError, match=f"^cannot be computed{flags}: only 9 of 20 galaxies have votes$"):
        estimate_label_limit(few, np.arange(20))
    other = dataclasses.replace(arrays, catalog=arrays.catalog.assign(label="elliptical"))
    share = (arrays.catalog["label"] == "elliptical").mean()
    reason = f"the votes give only {share:.0%} of the labels"
    with pytest.raises(GalaxyError, match=f"^cannot be computed{flags}: {reason}$"):
        estimate_label_limit(other, np.arange(120))


def test_labels_from_flags_have_a_limit_if_the_votes_give_them(make):
    assert len(estimate_label_limit(make(rule="flags", threshold=0.8), np.arange(120)).best) == 120


def test_an_unknown_threshold_and_invalid_fractions_are_the_reason_without_a_limit(make):
    arrays = make(rule="my own")
    unknown = dataclasses.replace(arrays, dataset=arrays.dataset | {"threshold": None})
    with pytest.raises(GalaxyError, match="^cannot be computed: the vote fraction .* is unknown$"):
        estimate_label_limit(unknown, np.arange(20))
    arrays.catalog.loc[4, "P_EL_DEBIASED"] = 1.2
    with pytest.raises(
        GalaxyError, match=f"galaxy {arrays.catalog['objid'][4]} has a vote fraction outside 0 to 1$"
    ):
        estimate_label_limit(arrays, np.arange(20))


@pytest.mark.parametrize("threshold", [None, 0.5])
def test_own_votes_without_their_number_have_no_limit(tmp_path, threshold):
    made = make_arrays(tmp_path / "arrays", ["a", "b"], 20, size=4, vote_a=0.9, vote_b=0.1)
    arrays = dataclasses.replace(
        made, dataset=made.dataset | {"votes": {"threshold": threshold, "rest": None}}
    )
    with pytest.raises(GalaxyError, match="^cannot be computed: the catalogue has no number of votes$"):
        estimate_label_limit(arrays, np.arange(20))
