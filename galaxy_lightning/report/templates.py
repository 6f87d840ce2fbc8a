"""Loads the templates of a report."""

import re
from typing import Any

import jinja2

from data_prep.common.text_layout import escape_markdown


def render_template(name: str, content: dict[str, Any]) -> str:
    """Fills in a template of the folder ``page``.

    Args:
        name: The name of the template; texts are escaped in one that ends in ``.html.jinja``.
        content: The values by name; a template that lacks one fails.
    """
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("galaxy_lightning.report", "page"),
        autoescape=jinja2.select_autoescape(["html.jinja"]),
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters["cell"] = _escape_cell
    return environment.get_template(name).render(content)


def _escape_cell(text: str) -> str:
    """Escapes text for a cell of a Markdown table; on GitHub, dollar signs would start a formula."""
    return re.sub(r"[|$~]", r"\\\g<0>", escape_markdown(text)).replace("\n", " ")
