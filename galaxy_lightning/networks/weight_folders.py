"""Folders of weights, as the command ``export`` writes them for the Hugging Face hub."""

import contextlib
import json
import math
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch

from data_prep.common.errors import GalaxyError

WEIGHTS: Final = "model.safetensors"
CONFIG: Final = "config.json"
TRAINED_ON: Final = "trained_on.npz"  # Not .safetensors: timm reads the only file of that kind.
CLASSES: Final = "classes"
"""Entry of the metadata of the weights: the names of the classes, as JSON."""
ABOUT: Final = "galaxy_lightning"
"""Entry of exports: the metadata in the description of the network, and a version in that of the weights."""
_MAX_CLASSES: Final = 1000


def file_in_folder(path: Path) -> Path:
    """Returns the file of weights in a folder; other paths as they are.

    Args:
        path: A file or a folder.
    """
    return path / WEIGHTS if path.is_dir() else path


def read_class_names(path: Path) -> list[str] | None:
    """Returns the names of the classes in a file of safetensors; None if it is not an export of this package.

    Args:
        path: The file.

    Raises:
        Exception: The file is damaged, or the names are invalid. The type varies.
    """
    from safetensors import safe_open

    with safe_open(path, framework="pt") as file:
        about = file.metadata() or {}
    return parse_class_names(json.loads(about[CLASSES])) if ABOUT in about else None


def parse_class_names(names: object) -> list[str]:
    """Checks the names of classes in a file of another author, since they are printed.

    Args:
        names: The content of the file.

    Raises:
        TypeError: They are no list of different printable names.
    """
    if (
        not isinstance(names, list | tuple)
        or not 0 < len(names) <= _MAX_CLASSES
        or not all(isinstance(each, str) and each.isprintable() and 0 < len(each) <= 100 for each in names)
        or len(set(names)) < len(names)
    ):
        raise TypeError("its names of classes are invalid")
    return list(names)


def folder_normalisation(path: Path) -> tuple[list[float], list[float]] | None:
    """Returns the mean and the standard deviation of each band that weights need; None if not known.

    Args:
        path: The file of weights; the description of its network is beside it.
    """
    if path.name != WEIGHTS:
        return None
    with contextlib.suppress(OSError, ValueError, TypeError, KeyError):
        about = json.loads(path.with_name(CONFIG).read_text(encoding="utf-8"))["pretrained_cfg"]
        mean, std = ([float(value) for value in about[name]] for name in ("mean", "std"))
        if all(map(math.isfinite, [*mean, *std])) and min(std) > 0:
            return mean, std
    return None


def read_trained_on(path: Path) -> dict[str, Any] | None:
    """Returns the galaxies on which a file of weights was trained, as entries of a checkpoint.

    Args:
        path: The file of weights; its list is beside it.

    Returns:
        None if the weights are of another program, which gives no list.

    Raises:
        GalaxyError: The list is missing or damaged.
        Exception: The description or the weights are damaged. The type varies.
    """
    if not is_export(path):
        return None
    listed = path.with_name(TRAINED_ON)
    if not listed.is_file():
        raise GalaxyError(
            f"{listed} is missing, without which a model could be measured on the galaxies of its training: "
            "copy the whole folder, and name it"
        )
    try:
        with np.load(listed, allow_pickle=False) as content:
            return {
                name: bool(value) if value.ndim == 0 else torch.from_numpy(value)
                for name, value in content.items()
            }
    except Exception as error:  # A damaged file can raise any exception.
        raise GalaxyError(f"{listed} is damaged ({type(error).__name__}): get it again") from error


def is_export(path: Path) -> bool:
    """Returns whether a file of weights is an export of this package.

    Args:
        path: The file. If it is missing, the description beside it tells.

    Raises:
        Exception: The file or the description is damaged. The type varies.
    """
    config = path.with_name(CONFIG)
    if path.name == WEIGHTS and config.is_file():
        about = json.loads(config.read_text(encoding="utf-8"))
        return isinstance(about, dict) and ABOUT in about
    return path.is_file() and read_class_names(path) is not None
