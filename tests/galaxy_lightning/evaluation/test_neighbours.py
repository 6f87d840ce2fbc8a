"""The scale of features, and the nearest galaxies."""

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from galaxy_lightning.evaluation import neighbours
from galaxy_lightning.evaluation.neighbours import Scale, nearest_points


def draw(number, seed):
    """Returns features of very different spread; the last one is constant."""
    values = np.random.default_rng(seed).normal(size=(number, 6)) * [1, 100, 0.01, 1, 5, 0] + 3
    return values.astype(np.float32)


def test_features_are_scaled_by_the_mean_and_deviation_of_the_reference(monkeypatch):
    monkeypatch.setattr(neighbours, "_BLOCK", 7)
    features = draw(50, 0)
    scale = Scale.of(features)
    scaled = scale.apply(features)
    np.testing.assert_allclose(scaled[:, :5].mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(scaled[:, :5].std(axis=0), 1, atol=1e-5)
    assert (scaled[:, 5] == 0).all()
    other = draw(4, 1)
    expected = (other - features.mean(axis=0))[:, :5] / features[:, :5].std(axis=0)
    np.testing.assert_allclose(scale.apply(other)[:, :5], expected, atol=1e-4)
    in_place = features.copy()
    scale.apply_in_place(in_place)
    assert np.array_equal(in_place, scaled)


@pytest.mark.parametrize("largest", [1, 1000, 2**24])
def test_the_nearest_points_are_those_of_all_distances(largest, monkeypatch):
    monkeypatch.setattr(neighbours, "_LARGEST", largest)
    scale = Scale.of(draw(90, 1))
    points, others = scale.apply(draw(33, 0)), scale.apply(draw(90, 1))
    rows, distances = nearest_points(points, others, 7)
    expected = cdist(points, others)
    assert np.array_equal(rows, expected.argsort(axis=1)[:, :7])
    np.testing.assert_allclose(distances, np.sort(expected, axis=1)[:, :7], rtol=1e-5)


def test_copies_have_distance_0_and_stay_in_order():
    others = np.repeat(Scale.of(draw(9, 2)).apply(draw(9, 2)), 2, axis=0)
    rows, distances = nearest_points(others, others, 2)
    assert rows[::2].tolist() == rows[1::2].tolist() == [[2 * row, 2 * row + 1] for row in range(9)]
    assert (distances == 0).all()


def test_fewer_points_than_asked_for_are_all_found():
    points = draw(3, 3)
    assert nearest_points(points[:0], points, 2)[0].shape == (0, 2)
    rows, distances = nearest_points(points, points, 9)
    assert rows.shape == distances.shape == (3, 3)
