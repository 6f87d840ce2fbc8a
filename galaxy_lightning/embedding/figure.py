"""The figure of a galaxy and the galaxies that are most similar to it."""

from collections.abc import Sequence
from typing import Any, Final

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from data_prep.common.text_layout import shorten
from data_prep.images.display import as_picture
from galaxy_lightning.audit.figures import MAX_CLASSES, class_colours
from galaxy_lightning.embedding.reading import EmbeddingTable
from galaxy_lightning.embedding.row_images import Picture, RowImages
from galaxy_lightning.embedding.similar import DISTANCE, Query
from galaxy_lightning.evaluation.colours import INK, REFERENCE
from galaxy_lightning.evaluation.figure_layout import TITLE_SIZE
from galaxy_lightning.evaluation.figure_text import show_as_is, shown_names, wrap_lines

MAX_IMAGES: Final = 300
"""Maximum number of images in a figure."""
_COLUMNS: Final = 7
_SIDE: Final = 1.5
"""Side of an image in inches."""
_GAP: Final = 0.12
_TEXT: Final = 0.52
"""Height of the text below an image in inches."""
_TITLE: Final = 0.36
_SIZE: Final = 7.5
"""Font size below the images, in points."""
_WIDTH: Final = 22
"""Maximum width of a text below an image in characters."""


def plot_similar(
    table: EmbeddingTable, queries: Sequence[Query], results: Sequence[pd.DataFrame], images: RowImages
) -> tuple[Figure, list[str]]:
    """Plots each galaxy and its most similar galaxies, framed in the colour of the predicted class.

    Args:
        table: The table.
        queries: The galaxies.
        results: Their similar galaxies; see :func:`~.similar.find_similar`.
        images: Reads the images of the table's galaxies.

    Returns:
        The figure, 11 inches wide, and a sentence for each reason why images are missing.
    """
    classes, cell, row_height = table.info.classes, _SIDE + _GAP, _SIDE + _TEXT
    rows = [-(-(len(found) + 1) // _COLUMNS) for found in results]
    width = _COLUMNS * cell + _GAP
    height = sum(_TITLE + number * row_height for number in rows) + _GAP
    figure = Figure(figsize=(width, height))
    colours = class_colours(classes) if len(classes) <= MAX_CLASSES else {}
    names = dict(zip(classes, shown_names(classes, _WIDTH, "class"), strict=True))
    missing: dict[str, int] = {}
    top = height
    for query, found, number in zip(queries, results, rows, strict=True):
        title = wrap_lines(f"The {len(found)} galaxies most similar to {shorten(query.name, 60)}", 100)
        position: dict[str, Any] = {"x": _GAP / width, "y": (top - 0.1) / height, "ha": "left", "va": "top"}
        show_as_is(figure.text(s=title, fontsize=TITLE_SIZE, **position))
        top -= _TITLE
        pictures = [*_own_image(table, query, images), *images.read(found)]
        texts = [(shorten(query.id, _WIDTH), "this galaxy", query.predicted)]
        texts += [
            (shorten(str(name), _WIDTH), f"distance {distance:.2f}", predicted)
            for name, distance, predicted in zip(
                table.ids[found.index], found[DISTANCE], found["predicted"], strict=True
            )
        ]
        for place, (picture, (name, line, predicted)) in enumerate(zip(pictures, texts, strict=True)):
            left = _GAP + place % _COLUMNS * cell
            bottom = top - place // _COLUMNS * row_height - _SIDE
            axes = figure.add_axes((left / width, bottom / height, _SIDE / width, _SIDE / height))
            _draw(axes, picture, colours.get(predicted, REFERENCE), is_query=place == 0)
            text = f"{name}\n{line}\n{names.get(predicted, predicted)}"
            weight = "bold" if place == 0 else "normal"
            show_as_is(axes.set_xlabel(text, fontsize=_SIZE, labelpad=3, fontweight=weight))
            if isinstance(picture, str):
                missing[picture] = missing.get(picture, 0) + 1
        top -= number * row_height
    notes = [
        f"no image of {count:,} of the galaxies in the figure: {text}" for text, count in missing.items()
    ]
    return figure, notes


def _own_image(table: EmbeddingTable, query: Query, images: RowImages) -> list[Picture]:
    """Returns the image of the galaxy itself."""
    if query.image is not None:
        return [query.image]
    assert query.row is not None
    return images.read(table.galaxies.iloc[[query.row]])


def _draw(axes: Axes, picture: Picture, colour: str, *, is_query: bool) -> None:
    """Draws an image with a frame, or a placeholder."""
    axes.set(xticks=[], yticks=[])
    for spine in axes.spines.values():
        spine.set(color=INK if is_query else colour, linewidth=3 if is_query else 1.5)
    if isinstance(picture, str):
        axes.text(0.5, 0.5, "no image", ha="center", va="center", fontsize=_SIZE, color=REFERENCE)
        axes.set(xlim=(0, 1), ylim=(0, 1))
        return
    axes.imshow(as_picture(picture), cmap="gray")
