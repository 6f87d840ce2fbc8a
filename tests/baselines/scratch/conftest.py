"""References for every layer: PyTorch's autograd, and finite differences."""

import numpy as np
import pytest
import torch

from baselines.scratch.layer import Array, Layer


@pytest.fixture
def generator() -> np.random.Generator:
    return np.random.default_rng(0)


def close(found: Array, expected: torch.Tensor | Array) -> None:
    expected = expected.detach().numpy() if isinstance(expected, torch.Tensor) else expected
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-12)


def equals_torch(layer: Layer, function, inputs: Array, generator: np.random.Generator) -> None:
    """Asserts that outputs and gradients equal those of ``function(inputs, **parameters)`` in PyTorch."""
    images = torch.tensor(inputs, requires_grad=True)
    parameters = {name: torch.tensor(array, requires_grad=True) for name, array in layer.parameters.items()}
    expected = function(images, **parameters)
    close(layer.forward(inputs, training=True), expected)
    upstream = generator.standard_normal(expected.shape)
    expected.backward(torch.tensor(upstream))
    close(layer.backward(upstream), images.grad)
    assert layer.gradients.keys() == layer.parameters.keys()
    for name, parameter in parameters.items():
        close(layer.gradients[name], parameter.grad)


def equals_finite_differences(layer: Layer, inputs: Array, generator: np.random.Generator) -> None:
    """Asserts that gradients of ``sum(outputs * upstream) + penalty`` equal its central differences."""
    upstream = generator.standard_normal(layer.forward(inputs, training=True).shape)
    found = {"inputs": layer.backward(upstream).copy()}
    found |= {name: array.copy() for name, array in layer.gradients.items()}
    for name, array in {"inputs": inputs, **layer.parameters}.items():
        for place in np.ndindex(array.shape):
            was, losses = array[place], []
            for step in (1e-5, -1e-5):
                array[place] = was + step
                losses.append((layer.forward(inputs, training=True) * upstream).sum() + layer.penalty())
            array[place] = was
            difference = (losses[0] - losses[1]) / 2e-5
            assert found[name][place] == pytest.approx(difference, rel=1e-6, abs=1e-8)


@pytest.fixture
def assert_close():
    return close


@pytest.fixture
def assert_equals_torch():
    return equals_torch


@pytest.fixture
def assert_equals_finite_differences():
    return equals_finite_differences
