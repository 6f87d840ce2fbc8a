"""Strict reading of JSON that may come from untrusted files."""

import math
from collections.abc import Iterable, Mapping
from typing import Any

from data_prep.common.errors import GalaxyError, shown

MAX_NUMBER = 1e30
"""Largest magnitude of a number; with larger values, single-precision pixels could overflow."""


def read_object(content: Any, names: Iterable[str], where: str) -> Mapping[str, Any]:
    """Returns a JSON object after checking the names of its entries.

    Args:
        content: The parsed JSON.
        names: The names that are known.
        where: A description of the content, for messages.

    Raises:
        GalaxyError: It is not an object, or has entries of other names.
    """
    if not isinstance(content, dict):
        raise GalaxyError(f"{where}: expected a JSON object, found {shown(content)}")
    if unknown := [name for name in content if name not in set(names)]:
        raise GalaxyError(f"{where}: unknown entry {shown(unknown[0])}; known: {', '.join(names)}")
    return content


def is_number(value: Any) -> bool:
    """Returns whether a value is a finite number of at most ``MAX_NUMBER``, and no boolean."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return abs(value) <= MAX_NUMBER and math.isfinite(value)


def is_integer(value: Any) -> bool:
    """Returns whether a value is an integer, and no boolean."""
    return isinstance(value, int) and not isinstance(value, bool)
