import math

import numpy as np
import pytest
import torch
from torch.nn import functional

from baselines.scratch.loss import cross_entropy, softmax


@pytest.mark.parametrize(("batch", "classes"), [(6, 3), (1, 5), (4, 2)])
def test_it_equals_pytorch(batch, classes, generator, assert_close):
    logits, labels = generator.normal(0, 5, (batch, classes)), generator.integers(0, classes, batch)
    tensor = torch.tensor(logits, requires_grad=True)
    expected = functional.cross_entropy(tensor, torch.tensor(labels))
    expected.backward()
    loss, probabilities, gradient = cross_entropy(logits, labels)
    assert loss == pytest.approx(float(expected.detach()), rel=1e-10)
    assert_close(probabilities, torch.softmax(tensor, 1))
    assert_close(gradient, tensor.grad)


def test_its_gradient_equals_finite_differences(generator):
    logits, labels = generator.standard_normal((4, 3)), generator.integers(0, 3, 4)
    gradient = cross_entropy(logits, labels)[2]
    for place in np.ndindex(logits.shape):
        step = np.zeros_like(logits)
        step[place] = 1e-5
        above, below = (cross_entropy(logits + sign * step, labels)[0] for sign in (1, -1))
        assert gradient[place] == pytest.approx((above - below) / 2e-5, rel=1e-6, abs=1e-9)


def test_equal_logits_have_the_loss_log_of_the_number_of_classes():
    assert cross_entropy(np.zeros((2, 3)), np.array([0, 2]))[0] == pytest.approx(math.log(3))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_huge_logits_do_not_overflow(dtype):
    logits = np.array([[1e4, 0, -1e4], [-1e4, -1e4, -1e4]], dtype)
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        probabilities = softmax(logits)
        loss, _, gradient = cross_entropy(logits, np.array([2, 0]))
    np.testing.assert_allclose(probabilities, [[1, 0, 0], [1 / 3] * 3], rtol=1e-6)
    assert loss == pytest.approx((2e4 + math.log(3)) / 2)
    assert np.isfinite(gradient).all()
    assert probabilities.dtype == gradient.dtype == dtype
