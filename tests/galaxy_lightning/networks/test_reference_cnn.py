import pytest
import torch
from torch.nn import functional

from data_prep.common.errors import GalaxyError
from galaxy_lightning.networks import NETWORKS, make_network
from galaxy_lightning.networks.reference_cnn import Dropout, ReferenceCNN


def as_specified(network, images):
    """The forward pass as the reference specifies it: ReLU before the pooling, dropout off."""
    features = images
    for layer in (layer for layer in network.features if isinstance(layer, torch.nn.Conv2d)):
        features = functional.max_pool2d(
            functional.relu(functional.conv2d(features, layer.weight, layer.bias)), 2
        )
    rows = features.permute(0, 2, 3, 1).reshape(len(images), -1)
    hidden = functional.relu(rows @ network.hidden.weight.T + network.hidden.bias)
    last = network.head[-1]
    return hidden @ last.weight.T + last.bias


@pytest.mark.parametrize("bands", [1, 3, 5])
def test_relu_after_pooling_gives_the_same_numbers(bands):
    network = ReferenceCNN(3, 64, bands=bands).eval()
    images = torch.rand(5, bands, 64, 64)
    torch.testing.assert_close(network(images), as_specified(network, images))


def test_colour_images_give_the_outputs_of_earlier_versions():
    """The numbers were computed before images could have other numbers of bands."""
    torch.manual_seed(0)
    images = torch.randint(0, 256, (3, 64, 64, 3), dtype=torch.uint8)
    torch.manual_seed(1)
    network = make_network("reference_cnn", 3, 64).eval()
    expected = torch.tensor([-0.07660814, -0.08388046, 0.2170032, -0.1207155, -0.05256166, 0.1701933])
    with torch.no_grad():
        found = network(network.prepare(images))[:2].flatten()
    torch.testing.assert_close(found, expected, atol=2e-5, rtol=1e-4)


def test_the_architecture_has_the_shapes_of_the_keras_network():
    shapes = [tuple(weights.shape) for weights in ReferenceCNN().parameters()]
    assert shapes == [
        *((16, 3, 3, 3), (16,), (32, 16, 3, 3), (32,), (64, 32, 3, 3), (64,), (128, 64, 3, 3), (128,)),
        *((32, 12 * 12 * 128), (32,), (3, 32), (3,)),
    ]
    assert sum(weights.numel() for weights in ReferenceCNN().parameters()) == 687_395


def test_initial_weights_are_glorot_uniform_and_biases_zero():
    torch.manual_seed(0)
    for layer in ReferenceCNN().modules():
        if isinstance(layer, torch.nn.Conv2d | torch.nn.Linear):
            receptive = layer.weight[0, 0].numel()
            limit = (6 / (receptive * (layer.weight.shape[0] + layer.weight.shape[1]))) ** 0.5
            assert layer.weight.detach().abs().max() <= limit
            assert layer.weight.detach().abs().max() > 0.9 * limit
            assert float(layer.weight.detach().std()) == pytest.approx(limit / 3**0.5, rel=0.2)
            assert not layer.bias.any()


def test_the_penalty_is_the_l2_term_of_the_hidden_kernel():
    network = ReferenceCNN(3, 64)
    expected = 0.005 * (network.hidden.weight.detach().numpy() ** 2).sum()
    assert float(network.penalty().detach()) == pytest.approx(expected, rel=1e-5)


def test_dropout_acts_only_in_training():
    network, images = ReferenceCNN(3, 64), torch.rand(4, 3, 64, 64)
    assert not torch.equal(network(images), network(images))
    network.eval()
    assert torch.equal(network(images), network(images))


def test_images_that_are_too_small_and_unknown_networks_are_refused():
    assert ReferenceCNN(3, 46)(torch.rand(1, 3, 46, 46)).shape == (1, 3)
    with pytest.raises(GalaxyError, match="at least 46 pixels, not 45"):
        ReferenceCNN(3, 45)
    with pytest.raises(GalaxyError, match="no network 'resnet9000'"):
        make_network("resnet9000", 3, 64)


@pytest.mark.parametrize("name", NETWORKS)
def test_every_network_returns_a_logit_per_class_and_a_penalty(name):
    network = make_network(name, 4, 64)
    assert network(torch.rand(2, 3, 64, 64)).shape == (2, 4)
    assert network.penalty().shape == ()


def test_dropout_drops_its_share_and_scales_the_rest_and_the_gradients():
    torch.manual_seed(0)
    values = torch.ones(200, 500, requires_grad=True)
    dropped = Dropout(0.3)(values)
    dropped.sum().backward()
    assert sorted({round(value, 5) for value in dropped.flatten().tolist()}) == [0, round(1 / 0.7, 5)]
    assert float((dropped == 0).float().mean()) == pytest.approx(0.3, abs=0.01)
    assert torch.equal(values.grad, dropped.detach())
