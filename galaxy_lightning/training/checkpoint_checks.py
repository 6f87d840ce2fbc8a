"""Checks the contents of a checkpoint before Lightning and the model use them."""

import inspect
import re
from typing import Any, Final

from data_prep.common.errors import GalaxyError
from data_prep.common.json_values import is_number
from data_prep.images.image_settings import ImageSettings
from data_prep.schema import CLASS_DESCRIPTIONS, CLASSES, MAX_BANDS
from galaxy_lightning.networks.sources import NONE
from galaxy_lightning.training.module import GalaxyClassifier

_RENAMED_SETTINGS: Final = {"precision": "target_accuracy"}
"""Names of settings in older checkpoints, and their present names."""
_EXTERNAL_NETWORK: Final = re.compile(
    r"(?!timm:)[^:]*:|.*\b(checkpoint_path|cache_dir|pretrained)", re.DOTALL
)
"""Names of networks, and options of timm, that would read a hub or a file."""


_VERSION: Final = re.compile(r"\d+(\.\d+)+((a|b|rc|\.dev|\.post)\d+)*(\+[\w.]+)?")
_LOOPS: Final = {"fit_loop", "validate_loop", "test_loop", "predict_loop"}
_MAX_ENTRIES: Final = 1_000
"""Maximum number of classes or auxiliary targets, so that a foreign checkpoint cannot exhaust the memory."""
_MAX_IMAGE_SIZE: Final = 4_096
"""Maximum side of the images in pixels, for the same reason."""


def check_training_state(content: dict[str, Any]) -> None:
    """Checks the states of callbacks, loops and optimisers, which Lightning restores without checking them.

    Args:
        content: The checkpoint.

    Raises:
        TypeError: An entry is not of the form in which Lightning saves it.
    """
    for name in ("callbacks", "loops"):
        states = content.get(name) or {}
        if not (isinstance(states, dict) and all(isinstance(state, dict) for state in states.values())):
            raise TypeError(f"its {name!r} must be dictionaries by name")
    if content.get("loops") and not content["loops"].keys() >= _LOOPS:
        raise TypeError("its 'loops' are incomplete")
    optimizers = content.get("optimizer_states", [])
    if not (isinstance(optimizers, list) and all(_is_optimizer_state(state) for state in optimizers)):
        raise TypeError("its 'optimizer_states' are invalid")
    version = content.get("pytorch-lightning_version", "2.0")
    if not (isinstance(version, str) and _VERSION.fullmatch(version)):
        raise TypeError("its 'pytorch-lightning_version' is invalid")


def _is_optimizer_state(state: Any) -> bool:
    """Returns whether an object has the form of an optimiser's state."""
    return (
        isinstance(state, dict)
        and isinstance(state.get("state"), dict)
        and isinstance(groups := state.get("param_groups"), list)
        and all(isinstance(group, dict) and isinstance(group.get("params"), list) for group in groups)
    )


def parse_hyperparameters(stored: Any) -> dict[str, Any]:
    """Returns the model's settings in a checkpoint; they cause no download, import or file access.

    Raises:
        TypeError: A setting is unknown, or is not a plain value.
        ValueError: A setting is too large, or the network is that of a hub or a folder.
    """
    known = inspect.signature(GalaxyClassifier).parameters
    contents: dict[str, Any] = dict(stored)
    settings = {_RENAMED_SETTINGS.get(name, name): value for name, value in contents.items()}
    for name, value in settings.items():
        entries = value if isinstance(value, list | tuple) else [value]
        if len(entries) > _MAX_ENTRIES:
            raise ValueError(f"its setting {name!r} has {len(entries):,} entries")
        if name not in known or not all(
            isinstance(entry, bool | int | float | str | None) for entry in entries
        ):
            raise TypeError(f"its setting {name!r} is not one of a galaxy classifier")
        if not all(entry.isprintable() for entry in entries if isinstance(entry, str)):
            raise ValueError(f"its setting {name!r} has unprintable characters")
        if not (_has_type_of(known[name].default, value) and _is_shape(name, value)):
            raise TypeError(f"its setting {name!r} has a value of the wrong type")
    size = settings.get("image_size")
    if isinstance(size, int) and size > _MAX_IMAGE_SIZE:
        raise ValueError(f"its images of {size:,} pixels exceed the maximum of {_MAX_IMAGE_SIZE:,}")
    if (settings.get("bands") or 0) > MAX_BANDS:
        raise ValueError(f"its images have {settings['bands']} bands, more than the maximum of {MAX_BANDS}")
    backbone = settings.get("backbone")
    if backbone is not None and _EXTERNAL_NETWORK.match(str(backbone)):
        raise ValueError(f"its network {backbone!r} is not part of the checkpoint")
    return {**settings, "weights": NONE}


def _is_shape(name: str, value: Any) -> bool:
    """Returns whether a value fits a setting that depends on the galaxy arrays; True for other settings."""
    if name == "classes":
        return value is None or _has_type_of((), value)
    if name in ("image_size", "bands"):
        return value is None or (isinstance(value, int) and value > 0)
    return True


def _has_type_of(default: Any, value: Any) -> bool:
    """Returns whether a value has the type of the setting's default; a default of None allows any type."""
    if isinstance(default, int | float):
        return isinstance(value, int | float)
    if isinstance(default, tuple):
        names = value if isinstance(value, list | tuple) else [None]
        return all(isinstance(name, str) for name in names) and len(set(names)) == len(names)
    return default is None or isinstance(value, type(default))


def parse_descriptions(stored: Any, classes: Any) -> dict[str, str]:
    """Returns the descriptions of the classes in a checkpoint; older ones have those of the reference.

    Raises:
        TypeError: They are not texts by the name of a class.
    """
    if stored is None:
        return dict(CLASS_DESCRIPTIONS) if classes in (None, list(CLASSES)) else {}
    if not (
        isinstance(stored, dict) and all(isinstance(text, str) for pair in stored.items() for text in pair)
    ):
        raise TypeError("its descriptions of the classes are invalid")
    return dict(stored)


def parse_image_settings(stored: Any, image_size: Any) -> ImageSettings | None:
    """Returns how the files of the training images became pixels, as a checkpoint stores it; None if unknown.

    Raises:
        TypeError: They are not settings of images.
    """
    if stored is None:
        return None
    try:
        return ImageSettings.from_json(stored, crop=image_size)
    except GalaxyError as error:
        raise TypeError(f"its {error}") from None


def parse_scale(stored: Any) -> float | None:
    """Returns the pixel scale of the training images in a checkpoint, in arcsec per pixel; None if unknown.

    Raises:
        TypeError: It is not a positive number.
    """
    if stored is None:
        return None
    if not (is_number(stored) and stored > 0):
        raise TypeError("its pixel scale is invalid")
    return float(stored)
