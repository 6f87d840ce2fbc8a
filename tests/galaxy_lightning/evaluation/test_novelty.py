"""How unlike its training galaxies a galaxy is."""

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from galaxy_lightning.evaluation.novelty import NEIGHBOURS, FeatureSpace, Novelty


def draw(number, features=12, seed=0):
    """Returns correlated features of different scales."""
    generator = np.random.default_rng(seed)
    mixed = generator.normal(size=(number, features)) @ np.random.default_rng(9).normal(
        size=(features, features)
    )
    return (mixed * np.logspace(-2, 2, features) + 5).astype(np.float32)


@pytest.fixture(scope="module")
def space():
    return FeatureSpace.learn(draw(400))


def test_the_components_of_the_training_galaxies_are_uncorrelated_and_of_variance_1(space):
    assert space.training.shape == (400, 12)
    np.testing.assert_allclose(space.training.mean(axis=0), 0, atol=1e-3)
    np.testing.assert_allclose(np.cov(space.training.T, ddof=0), np.eye(12), atol=1e-3)


def test_the_distance_is_that_to_the_last_of_the_nearest_galaxies(space):
    galaxies = draw(30, seed=1)
    distances = np.sort(cdist((galaxies - space.mean) @ space.axes, space.training), axis=1)
    among = np.sort(cdist(space.training, space.training), axis=1)
    typical = np.median(among[:, NEIGHBOURS])
    np.testing.assert_allclose(space.distances(galaxies), distances[:, NEIGHBOURS - 1] / typical, rtol=1e-3)
    assert 0.8 < np.median(space.distances(galaxies)) < 1.3


def test_galaxies_like_those_left_out_have_uniform_percentiles_and_others_100(space):
    novelty = Novelty.learn(space, space.distances(draw(2000, seed=2)), zooms=1)
    percentiles = novelty.percentiles(draw(2000, seed=3))
    assert np.abs(np.quantile(percentiles, [0.1, 0.5, 0.9]) - [10, 50, 90]).max() < 5
    strange = draw(20, seed=4) + 20 * draw(400).std(axis=0)
    assert (novelty.percentiles(strange) == 100).all()


def test_features_that_are_not_finite_are_as_far_as_possible(space):
    novelty = Novelty.learn(space, space.distances(draw(50, seed=2)), zooms=1)
    galaxies = draw(3, seed=5)
    galaxies[1, 0] = np.nan
    assert novelty.percentiles(galaxies)[1] == 100
    assert np.isfinite(space.distances(galaxies)[[0, 2]]).all()


def test_few_galaxies_have_few_components():
    assert FeatureSpace.learn(draw(40)).axes.shape == (12, 5)
    single = FeatureSpace.learn(draw(1))
    assert single.axes.shape == (12, 0)
    assert single.distances(draw(3)).tolist() == [0, 0, 0]


def test_galaxies_that_are_all_alike_have_no_distance():
    space = FeatureSpace.learn(np.ones((20, 4), dtype=np.float32))
    novelty = Novelty.learn(space, space.distances(np.ones((5, 4), dtype=np.float32)), zooms=1)
    assert np.isfinite(novelty.percentiles(draw(3, 4))).all()


def test_the_state_gives_the_same_percentiles(space):
    novelty = Novelty.learn(space, space.distances(draw(200, seed=2)), zooms=5)
    restored = Novelty.from_state(novelty.state())
    galaxies = draw(100, seed=3)
    np.testing.assert_allclose(restored.percentiles(galaxies), novelty.percentiles(galaxies), atol=0.5)
    assert restored.zooms == 5


@pytest.mark.parametrize(
    "change",
    [
        {"mean": np.zeros(3)},
        {"axes": np.zeros(3)},
        {"training": np.zeros((0, 12))},
        {"training": np.zeros((5, 3))},
        {"expected": np.zeros(1)},
        {"typical": 0.0},
        {"zooms": 0},
    ],
)
def test_a_state_that_does_not_fit_together_is_refused(space, change):
    state = Novelty.learn(space, space.distances(draw(20)), zooms=1).state()
    with pytest.raises(ValueError, match="do not fit together"):
        Novelty.from_state(state | change)
