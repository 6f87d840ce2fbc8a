"""Expands the paths that users give on the command line and in configs."""

import os
import re
import shlex
from argparse import ArgumentTypeError
from pathlib import Path
from typing import Final

from data_prep.common.errors import GalaxyError

_VARIABLE: Final = re.compile(r"\$(\w+|\{[^}]*\})")


class _PathError(ArgumentTypeError, ValueError):
    """A path cannot be expanded; parsers report it with the option's name."""


def expand_path(text: str) -> str:
    """Expands ``~``, ``~user``, environment variables and ``..`` in a path.

    Shells do not expand ``--out=~/x``, and libraries disagree about it: some would create a folder named
    ``~``, others would use the home directory.

    Args:
        text: The path as the user wrote it.

    Returns:
        The expanded path, which all libraries interpret alike.

    Raises:
        GalaxyError: The path is empty, or names a user or a variable that does not exist.
    """
    if not text.strip():
        raise GalaxyError("a path is empty: name a file or folder")
    if "\0" in text:
        raise GalaxyError(f"the path {text!r} contains a NUL character")
    expanded = os.path.expanduser(os.path.expandvars(text))  # noqa: PTH111
    if expanded.startswith("~"):
        name = Path(expanded).parts[0]
        raise GalaxyError(
            f"{text}: there is no user {name[1:]!r}; for a file or folder named {name}, write ./{name}"
        )
    unknown = _VARIABLE.search(expanded)
    if unknown and not os.path.lexists(expanded):
        raise GalaxyError(f"{text}: the environment variable {unknown[0]} is not set")
    # "new/../x" must not make a folder "new"; where "new" is a link, ".." is the parent of its target.
    return str(Path(expanded).resolve()) if ".." in Path(expanded).parts else expanded


def user_path(text: str) -> Path:
    """Returns a path from the command line, expanded; the ``type`` of every path option.

    Raises:
        ArgumentTypeError: The path cannot be expanded; see :func:`expand_path`.
        ValueError: Likewise, which parsers expect for a value in a config.
    """
    try:
        return Path(expand_path(str(text)))
    except GalaxyError as error:
        raise _PathError(str(error)) from error


def quoted(path: Path | str) -> str:
    """Quotes a path for the shell, in a command that the user can copy."""
    return shlex.quote(str(path))
