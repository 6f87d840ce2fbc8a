import numpy as np
import pytest
from torch.nn import functional

from baselines.scratch.pooling import MaxPool2D

ENGINES = ("loops", "vectorized")


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("size", [1, 2, 3])
@pytest.mark.parametrize("shape", [(3, 2, 8, 6), (1, 3, 7, 9), (2, 1, 5, 4), (2, 2, 3, 3)])
@pytest.mark.parametrize("tied", [False, True])
def test_it_equals_pytorch(engine, size, shape, tied, generator, assert_equals_torch):
    """Includes many ties, by small integers: the first maximum gets the gradient."""
    images = generator.integers(0, 3, shape).astype(float) if tied else generator.standard_normal(shape)
    layer = MaxPool2D(size, engine=engine)
    assert_equals_torch(layer, lambda inputs: functional.max_pool2d(inputs, size), images, generator)


@pytest.mark.parametrize("engine", ENGINES)
def test_the_first_of_equal_maxima_gets_the_whole_gradient(engine):
    layer = MaxPool2D(2, engine=engine)
    layer.forward(np.zeros((1, 1, 4, 5)))
    found = layer.backward(np.array([[[[1.0, 2.0], [3.0, 4.0]]]]))
    expected = [[1, 0, 2, 0, 0], [0, 0, 0, 0, 0], [3, 0, 4, 0, 0], [0, 0, 0, 0, 0]]
    np.testing.assert_array_equal(found[0, 0], expected)


@pytest.mark.parametrize("engine", ENGINES)
def test_its_gradient_equals_finite_differences(engine, generator, assert_equals_finite_differences):
    images = generator.permutation(2 * 2 * 5 * 6).reshape(2, 2, 5, 6) / 10  # All values differ clearly.
    assert_equals_finite_differences(MaxPool2D(2, engine=engine), images, generator)


@pytest.mark.parametrize("engine", ENGINES)
def test_float32_stays_float32(engine, generator):
    layer = MaxPool2D(2, engine=engine)
    outputs = layer.forward(generator.random((2, 2, 5, 5), dtype=np.float32))
    assert outputs.dtype == layer.backward(outputs).dtype == np.float32


def test_buffers_kept_between_batches_do_not_leak(generator):
    layer = MaxPool2D(2)
    small, large = (generator.standard_normal(shape) for shape in ((2, 3, 5, 5), (4, 3, 9, 8)))
    outputs = layer.forward(small).copy()
    gradient = layer.backward(outputs).copy()
    layer.backward(layer.forward(large))
    np.testing.assert_array_equal(layer.forward(small), outputs)
    np.testing.assert_array_equal(layer.backward(outputs), gradient)
