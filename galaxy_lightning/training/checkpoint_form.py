"""Checks the form of a checkpoint before Lightning and the model are given it."""

import inspect
import re
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import torch

from galaxy_lightning.networks.sources import NONE
from galaxy_lightning.training.module import GalaxyClassifier

_RENAMED: Final = {"precision": "target_accuracy"}
"""What older checkpoints call a setting otherwise."""
_FETCHED: Final = re.compile(r"(?!timm:)[^:]*:|.*\b(checkpoint_path|cache_dir|pretrained)", re.DOTALL)
"""Names of networks, and options of timm's, for which something is read from a hub or a file."""


_VERSION: Final = re.compile(r"\d+(\.\d+)+((a|b|rc|\.dev|\.post)\d+)*(\+[\w.]+)?")
_LOOPS: Final = {"fit_loop", "validate_loop", "test_loop", "predict_loop"}
_LONGEST: Final = 1_000
"""The most classes or auxiliary columns of a model: a checkpoint from elsewhere must not fill the memory."""
_LARGEST: Final = 4_096
"""The most pixels along a side, for the same reason."""


def check_progress(content: dict[str, Any]) -> None:
    """Checks the form of what Lightning restores besides the weights: Lightning does not, and fails within.

    Args:
        content: The checkpoint.

    Raises:
        TypeError: Something is of another form than Lightning saves.
    """
    for name in ("callbacks", "loops"):
        state = content.get(name) or {}
        if not (isinstance(state, dict) and all(isinstance(part, dict) for part in state.values())):
            raise TypeError(f"its {name!r} are no states by name")
    if content.get("loops") and not content["loops"].keys() >= _LOOPS:
        raise TypeError("its 'loops' are incomplete")
    optimizers = content.get("optimizer_states", [])
    if not (isinstance(optimizers, list) and all(_is_optimizer(state) for state in optimizers)):
        raise TypeError("its 'optimizer_states' are no states of optimisers")
    version = content.get("pytorch-lightning_version", "2.0")
    if not (isinstance(version, str) and _VERSION.fullmatch(version)):
        raise TypeError("its 'pytorch-lightning_version' is not a version")


def _is_optimizer(state: Any) -> bool:
    """Says whether something has the form of an optimiser's state."""
    return (
        isinstance(state, dict)
        and isinstance(state.get("state"), dict)
        and isinstance(groups := state.get("param_groups"), list)
        and all(isinstance(group, dict) and isinstance(group.get("params"), list) for group in groups)
    )


def plain_hyperparameters(stored: Any) -> dict[str, Any]:
    """Returns the settings that a checkpoint's model was made with, which need no file, hub or import.

    Raises:
        TypeError: A setting is unknown, or is not a plain value.
        ValueError: The network is one of a hub or a folder; a checkpoint of ours names its architecture.
    """
    known = inspect.signature(GalaxyClassifier).parameters
    stored = {_RENAMED.get(name, name): value for name, value in dict(stored).items()}
    for name, value in stored.items():
        values = value if isinstance(value, list | tuple) else [value]
        if len(values) > _LONGEST:
            raise ValueError(f"its setting {name!r} has {len(values):,} entries")
        if name not in known or not all(isinstance(each, bool | int | float | str | None) for each in values):
            raise TypeError(f"its setting {name!r} is not one of a galaxy classifier")
        if not _has_type_of(known[name].default, value):
            raise TypeError(f"its setting {name!r} has a value of another type")
    size = stored.get("image_size")
    if isinstance(size, int) and size > _LARGEST:
        raise ValueError(f"it classifies images of {size:,} pixels, and at most {_LARGEST:,} are read")
    backbone = stored.get("backbone")
    if backbone is not None and _FETCHED.match(str(backbone)):
        raise ValueError(f"it names the network {backbone!r}, which it does not hold")
    return {**stored, "weights": NONE}


def _has_type_of(default: Any, value: Any) -> bool:
    """Says whether a setting's value has the type of its default; a default of None tells nothing."""
    if isinstance(default, int | float):
        return isinstance(value, int | float)
    if isinstance(default, tuple):
        names = value if isinstance(value, list | tuple) else [None]
        return all(isinstance(name, str) for name in names) and len(set(names)) == len(names)
    return default is None or isinstance(value, type(default))


def object_ids(stored: Any) -> npt.NDArray[np.int64]:
    """Returns ``[N]`` the object ids that a checkpoint keeps as a tensor of whole numbers."""
    if not (isinstance(stored, torch.Tensor) and stored.dtype == torch.int64 and stored.ndim == 1):
        raise TypeError("it lists no object ids of the galaxies that it has seen")
    return np.asarray(stored.numpy(), dtype=np.int64)
