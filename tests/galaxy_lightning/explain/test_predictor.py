"""Probabilities and features of images in memory."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from data_prep.common.errors import GalaxyError
from galaxy_lightning.data.batches import GalaxyBatch
from galaxy_lightning.evaluation.calibration import Calibration, Calibrations
from galaxy_lightning.explain import predictor
from galaxy_lightning.explain.predictor import Predictor
from galaxy_lightning.networks import features as recording
from galaxy_lightning.networks.features import head_layers
from galaxy_lightning.networks.network import Network
from galaxy_lightning.training.module import GalaxyClassifier


class WithoutDense(Network):
    """A network of the user's own without a dense layer."""

    name = "without_dense"

    def __init__(self):
        super().__init__()
        self.layer = nn.Conv2d(3, 3, 5)

    def forward(self, images):
        return self.layer(images).mean(dim=(2, 3))


def make(network="galaxy_cnn", **settings):
    """Returns a predictor with random weights for images of 64 pixels."""
    torch.manual_seed(0)
    return Predictor(GalaxyClassifier(network, image_size=64, **settings))


def batch_of(images):
    """Returns images as a batch of Lightning."""
    rows = torch.arange(len(images))
    return GalaxyBatch(torch.from_numpy(np.array(images)), torch.zeros_like(rows), rows, {})


def test_the_probabilities_are_those_of_the_prediction(shipped, images):
    found = shipped.probabilities(images[:3])
    model, batch = shipped.model, batch_of(images[:3])
    with torch.no_grad():
        logits = model(batch.images) / model.inference.calibration.temperature
        predicted = model.predict_step(batch, 0)
    assert model.inference.zooms == 5
    assert model.inference.calibration.temperature != 1
    np.testing.assert_allclose(found, logits.softmax(dim=1), atol=1e-5)
    np.testing.assert_allclose(found, predicted.probabilities[0], atol=1e-5)


def test_many_images_are_predicted_in_batches(small_images, monkeypatch):
    found = make()
    found.model.inference.calibrations = Calibrations(Calibration(temperature=0.2))
    at_once = found.probabilities(small_images[:7])
    monkeypatch.setattr(predictor, "BATCH", 3)
    monkeypatch.setattr(recording, "BATCH", 3)
    np.testing.assert_allclose(found.probabilities(small_images[:7]), at_once, atol=1e-6)
    rows = np.array([6, 0, 3, 2])
    np.testing.assert_allclose(
        found.features(small_images, rows), found.features(small_images[rows]), atol=1e-5
    )


def test_one_pass_gives_probabilities_and_the_mean_features_of_the_views(shipped, images, monkeypatch):
    monkeypatch.setattr(predictor, "BATCH", 2)
    outputs, features = shipped.classify(images[:3])
    np.testing.assert_allclose(outputs.probabilities[0], shipped.probabilities(images[:3]), atol=1e-5)
    assert outputs.novelty.shape == (1, 3)
    inference, network = shipped.model.inference, shipped.model.network
    monkeypatch.setattr(type(inference), "zooms", 1)
    np.testing.assert_allclose(shipped.classify(images[:3])[1], shipped.features(images[:3]), atol=1e-3)
    heads = head_layers(network)
    assert features.shape[1] == sum(head.in_features for head in heads)


def test_features_of_the_reference_cnn(small_images):
    found = make("reference_cnn")
    network = found.model.network
    with torch.no_grad():
        maps = network.features(found.view(small_images[:4]))
        hidden = functional.relu(network.hidden(maps.permute(0, 2, 3, 1).flatten(1)))
    assert hidden.shape == (4, 32)
    np.testing.assert_allclose(found.features(small_images[:4]), hidden, atol=1e-5)


def test_features_of_galaxy_cnn_are_those_of_both_experts(small_images):
    found = make()
    network, view = found.model.network, found.view(small_images[:4])
    features = torch.from_numpy(found.features(small_images[:4]))
    last_of_rings = network.rings.head[4]
    shapes, rings = features.split([network.head[1].in_features, last_of_rings.in_features], dim=1)
    with torch.no_grad():
        for inputs, layer, logits in zip(
            (shapes, rings), (network.head[1], last_of_rings), network.expert_logits(view), strict=True
        ):
            torch.testing.assert_close(layer(inputs), logits)
        measures = network.rings.norm(network.rings.measures(view))
        torch.testing.assert_close(rings, functional.gelu(network.rings.head[1](measures)))


@pytest.mark.parametrize("backbone", ["timm:test_resnet", "squeezenet1_1"])
def test_features_of_a_backbone(small_images, backbone):
    found = make(backbone=backbone, weights="none")
    network = found.model.network
    features = torch.from_numpy(found.features(small_images[:4]))
    with torch.no_grad():
        if backbone == "squeezenet1_1":  # Its last layer is a convolution.
            normalised = (found.view(small_images[:4]) - network.mean) / network.std
            torch.testing.assert_close(features, network.model.features(normalised).mean(dim=(2, 3)))
        else:
            torch.testing.assert_close(network.model.fc(features), network(found.view(small_images[:4])))


def test_a_network_without_dense_layer_has_no_features(small_images):
    found = make("reference_cnn")
    found.model.network = WithoutDense().eval()
    with pytest.raises(GalaxyError, match="without_dense has no dense layer"):
        found.features(small_images[:2])
