"""Turns figures into SVG for a web page: text remains text, and the page's style sets the colours."""

import html
import io
import re
from collections.abc import Mapping
from typing import Any, Final

import matplotlib as mpl
from matplotlib.figure import Figure

from galaxy_lightning.evaluation.colours import GRID, INK, PAPER, REFERENCE

_INK: Final = "#010203"
"""Stands for the page's text colour while a figure is drawn."""
_PAGE_COLOURS: Final = {
    _INK: "var(--ink)",
    INK: "var(--ink)",
    PAPER: "var(--paper)",
    REFERENCE: "var(--soft)",
    GRID: "var(--line)",
}
DRAWING: Final[dict[Any, Any]] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "galaxy_lightning",
    **dict.fromkeys(
        (
            "text.color",
            "axes.labelcolor",
            "axes.edgecolor",
            "axes.titlecolor",
            "xtick.color",
            "ytick.color",
            "legend.labelcolor",
        ),
        _INK,
    ),
}
"""Settings of matplotlib for figures that become SVG; they must be set while a figure is drawn."""


def figure_to_svg(figure: Figure, name: str, description: str, colours: Mapping[str, str]) -> str:
    """Returns a figure as an SVG element that takes its colours from the page.

    Args:
        figure: The figure, drawn with the settings ``DRAWING``.
        name: A name that is unique in the page.
        description: The text for readers who cannot see it.
        colours: The CSS colour that replaces each colour, by its ``#rrggbb``.
    """
    stream = io.StringIO()
    with mpl.rc_context(DRAWING):
        figure.savefig(stream, format="svg", transparent=True, metadata={"Date": None})
    svg = stream.getvalue()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, count=1, flags=re.DOTALL)
    svg = re.sub(r"<style .*?</style>", "", svg, count=1, flags=re.DOTALL)
    css = _PAGE_COLOURS | dict(colours)
    svg = re.sub(r"<[^<>]+>", lambda tag: _adapt(tag.group(), name, css), svg)
    label = f'role="img" aria-label="{html.escape(description)}" class="chart"'
    return svg.replace("<svg ", f"<svg {label} ", 1).strip()


def _adapt(tag: str, name: str, colours: Mapping[str, str]) -> str:
    """Returns a tag, whose texts are not part of it, with names, font and colours of the page."""
    # Names must be unique in the page, and another figure uses the same ones.
    tag = re.sub(r'(\bid="|href="#|url\(#)', rf"\g<1>{name}-", tag)
    # The font is that of the page; versions of matplotlib before 3.11 write it with its size.
    tag = re.sub(r" font-family: [^;\"]*;?", "", tag)
    tag = re.sub(r"(font: [^;\"']*)'[^;\"]*", r"\1var(--font)", tag)
    for colour, css in colours.items():
        tag = re.sub(rf"{colour}(?![0-9a-f])", css, tag, flags=re.IGNORECASE)
    return tag
