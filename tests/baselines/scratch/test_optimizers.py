import math

import numpy as np
import pytest
import torch

from baselines.scratch.dense import Dense
from baselines.scratch.optimizers import SGD, Adam

STEPS = 25


@pytest.fixture
def gradients(generator):
    """Gradients of the weights and biases of two layers, for each step."""
    shapes = [(4, 3), (3,), (3, 2), (2,)]
    return [[generator.standard_normal(shape) for shape in shapes] for _ in range(STEPS)]


def make_layers(generator):
    return [
        Dense(4, 3, generator=generator, dtype=np.float64),
        Dense(3, 2, generator=generator, dtype=np.float64),
    ]


def all_parameters(layers):
    return [array for layer in layers for array in layer.parameters.values()]


def follow(optimizer, layers, gradients):
    """Takes a step with each of the gradients; the arrays must remain the same objects."""
    arrays = all_parameters(layers)
    for step in gradients:
        remaining = iter(step)
        for layer in layers:
            layer.gradients = {name: next(remaining).copy() for name in layer.parameters}
        optimizer.step(layers)
        given = [array for layer in layers for array in layer.gradients.values()]
        assert all((one == other).all() for one, other in zip(given, step, strict=True))
    assert all(now is before for now, before in zip(all_parameters(layers), arrays, strict=True))
    return arrays


def follow_torch(make, parameters, gradients):
    tensors = [torch.tensor(array, requires_grad=True) for array in parameters]
    optimizer = make(tensors)
    for step in gradients:
        for tensor, gradient in zip(tensors, step, strict=True):
            tensor.grad = torch.tensor(gradient)
        optimizer.step()
    return tensors


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_sgd_equals_pytorch(momentum, generator, gradients, assert_close):
    layers = make_layers(generator)
    expected = follow_torch(
        lambda tensors: torch.optim.SGD(tensors, lr=0.1, momentum=momentum), all_parameters(layers), gradients
    )
    found = follow(SGD(0.1, momentum), layers, gradients)
    for array, tensor in zip(found, expected, strict=True):
        assert_close(array, tensor)


def test_adam_equals_pytorch_for_a_negligible_epsilon(generator, gradients, assert_close):
    layers = make_layers(generator)
    expected = follow_torch(
        lambda tensors: torch.optim.Adam(tensors, lr=0.01, betas=(0.8, 0.99), eps=1e-30),
        all_parameters(layers),
        gradients,
    )
    found = follow(Adam(0.01, 0.8, 0.99, 1e-30), layers, gradients)
    for array, tensor in zip(found, expected, strict=True):
        assert_close(array, tensor)


def scalar_adam(weight, gradients, lr=1e-3, beta_1=0.9, beta_2=0.999, epsilon=1e-7):
    """Kingma & Ba (2015), end of section 2, for a single number."""
    m = v = 0.0
    for t, g in enumerate(gradients, start=1):
        m = beta_1 * m + (1 - beta_1) * g
        v = beta_2 * v + (1 - beta_2) * g * g
        weight -= lr * math.sqrt(1 - beta_2**t) / (1 - beta_1**t) * m / (math.sqrt(v) + epsilon)
    return weight


@pytest.mark.parametrize("scale", [1.0, 1e-6])
def test_adam_follows_the_published_formula_with_keras_epsilon(scale, generator, gradients):
    """Includes tiny gradients, for which it matters where epsilon is added."""
    gradients = [[scale * array for array in step] for step in gradients]
    layers = make_layers(generator)
    before = [array.copy() for array in all_parameters(layers)]
    found = follow(Adam(), layers, gradients)
    for number, (array, was) in enumerate(zip(found, before, strict=True)):
        for place in np.ndindex(array.shape):
            expected = scalar_adam(was[place], [step[number][place] for step in gradients])
            assert array[place] == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize("optimizer", [SGD(0.1, 0.9), Adam()])
def test_float32_stays_float32(optimizer, generator):
    layer = Dense(4, 3, generator=generator)
    layer.backward(layer.forward(generator.random((2, 4), dtype=np.float32)))
    before = layer.parameters["weights"].copy()
    optimizer.step([layer])
    assert (layer.parameters["weights"] != before).all()
    assert {array.dtype for array in layer.parameters.values()} == {np.dtype(np.float32)}
