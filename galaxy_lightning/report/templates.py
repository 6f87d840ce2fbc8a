"""Loads the templates of a report."""

import base64
import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any

import jinja2
from markupsafe import Markup

from data_prep.common.text_layout import escape_markdown


def render_template(name: str, content: dict[str, Any], package: str = "galaxy_lightning.report") -> str:
    """Fills in a template of the folder ``page``.

    Args:
        name: The name of the template; texts are escaped in one that ends in ``.html.jinja``.
        content: The values by name; a template that lacks one fails.
        package: The package that has the folder.
    """
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader(package, "page"),
        autoescape=jinja2.select_autoescape(["html.jinja"]),
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters["cell"] = _escape_cell
    return environment.get_template(name).render(content)


def script_json(content: Mapping[str, Any]) -> Markup:
    """Returns JSON that no text in it can end or extend the script element.

    Args:
        content: JSON types.
    """
    text = json.dumps(content, ensure_ascii=True, separators=(",", ":"), allow_nan=False)
    return Markup(text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026"))  # noqa: S704


def script_hash(script: str) -> str:
    """Returns the hash of a script by which a page's Content-Security-Policy allows it.

    Args:
        script: The script.
    """
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode("ascii")
    return f"sha256-{digest}"


def _escape_cell(text: str) -> str:
    """Escapes text for a cell of a Markdown table; on GitHub, dollar signs would start a formula."""
    return re.sub(r"[|$~]", r"\\\g<0>", escape_markdown(text)).replace("\n", " ")
