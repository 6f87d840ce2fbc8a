"""The config files that a command line names, looked at before anything is made of them."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from data_prep.errors import GalaxyError


def named_configs(words: Sequence[str]) -> list[str]:
    """Returns the config files that a command line names, however their option is spelled.

    Args:
        words: The command line.
    """
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("-c", "--config", action="append", default=[])
    found: list[str] = parser.parse_known_args(words)[0].config
    return found


def check_configs(words: Sequence[str]) -> None:
    """Stops at a config file that cannot be read: what the parser says of one does not name it.

    Args:
        words: The command line. That a file is missing, the parser says.

    Raises:
        GalaxyError: One is empty, no text, or no YAML.
    """
    import yaml  # Help needs none of it.

    for name in named_configs(words):
        try:
            empty = yaml.safe_load(Path(name).read_text(encoding="utf-8")) is None
        except OSError:
            continue
        except RecursionError as error:
            raise GalaxyError(f"the config {name} cannot be read: it is nested too deeply") from error
        except (UnicodeDecodeError, yaml.YAMLError) as error:
            raise GalaxyError(f"the config {name} cannot be read: {error}") from error
        if empty:
            raise GalaxyError(f"the config {name} is empty")
