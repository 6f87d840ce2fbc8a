"""The config files that a command line names, read before the parser uses them."""

import argparse
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from data_prep.common.errors import GalaxyError
from data_prep.common.paths import expand_path
from galaxy_lightning.shipped_configs import MAIN_NETWORK, config_names, find_config

if TYPE_CHECKING:
    import yaml

_CONFIG_OPTIONS: Final = ("-c", "--config")
_PATH_OPTIONS: Final = (
    *_CONFIG_OPTIONS,
    "--ckpt_path",
    "--out",
    "--runs",
    "--final",
    "--card",
    "--table",
    "--catalogue",
)
"""The paths that are read before the whole command line is parsed."""


def named_configs(args: Sequence[str]) -> list[str]:
    """Returns the config files that a command line names with ``-c`` or ``--config``.

    Args:
        args: The command line.
    """
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument(*_CONFIG_OPTIONS, action="append", default=[])
    names: list[str] = parser.parse_known_args(args)[0].config
    return names


def model_configs(names: Sequence[str]) -> list[str]:
    """Returns the config files that say what is trained: those with more than settings of the trainer.

    A config of trainer settings, such as ``trainer/ddp``, is added to the config of a network, or to the
    settings of a checkpoint.

    Args:
        names: Config files.

    Raises:
        GalaxyError: A config cannot be read.
    """
    return [name for name in names if readable_config(name).keys() != {"trainer"}]


def has_model_config(args: Sequence[str]) -> bool:
    """Returns whether a command line names a config that says what is trained; see :func:`model_configs`.

    Args:
        args: The command line.

    Raises:
        GalaxyError: A config cannot be read.
    """
    return bool(model_configs(named_configs(args)))


def expand_paths(args: Sequence[str]) -> list[str]:
    """Expands the paths that are read before the whole command line is parsed.

    The name of a shipped config becomes its path.

    Args:
        args: The options of a command.

    Raises:
        GalaxyError: A path cannot be expanded; see :func:`data_prep.common.paths.expand_path`.
    """
    expanded, previous = [], ""
    for arg in args:
        option, equals, path = arg.partition("=")
        if equals and option in _PATH_OPTIONS:
            arg = f"{option}={_expand(option, path)}"
        elif previous in _PATH_OPTIONS:
            arg = _expand(previous, arg)
        expanded.append(arg)
        previous = arg
    return expanded


def add_default_config(args: Sequence[str]) -> list[str]:
    """Adds the shipped config of the network to a fit without a config of its own.

    The network is the main network, or the one that ``--model.network`` names. Nothing is added to a fit that
    starts from a checkpoint, for a backbone, or for a network without a shipped config.

    Args:
        args: The options of a fit.
    """
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--model.network", dest="network", default=MAIN_NETWORK)
    parser.add_argument("--model.backbone", dest="backbone")
    parser.add_argument("--ckpt_path")
    options = parser.parse_known_args(args)[0]
    has_settings = has_model_config(args) or options.ckpt_path or options.backbone
    if has_settings or options.network not in config_names():
        return list(args)
    return ["--config", find_config(options.network), *args]


def named_networks(args: Sequence[str]) -> list[str]:
    """Returns the networks that a command line and its configs name.

    Args:
        args: The command line; its configs must be readable.
    """
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--model.network", dest="networks", action="append", default=[])
    networks: list[str] = parser.parse_known_args(args)[0].networks
    sections = [content.get("model") for _, content in _read_configs(args)]
    return networks + [str(section.get("network")) for section in sections if isinstance(section, dict)]


def _is_file(name: str) -> bool:
    return os.path.isfile(name)  # noqa: PTH113 - Path raises if the name is too long for a path.


def _expand(option: str, path: str) -> str:
    return expand_path(find_config(path) if option in _CONFIG_OPTIONS else path)


def check_configs(args: Sequence[str]) -> None:
    """Checks that the config files can be read: the parser's own messages do not name the file.

    The parser reports missing files.

    Args:
        args: The command line.

    Raises:
        GalaxyError: A file cannot be used, see :func:`read_config`, or a section of settings is empty.
    """
    for path, content in _read_configs(args):
        for section in ("trainer", "model", "data"):
            if section in content and content[section] is None:
                raise GalaxyError(f"{path}: the section {section} is empty: remove it, or add settings")


def _read_configs(args: Sequence[str]) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Yields the path and the content of each config file that a command line names.

    Configs that are not regular files are left to the parser: missing files, configs written out on the
    command line, and pipes, which can be read only once.
    """
    for name in named_configs(args):
        if _is_file(name):
            yield Path(name), read_config(Path(name))


def readable_config(name: str) -> dict[str, Any]:
    """Returns the sections of a config by name; nothing if it is no regular file, which the parser reports.

    Args:
        name: The config.

    Raises:
        GalaxyError: The file cannot be used, see :func:`read_config`.
    """
    return read_config(Path(name)) if _is_file(name) else {}


def read_config(path: Path) -> dict[str, Any]:
    """Reads a config file without instantiating anything.

    Args:
        path: The YAML file.

    Returns:
        The sections by name.

    Raises:
        GalaxyError: The file cannot be read, is empty, is not YAML, does not hold named settings, or repeats
            a name within a section.
    """
    import yaml  # Imported here because --help does not need it.

    try:
        text = path.read_text(encoding="utf-8-sig")
        if (repeated := _find_repeated_name(yaml.compose(text, Loader=yaml.SafeLoader))) is not None:
            raise GalaxyError(
                f"{path}, line {repeated.start_mark.line + 1}: {repeated.value} occurs twice in the same "
                "section: remove one, or merge the two"
            )
        content = yaml.safe_load(text)
    except RecursionError as error:
        raise GalaxyError(f"{path} cannot be read: it is nested too deeply") from error
    except (OSError, UnicodeDecodeError, ValueError, yaml.YAMLError) as error:
        raise GalaxyError(f"{path} cannot be read: {error}") from error
    if content is None:
        raise GalaxyError(f"the config file {path} is empty")
    if not isinstance(content, dict):
        raise GalaxyError(f"{path} does not hold named settings, such as 'trainer:'")
    return content


def _find_repeated_name(node: "yaml.Node | None") -> "yaml.ScalarNode | None":
    """Returns the first name that occurs twice in a section: YAML would use the last value only."""
    import yaml

    pending, visited = [node], set()
    while pending:
        node = pending.pop()
        if id(node) in visited:  # An alias of an earlier node.
            continue
        visited.add(id(node))
        if isinstance(node, yaml.SequenceNode):
            pending += node.value
        elif isinstance(node, yaml.MappingNode):
            names: set[str] = set()
            for name, value in node.value:
                if isinstance(name, yaml.ScalarNode) and name.value != "<<":
                    if name.value in names:
                        return name
                    names.add(name.value)
                pending.append(value)
    return None


def configured_checkpoints(args: Sequence[str]) -> list[str]:
    """Returns the checkpoints that the last config of a command line with a ``ckpt_path`` names.

    Args:
        args: The command line.

    Raises:
        GalaxyError: A config cannot be read, or its ``ckpt_path`` is neither a path nor a list of paths.
    """
    checkpoints: list[str] = []
    for config, content in _read_configs(args):
        value = content.get("ckpt_path")
        if value is not None:
            names = value if isinstance(value, list) else [value]
            if not names or not all(isinstance(name, str) for name in names):
                raise GalaxyError(f"{config}: ckpt_path is neither a path nor a list of paths")
            checkpoints = [expand_path(name) for name in names]
    return checkpoints


def allows_simulation(args: Sequence[str]) -> bool:
    """Returns whether missing arrays may be simulated.

    A config may name arrays and ask for their simulation if they are missing. If the user names other arrays
    instead, these are not simulated, because the name may be mistyped.

    Args:
        args: The command line; its configs must be readable.
    """
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    for option in ("--data.arrays", "--data.simulate"):
        parser.add_argument(option, dest=option)
    options = vars(parser.parse_known_args(args)[0])
    if options["--data.arrays"] is not None or options["--data.simulate"] is not None:
        return options["--data.simulate"] is not None
    sections = [content.get("data") for _, content in _read_configs(args)]
    relevant = [
        section
        for section in sections
        if isinstance(section, dict) and section.keys() & {"arrays", "simulate"}
    ]
    return bool(relevant) and "simulate" in relevant[-1]
