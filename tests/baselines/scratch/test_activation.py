import numpy as np
import torch

from baselines.scratch.activation import ReLU


def test_it_equals_pytorch_also_at_zero(generator, assert_equals_torch):
    assert_equals_torch(ReLU(), torch.relu, generator.standard_normal((3, 2, 5, 4)), generator)
    assert_equals_torch(ReLU(), torch.relu, generator.integers(-1, 2, (4, 9)).astype(float), generator)


def test_its_gradient_equals_finite_differences(generator, assert_equals_finite_differences):
    inputs = generator.standard_normal((3, 8))
    inputs += np.sign(inputs) * 1e-3  # Away from the kink.
    assert_equals_finite_differences(ReLU(), inputs, generator)


def test_it_changes_neither_its_inputs_nor_float32(generator):
    inputs = generator.standard_normal((3, 8)).astype(np.float32)
    before, layer = inputs.copy(), ReLU()
    outputs = layer.forward(inputs)
    assert outputs.dtype == layer.backward(outputs).dtype == np.float32
    np.testing.assert_array_equal(inputs, before)


def test_buffers_kept_between_batches_have_the_type_of_the_inputs():
    layer = ReLU()
    for dtype in (np.float64, np.float32, np.float64):
        outputs = layer.forward(np.full((2, 3), 1 / 3, dtype))
        assert outputs.dtype == dtype
        np.testing.assert_array_equal(outputs, np.full((2, 3), 1 / 3, dtype))
