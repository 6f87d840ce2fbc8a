"""JSON files: written atomically, read strictly."""

import json
import math
from pathlib import Path
from typing import Any

from data_prep.common.errors import GalaxyError
from data_prep.common.files import new_file


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Writes ``content`` atomically as indented JSON."""
    with new_file(path) as partial:
        partial.write_text(json_text(content), encoding="utf-8")


def json_text(content: dict[str, Any]) -> str:
    """Returns ``content`` as indented JSON."""
    return json.dumps(content, indent=2, allow_nan=False) + "\n"


def read_json(path: Path) -> dict[str, Any]:
    """Reads a JSON object.

    Raises:
        GalaxyError: The file is missing or does not hold a JSON object.
    """
    try:
        content = json.loads(
            path.read_text(encoding="utf-8-sig"), parse_constant=_refuse_constant, parse_float=_finite_float
        )
    except FileNotFoundError:
        raise GalaxyError(f"{path} is missing") from None
    except (OSError, ValueError, RecursionError) as error:
        raise GalaxyError(f"{path} cannot be read as JSON: {error}") from None
    if not isinstance(content, dict):
        raise GalaxyError(f"{path} does not hold a JSON object")
    return content


def finite_or_none(value: float) -> float | None:
    """Returns a number as a float, or None if it is not finite, since JSON has no such numbers."""
    return float(value) if math.isfinite(value) else None


def _finite_float(text: str) -> float:
    """Parses a number and refuses one that overflows a float."""
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"the number {text} is too large")
    return number


def _refuse_constant(text: str) -> None:
    """Refuses NaN and infinities, which are not valid JSON."""
    raise ValueError(f"{text} is not valid JSON")
