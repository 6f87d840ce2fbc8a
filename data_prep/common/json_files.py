"""JSON objects as files: written whole or not at all, read strictly."""

import json
import math
from pathlib import Path
from typing import Any

from data_prep.common.errors import GalaxyError
from data_prep.common.files import new_file


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Writes ``content`` as indented JSON, whole or not at all."""
    with new_file(path) as partial:
        partial.write_text(json_text(content), encoding="utf-8")


def json_text(content: dict[str, Any]) -> str:
    """Returns ``content`` as indented JSON."""
    return json.dumps(content, indent=2, allow_nan=False) + "\n"


def read_json(path: Path) -> dict[str, Any]:
    """Reads a JSON object.

    Raises:
        GalaxyError: The file is missing or holds no JSON object.
    """
    try:
        content = json.loads(
            path.read_text(encoding="utf-8-sig"), parse_constant=_no_number, parse_float=_finite
        )
    except FileNotFoundError:
        raise GalaxyError(f"{path} is missing") from None
    except (OSError, ValueError, RecursionError) as error:
        raise GalaxyError(f"{path} cannot be read as JSON: {error}") from None
    if not isinstance(content, dict):
        raise GalaxyError(f"{path} holds no JSON object")
    return content


def _finite(text: str) -> float:
    """Refuses numbers that are too large for a float."""
    number = float(text)
    if not math.isfinite(number):
        _no_number(text)
    return number


def _no_number(text: str) -> None:
    """Refuses NaN and infinities, which JSON does not have."""
    raise ValueError(f"{text} is no JSON")
