import numpy as np
import pytest
import torch
from scipy.special import softmax
from scipy.stats import entropy as scipy_entropy

from galaxy_lightning.evaluation.calibration import (
    Calibration,
    calibrate,
    entropy,
    find_threshold,
    fit_temperature,
)
from galaxy_lightning.evaluation.measures import calibration_error


def galaxies(n, seed=0):
    """Returns calibrated logits, and labels drawn from them."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 1.5, (n, 3))
    labels = (softmax(logits, axis=1).cumsum(axis=1) < rng.random((n, 1))).sum(axis=1)
    return logits, labels.clip(max=2)


@pytest.mark.parametrize("factor", [0.3, 1.0, 4.0])
def test_the_temperature_corrects_an_overconfident_or_underconfident_model(factor):
    logits, labels = galaxies(4000)
    temperature = fit_temperature(logits * factor, labels)
    assert temperature == pytest.approx(factor, rel=0.08)
    other, held_out = galaxies(4000, seed=1)
    raw, calibrated = (softmax(other * factor / t, axis=1) for t in (1.0, temperature))
    errors = [calibration_error(held_out, p.argmax(axis=1), p) for p in (raw, calibrated)]
    assert errors[1] < 0.025
    if factor != 1:
        assert errors[0] > 3 * errors[1]


def test_the_temperature_equals_that_of_gradient_descent():
    logits, labels = galaxies(500)
    scale = torch.zeros((), dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([scale], max_iter=50)
    scores, targets = torch.from_numpy(logits * 3), torch.from_numpy(labels)

    def closure():
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(scores / scale.exp(), targets)
        loss.backward()
        return loss

    optimizer.step(closure)
    assert fit_temperature(logits * 3, labels) == pytest.approx(scale.exp().item(), rel=1e-3)


def test_a_model_that_is_always_right_keeps_a_finite_temperature():
    labels = np.array([0, 1, 2])
    assert 0.04 < fit_temperature(np.eye(3) * 5, labels) < 0.2


def test_the_threshold_covers_as_many_galaxies_as_possible():
    confidences = np.array([0.95, 0.9, 0.8, 0.7, 0.6])
    probabilities = np.stack([confidences, 1 - confidences, np.zeros(5)], axis=1)
    labels = np.array([0, 1, 0, 0, 1])  # Right, wrong, right, right, wrong.
    assert find_threshold(probabilities, labels, 0.75) == (0.7, 0.8)
    assert find_threshold(probabilities, labels, 0.9) == (0.95, 0.2)
    assert find_threshold(probabilities, labels, 0.6) == (0.6, 1.0)
    assert find_threshold(probabilities, 1 - labels, 0.9) == (2.0, 0.0)


def test_equally_confident_galaxies_are_covered_together():
    probabilities = np.tile([0.6, 0.4, 0.0], (4, 1))
    assert find_threshold(probabilities, np.array([0, 0, 0, 1]), 0.9) == (2.0, 0.0)
    assert find_threshold(probabilities, np.array([0, 0, 0, 1]), 0.75) == (0.6, 1.0)


def test_the_target_accuracy_holds_on_other_galaxies():
    calibration = calibrate(*galaxies(5000), target_accuracy=0.8)
    logits, labels = galaxies(5000, seed=2)
    probabilities = softmax(logits / calibration.temperature, axis=1)
    sure = probabilities.max(axis=1) >= calibration.threshold
    assert (probabilities.argmax(axis=1) == labels)[sure].mean() == pytest.approx(0.8, abs=0.03)
    assert sure.mean() == pytest.approx(calibration.coverage, abs=0.03)


def test_a_calibration_round_trips_through_plain_numbers():
    calibration = Calibration(1.7, 0.9, 0.62, 0.55)
    assert Calibration.from_state(calibration.state()) == calibration


def test_the_entropy_equals_that_of_scipy():
    probabilities = np.random.default_rng(0).dirichlet([0.2, 0.5, 1.0], 50)
    probabilities[0] = [1, 0, 0]
    np.testing.assert_allclose(
        entropy(probabilities), scipy_entropy(probabilities, base=2, axis=1), atol=1e-12
    )
    assert entropy(np.full((1, 3), 1 / 3))[0] == pytest.approx(np.log2(3))
