import numpy as np
import pytest

from baselines.scratch.dropout import Dropout


class TheSameEveryTime:
    """A generator that always draws the same numbers, for a constant mask."""

    def __init__(self, shape):
        self.chances = np.random.default_rng(3).random(shape, dtype=np.float32)

    def random(self, *, dtype, out):
        assert dtype is np.float32
        out[...] = self.chances


def test_it_drops_its_share_and_keeps_the_mean(generator):
    inputs = np.ones((100, 1000))
    outputs = Dropout(0.3, generator).forward(inputs, training=True)
    np.testing.assert_allclose(np.unique(outputs), [0, 1 / 0.7])
    assert (outputs == 0).mean() == pytest.approx(0.3, abs=0.01)
    assert outputs.mean() == pytest.approx(1, abs=0.01)


def test_it_acts_only_in_training_and_draws_nothing_otherwise(generator):
    inputs = generator.standard_normal((4, 5))
    state = generator.bit_generator.state
    layer = Dropout(0.5, generator)
    np.testing.assert_array_equal(layer.forward(inputs), inputs)
    np.testing.assert_array_equal(layer.backward(inputs), inputs)
    np.testing.assert_array_equal(Dropout(0, generator).forward(inputs, training=True), inputs)
    assert generator.bit_generator.state == state


def test_the_gradient_uses_the_mask_of_the_latest_forward_pass(generator):
    layer, inputs = Dropout(0.5, generator), np.ones((20, 30))
    first = layer.forward(inputs, training=True).copy()
    second = layer.forward(inputs, training=True)
    assert (first != second).any()
    np.testing.assert_array_equal(layer.backward(inputs), second)


def test_its_gradient_equals_finite_differences(generator, assert_equals_finite_differences):
    layer = Dropout(0.4, TheSameEveryTime((3, 7)))
    assert_equals_finite_differences(layer, generator.standard_normal((3, 7)), generator)


def test_the_mask_is_the_same_in_both_precisions():
    single, double = (
        Dropout(0.5, np.random.default_rng(5)).forward(np.ones((9, 9), dtype), training=True)
        for dtype in (np.float32, np.float64)
    )
    assert (single.dtype, double.dtype) == (np.float32, np.float64)
    np.testing.assert_array_equal(single, double)
