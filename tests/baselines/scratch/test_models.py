import math
import subprocess
import sys

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from baselines.scratch.convolution import Conv2D
from baselines.scratch.dense import Dense
from baselines.scratch.dropout import Dropout
from baselines.scratch.loss import cross_entropy
from baselines.scratch.models import full_cnn, small_cnn
from baselines.scratch.optimizers import SGD, Adam
from data_prep.common.errors import GalaxyError


def as_in_torch(image_size, bands):
    """The Keras architecture as specified, with ReLU before the pooling."""
    layers, channels, side = [], bands, image_size
    for filters in (16, 32, 64, 128):
        layers += [nn.Conv2d(channels, filters, 3), nn.ReLU(), nn.MaxPool2d(2)]
        channels, side = filters, (side - 2) // 2
    return nn.Sequential(
        *layers, nn.Flatten(), nn.Linear(channels * side * side, 32), nn.ReLU(), nn.Linear(32, 3)
    ).double()


def in_torchs_order(layer, name, array):
    return array.T if isinstance(layer, Dense) and name == "weights" else array


@pytest.mark.parametrize(("image_size", "bands"), [(46, 3), (64, 3), (46, 1), (46, 5)])
def test_the_full_cnn_equals_pytorch(image_size, bands, generator, assert_close):
    network = full_cnn(3, image_size, generator, np.float64, bands=bands)
    network.layers = [layer for layer in network.layers if not isinstance(layer, Dropout)]
    learning = [layer for layer in network.layers if layer.parameters]
    reference = as_in_torch(image_size, bands)
    named = [(layer, name) for layer in learning for name in layer.parameters]
    assert len(named) == len(list(reference.parameters()))
    with torch.no_grad():
        for (layer, name), tensor in zip(named, reference.parameters(), strict=True):
            tensor.copy_(torch.tensor(in_torchs_order(layer, name, layer.parameters[name])))
    optimizer = torch.optim.SGD(reference.parameters(), lr=0.05, momentum=0.9)
    own = SGD(0.05, momentum=0.9)
    for _ in range(2):
        images, labels = generator.random((5, bands, image_size, image_size)), generator.integers(0, 3, 5)
        logits = reference(torch.tensor(images))
        logits.retain_grad()
        found = network.forward(images)
        assert_close(found, logits)
        loss = functional.cross_entropy(logits, torch.tensor(labels))
        loss = loss + 0.005 * next(m for m in reference if isinstance(m, nn.Linear)).weight.square().sum()
        optimizer.zero_grad()
        loss.backward()
        assert_close(cross_entropy(found, labels)[2], logits.grad)
        optimizer.step()
        assert network.train_step(images, labels, own)[0] == pytest.approx(float(loss.detach()), rel=1e-10)
        for (layer, name), tensor in zip(named, reference.parameters(), strict=True):
            assert_close(in_torchs_order(layer, name, layer.gradients[name]), tensor.grad)
            assert_close(in_torchs_order(layer, name, layer.parameters[name]), tensor)


@pytest.mark.parametrize(
    ("make_optimizer", "bands"), [(lambda: SGD(0.1, 0.9), 3), (Adam, 3), (Adam, 1), (Adam, 5)]
)
def test_the_engines_agree(make_optimizer, bands, generator):
    images, labels = generator.random((3, bands, 32, 32)), generator.integers(0, 3, 3)
    networks = {
        engine: small_cnn(3, np.random.default_rng(1), engine, np.float64, bands=bands)
        for engine in ("loops", "vectorized")
    }
    for network in networks.values():
        network.layers[-1].parameters["weights"] *= 1000  # The gradients are not tiny.
    results = {
        engine: network.train_step(images, labels, make_optimizer()) for engine, network in networks.items()
    }
    loops, vectorized = networks.values()
    np.testing.assert_allclose(*(loss for loss, _ in results.values()), rtol=1e-10)
    np.testing.assert_allclose(*(found for _, found in results.values()), rtol=1e-10)
    for slow, fast in zip(loops.layers, vectorized.layers, strict=True):
        for name in slow.parameters:
            np.testing.assert_allclose(slow.gradients[name], fast.gradients[name], rtol=1e-9, atol=1e-10)
            np.testing.assert_allclose(slow.parameters[name], fast.parameters[name], rtol=0, atol=1e-10)


def test_the_specified_cnn_has_the_specified_initial_weights(generator):
    network = small_cnn(3, generator)
    kernel, dense = network.layers[0].parameters["weights"], network.layers[-1].parameters["weights"]
    assert (kernel.shape, dense.shape) == ((16, 3, 3, 3), (3600, 3))
    assert kernel.std() == pytest.approx(1 / 9, rel=0.1)
    assert dense.std() == pytest.approx(1 / 3600, rel=0.03)
    assert not network.layers[-1].parameters["bias"].any()
    assert network.parameters == 16 * 27 + 3600 * 3 + 3


def test_the_full_cnn_has_the_keras_networks_parameters(generator):
    network = full_cnn(3, 224, generator)
    assert network.parameters == 687_395
    shapes = [array.shape for array in network.weights().values()]
    assert shapes == [
        *((16, 3, 3, 3), (16,), (32, 16, 3, 3), (32,), (64, 32, 3, 3), (64,), (128, 64, 3, 3), (128,)),
        *((12 * 12 * 128, 32), (32,), (32, 3), (3,)),
    ]
    for layer in network.layers:
        if isinstance(layer, Conv2D | Dense):
            weights = layer.parameters["weights"]
            limit = math.sqrt(6 / (math.prod(weights.shape[2:]) * (weights.shape[0] + weights.shape[1])))
            assert weights.std() == pytest.approx(limit / math.sqrt(3), rel=0.15)
            assert not layer.parameters["bias"].any()
    assert [layer.rate for layer in network.layers if isinstance(layer, Dropout)] == [0.2, 0.3]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_precision_is_kept(dtype, generator):
    network = full_cnn(3, 46, generator, dtype)
    images, labels = generator.random((3, 3, 46, 46)).astype(dtype), generator.integers(0, 3, 3)
    _, probabilities = network.train_step(images, labels, Adam())
    gradients = [array for layer in network.layers for array in layer.gradients.values()]
    arrays = [probabilities, network.forward(images), *network.weights().values(), *gradients]
    assert {array.dtype for array in arrays} == {np.dtype(dtype)}


@pytest.mark.parametrize("make", [small_cnn, lambda classes, generator: full_cnn(classes, 46, generator)])
def test_the_seed_determines_the_weights(make):
    first, second, other = (make(3, np.random.default_rng(seed)).weights() for seed in (1, 1, 2))
    assert all((first[name] == second[name]).all() for name in first)
    assert any((first[name] != other[name]).any() for name in first)


def test_the_specified_cnn_overfits_thirty_random_images(generator):
    images = generator.random((30, 3, 32, 32), dtype=np.float32)
    labels, network, optimizer = generator.integers(0, 3, 30), small_cnn(3, generator), Adam()
    losses = [network.train_step(images, labels, optimizer)[0] for _ in range(150)]
    assert losses[0] == pytest.approx(math.log(3), abs=0.05)
    assert losses[-1] < 0.05
    assert (network.predict(images).argmax(axis=1) == labels).all()


def test_images_that_are_too_small_are_refused(generator):
    assert full_cnn(3, 46, generator).forward(np.zeros((1, 3, 46, 46), np.float32)).shape == (1, 3)
    with pytest.raises(GalaxyError, match="at least 46 pixels, not 45"):
        full_cnn(3, 45, generator)


def test_it_imports_only_numpy():
    code = (
        "import sys, baselines.scratch.models;"
        "print([name for name in ('torch', 'scipy', 'numba', 'tensorflow') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
