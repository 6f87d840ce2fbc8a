"""The config that a run folder holds, read without trusting it.

A config that the user names may name classes, as any of Lightning's may, and so can run code. One that merely
lies beside a checkpoint may come from anybody: plain settings of it are used, and no class is imported.
"""

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
"""Settings of the trainer whose values are classes; as in ``logger: true``, some have plain values too."""
_REGISTERED: Final = {
    "accelerator": AcceleratorRegistry.available_accelerators,
    "strategy": StrategyRegistry.available_strategies,
}
"""Settings of the trainer that name a class, and the names that import nothing."""
_ELSEWHERE: Final = ("default_root_dir", "model_registry")
"""Settings of the trainer that name a place; a run's own is its folder."""
_COMPILE: Final = ("default", "reduce-overhead", "max-autotune")


@dataclass(frozen=True)
class SavedConfig:
    """What a run's own config says.

    Attributes:
        path: The file.
        settings: Plain settings by name: ``seed_everything``, ``trainer.*``, ``data.*``, ``model.compile``.
            The other settings of the model are the checkpoint's.
        classes: Names of the settings that name classes, and are not used.
    """

    path: Path
    settings: dict[str, Any]
    classes: list[str]

    def check(self, parser: ArgumentParser) -> None:
        """Checks that a command knows these settings, and that their values are what it takes.

        Args:
            parser: The command's parser.

        Raises:
            GalaxyError: One is unknown, or does not fit.
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
    """Reads the config that a run folder holds, if any.

    Args:
        folder: The run folder.

    Raises:
        GalaxyError: It cannot be read, or is not a config.
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
            elif section == "trainer" and name in (*_CLASSES, *_ELSEWHERE):
                continue
            elif _is_plain(value):
                settings[f"{section}.{name}"] = value
            else:
                raise GalaxyError(
                    f"{path}: {section}.{name} is not a plain value; if you trust the file, "
                    f"add --config {path}"
                )
    seed = content.get("seed_everything")
    if isinstance(seed, int):
        settings["seed_everything"] = seed
    if _section(content, "model", path).get("compile") in _COMPILE:
        settings["model.compile"] = content["model"]["compile"]
    return SavedConfig(path, settings, classes)


def _section(content: dict[str, Any], name: str, path: Path) -> dict[str, Any]:
    section = content.get(name) or {}
    if not isinstance(section, dict) or not all(isinstance(key, str) for key in section):
        raise GalaxyError(f"{path}: {name} does not hold settings by name")
    return section


def _names_class(name: str, value: Any) -> bool:
    """Says whether a setting of the trainer names a class."""
    if name in _REGISTERED:
        return value not in ("auto", "gpu", *_REGISTERED[name]())
    return name in _CLASSES and not (value is None or isinstance(value, bool) or value == [])


def _is_plain(value: Any) -> bool:
    """Says whether a value is a number, a text, a switch or nothing, or holds only those."""
    if isinstance(value, dict):
        return "class_path" not in value and all(isinstance(each, int | float) for each in value.values())
    values = value if isinstance(value, list) else [value]
    return all(each is None or isinstance(each, bool | int | float | str) for each in values)
