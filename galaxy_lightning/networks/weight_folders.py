"""Folders of weights, as the command ``export`` writes them for the Hugging Face hub."""

import json
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch

WEIGHTS: Final = "model.safetensors"
CONFIG: Final = "config.json"
TRAINED_ON: Final = "trained_on.npz"  # Not .safetensors: timm reads the only file of that kind.
CLASSES: Final = "classes"
"""Entry of the metadata of the weights: the names of the classes, as JSON."""


def file_in_folder(path: Path) -> Path:
    """Returns the file of weights in a folder; other paths as they are.

    Args:
        path: A file or a folder.
    """
    return path / WEIGHTS if path.is_dir() else path


def read_class_names(path: Path) -> list[str] | None:
    """Returns the names of the classes in a file of safetensors; None if it has none.

    Args:
        path: The file.
    """
    from safetensors import safe_open

    with safe_open(path, framework="pt") as file:
        text = (file.metadata() or {}).get(CLASSES)
    try:
        names = None if text is None else json.loads(text)
    except ValueError:
        return None
    return names if isinstance(names, list) and all(isinstance(name, str) for name in names) else None


def read_trained_on(path: Path) -> dict[str, Any] | None:
    """Returns the galaxies on which a file of weights was trained, as entries of a checkpoint.

    Args:
        path: The file of weights; its list is beside it.

    Returns:
        None if there is no list.

    Raises:
        Exception: The list is damaged. The type varies.
    """
    listed = path.with_name(TRAINED_ON)
    if path.name != WEIGHTS or not listed.is_file():
        return None
    with np.load(listed, allow_pickle=False) as content:
        return {
            name: bool(value) if value.ndim == 0 else torch.from_numpy(value)
            for name, value in content.items()
        }
