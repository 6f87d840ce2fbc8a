"""The config files that a command line names, looked at before anything is made of them."""

import argparse
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from data_prep.common.errors import GalaxyError
from data_prep.common.paths import expand_path
from galaxy_lightning.shipped_configs import MAIN, config_names, find_config

if TYPE_CHECKING:
    import yaml

_CONFIG: Final = ("-c", "--config")
_EARLY: Final = (*_CONFIG, "--ckpt_path", "--out", "--runs")


def named_configs(words: Sequence[str]) -> list[str]:
    """Returns the config files that a command line names, however their option is spelled.

    Args:
        words: The command line.
    """
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("-c", "--config", action="append", default=[])
    found: list[str] = parser.parse_known_args(words)[0].config
    return found


def expand_paths(words: Sequence[str]) -> list[str]:
    """Expands the paths that options name, those that are read before the whole command line is parsed.

    The name of a shipped config becomes its path.

    Args:
        words: The command line's options.

    Raises:
        GalaxyError: One cannot be expanded; see :func:`data_prep.common.paths.expand_path`.
    """
    expanded, before = [], ""
    for word in words:
        option, equals, path = word.partition("=")
        if equals and option in _EARLY:
            word = f"{option}={_expanded(option, path)}"
        elif before in _EARLY:
            word = _expanded(before, word)
        expanded.append(word)
        before = word
    return expanded


def add_recipe(words: Sequence[str]) -> list[str]:
    """Adds the shipped config of the network that a fit trains, where the command line names no config.

    That is the main network, or the one named by ``--model.network``; a backbone, and a network without a
    shipped config, get none.

    Args:
        words: The options of a fit.
    """
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--model.network", dest="network", default=MAIN)
    parser.add_argument("--model.backbone", dest="backbone")
    parser.add_argument("--ckpt_path")
    given = parser.parse_known_args(words)[0]
    named = named_configs(words) or given.ckpt_path or given.backbone
    if named or given.network not in config_names():
        return list(words)
    return ["--config", find_config(given.network), *words]


def named_networks(words: Sequence[str]) -> list[str]:
    """Returns the networks that a command line, or a config that it names, asks for.

    Args:
        words: The command line, whose configs can be read.
    """
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--model.network", dest="networks", action="append", default=[])
    found: list[str] = parser.parse_known_args(words)[0].networks
    sections = [content.get("model") for _, content in _read_named(words)]
    return found + [str(section.get("network")) for section in sections if isinstance(section, dict)]


def _expanded(option: str, path: str) -> str:
    return expand_path(find_config(path) if option in _CONFIG else path)


def check_configs(words: Sequence[str]) -> None:
    """Stops at a config file that cannot be read: what the parser says of one does not name it.

    Args:
        words: The command line. That a file is missing, the parser says.

    Raises:
        GalaxyError: One is empty, not text, not YAML, or not settings by name.
    """
    for _ in _read_named(words):
        pass


def _read_named(words: Sequence[str]) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Yields the config files that a command line names, with their sections by name.

    One that is no file (missing, written out on the command line, or a pipe, which can be read only once) is
    left to the parser.
    """
    for name in named_configs(words):
        if os.path.isfile(name):  # noqa: PTH113 - Path raises where a name is too long to be one.
            yield Path(name), read_config(Path(name))


def read_config(path: Path) -> dict[str, Any]:
    """Reads a config file without making anything of it.

    Args:
        path: The YAML file.

    Returns:
        Its sections by name.

    Raises:
        GalaxyError: It cannot be read, or is empty, not text, not YAML, or not settings by name; or a
            section has a name twice.
    """
    import yaml  # Help needs none of it.

    try:
        text = path.read_text(encoding="utf-8-sig")
        if (repeated := _repeated_name(yaml.compose(text, Loader=yaml.SafeLoader))) is not None:
            raise GalaxyError(
                f"the config {path} has {repeated.value} twice in one section, the second time in line "
                f"{repeated.start_mark.line + 1}: keep one, or join the two sections"
            )
        content = yaml.safe_load(text)
    except RecursionError as error:
        raise GalaxyError(f"the config {path} cannot be read: it is nested too deeply") from error
    except (OSError, UnicodeDecodeError, ValueError, yaml.YAMLError) as error:
        raise GalaxyError(f"the config {path} cannot be read: {error}") from error
    if content is None:
        raise GalaxyError(f"the config {path} is empty")
    if not isinstance(content, dict):
        raise GalaxyError(f"the config {path} does not hold settings by name, as in 'trainer:'")
    return content


def _repeated_name(node: "yaml.Node | None") -> "yaml.ScalarNode | None":
    """Returns the first name that a section of a YAML file holds twice: only the last value would be used."""
    import yaml

    waiting, seen = [node], set()
    while waiting:
        node = waiting.pop()
        if id(node) in seen:  # An alias of a node that has been visited.
            continue
        seen.add(id(node))
        if isinstance(node, yaml.SequenceNode):
            waiting += node.value
        elif isinstance(node, yaml.MappingNode):
            names: set[str] = set()
            for name, value in node.value:
                if isinstance(name, yaml.ScalarNode) and name.value != "<<":
                    if name.value in names:
                        return name
                    names.add(name.value)
                waiting.append(value)
    return None


def configured_checkpoint(words: Sequence[str]) -> str | None:
    """Returns the checkpoint that the configs of a command line name, if any; of several, the last.

    Args:
        words: The command line.

    Raises:
        GalaxyError: A config cannot be read, or what it names is no path.
    """
    found = None
    for config, content in _read_named(words):
        named = content.get("ckpt_path")
        if named is not None:
            if not isinstance(named, str):
                raise GalaxyError(f"the config {config}: ckpt_path is not the path of a checkpoint")
            found = expand_path(named)
    return found


def asks_to_simulate(words: Sequence[str]) -> bool:
    """Says whether arrays that are missing may be simulated where the command line says that they are.

    A config may name arrays and have them simulated where they are missing. Other arrays that the user names
    instead of them are not to be simulated: their name may be mistyped.

    Args:
        words: The command line, whose configs can be read.
    """
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    for option in ("--data.arrays", "--data.simulate"):
        parser.add_argument(option, dest=option)
    given = vars(parser.parse_known_args(words)[0])
    if given["--data.arrays"] is not None or given["--data.simulate"] is not None:
        return given["--data.simulate"] is not None
    sections = [content.get("data") for _, content in _read_named(words)]
    named = [
        section
        for section in sections
        if isinstance(section, dict) and section.keys() & {"arrays", "simulate"}
    ]
    return bool(named) and "simulate" in named[-1]
