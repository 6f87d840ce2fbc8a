import numpy as np
import pytest
from torch.nn import functional

from baselines.scratch.convolution import Conv2D

ENGINES = ("loops", "vectorized")


def as_in_torch(inputs, weights, bias=None):
    return functional.conv2d(inputs, weights, bias)


def make(generator, channels, filters, size, engine, bias=True):
    layer = Conv2D(channels, filters, size, bias=bias, generator=generator, dtype=np.float64, engine=engine)
    for parameter in layer.parameters.values():
        parameter[...] = generator.standard_normal(parameter.shape)
    return layer


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("size", [1, 3, 5])
@pytest.mark.parametrize("shape", [(3, 2, 8, 7), (1, 3, 5, 9), (2, 1, 6, 6)])
def test_it_equals_pytorch(engine, bias, size, shape, generator, assert_equals_torch):
    layer = make(generator, shape[1], 4, size, engine, bias)
    assert set(layer.parameters) == ({"weights", "bias"} if bias else {"weights"})
    assert_equals_torch(layer, as_in_torch, generator.standard_normal(shape), generator)


@pytest.mark.parametrize("engine", ENGINES)
def test_it_accepts_an_image_as_small_as_the_kernel(engine, generator, assert_equals_torch):
    layer = make(generator, 2, 3, 3, engine)
    assert_equals_torch(layer, as_in_torch, generator.standard_normal((2, 2, 3, 3)), generator)


@pytest.mark.parametrize("engine", ENGINES)
def test_its_gradients_equal_finite_differences(engine, generator, assert_equals_finite_differences):
    layer = make(generator, 2, 2, 3, engine)
    assert_equals_finite_differences(layer, generator.standard_normal((2, 2, 4, 5)), generator)


@pytest.mark.parametrize("engine", ENGINES)
def test_images_may_have_any_memory_layout(engine, generator, assert_equals_torch):
    layer = make(generator, 3, 2, 3, engine)
    rgb = generator.standard_normal((2, 6, 7, 3))
    assert_equals_torch(layer, as_in_torch, rgb.transpose(0, 3, 1, 2), generator)


@pytest.mark.parametrize("engine", ENGINES)
def test_skipping_the_input_gradient_leaves_the_others_unchanged(engine, generator):
    images = generator.standard_normal((2, 3, 6, 5))
    full = make(generator, 3, 4, 3, engine)
    spared = Conv2D(3, 4, needs_input_gradient=False, generator=generator, dtype=np.float64, engine=engine)
    spared.parameters = full.parameters
    upstream = generator.standard_normal(full.forward(images).shape)
    spared.forward(images)
    full.backward(upstream)
    assert spared.backward(upstream).shape == (0, 3, 6, 5)
    for name in full.gradients:
        np.testing.assert_array_equal(full.gradients[name], spared.gradients[name])


@pytest.mark.parametrize("engine", ENGINES)
def test_float32_stays_float32(engine, generator):
    layer = Conv2D(2, 3, generator=generator, engine=engine)
    images = generator.random((2, 2, 5, 5), dtype=np.float32)
    outputs = layer.forward(images)
    arrays = (outputs, layer.backward(outputs), *layer.gradients.values(), *layer.parameters.values())
    assert {array.dtype for array in arrays} == {np.dtype(np.float32)}


def test_buffers_kept_between_batches_do_not_leak(generator):
    layer = make(generator, 2, 3, 3, "vectorized")
    shapes = ((3, 2, 9, 8), (5, 2, 12, 11), (1, 2, 5, 7))
    batches = [generator.standard_normal(shape) for shape in shapes]

    def both_ways(images):
        outputs = layer.forward(images).copy()
        arrays = [outputs, layer.backward(outputs).copy()]
        return [*arrays, *(gradient.copy() for gradient in layer.gradients.values())]

    first = [both_ways(images) for images in batches]
    for images, expected in list(zip(batches, first, strict=True))[::-1]:
        for array, same in zip(both_ways(images), expected, strict=True):
            np.testing.assert_array_equal(array, same)


def test_initial_weights_are_glorot_uniform_and_biases_zero(generator):
    layer = Conv2D(16, 32, 3, generator=generator)
    weights, limit = layer.parameters["weights"], (6 / (9 * (16 + 32))) ** 0.5
    assert 0.99 * limit < abs(weights).max() <= limit
    assert weights.std() == pytest.approx(limit / 3**0.5, rel=0.03)
    assert weights.mean() == pytest.approx(0, abs=limit / 30)
    assert not layer.parameters["bias"].any()
