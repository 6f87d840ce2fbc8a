"""Which class names are valid, and how the classes are described to a reader."""

import csv
import io
import textwrap
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import pandas as pd

from data_prep.common.errors import GalaxyError
from data_prep.common.text_layout import align_left, display_width, escape_markdown

MIN_CLASSES: Final = 2
MAX_CLASSES: Final = 100
MAX_NAME_LENGTH: Final = 60
"""Maximum length of a class name, in characters."""


def check_class_names(names: Sequence[str]) -> None:
    """Checks that the names of classes can be used in all tables, logs and figures.

    There must be 2 to 100 classes. A name has 1 to 60 printable characters, without a blank at either end.
    It may contain commas, quotation marks, slashes, dollar signs and any other printable character, because
    the tables are quoted CSV and no file is named after a class. Names must differ by more than case, since
    the columns ``p_<class>`` are case-insensitive in TOPCAT, and by more than their Unicode form. A name that
    CSV readers take for a missing value, such as ``NA``, is invalid.

    Args:
        names: The class names, in order.

    Raises:
        GalaxyError: There are too few or too many classes, or a name is invalid.
    """
    if not MIN_CLASSES <= len(names) <= MAX_CLASSES:
        one = f"1 class ({_quoted(names[0])[1:-1]})" if names else "no class"
        found = one if len(names) < MIN_CLASSES else f"{len(names):,} classes"
        raise GalaxyError(f"{found}: a classifier needs {MIN_CLASSES} to {MAX_CLASSES} classes")
    seen: dict[str, str] = {}
    for name in names:
        if problem := _problem(name):
            raise GalaxyError(f"invalid class name {_quoted(name)}: {problem}; rename the class")
        key = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())
        if (other := seen.get(key)) is not None:
            difference = "are equal" if other == name else "differ only by case or Unicode form"
            raise GalaxyError(
                f"the class names {_quoted(other)} and {_quoted(name)} {difference}: rename one of them"
            )
        seen[key] = name
    if missing := [name for name in names if _is_missing_value(name)]:
        raise GalaxyError(
            f"invalid class name {_quoted(missing[0])}: CSV readers take it for a missing value; rename the "
            "class"
        )


def known_descriptions(names: Sequence[str], descriptions: Mapping[str, str]) -> dict[str, str]:
    """Returns the descriptions that are not empty, in the order of the classes.

    Args:
        names: The class names, in order.
        descriptions: Descriptions by class name; any may be missing.
    """
    return {name: descriptions[name] for name in names if descriptions.get(name)}


def describe_classes(names: Sequence[str], descriptions: Mapping[str, str], width: int = 80) -> Iterator[str]:
    """Yields the lines of a list of classes with their descriptions, for a terminal.

    Args:
        names: The class names, in order.
        descriptions: Descriptions by class name; classes without one are left out.
        width: The maximum length of a line.
    """
    known = known_descriptions(names, descriptions)
    indent = 2 + max(map(display_width, known), default=0)
    for name, description in known.items():
        first, *others = textwrap.wrap(description, max(30, width - indent)) or [""]
        yield align_left(f"{name}:", indent) + first
        yield from (" " * indent + line for line in others)


def class_list(names: Sequence[str], descriptions: Mapping[str, str]) -> str:
    """Returns a Markdown list of the classes, with their descriptions as far as known.

    Args:
        names: The class names, in order.
        descriptions: Descriptions by class name; any may be missing.
    """
    known = known_descriptions(names, descriptions)
    return "\n".join(
        f"1. **{escape_markdown(name)}**" + (f": {escape_markdown(known[name])}" if name in known else "")
        for name in names
    )


def _problem(name: str) -> str | None:
    """Returns what is wrong with a name; None if nothing is."""
    if not name.strip():
        return "it is empty"
    if len(name) > MAX_NAME_LENGTH:
        return f"it has {len(name)} characters, more than {MAX_NAME_LENGTH}"
    if not name.isprintable():
        return "it contains a line break, a control character or another character that cannot be printed"
    if name != name.strip():
        return "it begins or ends with a blank"
    return None


def _quoted(name: str) -> str:
    """Returns a name for a message, on one line and not too long."""
    return repr(name if len(name) <= MAX_NAME_LENGTH else f"{name[:MAX_NAME_LENGTH]}...")


def _is_missing_value(name: str) -> bool:
    """Returns whether pandas reads the name in a CSV as a missing value."""
    file = io.StringIO()
    csv.writer(file).writerow(["class", name])
    file.seek(0)
    return bool(pd.read_csv(file, header=None, dtype="str").isna().to_numpy().any())
