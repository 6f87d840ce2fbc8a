"""Loads weights from files into networks, without running code that a file may contain."""

import re
import warnings
import zipfile
from collections.abc import Collection, Sequence
from pathlib import Path
from pickle import UnpicklingError
from typing import Any, Final

import torch
from torch import Tensor, nn
from torch.nn.modules.utils import consume_prefix_in_state_dict_if_present

from data_prep.common.errors import GalaxyError
from galaxy_lightning.networks.adaptation import Adaptation, adapt_bands, adapt_head, bands_note
from galaxy_lightning.networks.weight_folders import folder_normalisation, parse_class_names, read_class_names

INSTALL_TIMM: Final = "pip install 'galaxy-lightning[timm]'"
"""Command that installs timm, and safetensors with it."""

_WRAPPERS: Final = ("network.", "module.", "model.", "backbone.", "encoder.")
"""Prefixes of all names in a file whose network was part of another model."""
_AUXILIARY: Final = ("AuxLogits.", "aux1.", "aux2.", "auxiliary.", "rings.auxiliary.")
"""Auxiliary heads of Inception, GoogLeNet and galaxy_cnn, which only training uses."""
_RENAMED: Final = (
    (re.compile(r"(denselayer\d+\.(?:norm|conv))\.([12]\.)"), r"\1\2"),
    (re.compile(r"\.mlp\.linear_1\."), ".mlp.0."),
    (re.compile(r"\.mlp\.linear_2\."), ".mlp.3."),
)
"""Old names in torchvision's published DenseNets and vision transformers, and their present names."""


def load_weights_file(
    model: nn.Module,
    adaptation: Adaptation,
    file: str,
    name: str,
    file_classes: Sequence[str] | None = None,
) -> list[str]:
    """Loads the weights of a file into a network.

    A checkpoint's head is used only for its own classes; it is reordered if their order differs.

    Args:
        model: The network.
        adaptation: What the weights are adapted to.
        file: A checkpoint, or a ``state_dict`` of the same network. No code in it is run.
        name: Name of the network in messages.
        file_classes: Names of the file's classes, in case it does not contain them.

    Returns:
        Sentences for the user on how the weights were adapted.

    Raises:
        GalaxyError: The file is missing, damaged or of another network.
    """
    if not Path(file).is_file():
        raise GalaxyError(f"there is no file {file}: --model.weights takes a file of weights")
    state, names = _read(Path(file))
    return load_weights(model, adaptation, state, name, file, names or file_classes)


def read_normalisation(path: Path) -> tuple[list[float], list[float]] | None:
    """Returns the mean and the standard deviation of each band for which weights were trained.

    Args:
        path: A file of weights: an export, or a checkpoint of a backbone.

    Returns:
        None if the file does not say it.

    Raises:
        GalaxyError: The file is damaged.
    """
    if path.suffix == ".safetensors":
        return folder_normalisation(path)
    state, _ = _read(path)
    if not {"network.mean", "network.std"} <= state.keys():
        return None
    return state["network.mean"].flatten().tolist(), state["network.std"].flatten().tolist()


def describe_error(error: Exception) -> str:
    """Returns an exception of another library as one short line."""
    if isinstance(error, UnpicklingError):
        return "it contains something other than tensors, which was not run"
    return f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"


def _strip_wrappers(state: dict[str, Tensor], expected: Collection[str]) -> None:
    """Removes the prefixes that all names in a file share if its network was part of another model.

    Args:
        state: The weights by name; changed in place.
        expected: Names of the network's own weights.
    """
    for prefix in _WRAPPERS:
        # A Backbone stores these two beside its model.
        extra = {"mean", "std"} - set(expected) if prefix == "model." else set()
        wrapped = [key for key in state if key not in extra]
        if all(key.startswith(prefix) for key in wrapped) and not all(
            key.startswith(prefix) for key in expected
        ):
            for key in extra & state.keys():
                del state[key]
            consume_prefix_in_state_dict_if_present(state, prefix)


def load_weights(
    model: nn.Module,
    adaptation: Adaptation,
    state: dict[str, Tensor],
    name: str,
    origin: str,
    file_classes: Sequence[str] | None = None,
) -> list[str]:
    """Loads weights into a network.

    Args:
        model: The network.
        adaptation: What the weights are adapted to.
        state: The weights by name; changed in place.
        name: Name of the network in messages.
        origin: File or address of the weights.
        file_classes: Names of the classes of the weights, if known.

    Returns:
        Sentences for the user on how the weights were adapted.

    Raises:
        GalaxyError: The weights are of another network.
    """
    own = model.state_dict()
    _strip_wrappers(state, own)
    is_kept, note = adapt_head(state, own, adaptation, file_classes)
    notes = [note] if note else []
    skipped = _AUXILIARY if is_kept else adaptation.head + _AUXILIARY
    if file_bands := adapt_bands(state, own, adaptation):
        layers = adaptation.band_layers
        notes.append(bands_note(file_bands, adaptation.bands, layers))
        skipped += layers.unadaptable
    loaded = {}
    for key, value in state.items():
        for old, new in _RENAMED:
            key = old.sub(new, key)
        if not key.startswith(skipped):
            loaded[key] = value
    required = {key: value for key, value in own.items() if not key.startswith(skipped)}
    matching = {key for key, value in required.items() if key in loaded and loaded[key].shape == value.shape}
    # Files from before PyTorch 0.4.1 lack the batch counters of the normalisations.
    absent_counters = {key for key in required.keys() - loaded.keys() if key.endswith("num_batches_tracked")}
    mismatches = [key for key in [*required, *loaded] if key not in matching | absent_counters]
    if mismatches:
        key = mismatches[0]
        in_file, in_network = (
            list(tensors[key].shape) if key in tensors else "missing" for tensors in (loaded, required)
        )
        raise GalaxyError(
            f"{origin} does not fit {name}: {len(matching)} of its {len(loaded)} tensors match, but {key} is "
            f"{in_file} in the file and {in_network} in the network; choose the network of the file"
        )
    own.update(loaded)
    model.load_state_dict(own)
    return notes


def load_safely(path: Path) -> Any:
    """Loads a file written by ``torch.save`` to the CPU, without running code that it may contain.

    Raises:
        Exception: The file is damaged. The type varies.
    """
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            if damaged := archive.testzip():  # torch.load does not verify checksums.
                raise ValueError(f"the checksum of {damaged} is wrong")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Warnings about the contents; refused contents raise an error.
        return torch.load(path, map_location="cpu", weights_only=True)


def _read(path: Path) -> tuple[dict[str, Tensor], list[str] | None]:
    """Reads a file of weights, without running code that it may contain.

    Returns:
        The weights by name, and the names of the classes if it is a checkpoint of this package.
    """
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file as load_safetensors

            content: Any = load_safetensors(path)
            classes = read_class_names(path)
        else:
            content = load_safely(path)
            classes = _class_names(content)
    except ImportError as error:
        raise GalaxyError(f"{path} needs safetensors, which comes with timm: {INSTALL_TIMM}") from error
    except Exception as error:  # A damaged file can raise any exception.
        raise GalaxyError(
            f"{path} contains no weights or is damaged ({describe_error(error)}): get it again"
        ) from error
    for key in ("state_dict", "model"):
        if isinstance(content, dict) and isinstance(content.get(key), dict):
            content = content[key]
            break
    if not isinstance(content, dict) or not all(
        isinstance(key, str) and isinstance(value, Tensor) for key, value in content.items()
    ):
        raise GalaxyError(f"{path} contains no weights: save a network's state_dict() to it")
    return content, classes


def _class_names(content: Any) -> list[str] | None:
    """Returns the names of the classes in a checkpoint of this package; None for other content."""
    settings = content.get("hyper_parameters") if isinstance(content, dict) else None
    names = settings.get("classes") if isinstance(settings, dict) else None
    is_list = isinstance(names, list | tuple) and all(isinstance(name, str) for name in names)
    return parse_class_names(names) if is_list else None
