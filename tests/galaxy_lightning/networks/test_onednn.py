from types import SimpleNamespace

import pytest
import torch
from torch import nn

from galaxy_lightning.networks import onednn
from galaxy_lightning.networks.reference_cnn import ReferenceCNN

PLAIN = nn.Sequential(nn.Conv2d(3, 16, 3), nn.MaxPool2d(2), nn.ReLU(), nn.Conv2d(16, 32, 3), nn.ReLU())
UNUSUAL = nn.Sequential(
    nn.Conv2d(3, 6, (3, 5), stride=(2, 1), padding=(1, 2), groups=3, bias=False),
    nn.ReLU(inplace=True),
    nn.MaxPool2d((3, 2), stride=(2, 1), padding=1, ceil_mode=True),
    nn.Conv2d(6, 8, 3, dilation=2),
)

here = pytest.mark.skipif(
    not onednn.accepts(torch.zeros(1, 3, 8, 8)), reason="this processor or torch has no such layouts"
)


def learnt(compute, layers, images):
    """Returns the outputs of layers, and their gradients."""
    layers.zero_grad()
    images = images.clone().requires_grad_()
    result = compute(layers, images)
    (result.float() * torch.linspace(-1, 1, result.numel()).view(result.shape)).sum().backward()
    return [result.detach(), images.grad, *(weights.grad for weights in layers.parameters())]


@here
@pytest.mark.parametrize("layers", [PLAIN, UNUSUAL], ids=["plain", "unusual"])
def test_outputs_and_gradients_equal_those_of_the_layers(layers):
    images = torch.rand(5, 3, 32, 32)
    expected = learnt(lambda layers, images: layers(images), layers, images)
    for found, wanted in zip(learnt(onednn.run, layers, images), expected, strict=True):
        torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-4)


@here
def test_the_first_of_equal_maxima_gets_the_gradient():
    layers = nn.Sequential(nn.MaxPool2d(2))
    (_, found), (_, wanted) = (
        learnt(compute, layers, torch.ones(2, 16, 8, 8))
        for compute in (onednn.run, lambda layers, x: layers(x))
    )
    assert torch.equal(found, wanted)


@here
def test_autocast_keeps_the_type_of_the_weights_gradients():
    images = torch.rand(4, 3, 32, 32)
    with torch.autocast("cpu", torch.bfloat16):
        if not onednn.accepts(images):
            pytest.skip("oneDNN knows no bfloat16 here")
        expected = learnt(lambda layers, images: layers(images), PLAIN, images)
        found = learnt(onednn.run, PLAIN, images)
    assert found[0].dtype == torch.bfloat16
    assert {gradient.dtype for gradient in found[1:]} == {torch.float32}
    for one, other in zip(found, expected, strict=True):
        one, other = one.float(), other.float()
        assert (one - other).abs().max() <= 0.02 * other.abs().max()


@here
@pytest.mark.parametrize("bands", [1, 3, 5])
def test_the_reference_network_gives_the_same_outputs_either_way(monkeypatch, bands):
    # 224 has rows that no pooling window covers, 62 has none.
    for side in (62, 224):
        network, images = ReferenceCNN(3, side, bands=bands).eval(), torch.rand(2, bands, side, side)
        here = learnt(lambda network, images: network(images), network, images)
        with monkeypatch.context() as patch:
            patch.setattr(onednn, "accepts", lambda images: False)
            elsewhere = learnt(lambda network, images: network(images), network, images)
        for one, other in zip(here, elsewhere, strict=True):
            torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-6)


@here
@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_it_runs_without_gradients(mode):
    with mode():
        torch.testing.assert_close(
            onednn.run(PLAIN, torch.ones(1, 3, 16, 16)), PLAIN(torch.ones(1, 3, 16, 16))
        )


@here
def test_other_layers_are_refused():
    with pytest.raises(TypeError, match="BatchNorm2d"):
        onednn.run(nn.Sequential(nn.BatchNorm2d(3)), torch.rand(1, 3, 8, 8))


def test_other_types_devices_and_disabled_onednn_are_not_accepted():
    with torch.backends.mkldnn.flags(enabled=False):
        assert not onednn.accepts(torch.zeros(1, 3, 8, 8))
    assert not onednn.accepts(torch.zeros(1, 3, 8, 8, dtype=torch.float64))
    assert not onednn.accepts(torch.zeros(1, 3, 8, 8, device="meta"))
    with torch.autocast("cpu", torch.float16):
        assert not onednn.accepts(torch.zeros(1, 3, 8, 8))


@pytest.mark.parametrize("missing", ["mkldnn_convolution", "convolution_backward"])
def test_without_the_private_operations_bfloat16_needs_no_onednn(monkeypatch, missing):
    kept = {"mkldnn_convolution", "convolution_backward"} - {missing}
    operations = SimpleNamespace(**{name: getattr(torch.ops.aten, name) for name in kept})
    network, images = ReferenceCNN(3, 46), torch.rand(2, 3, 46, 46)
    onednn._supports_dtype.cache_clear()
    with monkeypatch.context() as patch:
        patch.setattr(torch.ops, "aten", operations)
        with torch.autocast("cpu", torch.bfloat16):
            assert not onednn.accepts(images)
            network(images).sum().backward()
    onednn._supports_dtype.cache_clear()
    assert network.hidden.weight.grad.any()


@here
def test_float32_uses_public_operations_only(monkeypatch):
    network, images = ReferenceCNN(3, 46), torch.rand(2, 3, 46, 46)
    onednn._supports_dtype.cache_clear()
    with monkeypatch.context() as patch:
        patch.setattr(torch.ops, "aten", SimpleNamespace())
        assert onednn.accepts(images)
        network(images).sum().backward()
    assert network.hidden.weight.grad.any()


def test_the_trial_leaves_the_random_numbers_and_modes_as_they_are():
    onednn._supports_dtype.cache_clear()
    torch.manual_seed(0)
    expected = torch.rand(1)
    torch.manual_seed(0)
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        onednn.accepts(torch.zeros(1, 3, 8, 8))
        assert torch.is_inference_mode_enabled()
    assert torch.rand(1) == expected


def test_float64_does_not_use_onednn():
    network = ReferenceCNN(3, 46).double()
    network(torch.rand(2, 3, 46, 46, dtype=torch.float64)).sum().backward()
    assert network.hidden.weight.grad.dtype == torch.float64
