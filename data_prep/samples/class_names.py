"""The rules for the names of classes, which also name columns, metrics and files."""

from collections.abc import Sequence
from typing import Final

from data_prep.common.errors import GalaxyError

MAX_CLASSES: Final = 100
"""Maximum number of classes."""
MAX_LENGTH: Final = 60
"""Maximum length of a name, in characters."""


def check_class_names(names: Sequence[str]) -> None:
    """Checks the names of the classes.

    Names are compared without case, since TOPCAT ignores it in the names of columns.

    Args:
        names: The names of the classes, in order.

    Raises:
        GalaxyError: There are fewer than 2 or more than ``MAX_CLASSES`` names, two are the same, or one is
            empty, longer than ``MAX_LENGTH`` characters, or has control characters or blanks at its ends.
    """
    if not 2 <= len(names) <= MAX_CLASSES:
        raise GalaxyError(
            f"{len(names)} class{'es' if len(names) != 1 else ''}{f' ({names[0]})' if names else ''}: a "
            f"classifier needs 2 to {MAX_CLASSES} classes"
        )
    spelled: dict[str, str] = {}
    for position, name in enumerate(names):
        if not name.strip() or name != name.strip() or not name.isprintable() or len(name) > MAX_LENGTH:
            raise GalaxyError(
                f"the class name {name[:80]!r} must have 1 to {MAX_LENGTH} printable characters, without "
                "blanks at its ends: rename the class"
            )
        other = spelled.setdefault(name.casefold(), name)
        if len(spelled) <= position:
            raise GalaxyError(
                f"the class names {other!r} and {name!r} are the same, or differ only by case: rename one"
            )
