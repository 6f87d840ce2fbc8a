import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

import huggingface_hub
import numpy as np
import pytest
import timm
import torch
import torchvision
from PIL import Image
from safetensors.torch import save_file
from timm.models import save_for_hf

from data_prep.common.errors import GalaxyError
from galaxy_lightning.networks.adaptation import Adaptation
from galaxy_lightning.networks.backbone import Backbone
from galaxy_lightning.networks.sources import _adapted_by_timm
from galaxy_lightning.networks.weight_files import load_weights
from galaxy_lightning.training.checkpoints import read_trained_on

COMMIT = "0123456789abcdef0123456789abcdef01234567"
VIT = 'timm:vit_tiny_patch16_224{"depth": 2, "img_size": [96, 96]}'
"""A small network that takes one size of images only."""
IMAGES = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))


class Evil:
    """Runs code when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


def seen_by(layer, run):
    """Returns the inputs of a layer while a function runs."""
    inputs = []
    with layer.register_forward_pre_hook(lambda _, given: inputs.append(given[0])), torch.no_grad():
        run()
    return inputs[0]


def features(model, head, images):
    """Returns the inputs of a classification head."""
    return seen_by(model.get_submodule(head), lambda: model.eval()(images))


def normalised(backbone, images=IMAGES):
    """Returns the inputs of the wrapped network."""
    return seen_by(backbone.model, lambda: backbone.eval()(images))


def settled(model):
    """Returns the model with batch statistics unlike those of a new one."""
    model.train()
    with torch.no_grad():
        model(torch.rand(4, 3, 64, 64))
    return model.eval()


def save(model, folder, **options):
    """Saves a repository like those of Zoobot, whose config has no model arguments."""
    save_for_hf(model, folder, **options)
    config = json.loads((folder / "config.json").read_text())
    config.pop("model_args", None)
    (folder / "config.json").write_text(json.dumps(config))


@pytest.fixture
def resnet():
    """A network of timm with other statistics and classes than a new one."""
    return settled(timm.create_model("test_resnet", num_classes=7))


@pytest.fixture
def hub(monkeypatch, tmp_path):
    """A local Hugging Face and torch hub that serves files by address and records requests."""
    files, asked = {}, []

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self):
            asked.append(self.path)
            content = files.get(self.path)
            self.send_response(404 if content is None else 200)
            if content is None:
                known = any(path.startswith(self.path.split("/resolve/")[0]) for path in files)
                self.send_header("X-Error-Code", "EntryNotFound" if known else "RepoNotFound")
            else:
                self.send_header("ETag", f'"{abs(hash(content))}"')
            self.send_header("X-Repo-Commit", COMMIT)
            self.send_header("Content-Length", str(len(content or b"")))
            self.end_headers()
            return content or b""

        def do_GET(self):
            self.wfile.write(self.do_HEAD())

        def log_message(self, *args):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.files, server.asked = files, asked
    server.url = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    # The effect of HF_ENDPOINT and HF_HOME before huggingface_hub is imported.
    template = server.url + "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", server.url)
    monkeypatch.setattr(huggingface_hub.constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setattr(huggingface_hub.file_download, "HUGGINGFACE_CO_URL_TEMPLATE", template, raising=False)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hf"))
    monkeypatch.setattr(huggingface_hub.constants, "HF_XET_CACHE", str(tmp_path / "xet"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    yield server
    close(server)


def close(server):
    """Closes the hub: from now on, connections are refused."""
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize(
    ("name", "blocks", "head"),
    [
        ("resnet18", 5, 2),
        ("squeezenet1_1", 9, 2),
        ("mobilenet_v3_small", 14, 2),
        ("shufflenet_v2_x0_5", 5, 2),
        ("timm:test_resnet", 5, 2),
        ("timm:test_efficientnet", 6, 2),
        ("timm:test_vit", 7, 2),
        (VIT, 3, 2),
        ("timm:pit_ti_224", 4, 2),
    ],
)
def test_a_backbone_has_blocks_and_is_rebuilt_from_its_architecture(name, blocks, head):
    backbone = Backbone(name, 3, 64, "none", layer_decay=0.5)
    assert backbone(IMAGES).shape == (2, 3)
    assert len(backbone.blocks) == blocks
    groups = backbone.parameter_groups()
    assert [factor for _, factor in groups] == [0.5**depth for depth in range(blocks + 1)]
    assert len(groups[0][0]) == len(backbone.head_parameters) == head
    covered = [id(parameter) for parameters, _ in groups for parameter in parameters]
    assert sorted(covered) == sorted(map(id, backbone.parameters()))
    again = Backbone(backbone.architecture, 3, 64, "none")
    again.load_state_dict(backbone.state_dict())
    torch.testing.assert_close(again.eval()(IMAGES), backbone.eval()(IMAGES))


def test_blocks_are_ordered_from_input_to_output():
    first = [names[0] for names in Backbone("resnet18", 3, 64, "none").blocks]
    layers = [f"layer{layer}.0.conv1.weight" for layer in (1, 2, 3, 4)]
    assert first == ["conv1.weight", *layers]
    vision = Backbone("timm:test_vit", 3, 64, "none").blocks
    assert vision[0][0] == "cls_token"
    assert vision[-1][-1] == "norm.bias"


def test_images_are_normalised_as_by_torchvision():
    backbone = Backbone("squeezenet1_1", 3, 64, "none")
    pixels = torch.randint(0, 256, (2, 3, 64, 64), dtype=torch.uint8)
    transforms = torchvision.models.SqueezeNet1_1_Weights.DEFAULT.transforms(crop_size=64, resize_size=64)
    torch.testing.assert_close(normalised(backbone, pixels / 255), transforms(pixels))


@pytest.mark.parametrize(("name", "side"), [("timm:test_resnet", 64), (VIT, 96)])
def test_images_are_resized_and_normalised_as_by_timm(name, side):
    backbone = Backbone(name, 3, 64, "none")
    config = backbone.model.pretrained_cfg
    assert (backbone.input_size or (64, 64)) == (side, side)
    pixels = torch.randint(0, 256, (64, 64, 3), dtype=torch.uint8)
    transforms = timm.data.create_transform(
        (3, side, side), mean=config["mean"], std=config["std"], crop_pct=1.0, interpolation="bilinear"
    )
    found = normalised(backbone, pixels.permute(2, 0, 1)[None] / 255)[0]
    # Pillow rounds to integer grey levels.
    torch.testing.assert_close(found, transforms(Image.fromarray(pixels.numpy())), atol=0.01, rtol=0)


@pytest.mark.parametrize("bands", [1, 2, 5, 8])
@pytest.mark.parametrize(
    "name",
    [
        "resnet18",
        "squeezenet1_1",
        "googlenet",
        "timm:test_resnet",
        "timm:test_efficientnet",
        "timm:test_vit",
        VIT,
    ],
)
def test_backbones_take_any_number_of_bands(name, bands):
    backbone = Backbone(name, 4, 64, "none", bands=bands)
    images = torch.rand(2, bands, 64, 64, requires_grad=True)
    logits = backbone.train()(images)
    assert logits.shape == (2, 4)
    logits.square().sum().backward()
    assert (images.grad.abs().amax(dim=(0, 2, 3)) > 0).all()
    assert not backbone.notes
    again = Backbone(backbone.architecture, 4, 64, "none", bands=bands)
    again.load_state_dict(backbone.state_dict())
    torch.testing.assert_close(again.eval()(images), backbone.eval()(images))
    # All bands are normalised alike, by the mean over the colours.
    colour = Backbone(name, 4, 64, "none")
    found = normalised(backbone, torch.zeros(2, bands, 64, 64))
    if name != "googlenet":
        assert found[0, :, 0, 0].tolist() == pytest.approx(
            [float(-colour.mean.mean() / colour.std.mean())] * bands
        )
    else:  # It converts colours to this normalisation itself.
        assert found[0, :, 0, 0].tolist() == pytest.approx([-1.0] * bands)


@pytest.mark.parametrize("bands", [1, 5])
@pytest.mark.parametrize("name", ["resnet18", "timm:test_resnet"])
def test_filters_of_weights_files_are_adapted_to_the_bands(name, bands, tmp_path):
    make = torchvision.models.resnet18 if name == "resnet18" else lambda: timm.create_model("test_resnet")
    source, first = settled(make()), "conv1.weight" if name == "resnet18" else "conv1.0.weight"
    torch.save(source.state_dict(), tmp_path / "colour.pth")
    backbone = Backbone(name, 3, 64, str(tmp_path / "colour.pth"), bands=bands)
    note = f"The weights are for 3 bands: first layer adapted to {'1 band' if bands == 1 else '5 bands'}"
    assert list(backbone.notes) == [note]
    grey = torch.rand(2, 1, 64, 64)
    filters = source.state_dict()[first]
    if bands == 1:
        torch.testing.assert_close(backbone.model.state_dict()[first], filters.sum(dim=1, keepdim=True))
        torch.testing.assert_close(
            features(backbone.model, "fc", grey), features(source, "fc", grey.expand(2, 3, 64, 64))
        )
    else:
        expected = torch.cat([filters, filters[:, :2]], dim=1) * 3 / 5
        torch.testing.assert_close(backbone.model.state_dict()[first], expected)


@pytest.mark.parametrize("bands", [1, 5])
def test_filters_of_a_repository_are_adapted_to_the_bands(bands, tmp_path):
    source = settled(timm.create_model("test_resnet", num_classes=0))
    save(source, tmp_path / "copy", safe_serialization="both")
    backbone = Backbone(f"local-dir:{tmp_path / 'copy'}", 3, 64, bands=bands)
    filters = source.conv1[0].weight.detach()
    expected = filters.sum(dim=1, keepdim=True) if bands == 1 else filters[:, [0, 1, 2, 0, 1]] * 3 / 5
    torch.testing.assert_close(backbone.model.conv1[0].weight.detach(), expected)
    assert backbone.notes[0].startswith("The weights are for 3 bands: first layer adapted to")
    assert not Backbone(f"local-dir:{tmp_path / 'copy'}", 3, 64).notes


def test_filters_that_timm_cannot_adapt_are_reported():
    filters = torch.zeros(8, 16 * 5, 3, 3)  # After a rearrangement of pixels into channels.
    model = SimpleNamespace(pretrained_cfg={"input_size": (3, 64, 64)}, get_parameter=lambda name: filters)
    assert _adapted_by_timm(model, ("stem.weight",), 5) == [
        "The weights are for 3 bands: random initial weights in stem.weight"
    ]
    assert _adapted_by_timm(model, ("stem.weight",), 3) == []


def test_torchvisions_weights_are_adapted_to_the_bands(hub, monkeypatch, tmp_path):
    source = torchvision.models.squeezenet1_1().eval()
    torch.save(source.state_dict(), tmp_path / "source.pth")
    hub.files["/source.pth"] = (tmp_path / "source.pth").read_bytes()
    weights = torchvision.models.SqueezeNet1_1_Weights.DEFAULT.value
    monkeypatch.setattr(weights, "url", f"{hub.url}/source.pth")
    backbone = Backbone("squeezenet1_1", ["a", "b"], 64, bands=1)
    assert list(backbone.notes) == ["The weights are for 3 bands: first layer adapted to 1 band"]
    grey = torch.rand(2, 1, 64, 64)
    torch.testing.assert_close(
        features(backbone.model, "classifier.1", grey),
        features(source, "classifier.1", grey.expand(2, 3, 64, 64)),
    )


def test_large_images_are_smoothed_before_they_are_reduced():
    backbone = Backbone(VIT, 3, 384, "none")
    stripes = (torch.arange(384) % 2).float().expand(1, 3, 384, 384)
    assert float(normalised(backbone, stripes).std()) < 0.05


@pytest.mark.parametrize("form", ["plain.pth", "nested.pt", "wrapped.bin", "headless.safetensors", "old.pth"])
def test_a_weights_file_restores_the_features(resnet, tmp_path, form):
    state, path = resnet.state_dict(), tmp_path / form
    if form == "nested.pt":
        state = {"epoch": 3, "state_dict": {f"module.encoder.{key}": value for key, value in state.items()}}
    elif form == "wrapped.bin":
        state = {"model": {f"backbone.{key}": value for key, value in state.items()}}
    elif form == "headless.safetensors":
        state = {key: value for key, value in state.items() if not key.startswith("fc.")}
    elif form == "old.pth":
        state = {key: value for key, value in state.items() if not key.endswith("num_batches_tracked")}
    if path.suffix == ".safetensors":
        save_file(state, path)
    else:
        torch.save(state, path)
    backbone = Backbone("timm:test_resnet", 3, 64, str(path))
    inside = normalised(backbone)
    torch.testing.assert_close(features(backbone, "model.fc", IMAGES), features(resnet, "fc", inside))
    assert backbone.model.fc.out_features == 3


def test_torchvision_files_load_with_old_names_and_auxiliary_heads(tmp_path):
    google = settled(torchvision.models.googlenet(init_weights=False, transform_input=True))
    torch.save(google.state_dict(), tmp_path / "google.pth")
    backbone = Backbone("googlenet", 3, 64, str(tmp_path / "google.pth"))
    expected = features(google, "fc", normalised(backbone))
    torch.testing.assert_close(features(backbone, "model.fc", IMAGES), expected)

    published = {
        "layers.0.mlp.linear_1.weight": torch.ones(2, 2),
        "layers.0.mlp.linear_2.weight": torch.ones(2, 2),
        "denseblock1.denselayer1.norm.1.weight": torch.ones(2),
        "denseblock1.denselayer1.conv.2.weight": torch.ones(2),
    }
    new = ["layers.0.mlp.0.weight", "layers.0.mlp.3.weight"]
    new += ["denseblock1.denselayer1.norm1.weight", "denseblock1.denselayer1.conv2.weight"]

    class Model(torch.nn.Module):
        def state_dict(self):
            return {key: value * 0 for key, value in zip(new, published.values(), strict=True)}

        def load_state_dict(self, state):
            assert list(state) == new
            assert all(value.all() for value in state.values())

    load_weights(Model(), Adaptation(("head.",)), published, "model", "file")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"conv1.0.weight": None}, "conv1.0.weight is missing in the file and"),
        ({"conv1.0.weight": torch.zeros(1)}, r"conv1.0.weight is \[1\] in the file and"),
        ({"more": torch.zeros(1)}, r"more is \[1\] in the file and missing in the network"),
    ],
)
def test_weights_of_another_network_are_refused(resnet, tmp_path, change, message):
    state = {key: value for key, value in (resnet.state_dict() | change).items() if value is not None}
    torch.save(state, tmp_path / "other.pth")
    with pytest.raises(GalaxyError, match=rf"other.pth does not fit timm:test_resnet: \d+ of .*{message}"):
        Backbone("timm:test_resnet", 3, 64, str(tmp_path / "other.pth"))


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_damaged_and_malicious_files_are_refused_and_never_executed(tmp_path, suffix):
    path, trace = tmp_path / f"weights{suffix}", tmp_path / "trace"
    for content in ({"fc.weight": Evil(trace)}, {"epoch": 3}, {1: torch.zeros(1)}, [1]):
        torch.save(content, path)
        with pytest.raises(GalaxyError, match="contains no weights"):
            Backbone("squeezenet1_1", 3, 64, str(path))
    path.write_bytes(b"\x80\x02garbage")
    with pytest.raises(GalaxyError, match="contains no weights or is damaged"):
        Backbone("squeezenet1_1", 3, 64, str(path))
    assert not trace.exists()


def test_a_local_copy_of_a_repository_is_used(tmp_path):
    source = settled(timm.create_model("test_resnet", num_classes=0))
    save(source, tmp_path / "copy", safe_serialization="both")
    backbone = Backbone(f"local-dir:{tmp_path / 'copy'}", 3, 64)
    assert backbone.architecture == backbone.name == "timm:test_resnet"
    torch.testing.assert_close(
        features(backbone, "model.fc", IMAGES), source.eval()(normalised(backbone)).detach()
    )
    fresh = Backbone(f"local-dir:{tmp_path / 'copy'}", 3, 64, "none")
    assert not torch.equal(fresh.model.conv1[0].weight, source.conv1[0].weight)


@pytest.mark.parametrize(
    ("kind", "changes", "one_size"),
    [
        ("vit_tiny_patch16_224", {"img_size": 96, "depth": 2, "global_pool": "avg"}, (96, 96)),
        ("test_vit", {"img_size": 96, "depth": 2}, None),
    ],
)
def test_network_arguments_of_a_repository_are_part_of_the_architecture(tmp_path, kind, changes, one_size):
    save_for_hf(timm.create_model(kind, num_classes=5, **changes), tmp_path, None, changes)
    config = json.loads((tmp_path / "config.json").read_text())
    config["pretrained_cfg"]["mean"] = [0.1, 0.2, 0.3]
    (tmp_path / "config.json").write_text(json.dumps(config))
    backbone = Backbone(f"local-dir:{tmp_path}", 3, 64)
    again = Backbone(backbone.architecture, 3, 64, "none")
    again.load_state_dict(backbone.state_dict())
    assert again.input_size == backbone.input_size == one_size
    torch.testing.assert_close(again.mean.flatten(), torch.tensor([0.1, 0.2, 0.3]))
    torch.testing.assert_close(again.eval()(IMAGES), backbone.eval()(IMAGES))


def test_a_folder_without_a_repository_is_refused_and_never_executed(tmp_path):
    with pytest.raises(GalaxyError, match="could not be loaded from .*No such file .*config.json"):
        Backbone(f"local-dir:{tmp_path}", 3, 64)
    (tmp_path / "config.json").write_text(json.dumps({"architecture": "test_resnet", "num_classes": 0}))
    with pytest.raises(GalaxyError, match="could not be loaded from .*No suitable checkpoints"):
        Backbone(f"local-dir:{tmp_path}", 3, 64)
    torch.save({"fc.weight": Evil(tmp_path / "trace")}, tmp_path / "pytorch_model.bin")
    with pytest.raises(GalaxyError, match="could not be loaded from"):
        Backbone(f"local-dir:{tmp_path}", 3, 64)
    assert not (tmp_path / "trace").exists()


def test_frozen_blocks_neither_change_nor_count_as_parameters():
    backbone = Backbone("timm:test_resnet", 3, 64, "none", unfrozen=0).train()
    before = {key: value.clone() for key, value in backbone.state_dict().items()}
    ((head, factor),) = backbone.parameter_groups()
    assert (factor, list(map(id, head))) == (1.0, list(map(id, backbone.head_parameters)))
    optimizer = torch.optim.SGD(backbone.parameters(), lr=1.0)
    backbone(IMAGES).square().sum().backward()
    optimizer.step()
    after = backbone.state_dict()
    changed = {key for key, value in after.items() if not torch.equal(value, before[key])}
    assert changed == {"model.fc.weight", "model.fc.bias"}


@pytest.mark.parametrize("name", ["timm:test_resnet", "resnet18"])
def test_the_last_blocks_are_trained_on_request(name):
    backbone = Backbone(name, 3, 64, "none", unfrozen=2, layer_decay=0.5).train()
    before = {key: value.clone() for key, value in backbone.state_dict().items()}
    assert [factor for _, factor in backbone.parameter_groups()] == [1.0, 0.5, 0.25]
    optimizer = torch.optim.SGD(
        [{"params": group, "lr": factor} for group, factor in backbone.parameter_groups()]
    )
    backbone(IMAGES).square().sum().backward()
    optimizer.step()
    after = backbone.state_dict()
    changed = {key.split(".")[1] for key, value in after.items() if not torch.equal(value, before[key])}
    assert changed == {"layer3", "layer4", "fc"}
    # A model without decay has one rate.
    assert [factor for _, factor in Backbone(name, 3, 64, "none").parameter_groups()] == [1.0]


def test_a_hub_is_asked_once_and_its_files_are_cached(hub, tmp_path):
    source = settled(timm.create_model("test_convnext", num_classes=0))
    save(source, tmp_path / "zoo")
    for file in (tmp_path / "zoo").iterdir():
        hub.files[f"/user/zoo/resolve/main/{file.name}"] = file.read_bytes()
    backbone = Backbone("hf_hub:user/zoo", 3, 64)
    assert backbone.architecture == "timm:test_convnext"
    expected = source(normalised(backbone)).detach()
    torch.testing.assert_close(features(backbone, "model.head.fc", IMAGES), expected)
    close(hub)
    kept = Backbone("hf_hub:user/zoo", 3, 64)
    torch.testing.assert_close(features(kept, "model.head.fc", IMAGES), expected)
    assert not huggingface_hub.constants.HF_HUB_OFFLINE


def serve(hub, **files):
    for name, content in files.items():
        hub.files[f"/user/zoo/resolve/main/{name.replace('__', '.')}"] = content


def test_the_training_galaxies_of_a_repository_are_known_also_from_the_cache(hub, tmp_path):
    np.savez(tmp_path / "list.npz", train_objids=np.array([5, 7]), train_has_all_pixels=False)
    config = json.dumps({"architecture": "test_resnet", "galaxy_lightning": {}}).encode()
    serve(hub, config__json=config, trained_on__npz=(tmp_path / "list.npz").read_bytes())
    assert read_trained_on("hub", "hf_hub:user/zoo").objids.tolist() == [5, 7]
    close(hub)
    assert read_trained_on("hub", "hf_hub:user/zoo").objids.tolist() == [5, 7]


def test_a_repository_of_another_program_lists_no_galaxies(hub):
    serve(hub, config__json=b'{"architecture": "test_resnet"}')
    assert not len(read_trained_on("hub", "hf_hub:user/zoo").objids)
    close(hub)
    assert not len(read_trained_on("hub", "hf_hub:user/zoo").objids)
    with pytest.raises(GalaxyError, match="hf_hub:user/none does not list the galaxies"):
        read_trained_on("hub", "hf_hub:user/none")


def test_an_exported_repository_without_its_list_is_refused(hub):
    serve(hub, config__json=b'{"architecture": "test_resnet", "galaxy_lightning": {}}')
    with pytest.raises(GalaxyError, match=r"trained_on\.npz is missing"):
        read_trained_on("hub", "hf_hub:user/zoo")


@pytest.mark.parametrize("name", ["hf_hub:user/none", "timm:test_resnet"])
def test_a_hugging_face_hub_without_the_weights_is_named(hub, name):
    with pytest.raises(GalaxyError, match=f"the weights of {name} .* Hugging Face hub .*404.*local-dir"):
        Backbone(name, 3, 64)
    # The hub's library may request more about itself, once per process.
    assert len([path for path in hub.asked if "/resolve/" in path]) == 1
    close(hub)
    with pytest.raises(GalaxyError, match=f"the weights of {name} .* Hugging Face hub .*refused"):
        Backbone(name, 3, 64)
    with pytest.raises(GalaxyError, match="No pretrained weights exist"):
        Backbone("timm:test_vit4", 3, 64)


def test_weights_are_downloaded_from_torchvision(hub, monkeypatch, tmp_path):
    weights = torchvision.models.SqueezeNet1_1_Weights.DEFAULT.value
    source = torchvision.models.squeezenet1_1().eval()
    torch.save(source.state_dict(), tmp_path / "source.pth")
    hub.files["/source.pth"] = (tmp_path / "source.pth").read_bytes()
    torch.save({"classifier.1.bias": Evil(tmp_path / "trace")}, tmp_path / "evil.pth")
    hub.files["/evil.pth"] = (tmp_path / "evil.pth").read_bytes()

    monkeypatch.setattr(weights, "url", f"{hub.url}/source.pth")
    backbone = Backbone("squeezenet1_1", 3, 64)
    expected = features(source, "classifier.1", normalised(backbone))
    torch.testing.assert_close(features(backbone, "model.classifier.1", IMAGES), expected)
    failures = {
        "none.pth": "HTTP Error 404",
        "evil.pth": "something other than tensors, which was not run",
        "refused.pth": "refused",
    }
    for file, message in failures.items():
        if message == "refused":
            close(hub)
        monkeypatch.setattr(weights, "url", f"{hub.url}/{file}")
        with pytest.raises(GalaxyError, match=f"the weights of squeezenet1_1 .* from .*{file} .*{message}"):
            Backbone("squeezenet1_1", 3, 64)
    assert not (tmp_path / "trace").exists()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"name": "resnet17"}, r"no network 'resnet17' \(similar: resnet1"),
        ({"name": "timm:test_resnets"}, r"\(similar: timm:test_resnet"),
        ({"name": "timm:test_resnet.none"}, r"no network 'timm:test_resnet.none' \(similar"),
        ({"name": 'timm:test_resnet{"depth"'}, "the options of test_resnet are not JSON"),
        ({"name": "zoo:resnet18"}, "no network 'zoo:resnet18': --model.backbone takes"),
        ({"weights": "imagenet"}, "no file imagenet: --model.weights takes hub, none or a file"),
        (
            {"unfrozen": 10},
            "has 9 blocks before its head: --model.unfrozen must be 0 to 9, not 10",
        ),
        ({"unfrozen": -1}, "not -1"),
        ({"layer_decay": 0.0}, "model.layer_decay must be above 0 and at most 1, not 0.0"),
        ({"image_size": 8}, "does not accept images of 8 pixels"),
    ],
)
def test_invalid_backbone_settings_are_refused(settings, message):
    usual = {"name": "squeezenet1_1", "classes": 3, "image_size": 64, "weights": "none"}
    with pytest.raises(GalaxyError, match=message):
        Backbone(**usual | settings)


def test_without_timm_torchvision_works_and_the_extra_is_named(monkeypatch):
    for module in [name for name in sys.modules if name.split(".")[0] == "timm"]:
        monkeypatch.setitem(sys.modules, module, None)
    assert Backbone("squeezenet1_1", 3, 64, "none")(IMAGES).shape == (2, 3)
    with pytest.raises(GalaxyError, match=r"needs timm: pip install 'galaxy-lightning\[timm\]'"):
        Backbone("timm:test_resnet", 3, 64, "none")
