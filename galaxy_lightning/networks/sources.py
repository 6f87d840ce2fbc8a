"""Makes networks of torchvision, timm and the Hugging Face hub, and gets their weights."""

import contextlib
import difflib
import json
import math
import socket
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch
import torchvision
from torch import nn

from data_prep.common.errors import GalaxyError
from data_prep.common.paths import expand_path
from galaxy_lightning.networks.adaptation import (
    Adaptation,
    BandLayers,
    Classes,
    bands_note,
    class_count,
    class_names,
)
from galaxy_lightning.networks.hub_files import FOLDER, REPOSITORY, TIMEOUT, one_hub_request
from galaxy_lightning.networks.weight_files import (
    INSTALL_TIMM,
    describe_error,
    load_weights,
    load_weights_file,
)

HUB: Final = "hub"
NONE: Final = "none"


@dataclass(frozen=True)
class LibraryNetwork:
    """A network of a library, with a new head.

    Attributes:
        model: Maps normalised images ``[B, bands, H, W]`` to logits ``[B, classes]``.
        head: Name prefixes of the parameters of the head.
        architecture: Name from which the same network can be made without a hub.
        mean: Mean of each channel of RGB images in [0, 1], for the normalisation.
        std: Standard deviation of each channel, for the normalisation.
        input_size: Height and width of the images if the network takes one size only.
        notes: Sentences for the user on how the weights were adapted to the classes and bands.
    """

    model: nn.Module
    head: tuple[str, ...]
    architecture: str
    mean: Sequence[float]
    std: Sequence[float]
    input_size: tuple[int, int] | None
    notes: Sequence[str] = ()


def from_torchvision(name: str, classes: Classes, weights: str, bands: int = 3) -> LibraryNetwork:
    """Makes a classification network of torchvision.

    Args:
        name: Name in torchvision's list of models.
        classes: Number of classes, or their names.
        weights: ``hub``, ``none`` or a file.
        bands: Number of bands of the images.

    Raises:
        GalaxyError: The network is unknown, or its weights cannot be loaded or do not fit.
    """
    known = torchvision.models.list_models(module=torchvision.models)
    if name not in known:
        raise _unknown_network(name, known)
    published = torchvision.models.get_model_weights(name).DEFAULT
    side = published.meta["min_size"][0]
    options: dict[str, Any] = {}
    if name.startswith("vit_"):
        options = {"image_size": side}
    elif name in ("googlenet", "inception_v3"):
        # Their weights need another normalisation than ImageNet's; the network converts it.
        options = {"transform_input": True, "aux_logits": False, "init_weights": weights == NONE}
    model = torchvision.models.get_model(name, weights=None, num_classes=class_count(classes), **options)
    layers = [key for key, layer in model.named_modules() if isinstance(layer, nn.Linear | nn.Conv2d)]
    head = (f"{layers[-1]}.",)
    band_layers = _set_bands(model, bands)
    notes: list[str] = []
    # Without names of classes, no note says that ImageNet's head is replaced, as it always is.
    names = None if weights == HUB else class_names(classes)
    adaptation = Adaptation(head, names, bands=bands, band_layers=band_layers)
    if weights == HUB:
        with _explain_loading_errors(name, published.url):
            state = published.get_state_dict(map_location="cpu", check_hash=True, weights_only=True)
        notes = load_weights(model, adaptation, state, name, published.url)
    elif weights != NONE:
        notes = load_weights_file(model, adaptation, weights, name)
    preprocessing = published.transforms()
    mean, std = preprocessing.mean, preprocessing.std
    if getattr(model, "transform_input", False) and bands != 3:
        # The network would convert three channels from ImageNet's normalisation to this one.
        model.transform_input, mean, std = False, (0.5,), (0.5,)
    input_size = (side, side) if name.startswith(("vit_", "maxvit_")) else None
    return LibraryNetwork(model, head, name, mean, std, input_size, notes)


def _set_bands(model: nn.Module, bands: int) -> BandLayers:
    """Sets the number of bands of a network for RGB images.

    The new filters are random, with the standard deviation of the network's own initialisation, corrected for
    the number of inputs.

    Returns:
        The network's layers that depend on the number of bands.
    """
    key, layer = next(
        (key, layer)
        for key, layer in model.named_modules()
        if isinstance(layer, nn.Conv2d) and layer.in_channels == 3
    )
    if bands != 3:
        layer.in_channels = bands
        scale = float(layer.weight.detach().std()) * math.sqrt(3 / bands)
        shape = (layer.out_channels, bands, *layer.kernel_size)
        layer.weight = nn.Parameter(torch.randn(shape) * scale)
    return BandLayers((f"{key}.weight",))


def from_timm(name: str, classes: Classes, weights: str, bands: int = 3) -> LibraryNetwork:
    """Makes a network of timm.

    Args:
        name: ``timm:<name>``, ``hf_hub:<user>/<model>`` or ``local-dir:<folder>``. Options of the model may
            follow timm's names as JSON: ``timm:test_vit{"img_size": [96, 96]}``.
        classes: Number of classes, or their names.
        weights: ``hub``, ``none`` or a file.
        bands: Number of bands of the images.

    Raises:
        GalaxyError: timm is not installed, the network is unknown, or its weights cannot be loaded or do not
            fit.
    """
    try:
        import timm
    except ImportError as error:
        raise GalaxyError(f"{name} needs timm: {INSTALL_TIMM}") from error
    config, kind, options = _timm_arguments(name)
    folder = config["file"] if config.get("source") == FOLDER else None
    repository = config.get("hf_hub_id") if weights == HUB and folder is None else None
    place = f"{repository} on the Hugging Face hub" if repository else config.get("file", "timm")
    with _explain_loading_errors(name, place), one_hub_request(repository):
        # With the number of classes of the weights, so that timm checks that every tensor fits.
        model: Any = timm.create_model(
            f"{FOLDER}:{folder}" if folder else kind,
            pretrained=weights == HUB,
            pretrained_cfg=None if folder else config,  # timm reads the configuration of a folder itself.
            **{**options, "in_chans": bands},
        )
    model.reset_classifier(class_count(classes))
    classifier = model.get_classifier()
    heads = classifier if isinstance(classifier, tuple | list) else (classifier,)
    head = tuple(f"{key}." for key, layer in model.named_modules() if any(layer is part for part in heads))
    config, registered = model.pretrained_cfg, _registered_config(kind)
    first = config.get("first_conv") or registered.get("first_conv") or ()
    filters = tuple(f"{key}.weight" for key in ([first] if isinstance(first, str) else first))
    notes: Sequence[str] = ()
    if weights == HUB:
        notes = _adapted_by_timm(model, filters, bands)
    elif weights not in (HUB, NONE):
        adaptation = Adaptation(head, class_names(classes), bands=bands, band_layers=BandLayers(filters))
        notes = load_weights_file(model, adaptation, weights, name)
    changes = {key: value for key, value in options.items() if key not in ("num_classes", "in_chans")}
    input_size = None
    if registered.get("fixed_input_size"):
        embedding = getattr(model, "patch_embed", None)
        side = getattr(embedding, "img_size", None) or changes.pop("img_size", config["input_size"][1:])
        changes["img_size"] = size = (side, side) if isinstance(side, int) else tuple(side)
        input_size = size if getattr(embedding, "strict_img_size", True) else None
        if size == tuple(registered["input_size"][1:]):
            del changes["img_size"]  # timm's default.
    architecture = f"timm:{kind}{json.dumps(changes) if changes else ''}"
    return LibraryNetwork(model, head, architecture, config["mean"], config["std"], input_size, notes)


def _adapted_by_timm(model: Any, filters: tuple[str, ...], bands: int) -> list[str]:
    """Returns a sentence for the user if timm has adapted weights to another number of bands.

    Args:
        model: The network of timm, with the weights.
        filters: Names of the weights of its first convolutions.
        bands: Number of bands of the images.
    """
    old = (model.pretrained_cfg.get("input_size") or [3])[0]
    if old == bands:
        return []
    shapes = [model.get_parameter(key).shape for key in filters]
    # timm leaves other layers random.
    is_adapted = all(len(shape) == 4 and bands in (1, shape[1]) for shape in shapes)
    return [bands_note(old, bands, BandLayers(filters) if is_adapted else BandLayers(unadaptable=filters))]


def _timm_arguments(name: str) -> tuple[dict[str, Any], str, dict[str, Any]]:
    """Returns the configuration of the weights, the name of the model and its options, as timm takes them."""
    import timm
    from timm.models import load_model_config_from_hf

    scheme, _, place = name.partition(":")
    if scheme == "timm":
        kind, brace, changes = place.partition("{")
        if not timm.is_model(kind) or ("." in kind and not timm.is_model_pretrained(kind)):
            known = timm.list_models() + timm.list_pretrained()
            raise _unknown_network(name, [f"timm:{model}" for model in known])
        try:
            return _registered_config(kind), kind, json.loads(brace + changes or "{}")
        except ValueError as error:
            raise GalaxyError(
                f"--model.backbone {name}: the options of {kind} are not JSON: {error}"
            ) from error
    arguments: tuple[dict[str, Any], str, dict[str, Any]]
    if scheme == FOLDER:
        folder = Path(expand_path(place))
        with _explain_loading_errors(name, place):
            saved = json.loads((folder / "config.json").read_text(encoding="utf-8"))
            config = {"source": FOLDER, "file": str(folder)}
            arguments = config, saved["architecture"], saved.get("model_args") or {}
    elif scheme in REPOSITORY:
        with _explain_loading_errors(name, "the Hugging Face hub"), one_hub_request(place):
            arguments = load_model_config_from_hf(place)
    else:
        raise _unknown_network(name, ())
    return arguments


def _registered_config(kind: str) -> dict[str, Any]:
    """Returns timm's configuration of the weights of a model."""
    import timm

    config: Any = timm.get_pretrained_cfg(kind)
    return dict(config.to_dict()) if config else {}


def _unknown_network(name: str, known: Collection[str]) -> GalaxyError:
    """Returns an error that suggests networks with similar names."""
    similar = difflib.get_close_matches(name, known)
    suggestion = f" (similar: {', '.join(similar)})" if similar else ""
    return GalaxyError(
        f"there is no network {name!r}{suggestion}: --model.backbone takes torchvision's names, timm:NAME, "
        "hf_hub:USER/MODEL and local-dir:FOLDER"
    )


@contextlib.contextmanager
def _explain_loading_errors(name: str, place: str) -> Iterator[None]:
    """Turns exceptions into one line that names the weights and their source; sets a timeout for requests."""
    default_timeout = socket.getdefaulttimeout()
    socket.setdefaulttimeout(TIMEOUT)  # torch.hub sets no timeout.
    try:
        yield
    except Exception as error:  # Libraries, servers and damaged files can raise any exception.
        raise GalaxyError(
            f"the weights of {name} could not be loaded from {place} ({describe_error(error)}): set "
            "--model.weights to a file of weights or to none, or --model.backbone to a copied repository, "
            "local-dir:FOLDER"
        ) from error
    finally:
        socket.setdefaulttimeout(default_timeout)
