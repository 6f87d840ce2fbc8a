"""Exports a network as a folder for the Hugging Face hub, which ``--model.weights`` and timm load.

============================  ====================================================================
``model.safetensors``         the weights; of a backbone of timm, under the names that timm gives them
``config.json``               the architecture in timm's form, and the metadata of the export
``README.md``                 the model card
``trained_on.npz``            which galaxies the weights were trained on, so that none of them is
                              ever used to measure a model that starts from these weights
============================  ====================================================================
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
from torch import Tensor

from data_prep.common.files import new_folder
from data_prep.common.json_files import write_json
from galaxy_lightning.export.hub_card import make_card
from galaxy_lightning.networks.backbone import Backbone
from galaxy_lightning.networks.network import Network
from galaxy_lightning.networks.weight_folders import ABOUT, CLASSES, CONFIG, TRAINED_ON, WEIGHTS
from galaxy_lightning.training.checkpoints import CheckpointInfo
from galaxy_lightning.training.module import GalaxyClassifier

README: Final = "README.md"
CONTENTS: Final = (WEIGHTS, CONFIG, README, TRAINED_ON)
_TIMM: Final = "timm:"
_OF_TIMM: Final = ("interpolation", "first_conv", "classifier", "fixed_input_size", "pool_size")
"""What timm knows about an architecture, whatever its weights."""


def export_hub(
    model: GalaxyClassifier,
    trained: CheckpointInfo,
    metadata: Mapping[str, Any],
    folder: Path,
    name: str,
    *,
    overwrite: bool = False,
) -> None:
    """Writes a network as a folder for the Hugging Face hub, atomically.

    Args:
        model: The model.
        trained: The contents of its checkpoint; the results in its run folder go into the model card.
        metadata: What the folder says about the model.
        folder: The folder to create.
        name: The name of the model in its card.
        overwrite: Whether to replace an earlier export.

    Raises:
        GalaxyError: The folder exists, or cannot be written.
    """
    from safetensors.torch import save

    network = model.network
    timm_options = _timm_options(network)
    parts = network.model if isinstance(network, Backbone) and timm_options is not None else network
    state = {name: values.detach().cpu().contiguous().clone() for name, values in parts.state_dict().items()}
    config = _describe(network, model, timm_options) | {ABOUT: dict(metadata)}
    with new_folder(folder, overwrite=overwrite, contents=CONTENTS) as partial:
        about = {"format": "pt", ABOUT: "1", CLASSES: json.dumps(model.classes)}
        (partial / WEIGHTS).write_bytes(save(state, about))  # Its save_file hides what is wrong with a disk.
        write_json(partial / CONFIG, config)
        _save_seen(trained, partial / TRAINED_ON)
        size = None if timm_options is None else config["pretrained_cfg"]["input_size"][1:]
        card = make_card(trained, metadata, size, name)
        (partial / README).write_text(card, encoding="utf-8")


def _timm_options(network: Network) -> dict[str, Any] | None:
    """Returns the options with which timm makes a network; None if timm does not have the same network."""
    if network.grey:  # timm's would see the colours.
        return None
    if not isinstance(network, Backbone) or not network.architecture.startswith(_TIMM):
        return None
    _, brace, options = network.architecture.partition("{")
    return dict(json.loads(brace + options or "{}"))


def _describe(network: Network, model: GalaxyClassifier, options: dict[str, Any] | None) -> dict[str, Any]:
    """Returns the content of ``config.json`` without the metadata, in the form that timm reads."""
    config: dict[str, Any] = {"architecture": network.name, "num_classes": len(model.classes)}
    config |= {"label_names": list(model.classes)}
    if not isinstance(network, Backbone):
        return config
    normalisation = {"mean": _as_list(network.mean), "std": _as_list(network.std)}
    if options is None:
        return config | {"pretrained_cfg": normalisation}
    known: Mapping[str, Any] = getattr(network.model, "pretrained_cfg", {})
    size = network.input_size or (model.image_size, model.image_size)
    pretrained = {name: known[name] for name in _OF_TIMM if known.get(name) is not None}
    pretrained |= {
        "num_classes": len(model.classes),
        "input_size": [model.bands, *size],
        "crop_pct": 1.0,
        "custom_load": False,
        **normalisation,
    }
    config["architecture"] = network.architecture.removeprefix(_TIMM).partition("{")[0].partition(".")[0]
    if model.bands != 3:
        options = options | {"in_chans": model.bands}
    return config | ({"model_args": options} if options else {}) | {"pretrained_cfg": pretrained}


def _as_list(values: Tensor) -> list[float]:
    return [float(value) for value in values.flatten()]


def _save_seen(trained: CheckpointInfo, path: Path) -> None:
    """Writes the galaxies on which the weights were trained, as entries of a checkpoint."""
    arrays = {name: np.asarray(value) for name, value in trained.trained_on.state("train").items()}
    np.savez(path, **arrays)  # type: ignore[arg-type]  # Any of the names could be that of an option.
