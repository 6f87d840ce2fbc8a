"""Networks of the user's own, named by class path: ``my_package.MyNetwork``."""

import importlib
import sys
import traceback
from pathlib import Path
from typing import Any

from data_prep.common.errors import GalaxyError
from galaxy_lightning.networks.network import Network


def is_class_path(name: str) -> bool:
    """Says whether a network is named by class path."""
    return "." in name


def network_class(path: str) -> type[Network]:
    """Imports a network's class, from the working folder or an installed package.

    Importing runs code: only what the user has named may come here, never a name that a file holds.

    Args:
        path: Its class path.

    Raises:
        GalaxyError: There is no such class, it is no :class:`Network`, or its module cannot be imported.
    """
    module, _, name = path.rpartition(".")
    here = str(Path.cwd())
    # Last, so that no file there is imported in place of a library.
    added = [] if here in sys.path else [here]
    sys.path += added
    try:
        found = getattr(importlib.import_module(module), name, None)
    except ModuleNotFoundError as error:
        raise GalaxyError(
            f"--model.network {path}: there is no module {error.name}: name a .py file of the working folder "
            "or an installed package, as in my_file.MyNetwork"
        ) from error
    except Exception as error:  # The user's code may raise anything.
        raise GalaxyError(f"--model.network {path} cannot be imported: {_where(error)}") from error
    finally:
        for place in added:
            sys.path.remove(place)
    if found is None:
        raise GalaxyError(f"--model.network {path}: {module} has no class {name}")
    if not (isinstance(found, type) and issubclass(found, Network)):
        raise GalaxyError(
            f"--model.network {path}: {name} must be a class derived from galaxy_lightning.networks.Network"
        )
    return found


def make_own(path: str, classes: int, image_size: int) -> Network:
    """Makes a network of the user's own.

    Args:
        path: Its class path.
        classes: How many classes it tells apart.
        image_size: Side of its images in pixels.

    Raises:
        GalaxyError: It cannot be made.
    """
    make: Any = network_class(path)
    try:
        network: Network = make(classes, image_size)
    except GalaxyError:
        raise
    except Exception as error:
        raise GalaxyError(
            f"--model.network {path} cannot be made with {classes} classes and images of {image_size} "
            f"pixels: {_where(error)}"
        ) from error
    if not hasattr(network, "name"):
        network.name = path
    return network


def _where(error: Exception) -> str:
    """Returns what an error says, and in which line it was raised."""
    frames = traceback.extract_tb(error.__traceback__)
    place = f" ({frames[-1].filename}, line {frames[-1].lineno})" if frames else ""
    return f"{type(error).__name__}: {error}{place}"
