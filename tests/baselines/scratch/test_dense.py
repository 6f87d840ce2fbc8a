import numpy as np
import pytest

from baselines.scratch.dense import Dense, Flatten

ENGINES = ("loops", "vectorized")


def make(generator, inputs, outputs, engine, l2=0.0):
    layer = Dense(inputs, outputs, l2, generator=generator, dtype=np.float64, engine=engine)
    layer.parameters["bias"][...] = generator.standard_normal(outputs)
    return layer


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(("batch", "inputs", "outputs"), [(4, 7, 3), (1, 5, 6), (3, 1, 1)])
def test_it_equals_pytorch(engine, batch, inputs, outputs, generator, assert_equals_torch):
    layer = make(generator, inputs, outputs, engine)
    images = generator.standard_normal((batch, inputs))
    assert_equals_torch(layer, lambda x, weights, bias: x @ weights + bias, images, generator)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("l2", [0.0, 0.3])
def test_its_gradients_equal_finite_differences(engine, l2, generator, assert_equals_finite_differences):
    layer = make(generator, 5, 3, engine, l2)
    assert_equals_finite_differences(layer, generator.standard_normal((4, 5)), generator)


@pytest.mark.parametrize("engine", ENGINES)
def test_the_penalty_covers_only_the_weights(engine, generator):
    layer = make(generator, 5, 3, engine, l2=0.3)
    assert layer.penalty() == pytest.approx(0.3 * (layer.parameters["weights"] ** 2).sum())
    assert make(generator, 5, 3, engine).penalty() == 0


@pytest.mark.parametrize("engine", ENGINES)
def test_float32_stays_float32(engine, generator):
    layer = Dense(4, 3, 0.1, generator=generator, engine=engine)
    outputs = layer.forward(generator.random((2, 4), dtype=np.float32))
    arrays = (outputs, layer.backward(outputs), *layer.gradients.values(), *layer.parameters.values())
    assert {array.dtype for array in arrays} == {np.dtype(np.float32)}


def test_initial_weights_are_glorot_uniform_and_biases_zero(generator):
    layer = Dense(300, 50, generator=generator)
    weights, limit = layer.parameters["weights"], (6 / 350) ** 0.5
    assert 0.99 * limit < abs(weights).max() <= limit
    assert weights.std() == pytest.approx(limit / 3**0.5, rel=0.03)
    assert not layer.parameters["bias"].any()


def test_flatten_equals_pytorch(generator, assert_equals_torch):
    images = generator.standard_normal((2, 3, 4, 5))
    assert_equals_torch(Flatten(), lambda inputs: inputs.flatten(1), images, generator)
    assert Flatten().forward(images[:0]).shape == (0, 60)
