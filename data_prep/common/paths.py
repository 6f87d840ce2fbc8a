"""Paths as users write them, expanded once, where a program takes them in."""

import os
import re
import shlex
from argparse import ArgumentTypeError
from pathlib import Path
from typing import Final

from data_prep.common.errors import GalaxyError

_VARIABLE: Final = re.compile(r"\$(\w+|\{[^}]*\})")


class _PathError(ArgumentTypeError, ValueError):
    """A path cannot be expanded."""


def expand_path(text: str) -> str:
    """Expands ``~``, ``~user``, environment variables and ``..`` in a path.

    A shell leaves ``--out=~/x`` as it is. Left to the libraries, one would take it for a
    folder named ``~``, another for the home directory.

    Args:
        text: The path as the user wrote it.

    Returns:
        The same place, by a path that every library reads alike.

    Raises:
        GalaxyError: It is empty, or names a user or a variable that does not exist.
    """
    if not text.strip():
        raise GalaxyError("a path is empty: name a file or folder")
    if "\0" in text:
        raise GalaxyError(f"the path {text!r} holds a NUL character")
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
    """Returns a path of a command line, expanded; the type of every option that takes one.

    Raises:
        ArgumentTypeError: As for :func:`expand_path`; a parser reports it with the option's name.
        ValueError: The same, which is what a parser expects of a value in a config.
    """
    try:
        return Path(expand_path(str(text)))
    except GalaxyError as error:
        raise _PathError(str(error)) from error


def quoted(path: Path | str) -> str:
    """Returns a path as a shell takes it, for a command that the user is to copy."""
    return shlex.quote(str(path))
