import itertools

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from data_prep.arrays.format import open_arrays
from data_prep.common.errors import GalaxyError
from galaxy_lightning.data.augment import eight_views
from galaxy_lightning.networks import GalaxyCNN, make_network
from galaxy_lightning.networks.dihedral import (
    DihedralConv,
    DihedralLift,
    DihedralNorm,
    pool_elements,
    transform,
)
from galaxy_lightning.networks.galaxy_cnn import LocalContrast
from galaxy_lightning.training.module import GalaxyClassifier


def randomised(network):
    """Gives every weight and statistic a value as in a trained network."""
    generator = torch.Generator().manual_seed(0)
    statistics = (values for name, values in network.named_buffers() if "running_" in name)
    for values in itertools.chain(network.parameters(), statistics):
        values.data += 0.05 * (torch.rand(values.shape, generator=generator) - 0.5)
    return network.eval()


def stored_views(images):
    """Yields the eight views of stored images."""
    for view in eight_views(images.permute(0, 3, 1, 2)):
        yield view.permute(0, 2, 3, 1).contiguous()


def permuted(maps, element):
    """Transforms feature maps over the group like the image: in space, and among the group elements."""
    each = maps.view(len(maps), 8, -1, *maps.shape[2:])
    corners = torch.arange(4).view(2, 2)
    order = [
        next(
            h
            for h in range(8)
            if torch.equal(transform(transform(corners, h), element), transform(corners, g))
        )
        for g in range(8)
    ]
    return transform(each[:, order], element).flatten(1, 2)


@pytest.mark.parametrize("element", range(8))
def test_the_layers_are_equivariant(element):
    torch.manual_seed(0)
    lift, convolution, norm = DihedralLift(3, 2, kernel=6, stride=2), DihedralConv(2, 3), DihedralNorm(3)
    image = torch.rand(2, 3, 12, 12)
    layers = torch.nn.Sequential(lift, convolution, randomised(norm))
    with torch.no_grad():
        for depth in (1, 2, 3):
            torch.testing.assert_close(
                layers[:depth](transform(image, element)), permuted(layers[:depth](image), element)
            )


def test_the_group_convolution_equals_its_definition():
    torch.manual_seed(0)
    convolution = DihedralConv(1, 1)
    maps = torch.rand(1, 8, 5, 5)
    out = convolution(maps)
    # Element 0 of the output is a plain convolution with the unchanged weights.
    plain = torch.nn.functional.conv2d(maps, convolution.weight[:1], padding=1)
    torch.testing.assert_close(out[:, :1], plain)


def test_the_norm_shares_its_mean_and_variance_over_the_group():
    torch.manual_seed(0)
    norm, plain = DihedralNorm(3), torch.nn.BatchNorm2d(24)
    for _ in range(5):
        maps = 2 + 3 * torch.randn(4, 24, 6, 6)
        torch.testing.assert_close(norm(maps), plain(maps))
    torch.testing.assert_close(norm.running_mean, plain.running_mean.view(8, 3).mean(dim=0))
    torch.testing.assert_close(norm.running_var, plain.running_var.view(8, 3).mean(dim=0))
    each = norm.eval()(maps).view(4, 8, 3, 6, 6)
    torch.testing.assert_close(each[:, 5], norm(maps.view(4, 8, 3, 6, 6)[:, [5] * 8].flatten(1, 2))[:, :3])


def test_group_norms_are_not_converted_to_synchronised_norms():
    shared = torch.nn.SyncBatchNorm.convert_sync_batchnorm(GalaxyCNN(image_size=64))
    with torch.no_grad():
        assert shared.eval()(torch.rand(2, 3, 64, 64)).shape == (2, 3)
    assert sum(isinstance(layer, DihedralNorm) for layer in shared.modules()) > 8


def test_pooling_over_the_group_is_invariant():
    features = torch.rand(2, 8 * 5)
    shuffled = features.view(2, 8, 5)[:, torch.randperm(8)].flatten(1)
    torch.testing.assert_close(pool_elements(features), pool_elements(shuffled))
    assert pool_elements(features).shape == (2, 10)


@pytest.mark.parametrize(
    ("side", "bands"), [(64, 1), (64, 2), (64, 3), (64, 5), (64, 8), (101, 3), (224, 1), (224, 3)]
)
def test_the_eight_views_of_a_galaxy_have_the_same_logits(side, bands):
    torch.manual_seed(1)
    network = randomised(GalaxyCNN(image_size=side, bands=bands))
    galaxies = (256 * torch.rand(2, side, side, bands) ** 4).to(torch.uint8)
    with torch.no_grad():
        logits = torch.stack([network(network.prepare(view)) for view in stored_views(galaxies)])
    assert logits[0].std() > 1e-3
    assert (logits - logits[0]).abs().max() < 1e-5


@pytest.mark.parametrize(
    "settings", [{"network": "galaxy_cnn"}, {"network": "galaxy_cnn", "zooms": 5}, {"eight_views": True}]
)
@pytest.mark.parametrize("bands", [1, 3, 5])
def test_a_classifier_gives_equal_outputs_for_the_eight_views(settings, bands):
    torch.manual_seed(1)
    model = GalaxyClassifier(image_size=64, bands=bands, **settings)
    randomised(model.network)
    model.eval()
    galaxies = torch.randint(0, 256, (3, 64, 64, bands), dtype=torch.uint8)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):  # As with bf16-mixed.
        answers = torch.stack([model(view).softmax(dim=1) for view in stored_views(galaxies)])
    assert (answers - answers[0]).abs().max() < 1e-5


def test_trained_weights_give_equal_outputs_for_the_eight_views(arrays):
    model = GalaxyClassifier("galaxy_cnn", weights="simulated").eval()
    galaxies = torch.from_numpy(open_arrays(arrays).images[:16].copy())
    with torch.no_grad():
        answers = torch.stack([model(view).softmax(dim=1) for view in stored_views(galaxies)])
    assert answers[0].amax(dim=1).mean() > 0.5  # The network distinguishes galaxies.
    assert (answers - answers[0]).abs().max() < 1e-5


def test_colour_images_give_the_outputs_of_earlier_versions():
    """The numbers were computed before images could have other numbers of bands."""
    torch.manual_seed(0)
    images = torch.randint(0, 256, (3, 64, 64, 3), dtype=torch.uint8)
    expected = {
        "hub": [0.09242345, 0.04211665, 0.01666034, 0.1111048, 0.03045531, 0.02120071],
        "simulated": [-2.981066, 0.1866967, 1.781995, -2.92004, 0.4924826, 1.496187],
    }
    for weights, logits in expected.items():
        torch.manual_seed(1)
        network = make_network("galaxy_cnn", 3, 64, weights=weights)
        assert len(network.state_dict()) == 70
        assert sum(values.numel() for values in network.parameters()) == 139_359
        torch.manual_seed(2)
        network.train().expert_logits(network.prepare(images))  # Updates the statistics.
        with torch.no_grad():
            found = network.eval()(network.prepare(images))[:2].flatten()
        torch.testing.assert_close(found, torch.tensor(logits), atol=2e-5, rtol=1e-4)


@pytest.mark.parametrize("bands", [1, 3, 5])
def test_the_local_contrast_equals_its_definition(bands):
    images = torch.rand(2, bands, 40, 40)
    luminosity = images.mean(dim=1).double().numpy()
    found = LocalContrast([1.5, 3.0], 40)(images)
    for place, radius in enumerate((1.5, 3.0)):
        blurred = gaussian_filter(
            luminosity, radius, mode="constant", axes=(1, 2), radius=round(2.5 * radius)
        )
        expected = np.clip(4 * (luminosity - blurred) / (blurred + 0.03), -3, 3)
        np.testing.assert_allclose(found[:, place], expected, atol=1e-5)


@pytest.mark.parametrize(("side", "seen"), [(224, 112), (225, 112), (336, 112), (448, 112), (112, 112)])
def test_large_images_are_averaged_before_sampling(side, seen):
    images = torch.randint(0, 256, (2, side, side, 3), dtype=torch.uint8)
    scaled = images.permute(0, 3, 1, 2).double() / 255
    pooled = torch.nn.functional.adaptive_avg_pool2d(scaled, side // (side // 112))
    found = GalaxyCNN(image_size=side).prepare(images)
    assert found.shape == (2, 3, seen, seen)
    if pooled.shape[-1] == seen:
        torch.testing.assert_close(found.double(), pooled, atol=1e-6, rtol=0)


def test_images_that_are_too_small_are_refused():
    with pytest.raises(GalaxyError, match="at least 22 pixels, not 20"):
        GalaxyCNN(image_size=20)
    GalaxyCNN(image_size=22)


@pytest.mark.parametrize("classes", [["a", "b", "c"], ["a", "b"]])
def test_starting_from_a_checkpoint_gives_new_heads_for_other_classes(classes, tmp_path):
    torch.manual_seed(1)
    elsewhere = GalaxyClassifier("galaxy_cnn", image_size=64)
    randomised(elsewhere.network)
    file = tmp_path / "elsewhere.ckpt"
    torch.save({"state_dict": elsewhere.state_dict()}, file)
    model = GalaxyClassifier("galaxy_cnn", image_size=64, classes=classes, weights=str(file))
    started, given = model.network.state_dict(), elsewhere.network.state_dict()
    taken = {name for name in given if torch.equal(started[name], given[name])}
    heads = {name for name in given if name.startswith(("head.", "rings.head.4."))}
    assert len(heads) == 4
    assert taken == (set(given) if len(classes) == 3 else set(given) - heads)
    # Its own checkpoint will hold all weights, so the file is no longer needed.
    assert model.hparams["weights"] == "none"
    assert model.pretrained == {"backbone": None, "weights": str(file)}


def test_the_shipped_weights_work_for_images_of_any_size():
    networks = [
        GalaxyClassifier("galaxy_cnn", image_size=side, weights="simulated").network for side in (64, 224)
    ]
    first, second = (network.features.state_dict() for network in networks)
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert first["1.running_var"].std() > 0  # Trained.


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"network": "galaxy_cnn", "weights": "absent.ckpt"}, "there is no file absent.ckpt"),
        ({"network": "reference_cnn", "weights": "simulated"}, "works with galaxy_cnn only"),
    ],
)
def test_missing_weights_are_refused(settings, message):
    with pytest.raises(GalaxyError, match=message):
        GalaxyClassifier(image_size=64, **settings)


def test_a_checkpoint_of_another_network_is_refused(tmp_path):
    torch.save(GalaxyClassifier(image_size=64).state_dict(), tmp_path / "other.ckpt")
    with pytest.raises(GalaxyError, match="does not fit galaxy_cnn"):
        GalaxyClassifier("galaxy_cnn", image_size=64, weights=str(tmp_path / "other.ckpt"))
