import numpy as np
import pytest

from galaxy_lightning.audit.embedding_map import MIN_GALAXIES, map_galaxies
from galaxy_lightning.evaluation.neighbours import Scale


def groups(number, seed=0):
    """Features of two groups that are far apart."""
    features = np.random.default_rng(seed).normal(size=(number, 8))
    features[: number // 2] += 20
    return features.astype(np.float32)


def test_similar_galaxies_are_close_on_the_map_and_the_seed_determines_it():
    features = groups(30)
    places = map_galaxies(features, seed=3)
    np.testing.assert_array_equal(map_galaxies(features, seed=3), places)
    assert places.shape == (30, 2)
    assert (places.min(), places.max()) == (0, 1)
    distances = np.linalg.norm(places[:, None] - places[None], axis=2)
    np.fill_diagonal(distances, np.inf)
    nearest = distances.argmin(axis=1)
    assert ((nearest < 15) == (np.arange(30) < 15)).all()


@pytest.mark.parametrize("number", range(MIN_GALAXIES))
def test_few_galaxies_are_placed_by_their_principal_components(number):
    features = groups(number)
    places = map_galaxies(features)
    assert places.shape == (number, 2)
    assert np.isfinite(places).all()
    if number > 1:
        scaled = Scale.of(features).apply(features)
        first = scaled @ np.linalg.eigh(np.cov(scaled.T))[1][:, -1]
        assert abs(np.corrcoef(first, places[:, 0])[0, 1]) == pytest.approx(1, abs=1e-4)


def test_equal_galaxies_are_at_the_same_place():
    assert np.ptp(map_galaxies(np.ones((3, 5), dtype=np.float32)), axis=0).max() == 0
    pairs = map_galaxies(np.array([[0, 1], [0, 1], [1, 0], [1, 0]], dtype=np.float32))
    np.testing.assert_allclose(pairs[[0, 2]], pairs[[1, 3]], atol=1e-5)
    assert np.linalg.norm(pairs[0] - pairs[2]) == pytest.approx(1, abs=1e-5)
