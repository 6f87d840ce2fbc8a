"""The most similar training galaxies."""

import numpy as np

from galaxy_lightning.explain.neighbours import nearest_rows


def draw(number, seed):
    """Returns features of very different spread; the last one is constant."""
    values = np.random.default_rng(seed).normal(size=(number, 6)) * [1, 100, 0.01, 1, 5, 0]
    return values.astype(np.float32)


def test_the_nearest_galaxies_are_those_of_the_smallest_distance():
    features, training = draw(7, 0), draw(50, 1)
    rows, distances = nearest_rows(features, training, 4)
    differences = (features[:, None] - training)[..., :5] / training[:, :5].std(axis=0)
    expected = np.sqrt((differences**2).sum(axis=2))
    assert np.array_equal(rows, expected.argsort(axis=1)[:, :4])
    np.testing.assert_allclose(distances, np.sort(expected, axis=1)[:, :4], rtol=1e-4)


def test_a_training_galaxy_is_its_own_neighbour():
    training = draw(20, 2)
    rows, distances = nearest_rows(training, training, 1)
    assert rows[:, 0].tolist() == list(range(20))
    np.testing.assert_allclose(distances, 0, atol=1e-3)


def test_fewer_training_galaxies_than_asked_for_are_all_found():
    rows, distances = nearest_rows(draw(2, 0), draw(3, 1), 5)
    assert rows.shape == distances.shape == (2, 3)
    assert [sorted(each) for each in rows.tolist()] == [[0, 1, 2]] * 2
    assert nearest_rows(draw(2, 0), draw(1, 1), 5)[0].tolist() == [[0], [0]]
