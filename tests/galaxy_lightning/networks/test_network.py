import pytest
import torch

from data_prep.common.errors import GalaxyError
from galaxy_lightning.networks import NETWORKS, make_network


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("bands", [1, 2, 5, 8])
@pytest.mark.parametrize("classes", [2, 100])
def test_networks_take_any_number_of_bands_and_classes(name, bands, classes):
    network = make_network(name, classes, 64, bands=bands).train()
    assert network.bands == bands
    images = torch.randint(0, 256, (3, 64, 64, bands), dtype=torch.uint8)
    view = network.prepare(images).requires_grad_()
    torch.testing.assert_close(view, images.permute(0, 3, 1, 2) / 255)
    logits = network(view)
    assert logits.shape == (3, classes)
    logits.square().sum().backward()
    assert (view.grad.abs().amax(dim=(0, 2, 3)) > 0).all()
    assert all(weights.grad is not None for weights in network.parameters())


@pytest.mark.parametrize("bands", [1, 5])
def test_images_of_any_number_of_bands_are_downscaled_and_moved(bands):
    network = make_network("galaxy_cnn", 3, 224, bands=bands)
    images = torch.randint(0, 256, (2, 224, 224, bands), dtype=torch.uint8)
    scaled = images.permute(0, 3, 1, 2).float() / 255
    expected = torch.nn.functional.avg_pool2d(scaled, 2)
    torch.testing.assert_close(network.prepare(images), expected)
    mirror = torch.tensor([[-1.0, 0, 0], [0, 1, 0]]).expand(2, 2, 3)
    torch.testing.assert_close(network.prepare(images, mirror), expected.flip(-1), atol=1e-5, rtol=0)


@pytest.mark.parametrize(("bands", "given"), [(3, 1), (3, 4), (1, 3), (5, 3)])
def test_images_with_other_bands_are_refused(bands, given):
    network = make_network("reference_cnn", 3, 64, bands=bands)
    images = torch.zeros(2, 64, 64, given, dtype=torch.uint8)
    with pytest.raises(
        ValueError, match=rf"expected uint8 images \[B, H, W, {bands}\], got torch.uint8 .*{given}\]"
    ):
        network.downscale(images)
    with pytest.raises(
        ValueError, match=rf"expected images \[B, {bands}, h, h\], got \[2, {given}, 64, 64\]"
    ):
        network.resample(images.permute(0, 3, 1, 2).float())


@pytest.mark.parametrize("bands", [0, 9, -1])
@pytest.mark.parametrize("backbone", [None, "resnet18"])
def test_unsupported_numbers_of_bands_are_refused(bands, backbone):
    with pytest.raises(GalaxyError, match=f"model.bands must be 1 to 8, not {bands}"):
        make_network("galaxy_cnn", 3, 64, backbone, "none", bands=bands)
