"""The configs that come with the package, found by name from any folder."""

import os
from pathlib import Path
from typing import Final

_PLACES: Final = (Path(__file__).with_name("configs"), Path(__file__).parents[1] / "configs")
"""Where they are: in an installed package, and in a clone."""
MAIN: Final = "galaxy_cnn"
"""The name of the main network and of its config."""


def config_folder() -> Path | None:
    """Returns the folder of the shipped configs; None where they are not installed."""
    return next((place for place in _PLACES if place.is_dir()), None)


def config_names() -> list[str]:
    """Returns the names of the shipped configs: ``galaxy_cnn``, ``finetune/timm`` and so on."""
    folder = config_folder()
    if folder is None:
        return []
    return sorted(path.relative_to(folder).with_suffix("").as_posix() for path in folder.rglob("*.yaml"))


def find_config(name: str) -> str:
    """Returns the path of a config: a file as it is, else the shipped config of that name.

    Args:
        name: A path, or the name of a shipped config, ``galaxy_cnn`` say.
    """
    folder = config_folder()
    if folder is None or os.path.isfile(name) or name not in config_names():  # noqa: PTH113 - Path raises for odd names.
        return name
    return str(folder / f"{name}.yaml")
