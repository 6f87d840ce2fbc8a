import numpy as np
import pytest

from baselines.scratch.activation import ReLU
from baselines.scratch.dense import Dense
from baselines.scratch.dropout import Dropout
from baselines.scratch.models import full_cnn, small_cnn
from baselines.scratch.network import Network
from baselines.scratch.optimizers import SGD, Adam

SIZE = 46


@pytest.fixture
def network(generator) -> Network:
    return full_cnn(3, SIZE, generator)


def make_batch(generator, count, size=SIZE, dtype=np.float32):
    return generator.random((count, 3, size, size)).astype(dtype), generator.integers(0, 3, count)


def test_a_step_lowers_the_loss_which_includes_the_penalty(network, generator):
    network.layers = [layer for layer in network.layers if not isinstance(layer, Dropout)]
    images, labels = make_batch(generator, 8)
    probabilities = network.predict(images)
    loss, found = network.train_step(images, labels, SGD(1e-3))
    assert network.penalty() > 0
    after, _ = network.train_step(images, labels, SGD(1e-3))
    assert after < loss
    np.testing.assert_allclose(found, probabilities, rtol=1e-6)
    (hidden,) = (layer for layer in network.layers if isinstance(layer, Dense) and layer.l2)
    expected = -np.log(probabilities[np.arange(8), labels]).mean()
    assert loss == pytest.approx(expected + 0.005 * 32 * 128 * hidden.parameters["weights"].var(), rel=0.02)


def test_predict_is_independent_of_the_batches(network, generator):
    images, _ = make_batch(generator, 7)
    whole = network.predict(images, batch_size=7)
    kept = whole.copy()
    for size in (1, 3, 100):
        np.testing.assert_allclose(network.predict(images, batch_size=size), whole, rtol=1e-4)
    network.predict(images[::-1].copy())
    np.testing.assert_array_equal(whole, kept)
    assert whole.dtype == np.float32
    np.testing.assert_allclose(whole.sum(axis=1), 1, rtol=1e-5)
    assert network.predict(images[:0]).shape == (0, 3)


def test_returned_logits_are_a_copy(generator):
    network = Network([Dense(4, 3, generator=generator), ReLU()])
    inputs = generator.random((2, 4), dtype=np.float32)
    logits = network.forward(inputs)
    kept = logits.copy()
    network.forward(inputs - 1)
    np.testing.assert_array_equal(logits, kept)


def test_predict_changes_nothing(generator):
    images, labels = make_batch(generator, 5)
    before = images.copy()

    def train(*, predicting):
        network, optimizer = full_cnn(3, SIZE, np.random.default_rng(1)), Adam()
        for _ in range(3):
            if predicting:
                network.predict(images[:3], batch_size=2)
            network.train_step(images, labels, optimizer)
        return network.weights()

    plain, interrupted = train(predicting=False), train(predicting=True)
    for name in plain:
        np.testing.assert_array_equal(plain[name], interrupted[name])
    np.testing.assert_array_equal(images, before)


def test_memory_kept_between_batches_does_not_leak(generator):
    network = full_cnn(3, SIZE, generator, np.float64)
    batches = [make_batch(generator, count, dtype=np.float64) for count in (4, 6, 1)]

    def gradients(images, labels):
        network.layers = [layer for layer in network.layers if not isinstance(layer, Dropout)]
        weights = network.weights()
        network.train_step(images, labels, SGD(1e-3))
        network.load_weights(weights)
        return [array.copy() for layer in network.layers for array in layer.gradients.values()]

    first = [gradients(*batch) for batch in batches]
    for batch, expected in list(zip(batches, first, strict=True))[::-1]:
        for found, same in zip(gradients(*batch), expected, strict=True):
            np.testing.assert_array_equal(found, same)


def test_weights_are_copies_that_can_be_restored(network, generator):
    images, labels = make_batch(generator, 4)
    best = network.weights()
    before = network.predict(images)
    arrays = [array for layer in network.layers for array in layer.parameters.values()]
    network.train_step(images, labels, Adam(0.01))
    assert not np.array_equal(network.predict(images), before)
    network.load_weights(best)
    np.testing.assert_array_equal(network.predict(images), before)
    network.train_step(images, labels, Adam(0.01))
    network.load_weights(best)  # The step has not changed the restored weights.
    np.testing.assert_array_equal(network.predict(images), before)
    now = [array for layer in network.layers for array in layer.parameters.values()]
    assert all(one is other for one, other in zip(arrays, now, strict=True))


def test_weights_of_another_network_are_refused(network, generator):
    with pytest.raises(ValueError, match="belong to a different network"):
        network.load_weights(full_cnn(4, SIZE, generator).weights())
    with pytest.raises(ValueError, match="belong to a different network"):
        network.load_weights(small_cnn(3, generator).weights())


def test_images_of_another_type_are_refused(network, generator):
    with pytest.raises(TypeError, match="the images are uint8, but the network's parameters are float32"):
        network.forward(generator.integers(0, 256, (2, 3, SIZE, SIZE), dtype=np.uint8))
