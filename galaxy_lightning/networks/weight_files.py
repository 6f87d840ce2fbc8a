"""Weights from files into networks, read without running what a file may hold."""

import re
import warnings
import zipfile
from collections.abc import Collection
from pathlib import Path
from pickle import UnpicklingError
from typing import Any, Final

import torch
from torch import Tensor, nn
from torch.nn.modules.utils import consume_prefix_in_state_dict_if_present

from data_prep.common.errors import GalaxyError

EXTRA: Final = "pip install 'galaxy-lightning[timm]'"
"""What brings timm, and safetensors with it."""

_WRAPPERS: Final = ("network.", "module.", "model.", "backbone.", "encoder.")
"""What the names in a file may all begin with: the model was part of another one."""
_AUXILIARY: Final = ("AuxLogits.", "aux1.", "aux2.", "auxiliary.", "rings.auxiliary.")
"""Heads that Inception, GoogLeNet and our own are trained with, and never classify with."""
_RENAMED: Final = (
    (re.compile(r"(denselayer\d+\.(?:norm|conv))\.([12]\.)"), r"\1\2"),
    (re.compile(r"\.mlp\.linear_1\."), ".mlp.0."),
    (re.compile(r"\.mlp\.linear_2\."), ".mlp.3."),
)
"""What torchvision's published DenseNets and vision transformers call otherwise than its code does now."""


def load_file(
    model: nn.Module, head: tuple[str, ...], file: str, name: str, *, keep_head: bool = False
) -> None:
    """Gives a network the weights of a file.

    Args:
        model: The network.
        head: What the names of its head's parameters begin with.
        file: A checkpoint, or a ``state_dict`` of the same network; read without running what it may hold.
        name: What the user calls the network.
        keep_head: Take the file's head too where it has as many classes; otherwise the head stays fresh.

    Raises:
        GalaxyError: There is no such file, it is damaged, or of another network.
    """
    if not Path(file).is_file():
        raise GalaxyError(f"there is no file {file}: --model.weights takes a file of weights")
    load(model, head, _read(Path(file)), name, file, keep_head=keep_head)


def reason(error: Exception) -> str:
    """Says in one short line what another library refused."""
    if isinstance(error, UnpicklingError):
        return "it holds something other than tensors, which was not run"
    return f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"


def _unwrap(state: dict[str, Tensor], own: Collection[str]) -> None:
    """Takes off what all names begin with where the model was part of another one."""
    for prefix in _WRAPPERS:
        # What a backbone of ours keeps beside its model.
        beside = {"mean", "std"} - set(own) if prefix == "model." else set()
        inside = [key for key in state if key not in beside]
        if all(key.startswith(prefix) for key in inside) and not all(key.startswith(prefix) for key in own):
            for key in beside & state.keys():
                del state[key]
            consume_prefix_in_state_dict_if_present(state, prefix)


def load(
    model: nn.Module,
    head: tuple[str, ...],
    state: dict[str, Tensor],
    name: str,
    origin: str,
    *,
    keep_head: bool = False,
) -> None:
    """Gives a network weights that have been read.

    Args:
        model: The network.
        head: What the names of its head's parameters begin with.
        state: The weights by name; it is changed.
        name: What the user calls the network.
        origin: Where the weights are from.
        keep_head: As for :func:`load_file`.

    Raises:
        GalaxyError: They are of another network.
    """
    own = model.state_dict()
    _unwrap(state, own)
    heads = [key for key in own if key.startswith(head)]
    if keep_head and all(key in state and state[key].shape == own[key].shape for key in heads):
        head = ()
    given = {}
    for key, value in state.items():
        for old, new in _RENAMED:
            key = old.sub(new, key)
        if not key.startswith(head + _AUXILIARY):
            given[key] = value
    asked = {key: value for key, value in own.items() if not key.startswith(head + _AUXILIARY)}
    fits = {key for key, value in asked.items() if key in given and given[key].shape == value.shape}
    # Files from before PyTorch 0.4.1 do not count the batches that a normalisation has seen.
    right = fits | {key for key in asked.keys() - given.keys() if key.endswith("num_batches_tracked")}
    wrong = [key for key in [*asked, *given] if key not in right]
    if wrong:
        key = wrong[0]
        theirs, ours = (list(some[key].shape) if key in some else "nothing" for some in (given, asked))
        raise GalaxyError(
            f"{origin} does not fit {name}: {len(fits)} of its {len(given)} tensors do, but {key} is "
            f"{theirs} in it and {ours} in the network; name the network that it is of"
        )
    own.update(given)
    model.load_state_dict(own)


def load_whole(path: Path) -> Any:
    """Loads what ``torch.save`` has written, on the CPU, running nothing that the file may hold.

    Raises:
        Exception: It is damaged; of any type, since a damaged file fails in any way.
    """
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            if damaged := archive.testzip():  # torch.load takes what it finds.
                raise ValueError(f"the checksum of {damaged} is wrong")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Of what the file holds; what is refused is told.
        return torch.load(path, map_location="cpu", weights_only=True)


def _read(path: Path) -> dict[str, Tensor]:
    """Reads a file of weights, running nothing that it may hold."""
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file as load_safetensors

            content: Any = load_safetensors(path)
        else:
            content = load_whole(path)
    except ImportError as error:
        raise GalaxyError(f"{path} needs safetensors, which comes with timm: {EXTRA}") from error
    except Exception as error:  # A damaged file fails in any way.
        raise GalaxyError(f"{path} holds no weights or is damaged ({reason(error)}): get it again") from error
    for key in ("state_dict", "model"):
        if isinstance(content, dict) and isinstance(content.get(key), dict):
            content = content[key]
            break
    if not isinstance(content, dict) or not all(
        isinstance(key, str) and isinstance(value, Tensor) for key, value in content.items()
    ):
        raise GalaxyError(f"{path} holds no weights: save a network's state_dict() to it")
    return content
