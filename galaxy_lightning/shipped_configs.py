"""The configs that come with the package, found by name from any folder."""

import os
from pathlib import Path
from typing import Final

_FOLDERS: Final = (Path(__file__).with_name("configs"), Path(__file__).parents[1] / "configs")
"""The folder of the configs in an installed package, and in a clone of the repository."""
MAIN_NETWORK: Final = "galaxy_cnn"
"""Name of the main network, and of its config."""


def config_folder() -> Path | None:
    """Returns the folder of the shipped configs, or None if they are not installed."""
    return next((folder for folder in _FOLDERS if folder.is_dir()), None)


def config_names() -> list[str]:
    """Returns the names of the shipped configs: ``galaxy_cnn``, ``finetune/timm`` and so on."""
    folder = config_folder()
    if folder is None:
        return []
    names = (path.relative_to(folder).with_suffix("").as_posix() for path in folder.rglob("*.yaml"))
    # The label rules are for data_prep.
    return sorted(name for name in names if not name.startswith("labels/"))


def find_config(name: str) -> str:
    """Returns the path of a shipped config; an existing file, or an unknown name, is returned unchanged.

    Args:
        name: A path, or the name of a shipped config, such as ``galaxy_cnn``.
    """
    folder = config_folder()
    if folder is None or os.path.isfile(name) or name not in config_names():  # noqa: PTH113 - Path raises for odd names.
        return name
    return str(folder / f"{name}.yaml")
