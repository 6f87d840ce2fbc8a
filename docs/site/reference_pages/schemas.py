"""Makes tables of the entries of JSON files, and of the columns of tables of predictions."""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

SCHEMAS: Final = Path(__file__).parents[2] / "schemas"
_MARKER: Final = re.compile(r"^<!-- (schema|columns): ([\w.]+) -->$", re.MULTILINE)


def add_tables(markdown: str) -> str:
    """Adds the tables that a page asks for, after each line ``<!-- schema: NAME -->``.

    ``<!-- columns: predictions -->`` stands for the columns of tables of predictions.
    """

    def table(marker: re.Match[str]) -> str:
        kind, name = marker.groups()
        return schema_table(read_schema(name)) if kind == "schema" else columns_table()

    return _MARKER.sub(table, markdown)


def read_schema(name: str) -> dict[str, Any]:
    """Reads a schema.

    Args:
        name: The name of the JSON file that it describes, without suffix.
    """
    schema: dict[str, Any] = json.loads((SCHEMAS / f"{name}.schema.json").read_text(encoding="utf-8"))
    return schema


def schema_table(schema: Mapping[str, Any]) -> str:
    """Makes the table of the entries of a JSON file; required entries are bold."""
    lines = ["| entry | type | content |", "|---|---|---|"]
    for name, entry, required in _entries(schema, schema, ""):
        shown = f"**`{name}`**" if required else f"`{name}`"
        lines.append(
            f"| {shown} | {_type(schema, entry)} | {_resolve(schema, entry).get('description', '')} |"
        )
    return "\n".join(lines)


def columns_table() -> str:
    """Makes the table of the columns of a table of predictions that have fixed names."""
    from galaxy_lightning.tables.schema import COLUMNS, describe_column

    classes = {name: describe_column(name, ["<class>"], {}) for name in ("p_<class>", "p_<class>_std")}
    lines = ["| column | type | unit | UCD | content |", "|---|---|---|---|---|"]
    for name, info in (classes | COLUMNS).items():
        meaning = info.description.replace("<class>", "").strip()
        lines.append(f"| `{name}` | {info.kind} | {info.unit or ''} | `{info.ucd}` | {meaning} |")
    return "\n".join(lines)


def _resolve(schema: Mapping[str, Any], entry: Mapping[str, Any]) -> Mapping[str, Any]:
    """Returns an entry with the definition that its ``$ref`` names; its own keys come first."""
    if "$ref" not in entry:
        return entry
    definition: Mapping[str, Any] = schema["$defs"][entry["$ref"].removeprefix("#/$defs/")]
    return {**definition, **{name: value for name, value in entry.items() if name != "$ref"}}


def _entries(
    schema: Mapping[str, Any], entry: Mapping[str, Any], prefix: str
) -> Iterator[tuple[str, Mapping[str, Any], bool]]:
    """Yields the name of each entry, what describes it, and whether it is required, depth first."""
    for name, inner in entry.get("properties", {}).items():
        yield f"{prefix}{name}", inner, name in entry.get("required", ())
        yield from _inner_entries(schema, _resolve(schema, inner), f"{prefix}{name}")
    others = entry.get("additionalProperties")
    if isinstance(others, dict) and "title" in others:
        title = others["title"] if "<" in others["title"] else f"<{others['title']}>"
        yield f"{prefix}{title}", others, False
        yield from _inner_entries(schema, _resolve(schema, others), f"{prefix}{title}")


def _inner_entries(
    schema: Mapping[str, Any], entry: Mapping[str, Any], name: str
) -> Iterator[tuple[str, Mapping[str, Any], bool]]:
    """Yields the entries inside an object, or inside the objects of a list."""
    yield from _entries(schema, entry, f"{name}.")
    items = entry.get("items")
    if isinstance(items, dict):
        yield from _entries(schema, _resolve(schema, items), f"{name}[].")


def _type(schema: Mapping[str, Any], entry: Mapping[str, Any]) -> str:
    """Returns the type of an entry in words."""
    entry = _resolve(schema, entry)
    if "const" in entry or "enum" in entry:
        values = [entry["const"]] if "const" in entry else entry["enum"]
        return ", ".join(f"`{json.dumps(value)}`" for value in values)
    types = entry.get("type", "any")
    types = [types] if isinstance(types, str) else types
    items = entry.get("items")
    words = [
        f"list of {_plural(_type(schema, items))}" if kind == "array" and items else kind for kind in types
    ]
    return " or ".join(words)


def _plural(kind: str) -> str:
    """Returns a type in the plural."""
    return re.sub(r"\b(string|number|integer|boolean|object|list|null)\b(?!s)", r"\1s", kind)
