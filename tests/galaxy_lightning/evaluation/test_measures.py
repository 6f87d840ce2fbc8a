import numpy as np
import pytest
import torch
from scipy import stats
from sklearn import metrics
from torchmetrics.functional.classification import multiclass_calibration_error

from galaxy_lightning.evaluation import measures
from galaxy_lightning.evaluation.measures import (
    calibration_error,
    classification_metrics,
    confusion_matrix,
    f1_scores,
    metric_names,
    precisions,
    recalls,
)
from galaxy_lightning.evaluation.significance import (
    bootstrap_interval,
    combine_p_values,
    holm_correction,
    mcnemar_test,
)
from galaxy_lightning.training.metrics import SplitMetrics
from tests.many_classes import class_names


@pytest.fixture
def predictions():
    generator = np.random.default_rng(3)
    labels = generator.integers(3, size=400)
    probabilities = generator.dirichlet([0.4, 0.6, 0.5], 400)
    probabilities[np.arange(400), labels] += 0.4
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    return labels, probabilities.argmax(axis=1), probabilities


def test_confusion_recall_and_precision_equal_those_of_scikit_learn(predictions):
    labels, predicted, _ = predictions
    counts = confusion_matrix(labels, predicted, 3)
    np.testing.assert_array_equal(counts, metrics.confusion_matrix(labels, predicted))
    np.testing.assert_allclose(recalls(counts), metrics.recall_score(labels, predicted, average=None))
    np.testing.assert_allclose(precisions(counts), metrics.precision_score(labels, predicted, average=None))
    np.testing.assert_allclose(f1_scores(counts), metrics.f1_score(labels, predicted, average=None))


def test_figures_of_classes_without_galaxies_or_predictions():
    counts = confusion_matrix(np.array([0, 0, 1]), np.array([0, 0, 0]), 3)
    np.testing.assert_array_equal(recalls(counts), [1, 0, np.nan])
    np.testing.assert_allclose(precisions(counts), [2 / 3, 0, np.nan])
    np.testing.assert_allclose(f1_scores(counts), [0.8, 0, np.nan])


@pytest.mark.parametrize("number", [2, 37, 100])
def test_measures_of_many_classes_equal_those_of_scikit_learn(number):
    generator = np.random.default_rng(number)
    labels = np.concatenate([np.arange(number), generator.integers(number, size=1000)])
    predicted = np.where(
        generator.random(len(labels)) < 0.5, labels, generator.integers(number, size=len(labels))
    )
    classes = class_names(number)
    found = classification_metrics(confusion_matrix(labels, predicted, number), classes)
    assert len(found) == 4 + 3 * number
    scores = {"recall": metrics.recall_score, "precision": metrics.precision_score, "f1": metrics.f1_score}
    for name, score in scores.items():
        by_class = score(labels, predicted, average=None)
        np.testing.assert_allclose([found[f"{name}_{label}"] for label in classes], by_class)
        assert found[f"macro_{name}"] == pytest.approx(score(labels, predicted, average="macro"))


@pytest.mark.filterwarnings("ignore:y_pred contains classes not in y_true")
def test_the_macro_figures_equal_those_of_scikit_learn_over_the_defined_classes(predictions):
    labels, predicted, _ = predictions
    labels = np.where(labels == 1, 0, labels)  # A class without galaxies that is predicted.
    found = classification_metrics(confusion_matrix(labels, predicted, 4), ["a", "b", "c", "d"])
    assert found["accuracy"] == pytest.approx(metrics.accuracy_score(labels, predicted))
    assert found["macro_recall"] == pytest.approx(metrics.balanced_accuracy_score(labels, predicted))
    expected = metrics.precision_score(labels, predicted, average="macro")
    assert found["macro_precision"] == pytest.approx(expected)
    assert found["macro_f1"] == pytest.approx(metrics.f1_score(labels, predicted, average="macro"))
    assert list(found) == metric_names(["a", "b", "c", "d"])
    assert np.isnan([found["recall_b"], found["recall_d"], found["precision_d"]]).all()


def test_the_calibration_error_equals_that_of_torchmetrics(predictions):
    labels, predicted, probabilities = predictions
    expected = multiclass_calibration_error(
        torch.tensor(probabilities), torch.tensor(labels), num_classes=3, n_bins=15, norm="l1"
    )
    assert calibration_error(labels, predicted, probabilities) == pytest.approx(float(expected), abs=1e-6)


def test_the_calibration_error_of_fully_confident_models():
    sure = np.tile([1.0, 0, 0], (5, 1))
    predicted = np.zeros(5, np.int64)
    assert calibration_error(np.zeros(5, np.int64), predicted, sure) == 0
    assert calibration_error(np.ones(5, np.int64), predicted, sure) == 1


def test_the_interval_equals_that_of_a_binomial_proportion():
    scores = np.repeat([1.0, 0.0], [300, 100])
    galaxies = np.arange(400)
    low, high = bootstrap_interval(scores, galaxies)
    half = 1.96 * np.sqrt(0.75 * 0.25 / 400)
    assert low == pytest.approx(0.75 - half, abs=0.005)
    assert high == pytest.approx(0.75 + half, abs=0.005)
    assert bootstrap_interval(scores, galaxies) == (low, high)
    assert np.isnan(bootstrap_interval(scores[:5], galaxies[:5])).all()


def test_the_interval_resamples_galaxies_and_not_images():
    scores, galaxies = np.repeat([1.0, 0.0], [300, 100]), np.arange(400)
    # Four images of each galaxy hold no more information than one.
    low, high = bootstrap_interval(np.repeat(scores, 4), np.repeat(galaxies, 4))
    assert (low, high) == pytest.approx(bootstrap_interval(scores, galaxies))
    assert np.isnan(bootstrap_interval(np.array([0.0, 1.0]), np.array([7, 7]))).all()


def test_the_interval_equals_that_of_scipy():
    generator = np.random.default_rng(1)
    scores, galaxies = generator.integers(0, 4, 300) / 3, generator.integers(0, 250, 300)
    _, galaxy = np.unique(galaxies, return_inverse=True)
    sums, images = np.bincount(galaxy, weights=scores), np.bincount(galaxy).astype(float)
    expected = stats.bootstrap(
        (sums, images),
        lambda sums, images, axis: sums.sum(axis=axis) / images.sum(axis=axis),
        paired=True,
        vectorized=True,
        method="percentile",
        rng=np.random.default_rng(0),
    ).confidence_interval
    assert bootstrap_interval(scores, galaxies) == pytest.approx(tuple(expected), abs=0.003)


def test_holm_equals_the_published_correction():
    # Holm (1979); R: p.adjust(c(0.01, 0.04, 0.03, 0.005), "holm")
    assert holm_correction([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm_correction([0.6, 0.7]) == [1.0, 1.0]
    assert holm_correction([]) == []


def test_mcnemar_is_the_exact_binomial_test():
    one = np.array([True] * 50 + [True] * 12 + [False] * 3 + [False] * 20)
    other = np.array([True] * 50 + [False] * 12 + [True] * 3 + [False] * 20)
    only_one, only_other, p = mcnemar_test(one, other)
    assert (only_one, only_other) == (12, 3)
    assert p == pytest.approx(2 * stats.binom.cdf(3, 15, 0.5))
    assert mcnemar_test(other, one)[2] == p
    assert mcnemar_test(one, one) == (0, 0, 1.0)


def test_the_combined_p_is_twice_the_median_and_at_most_one():
    assert combine_p_values([0.03]) == 0.03
    assert combine_p_values([0.5, 0.01, 0.02]) == pytest.approx(0.04)
    assert combine_p_values([0.9, 0.8, 0.7]) == 1.0


def test_the_combined_p_is_rarely_small_if_nothing_differs():
    generator = np.random.default_rng(0)
    found = []
    for _ in range(300):
        truth = generator.random(150) < 0.5
        runs = [(truth ^ (generator.random(150) < 0.2)) for _ in range(6)]
        found.append(combine_p_values([mcnemar_test(a, b)[2] for a in runs[:3] for b in runs[3:]]))
    assert np.mean(np.array(found) < 0.05) <= 0.05


def test_an_added_metric_is_computed_and_logged_everywhere(monkeypatch):
    monkeypatch.setitem(measures.OVERALL_METRICS, "galaxies", lambda counts: float(counts.sum()))
    logged = SplitMetrics("test", ["a", "b"])
    assert measures.classification_metrics(np.eye(2, dtype=np.int64), ["a", "b"])["galaxies"] == 2
    logged.update(torch.eye(2), torch.tensor([0, 1]), torch.tensor(0.0), torch.arange(2))
    assert logged.overall.compute()["test_galaxies"] == 2
    assert set(logged.names) == {"test_loss", *logged.overall.compute(), *logged.compute_by_class()}
