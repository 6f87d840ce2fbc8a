import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_predict

from data_prep.common.errors import GalaxyError
from galaxy_lightning.audit.label_errors import FLAGGED, QUALITY, SUGGESTED, likely_wrong_labels

CLASSES = ["elliptical", "irregular", "spiral"]


def problem(number=1500, wrong=0.05, seed=0):
    """Labels of which some are changed at random, held-out probabilities, and which labels are wrong."""
    generator = np.random.default_rng(seed)
    truth = generator.choice(3, number, p=[0.4, 0.2, 0.4])
    features = generator.normal(size=(number, 6))
    features[np.arange(number), truth] += 3
    changed = np.zeros(number, dtype=bool)
    changed[generator.choice(number, round(wrong * number), replace=False)] = True
    labels = np.where(changed, (truth + generator.integers(1, 3, number)) % 3, truth)
    probabilities = cross_val_predict(LogisticRegression(), features, labels, cv=5, method="predict_proba")
    return labels, probabilities, changed


@pytest.fixture(scope="module")
def flipped():
    return problem()


def test_at_least_60_percent_of_the_wrong_labels_are_found_in_a_list_of_as_many(flipped):
    labels, probabilities, changed = flipped
    found = likely_wrong_labels(labels, probabilities, CLASSES)
    listed = found[QUALITY].sort_values(kind="stable").index[: changed.sum()]
    assert changed[listed].mean() >= 0.6


def test_the_flagged_labels_are_those_of_the_lowest_quality(flipped):
    labels, probabilities, changed = flipped
    found = likely_wrong_labels(labels, probabilities, CLASSES)
    assert found[QUALITY].between(0, 1).all()
    assert found.loc[found[FLAGGED], QUALITY].max() <= found.loc[~found[FLAGGED], QUALITY].min()
    assert changed[found[FLAGGED]].mean() > 0.6
    assert 0.5 * changed.sum() < found[FLAGGED].sum() < 1.5 * changed.sum()
    assert found[SUGGESTED].tolist() == [CLASSES[number] for number in probabilities.argmax(axis=1)]


def test_correct_and_certain_labels_are_not_flagged():
    labels = np.arange(60) % 3
    found = likely_wrong_labels(labels, 0.9 * np.eye(3)[labels] + 0.1 / 3, CLASSES)
    assert not found[FLAGGED].any()


def test_a_class_without_galaxies_does_not_matter(flipped):
    labels, probabilities, _ = flipped
    two = labels != 1
    shares = probabilities[two][:, [0, 2]]
    shares = shares / shares.sum(axis=1, keepdims=True)
    whole = likely_wrong_labels(labels[two], probabilities[two], CLASSES)
    part = likely_wrong_labels((labels[two] > 0).astype(int), shares, ["elliptical", "spiral"])
    np.testing.assert_allclose(whole[QUALITY], part[QUALITY])
    assert whole[FLAGGED].tolist() == part[FLAGGED].tolist()


def test_two_galaxies_are_enough():
    found = likely_wrong_labels(np.array([0, 2]), np.array([[0.8, 0.1, 0.1], [0.1, 0.2, 0.7]]), CLASSES)
    assert found[SUGGESTED].tolist() == ["elliptical", "spiral"]


@pytest.mark.parametrize("number", [1, 5])
def test_galaxies_of_one_label_are_refused(number):
    with pytest.raises(GalaxyError, match="all galaxies have the same label"):
        likely_wrong_labels(np.ones(number, dtype=int), np.full((number, 3), 1 / 3), CLASSES)
