"""Reads small YAML files that hold only text, numbers, lists and mappings."""

from pathlib import Path
from typing import Any, Final

import yaml

from data_prep.common.errors import GalaxyError

MAX_BYTES: Final = 64 * 1024
"""Maximum size of a file in bytes."""
MAX_DEPTH: Final = 8
"""Maximum number of lists and mappings inside each other."""


def read_plain_yaml(path: Path) -> dict[str, Any]:
    """Reads a mapping from a YAML file.

    The parts of YAML that can run code or fill the memory are refused: tags, anchors and aliases. So are
    repeated keys, of which a YAML reader would silently keep the last.

    Args:
        path: The file, UTF-8, of at most ``MAX_BYTES``.

    Returns:
        The content.

    Raises:
        GalaxyError: The file cannot be read, is too large, is not YAML, is not a mapping with names as keys,
            or has one of the refused parts.
    """
    try:
        if not path.is_file():
            raise GalaxyError(f"{path} is {'not a file' if path.exists() else 'missing'}")
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
        if len(content) > MAX_BYTES:
            raise GalaxyError(f"{path} is larger than {MAX_BYTES // 1024} KiB: use a shorter file")
        text = content.decode("utf-8-sig")
        _refuse_special_parts(path, text)
        loaded = yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f", line {mark.line + 1}" if mark else ""
        raise GalaxyError(
            f"{path}{line}: not valid YAML ({error.problem or error.context}): write values that contain "
            "signs, such as '>= 0.5', in quotes, and indent with spaces"
        ) from None
    except UnicodeDecodeError:
        raise GalaxyError(f"{path} is not text in UTF-8: save it as UTF-8") from None
    except yaml.YAMLError as error:
        raise GalaxyError(f"{path} cannot be read as YAML: {' '.join(str(error).split())}") from None
    except (OSError, ValueError, OverflowError) as error:
        raise GalaxyError(f"{path} cannot be read: {error}") from None
    if not isinstance(loaded, dict):
        raise GalaxyError(f"{path} does not hold names with values, such as 'description: ...'")
    return loaded


def _refuse_special_parts(path: Path, text: str) -> None:
    """Refuses tags, anchors, aliases, deep nesting and repeated keys, before anything is constructed."""
    # For each open list (None) or mapping: its keys, and whether the next node is a key.
    keys: list[set[str] | None] = []
    is_key: list[bool] = []
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        where = f"{path}, line {event.start_mark.line + 1}" if event.start_mark else str(path)
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None) is not None:
            raise GalaxyError(f"{where}: anchors (&) and aliases (*) are not allowed: write values in full")
        if getattr(event, "tag", None) is not None:
            raise GalaxyError(
                f"{where}: tags (!) are not allowed: write values that begin with !, as in '!= 1', in quotes"
            )
        if isinstance(event, yaml.CollectionEndEvent):
            keys.pop()
            is_key.pop()
        elif isinstance(event, yaml.NodeEvent):
            if keys and (siblings := keys[-1]) is not None:
                if is_key[-1]:
                    if not isinstance(event, yaml.ScalarEvent):
                        raise GalaxyError(f"{where}: a list or mapping cannot be a name")
                    if event.value in siblings:
                        raise GalaxyError(f"{where}: {event.value!r} appears twice: keep one of them")
                    if event.value == "<<":
                        raise GalaxyError(f"{where}: merging with << is not allowed: write values in full")
                    siblings.add(event.value)
                is_key[-1] = not is_key[-1]
            if isinstance(event, yaml.CollectionStartEvent):
                if len(keys) == MAX_DEPTH:
                    raise GalaxyError(f"{where}: lists and mappings are nested more than {MAX_DEPTH} deep")
                mapping = isinstance(event, yaml.MappingStartEvent)
                keys.append(set() if mapping else None)
                is_key.append(mapping)
