"""Reads the config in a run folder without trusting it.

A config that the user names may name classes, like any of Lightning's, and thus run code. A config that
merely lies next to a checkpoint may come from anyone: only its plain settings are used, and no class is
imported.
"""

import shlex
from argparse import ArgumentError
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from jsonargparse import ArgumentParser
from lightning.pytorch.accelerators import AcceleratorRegistry
from lightning.pytorch.strategies import StrategyRegistry

from data_prep.common.errors import GalaxyError
from galaxy_lightning.cli.configs import read_config
from galaxy_lightning.runs.names import CONFIG

_CLASSES: Final = ("callbacks", "logger", "plugins", "profiler")
"""Trainer settings whose values are classes; some also accept plain values, such as ``logger: true``."""
_REGISTERED: Final = {
    "accelerator": AcceleratorRegistry.available_accelerators,
    "strategy": StrategyRegistry.available_strategies,
}
"""Trainer settings that name a class, with functions that return the names which import nothing."""
_LOCATIONS: Final = ("default_root_dir", "model_registry")
"""Trainer settings that name a location; a run is always saved in its own folder."""
_COMPILE_MODES: Final = ("default", "reduce-overhead", "max-autotune")


@dataclass(frozen=True)
class SavedConfig:
    """The usable content of a run's config.

    Attributes:
        path: The config file.
        settings: Plain settings by name: ``seed_everything``, ``trainer.*``, ``data.*``, ``model.compile``.
            The other settings of the model come from the checkpoint.
        classes: Names of the settings that name classes, which are ignored.
    """

    path: Path
    settings: dict[str, Any]
    classes: list[str]

    def check(self, parser: ArgumentParser) -> None:
        """Checks that a command accepts these settings.

        Args:
            parser: The command's parser.

        Raises:
            GalaxyError: A setting is unknown, or its value is invalid.
        """
        nested: dict[str, Any] = {}
        for name, value in self.settings.items():
            section, _, key = name.rpartition(".")
            (nested.setdefault(section, {}) if section else nested)[key] = value
        parser.exit_on_error = False
        try:
            parser.parse_object(nested)
        except ArgumentError as error:
            raise GalaxyError(f"{self.path} cannot be used: {error}") from error
        finally:
            parser.exit_on_error = True


def read_saved_config(folder: Path) -> SavedConfig | None:
    """Reads the config in a run folder; returns None if there is none.

    Args:
        folder: The run folder.

    Raises:
        GalaxyError: The file cannot be read, or is not a config.
    """
    path = folder / CONFIG
    if not path.is_file():
        return None
    content = read_config(path)
    settings: dict[str, Any] = {}
    classes: list[str] = []
    for section in ("trainer", "data"):
        for name, value in _section(content, section, path).items():
            if section == "trainer" and _names_class(name, value):
                classes.append(f"{section}.{name}")
            elif section == "trainer" and name in (*_CLASSES, *_LOCATIONS):
                continue
            elif _is_plain(value):
                settings[f"{section}.{name}"] = value
            else:
                raise GalaxyError(
                    f"{path}: {section}.{name} is not a plain value: if you trust the file, "
                    f"add --config {shlex.quote(str(path))}"
                )
    seed = content.get("seed_everything")
    if isinstance(seed, int):
        settings["seed_everything"] = seed
    if _section(content, "model", path).get("compile") in _COMPILE_MODES:
        settings["model.compile"] = content["model"]["compile"]
    return SavedConfig(path, settings, classes)


def _section(content: dict[str, Any], name: str, path: Path) -> dict[str, Any]:
    section = content.get(name) or {}
    if not isinstance(section, dict) or not all(isinstance(key, str) for key in section):
        raise GalaxyError(f"{path}: {name} does not hold named settings")
    return section


def _names_class(name: str, value: Any) -> bool:
    """Returns whether a trainer setting names a class."""
    if name in _REGISTERED:
        return value not in ("auto", "gpu", *_REGISTERED[name]())
    return name in _CLASSES and not (value is None or isinstance(value, bool) or value == [])


def _is_plain(value: Any) -> bool:
    """Returns whether a value is a scalar, a list of scalars, or a mapping to numbers."""
    if isinstance(value, dict):
        return "class_path" not in value and all(isinstance(item, int | float) for item in value.values())
    values = value if isinstance(value, list) else [value]
    return all(item is None or isinstance(item, bool | int | float | str) for item in values)
