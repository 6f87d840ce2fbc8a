"""Initial weights for other classes, and for images with another number of bands."""

import pytest
import timm
import torch
from timm.models._manipulate import adapt_input_conv
from torch.nn import functional

from galaxy_lightning.networks import GalaxyCNN, make_network
from galaxy_lightning.networks.adaptation import adapt_filters
from galaxy_lightning.training.module import GalaxyClassifier

NAMES = ["elliptical", "irregular", "spiral"]
BACKBONE = {"backbone": "timm:test_resnet", "weights": "none"}


def trained(path, classes=NAMES, bands=3, **settings):
    """Saves a checkpoint with weights and statistics unlike those of a new network; returns the network."""
    torch.manual_seed(5)
    model = GalaxyClassifier(classes=classes, image_size=64, bands=bands, **settings)
    model.network.train()
    with torch.no_grad():
        model.network(torch.rand(4, bands, 64, 64))
    torch.save({"state_dict": model.state_dict(), "hyper_parameters": dict(model.hparams)}, path)
    return model.network.eval()


def started(path, classes=NAMES, bands=3, network="galaxy_cnn", backbone=None):
    torch.manual_seed(6)
    return make_network(network, classes, 64, backbone, str(path), bands=bands).eval()


@pytest.mark.parametrize("bands", range(1, 9))
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_filters_are_adapted_as_by_timm(bands, dtype):
    filters = torch.randn(4, 3, 5, 5).to(dtype)
    torch.testing.assert_close(adapt_filters(filters, bands), adapt_input_conv(bands, filters))


def test_filters_of_any_number_of_bands_are_adapted():
    one, five = torch.randn(4, 1, 5, 5), torch.randn(4, 5, 5, 5)
    grey = torch.rand(2, 1, 9, 9)
    expected = functional.conv2d(grey, one)
    torch.testing.assert_close(functional.conv2d(grey.expand(2, 3, 9, 9), adapt_filters(one, 3)), expected)
    torch.testing.assert_close(
        functional.conv2d(grey, adapt_filters(five, 1)), functional.conv2d(grey.expand(2, 5, 9, 9), five)
    )


def test_a_grey_image_in_one_band_gives_the_features_of_three_equal_bands(tmp_path):
    grey = torch.rand(2, 1, 64, 64)
    colour = grey.expand(2, 3, 64, 64)
    reference = trained(tmp_path / "reference.ckpt", network="reference_cnn")
    one = started(tmp_path / "reference.ckpt", bands=1, network="reference_cnn")
    torch.testing.assert_close(one(grey), reference(colour))
    assert list(one.notes) == ["The weights are for 3 bands: first layer adapted to 1 band"]
    galaxy = trained(tmp_path / "galaxy.ckpt", network="galaxy_cnn")
    one = started(tmp_path / "galaxy.ckpt", bands=1)
    torch.testing.assert_close(one.expert_logits(grey)[0], galaxy.expert_logits(colour)[0])


@pytest.mark.parametrize("bands", [1, 2, 5, 8])
def test_shipped_weights_start_a_network_with_other_bands(bands):
    torch.manual_seed(6)
    network = make_network("galaxy_cnn", NAMES, 64, weights="simulated", bands=bands)
    torch.manual_seed(6)
    fresh = make_network("galaxy_cnn", NAMES, 64, bands=bands).state_dict()
    (note,) = network.notes
    assert note.startswith("The weights are for 3 bands: first layer adapted to ")
    assert note.endswith("random initial weights in rings")
    colour = make_network("galaxy_cnn", NAMES, 64, weights="simulated").state_dict()
    for name, weights in network.state_dict().items():
        if name.startswith("rings."):
            assert torch.equal(weights, fresh[name])
        elif name == "features.0.weight":
            expected = adapt_input_conv(bands, colour[name][:, :3])
            torch.testing.assert_close(weights[:, :bands], expected)
            assert torch.equal(weights[:, bands:], colour[name][:, 3:])
        else:
            assert torch.equal(weights, colour[name])


@pytest.mark.parametrize(("before", "after"), [(5, 5), (5, 3), (1, 3), (5, 1)])
def test_checkpoints_of_any_number_of_bands_start_a_network(before, after, tmp_path):
    for settings in ({"network": "galaxy_cnn"}, {"network": "reference_cnn"}, BACKBONE):
        given = trained(tmp_path / "a.ckpt", bands=before, **settings)
        settings = {name: value for name, value in settings.items() if name != "weights"}
        network = started(tmp_path / "a.ckpt", bands=after, **settings)
        assert network(torch.rand(2, after, 64, 64)).shape == (2, 3)
        assert len(network.notes) == (before != after)
        if before == after:
            images = torch.rand(2, after, 64, 64)
            torch.testing.assert_close(network(images), given(images))


@pytest.mark.parametrize("settings", [{"network": "galaxy_cnn"}, {"network": "reference_cnn"}, BACKBONE])
def test_a_head_is_used_for_its_own_classes_only(settings, tmp_path):
    given, images = trained(tmp_path / "a.ckpt", **settings), torch.rand(2, 3, 64, 64)
    settings = {name: value for name, value in settings.items() if name != "weights"}

    same = started(tmp_path / "a.ckpt", **settings)
    torch.testing.assert_close(same(images), given(images))
    assert not same.notes

    permuted = started(tmp_path / "a.ckpt", ["spiral", "elliptical", "irregular"], **settings)
    torch.testing.assert_close(permuted(images), given(images)[:, [2, 0, 1]])
    assert list(permuted.notes) == [
        "Head reordered for the classes spiral, elliptical, irregular: "
        "the weights have the classes elliptical, irregular, spiral"
    ]
    for classes in (["bar", "disc", "ring"], ["elliptical", "spiral"], [f"type {n}" for n in range(37)]):
        other = started(tmp_path / "a.ckpt", classes, **settings)
        fresh = started("none", classes, **settings)
        assert other(images).shape == (2, len(classes))
        (note,) = other.notes
        assert note.startswith(f"New head for the classes {classes[0]}, {classes[1]}")
        assert note.endswith(": the weights have the classes elliptical, irregular, spiral")
        assert len(note) < 180
        before, after, random = given.state_dict(), other.state_dict(), fresh.state_dict()
        heads = {name for name in after if name.startswith(head_prefixes(other))}
        assert heads
        assert all(torch.equal(after[name], random[name]) for name in heads)
        assert all(torch.equal(after[name], before[name]) for name in after if name not in heads)


def head_prefixes(network):
    return network.heads or tuple(f"model.{prefix}" for prefix in network._head)


def test_weights_that_name_no_classes_are_reported(tmp_path):
    torch.manual_seed(5)
    torch.save(GalaxyCNN(3, 64).state_dict(), tmp_path / "a.pt")
    assert list(started(tmp_path / "a.pt", ["a", "b", "c"]).notes) == [
        "Head kept for the classes a, b, c: the weights do not name their classes"
    ]
    assert list(started(tmp_path / "a.pt", ["a", "b"]).notes) == [
        "New head for the classes a, b: the weights do not name their classes"
    ]
    assert not started(tmp_path / "a.pt", 3).notes
    torch.save(
        {"state_dict": GalaxyCNN(3, 64).state_dict(), "hyper_parameters": {"classes": 3}}, tmp_path / "b.pt"
    )
    assert started(tmp_path / "b.pt").notes[0].startswith("Head kept")
    torch.save(timm.create_model("test_resnet", num_classes=3).state_dict(), tmp_path / "c.pth")
    backbone = started(tmp_path / "c.pth", ["a", "b", "c"], backbone="timm:test_resnet")
    assert backbone.notes[0].startswith("New head for the classes a, b, c")


def test_the_shipped_weights_are_for_the_classes_of_the_reference():
    given = make_network("galaxy_cnn", NAMES, 64, weights="simulated")
    assert not given.notes
    other = make_network("galaxy_cnn", ["bar", "disc", "ring"], 64, weights="simulated")
    assert list(other.notes) == [
        "New head for the classes bar, disc, ring: the weights have the classes elliptical, irregular, spiral"
    ]
    assert not torch.equal(other.head[1].weight, given.head[1].weight)
    assert torch.equal(other.rings.head[1].weight, given.rings.head[1].weight)


def test_a_head_with_hidden_layers_is_not_reordered(tmp_path, monkeypatch):
    monkeypatch.setattr(GalaxyCNN, "heads", ("head.", "rings.head."))
    trained(tmp_path / "a.ckpt", network="galaxy_cnn")
    (note,) = started(tmp_path / "a.ckpt", NAMES[::-1]).notes
    assert note.startswith("New head for the classes spiral, irregular, elliptical")


def test_a_network_that_does_not_define_its_head_keeps_all_weights(tmp_path, monkeypatch):
    monkeypatch.setattr(GalaxyCNN, "heads", ())
    given = trained(tmp_path / "a.ckpt", network="galaxy_cnn").state_dict()
    network = started(tmp_path / "a.ckpt", ["a", "b", "c"])
    assert all(torch.equal(weights, given[name]) for name, weights in network.state_dict().items())
    assert "All weights kept for the classes a, b, c" in network.notes[0]
    assert not started(tmp_path / "a.ckpt").notes
