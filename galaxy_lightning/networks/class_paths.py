"""Custom networks, given by class path: ``my_package.MyNetwork``."""

import importlib
import inspect
import sys
import traceback
from pathlib import Path
from typing import Any

from data_prep.common.errors import GalaxyError
from galaxy_lightning.networks.network import Network


def is_class_path(name: str) -> bool:
    """Returns whether the name of a network is a class path."""
    return "." in name


def import_network_class(path: str) -> type[Network]:
    """Imports the class of a network, from the working folder or an installed package.

    Importing runs code: ``path`` must come from the user, never from a file.

    Args:
        path: The class path.

    Raises:
        GalaxyError: The class does not exist, is not derived from :class:`Network`, or cannot be imported.
    """
    module, _, name = path.rpartition(".")
    here = str(Path.cwd())
    # Appended, so that a file in the working folder cannot replace a library.
    added = [] if here in sys.path else [here]
    sys.path += added
    try:
        found = getattr(importlib.import_module(module), name, None)
    except ModuleNotFoundError as error:
        raise GalaxyError(
            f"--model.network {path}: there is no module {error.name}: use a .py file in the working folder "
            "(my_file.MyNetwork) or an installed package"
        ) from error
    except Exception as error:  # The user's code may raise anything.
        raise GalaxyError(f"--model.network {path} cannot be imported: {_describe(error)}") from error
    finally:
        for folder in added:
            sys.path.remove(folder)
    if found is None:
        raise GalaxyError(f"--model.network {path}: {module} has no class {name}")
    if not (isinstance(found, type) and issubclass(found, Network)):
        raise GalaxyError(
            f"--model.network {path}: {name} must be a class derived from galaxy_lightning.networks.Network"
        )
    return found


def make_custom_network(path: str, classes: int, image_size: int, bands: int = 3) -> Network:
    """Makes a custom network.

    Args:
        path: The class path. The class takes ``classes`` and ``image_size`` and, unless its images have three
            bands, also ``bands``.
        classes: Number of classes.
        image_size: Side of the images in pixels.
        bands: Number of bands of the images.

    Raises:
        GalaxyError: The class cannot be imported or instantiated, or takes images of three bands only.
    """
    make: Any = import_network_class(path)
    takes_bands = "bands" in inspect.signature(make).parameters
    if bands != 3 and not takes_bands:
        raise GalaxyError(
            f"--model.network {path} takes images of 3 bands only, but these have {bands}: add an argument "
            "bands to its __init__, after classes and image_size"
        )
    try:
        network: Network = make(classes, image_size, **({"bands": bands} if takes_bands else {}))
    except GalaxyError:
        raise
    except Exception as error:
        raise GalaxyError(
            f"--model.network {path} cannot be made with {classes} classes and images of {image_size} "
            f"pixels: {_describe(error)}"
        ) from error
    if not hasattr(network, "name"):
        network.name = path
    network.bands = bands
    return network


def _describe(error: Exception) -> str:
    """Returns the message of an exception and the line that raised it."""
    frames = traceback.extract_tb(error.__traceback__)
    place = f" ({frames[-1].filename}, line {frames[-1].lineno})" if frames else ""
    return f"{type(error).__name__}: {error}{place}"
