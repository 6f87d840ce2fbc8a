"""Where networks and their weights come from: torchvision, timm, the Hugging Face hub, files."""

import contextlib
import difflib
import json
import socket
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torchvision
from torch import nn

from data_prep.common.errors import GalaxyError
from data_prep.common.paths import expand_path
from galaxy_lightning.networks.weight_files import EXTRA, load, load_file, reason

HUB: Final = "hub"
NONE: Final = "none"
_FOLDER: Final = "local-dir"
"""timm's name for repositories that are folders."""
TIMEOUT: Final = 10.0
"""Seconds after which a hub that keeps silent is given up."""


@dataclass(frozen=True)
class Source:
    """A network as its makers give it, but with a fresh head.

    Attributes:
        model: Normalised images ``[B, 3, H, W]`` in, logits ``[B, classes]`` out.
        head: What the names of its head's parameters begin with.
        architecture: The name that builds it again without any hub.
        mean: What to subtract from the channels of images in [0, 1].
        std: What to divide them by then.
        input_size: Height and width of the images that it takes, where it takes no other.
    """

    model: nn.Module
    head: tuple[str, ...]
    architecture: str
    mean: Sequence[float]
    std: Sequence[float]
    input_size: tuple[int, int] | None


def from_torchvision(name: str, classes: int, weights: str) -> Source:
    """Makes one of torchvision's classification networks.

    Args:
        name: As torchvision lists it.
        classes: How many classes its head tells apart.
        weights: ``hub``, ``none`` or a file.

    Raises:
        GalaxyError: There is no such network, or its weights cannot be loaded or do not fit.
    """
    known = torchvision.models.list_models(module=torchvision.models)
    if name not in known:
        raise _unknown(name, known)
    published = torchvision.models.get_model_weights(name).DEFAULT
    side = published.meta["min_size"][0]
    options: dict[str, Any] = {}
    if name.startswith("vit_"):
        options = {"image_size": side}
    elif name in ("googlenet", "inception_v3"):
        # They turn ImageNet's normalisation into the one that they were trained with.
        options = {"transform_input": True, "aux_logits": False, "init_weights": weights == NONE}
    model = torchvision.models.get_model(name, weights=None, num_classes=classes, **options)
    layers = [key for key, layer in model.named_modules() if isinstance(layer, nn.Linear | nn.Conv2d)]
    head = (f"{layers[-1]}.",)
    if weights == HUB:
        with _fetching(name, published.url):
            state = published.get_state_dict(map_location="cpu", check_hash=True, weights_only=True)
        load(model, head, state, name, published.url)
    elif weights != NONE:
        load_file(model, head, weights, name)
    as_trained = published.transforms()
    one_size = (side, side) if name.startswith(("vit_", "maxvit_")) else None
    return Source(model, head, name, as_trained.mean, as_trained.std, one_size)


def from_timm(name: str, classes: int, weights: str) -> Source:
    """Makes one of timm's networks.

    Args:
        name: ``timm:<name>``, ``hf_hub:<user>/<model>`` or ``local-dir:<folder>``. After timm's own name may
            follow, as JSON, what to make otherwise: ``timm:test_vit{"img_size": [96, 96]}``.
        classes: How many classes its head tells apart.
        weights: ``hub``, ``none`` or a file.

    Raises:
        GalaxyError: timm is not installed, there is no such network, or its weights cannot be loaded or do
            not fit.
    """
    try:
        import timm
    except ImportError as error:
        raise GalaxyError(f"{name} needs timm: {EXTRA}") from error
    config, kind, options = _timm_recipe(name)
    folder = config["file"] if config.get("source") == _FOLDER else None
    repository = config.get("hf_hub_id") if weights == HUB and folder is None else None
    place = f"{repository} on the Hugging Face hub" if repository else config.get("file", "timm")
    with _fetching(name, place), _asking_once(repository):
        # With as many classes as the weights were trained for, timm insists that every one of them fits.
        model: Any = timm.create_model(
            f"{_FOLDER}:{folder}" if folder else kind,
            pretrained=weights == HUB,
            pretrained_cfg=None if folder else config,  # timm reads a folder's itself.
            **{**options, "in_chans": 3},
        )
    model.reset_classifier(classes)
    heads = model.get_classifier()
    heads = heads if isinstance(heads, tuple | list) else (heads,)
    head = tuple(f"{key}." for key, layer in model.named_modules() if any(layer is one for one in heads))
    if weights not in (HUB, NONE):
        load_file(model, head, weights, name)
    changes = {key: value for key, value in options.items() if key not in ("num_classes", "in_chans")}
    config, registered = model.pretrained_cfg, _registered(kind)
    one_size = None
    if registered.get("fixed_input_size"):
        embedding = getattr(model, "patch_embed", None)
        side = getattr(embedding, "img_size", None) or changes.pop("img_size", config["input_size"][1:])
        changes["img_size"] = size = (side, side) if isinstance(side, int) else tuple(side)
        one_size = size if getattr(embedding, "strict_img_size", True) else None
        if size == tuple(registered["input_size"][1:]):
            del changes["img_size"]  # As timm makes it anyway.
    architecture = f"timm:{kind}{json.dumps(changes) if changes else ''}"
    return Source(model, head, architecture, config["mean"], config["std"], one_size)


def _timm_recipe(name: str) -> tuple[dict[str, Any], str, dict[str, Any]]:
    """What timm makes a network from: its weights' configuration, its kind, and what to make otherwise."""
    import timm
    from timm.models import load_model_config_from_hf

    scheme, _, place = name.partition(":")
    if scheme == "timm":
        kind, brace, changes = place.partition("{")
        if not timm.is_model(kind) or ("." in kind and not timm.is_model_pretrained(kind)):
            raise _unknown(name, [f"timm:{known}" for known in timm.list_models() + timm.list_pretrained()])
        with _fetching(name, "its name"):
            return _registered(kind), kind, json.loads(brace + changes or "{}")
    recipe: tuple[dict[str, Any], str, dict[str, Any]]
    if scheme == _FOLDER:
        folder = Path(expand_path(place))
        with _fetching(name, place):
            saved = json.loads((folder / "config.json").read_text(encoding="utf-8"))
            about = {"source": _FOLDER, "file": str(folder)}
            recipe = about, saved["architecture"], saved.get("model_args") or {}
    elif scheme in ("hf_hub", "hf-hub"):
        with _fetching(name, "the Hugging Face hub"), _asking_once(place):
            recipe = load_model_config_from_hf(place)
    else:
        raise _unknown(name, ())
    return recipe


def _registered(kind: str) -> dict[str, Any]:
    """The configuration of the weights that timm itself knows for a kind of network."""
    import timm

    config: Any = timm.get_pretrained_cfg(kind)
    return dict(config.to_dict()) if config else {}


def _unknown(name: str, known: Collection[str]) -> GalaxyError:
    """An error that names the networks whose names are nearest."""
    near = difflib.get_close_matches(name, known)
    return GalaxyError(
        f"there is no network {name!r}{': nearest are ' if near else ''}{', '.join(near)}; --model.backbone "
        "takes torchvision's names, timm:NAME, hf_hub:USER/MODEL and local-dir:FOLDER"
    )


@contextlib.contextmanager
def _fetching(name: str, place: str) -> Iterator[None]:
    """Says in one line which weights could not be downloaded, and does not wait long for a silent server."""
    usual = socket.getdefaulttimeout()
    socket.setdefaulttimeout(TIMEOUT)  # torch.hub sets none of its own.
    try:
        yield
    except Exception as error:  # Libraries, servers and damaged files fail in any way they like.
        raise GalaxyError(
            f"the weights of {name} could not be downloaded from {place} ({reason(error)}): name a file of "
            "weights, or none, with --model.weights, or a copied repository as --model.backbone "
            "local-dir:FOLDER"
        ) from error
    finally:
        socket.setdefaulttimeout(usual)


@contextlib.contextmanager
def _asking_once(repository: str | None) -> Iterator[None]:
    """Asks the Hugging Face hub once for a repository; if that fails, what was kept of it earlier has to do.

    timm would ask again and again, for minutes, and then not say what went wrong.
    """
    if repository is None:
        yield
        return
    from huggingface_hub import constants, get_hf_file_metadata, hf_hub_url
    from huggingface_hub.errors import EntryNotFoundError

    usual, unreachable = constants.HF_HUB_OFFLINE, None
    user_model, _, revision = repository.partition("@")
    try:
        address = hf_hub_url(user_model, "config.json", revision=revision or None)
        get_hf_file_metadata(address, timeout=TIMEOUT)
    except EntryNotFoundError:
        pass  # The repository is there.
    except Exception as error:  # Its kind depends on the HTTP library below.
        unreachable = error
        constants.HF_HUB_OFFLINE = True
    try:
        yield
    except Exception as error:
        raise (unreachable or error) from error
    finally:
        constants.HF_HUB_OFFLINE = usual
