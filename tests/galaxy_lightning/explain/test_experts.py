"""The experts of galaxy_cnn, and ring profiles."""

import itertools

import numpy as np
import pytest
import torch

from galaxy_lightning.explain.experts import expert_probabilities, ring_profiles
from galaxy_lightning.explain.predictor import Predictor
from galaxy_lightning.networks import GalaxyCNN, ReferenceCNN
from galaxy_lightning.networks.backbone import Backbone
from galaxy_lightning.networks.rings import EDGES
from galaxy_lightning.training.module import GalaxyClassifier


def test_the_mean_of_the_experts_logits_gives_the_probabilities(small_images):
    torch.manual_seed(0)
    model = GalaxyClassifier("galaxy_cnn", image_size=64, auxiliary=["one", "two"])
    predictor, temperature = Predictor(model), 0.6
    view = predictor.view(small_images[:5])
    found = expert_probabilities(model.network, view, 3, temperature)
    assert list(found) == ["shapes", "rings"]
    assert all(each.shape == (5, 3) for each in found.values())
    assert not np.allclose(found["shapes"], found["rings"], atol=0.01)
    # The mean of logits is the geometric mean of probabilities.
    together = np.sqrt(found["shapes"] * found["rings"])
    with torch.no_grad():
        expected = (model(torch.from_numpy(small_images[:5].copy())) / temperature).softmax(dim=1)
    np.testing.assert_allclose(together / together.sum(axis=1, keepdims=True), expected, atol=1e-6)


def test_other_networks_have_neither_experts_nor_rings():
    view = torch.rand(1, 3, 64, 64)
    for network in (ReferenceCNN(image_size=64), Backbone("timm:test_resnet", 3, 64, "none")):
        assert expert_probabilities(network.eval(), view, 3, 1.0) == {}
        assert ring_profiles(network, view) is None


@pytest.mark.parametrize("bands", [1, 3, 5])
def test_a_ring_profile_is_the_mean_brightness_in_annuli(bands):
    position = (np.arange(112) - 55.5) / 56
    radius = np.hypot(position[:, None], position)
    disc = np.exp(-3 * radius)
    image = np.stack([0.05 + share * disc for share in np.linspace(0.4, 0.9, bands)])
    found = ring_profiles(
        GalaxyCNN(image_size=224, bands=bands), torch.from_numpy(image[None]).to(torch.float32)
    )
    rings = [(radius >= low) & (radius < high) for low, high in itertools.pairwise(EDGES)]
    np.testing.assert_allclose(
        found.brightness, [[image.mean(axis=0)[ring].mean() for ring in rings]], atol=1e-5
    )
    assert (np.diff(found.brightness[0]) < 0).all()
    # Each radius is in the middle of its ring.
    np.testing.assert_allclose(found.radii, [np.mean(pair) for pair in itertools.pairwise(EDGES)])
