"""Attribution maps: against their definitions, and against what a network does without the pixels."""

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr
from torch import nn
from torch.nn import functional

from data_prep.common.errors import GalaxyError
from galaxy_lightning.explain import attribution
from galaxy_lightning.explain.attribution import grad_cam, integrated_gradients, occlusion, sky_images
from galaxy_lightning.networks import GalaxyCNN, ReferenceCNN
from galaxy_lightning.networks.backbone import Backbone
from galaxy_lightning.networks.network import Network
from galaxy_lightning.shipped_models import DEFAULT_MODEL, SHIPPED
from galaxy_lightning.training.checkpoints import load_model
from galaxy_lightning.training.module import GalaxyClassifier
from tests.fuzzing import SOAKING

METHODS = {"integrated gradients": integrated_gradients, "occlusion": occlusion}
# Fewer steps and larger windows than usual, for speed.
GALAXIES, STEPS, WINDOW = (80, attribution.STEPS, attribution.WINDOW) if SOAKING else (20, 8, 2 / 7)
COMPARED = 4
"""Number of galaxies whose maps are compared with those of random weights."""


class Dense(Network):
    """A linear network, whose integrated gradients are known."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(3 * 64 * 64, 3)

    def forward(self, images):
        return self.layer(images.flatten(1))


def compute(method, network, views, classes):
    """Computes the maps of several images, fast."""
    options = {"steps": STEPS} if method == "integrated gradients" else {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(attribution, "WINDOW", WINDOW)
        return METHODS[method](network, views, classes, **options)


def random_galaxy_cnn(seed):
    torch.manual_seed(seed)
    model = GalaxyClassifier("galaxy_cnn", image_size=224, weights="none")
    return model.network.eval().requires_grad_(requires_grad=False)


def rank_correlations(maps, others):
    """Returns the absolute rank correlation of each pair of maps."""
    return [
        abs(spearmanr(one.ravel(), other.ravel()).statistic)
        for one, other in zip(maps, others, strict=True)
        if one.any() and other.any()  # Grad-CAM maps may be zero.
    ]


def blot_out(views, pixels):
    """Replaces pixels ``[N, number]`` of each image by the sky."""
    blotted = torch.zeros(len(views), views.shape[-2] * views.shape[-1], dtype=torch.bool)
    blotted.scatter_(1, torch.from_numpy(pixels), value=True)
    return torch.where(blotted.view(len(views), 1, *views.shape[-2:]), sky_images(views), views)


@pytest.fixture(scope="module")
def views(shipped, images):
    return shipped.view(images[:GALAXIES])


@pytest.fixture(scope="module")
def predict(shipped):
    """Returns the calibrated probabilities of views."""
    temperature = shipped.model.inference.calibration.temperature

    def probabilities(views):
        with torch.no_grad():
            logits = torch.cat([shipped.model.network(part) for part in views.split(20)])
        return (logits / temperature).softmax(dim=1)

    return probabilities


@pytest.fixture(scope="module")
def classes(views, predict):
    return predict(views).argmax(dim=1)


@pytest.fixture(scope="module")
def maps(shipped, views, classes):
    """The maps of the trained model, by method."""
    network = shipped.model.network
    return {
        method: np.concatenate(
            [
                compute(method, network, *part)
                for part in zip(views.split(COMPARED), classes.split(COMPARED), strict=True)
            ]
        )
        for method in METHODS
    }


@pytest.mark.parametrize("method", METHODS)
def test_maps_change_if_the_weights_are_random(maps, views, classes, method):
    """Adebayo et al. (2018), who found methods whose maps hardly depend on the weights."""
    trained, part = maps[method][:COMPARED], (views[:COMPARED], classes[:COMPARED])
    found = [rank_correlations(trained, compute(method, random_galaxy_cnn(seed), *part)) for seed in range(3)]
    assert np.mean(found) < 0.5
    again = load_model(SHIPPED[DEFAULT_MODEL]).eval().network
    assert np.array_equal(compute(method, again, *part), trained)


def test_grad_cam_maps_change_if_the_weights_are_random(small_images):
    networks = []
    for seed in (0, 1, 2):
        torch.manual_seed(seed)
        networks.append(Backbone("resnet18", 3, 64, "none").eval().requires_grad_(requires_grad=False))
    part = networks[0].prepare(torch.from_numpy(small_images[:12].copy())), torch.arange(12) % 3
    first, *others = [grad_cam(network, *part) for network in networks]
    assert np.mean([each for other in others for each in rank_correlations(first, other)]) < 0.5
    networks[1].load_state_dict(networks[0].state_dict())
    assert np.array_equal(grad_cam(networks[1], *part), first)


@pytest.mark.parametrize("method", METHODS)
def test_the_named_pixels_matter_more_than_random_ones(maps, views, classes, predict, method):
    each = maps[method].reshape(len(views), -1)
    number = each.shape[1] // 10
    named = np.argsort(-each, axis=1, kind="stable")[:, :number]
    drawn = np.random.default_rng(0).random(each.shape).argsort(axis=1)[:, :number]
    remaining_if_named, remaining_if_drawn = (
        predict(blot_out(views, pixels)).gather(1, classes[:, None])[:, 0].numpy()
        for pixels in (named, drawn)
    )
    difference = remaining_if_drawn - remaining_if_named
    assert difference.mean() > 3 * difference.std() / np.sqrt(len(difference))


def test_integrated_gradients_add_up_to_the_difference_from_the_sky(shipped, views, classes):
    network, few, chosen = shipped.model.network, views[:3], classes[:3]
    sky = torch.from_numpy(np.median(few.flatten(2).numpy()[..., 1:], axis=2))[..., None, None]
    torch.testing.assert_close(sky_images(few), sky.expand_as(few))
    with torch.no_grad():
        change = (network(few) - network(sky.expand_as(few))).gather(1, chosen[:, None])[:, 0].numpy()
    found = integrated_gradients(network, few, chosen).sum(axis=(1, 2))
    np.testing.assert_allclose(found, change, atol=0.1)
    assert np.abs(change).max() > 1


def test_integrated_gradients_of_a_linear_network_are_its_weights_times_the_image(small_images, monkeypatch):
    network = Dense().eval()
    few, chosen = network.prepare(torch.from_numpy(small_images[:3].copy())), torch.tensor([2, 0, 1])
    weights = network.layer.weight.detach()[chosen].view(3, 3, 64, 64)
    expected = ((few - sky_images(few)) * weights).sum(dim=1)
    smoothed = integrated_gradients(network, few, chosen)
    np.testing.assert_allclose(smoothed.sum(axis=(1, 2)), expected.sum(dim=(1, 2)), rtol=1e-3)
    monkeypatch.setattr(attribution, "SMOOTHING", 0)
    np.testing.assert_allclose(integrated_gradients(network, few, chosen), expected, atol=1e-6)


def test_occlusion_equals_a_loop_over_windows(small_images):
    torch.manual_seed(0)
    network = ReferenceCNN(image_size=64).eval()
    few, chosen = network.prepare(torch.from_numpy(small_images[:2].copy())), torch.tensor([2, 0])
    sums, counts = np.zeros((2, 64, 64)), np.zeros((64, 64))
    with torch.no_grad():
        before = network(few)
        for row in range(0, 60, 4):  # Windows of a seventh of the side, half overlapping.
            for column in range(0, 60, 4):
                window = np.s_[..., row : row + 9, column : column + 9]
                hidden = few.clone()
                hidden[window] = sky_images(few)[window]
                drop = (before - network(hidden)).gather(1, chosen[:, None]).numpy()
                sums[window] += drop[..., None]
                counts[window] += 1
    np.testing.assert_allclose(occlusion(network, few, chosen), sums / counts, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "layer"), [("resnet18", "model.layer4.1.conv2"), ("squeezenet1_1", "model.classifier.1")]
)
def test_grad_cam_equals_its_definition(small_images, name, layer):
    torch.manual_seed(0)
    backbone = Backbone(name, 3, 128, "none").eval().requires_grad_(requires_grad=False)
    few = functional.interpolate(backbone.prepare(torch.from_numpy(small_images[:3].copy())), (128, 128))
    chosen, kept = torch.tensor([1, 0, 2]), []

    def keep(_, inputs, output):
        kept.append(output.requires_grad_())
        return output.clone()  # An activation may overwrite it.

    with backbone.get_submodule(layer).register_forward_hook(keep):
        backbone(few).gather(1, chosen[:, None]).sum().backward()
    (output,) = kept
    assert min(output.shape[-2:]) >= 4
    weights = output.grad.mean(dim=(2, 3), keepdim=True)
    expected = functional.interpolate(
        (weights * output).sum(dim=1, keepdim=True).relu(), (128, 128), mode="bilinear"
    )[:, 0]
    assert expected.max() > 0
    np.testing.assert_allclose(grad_cam(backbone, few, chosen), expected.detach(), rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("name", ["galaxy_cnn", "timm:test_vit"])
def test_grad_cam_needs_a_late_convolution(name):
    network = GalaxyCNN(image_size=64) if name == "galaxy_cnn" else Backbone(name, 3, 160, "none")
    side = 64 if name == "galaxy_cnn" else 160
    with pytest.raises(GalaxyError, match="has no late convolution with several positions"):
        grad_cam(network.eval(), torch.rand(1, 3, side, side), torch.tensor([0]))
