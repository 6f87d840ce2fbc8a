"""The colours of figures: one for each model, the same in every figure."""

from collections.abc import Sequence
from typing import Final

INK: Final = "#000000"
"""Colour of texts, axes and of legend entries that hold for all models, as Matplotlib draws them."""
PAPER: Final = "#ffffff"
"""Colour of the background, and of the edges that set markers apart from lines."""
REFERENCE: Final = "#8a8a8a"
"""Colour of lines to compare with, such as a target accuracy."""
GRID: Final = "#e0e0e0"
"""Colour of grid lines."""

KNOWN_COLOURS: Final = {
    "galaxy_cnn": "#0072B2",
    "reference_cnn": "#D55E00",
    "keras": "#CC79A7",
    "scratch": "#E69F00",
    "scratch-full": "#009E73",
    "majority": "#777777",
}
"""The colours of the models of this package, most of them from the palette of Okabe & Ito (2008)."""

COLOURS: Final = (
    *("#5B4FC7", "#56B4E9", "#117733", "#B2182B", "#999933", "#994F00"),
    *KNOWN_COLOURS.values(),
)
"""Twelve colours, in the order in which other models get them. Readers with any of the three colour vision
deficiencies can distinguish each pair of them on white; none is as pale as Okabe & Ito's yellow."""


def model_colours(names: Sequence[str]) -> dict[str, str]:
    """Returns a colour for each model.

    A model of this package always has the same colour, also with settings behind its name, as in
    ``galaxy_cnn (epochs 30)``. If several names begin with the same model, the first has its colour, or the
    one without settings. Every other model has the next free colour, so that the first 12 differ.

    Args:
        names: The names of all models, in order; they must be the same in all figures of a report.

    Returns:
        The colours by name, in the order of ``names``, such as ``#0072B2``.
    """
    chosen: dict[str, str] = {}
    for name in sorted(names, key=lambda name: name not in KNOWN_COLOURS):  # A stable sort keeps the order.
        known = KNOWN_COLOURS.get(name.split(" ")[0])
        if known is not None and known not in chosen.values():
            chosen[name] = known
    free = [colour for colour in COLOURS if colour not in chosen.values()]
    others = [name for name in dict.fromkeys(names) if name not in chosen]
    palette = [*free, *(COLOURS[number % len(COLOURS)] for number in range(len(others)))]
    chosen |= dict(zip(others, palette, strict=False))
    return {name: chosen[name] for name in names}
