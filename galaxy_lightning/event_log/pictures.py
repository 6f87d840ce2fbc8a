"""The pictures of a TensorBoard log: the confusion matrix, and the galaxies that a model gets most wrong."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from data_prep.images.display import as_picture
from galaxy_lightning.evaluation.measures import MAX_WITH_COUNTS, MAX_WITH_FRACTIONS, row_fractions
from galaxy_lightning.event_log.drawing import (
    LINE_PX,
    draw_text,
    draw_upward,
    drawable_names,
    fit_text,
    text_width,
)

MAX_MISTAKES: Final = 12
"""Maximum number of galaxies in a gallery."""
_CARD: Final = 348
"""Width in pixels at which TensorBoard shows a picture: it scales wider ones without smoothing."""
_GAP: Final = 8
_COLUMNS: Final = 2
_SIDE: Final = (_CARD - _GAP) // _COLUMNS - _GAP
"""Side of a galaxy in a gallery, in pixels."""
_BLUES: Final = np.array(
    [
        *((247, 251, 255), (222, 235, 247), (198, 219, 239), (158, 202, 225), (107, 174, 214)),
        *((66, 146, 198), (33, 113, 181), (8, 81, 156), (8, 48, 107)),
    ],
    dtype=np.float64,
)
"""ColorBrewer's sequential blues, as in the other figures of confusion matrices."""


@dataclass(frozen=True)
class Mistake:
    """A galaxy whose predicted class is not its true class.

    Attributes:
        image: uint8 ``[H, H, bands]``.
        name: Its id.
        true: Its class.
        predicted: The predicted class.
        probability: The probability of the predicted class.
    """

    image: npt.NDArray[np.uint8]
    name: str
    true: str
    predicted: str
    probability: float


def draw_confusion_matrix(counts: npt.NDArray[np.int64], classes: Sequence[str], title: str) -> Image.Image:
    """Draws a confusion matrix, normalised by true class, so that its diagonal shows the recalls.

    Args:
        counts: Numbers of galaxies, ``[true class, predicted class]``.
        classes: The class names, in order.
        title: The title, of one or two lines.

    Returns:
        An RGB picture. Each cell shows the fraction of its row, and the number of galaxies in brackets. With
        more classes, the cells show fractions only, and finally only colours.
    """
    number = len(classes)
    names = drawable_names(classes, 30)
    margin = max(map(text_width, names)) + 8
    left = LINE_PX + margin
    if number <= MAX_WITH_COUNTS:
        cell = min(84, max(56, (_CARD - left - _GAP) // number))
    else:
        cell = 44 if number <= MAX_WITH_FRACTIONS else LINE_PX - 2
    upright = margin > cell + 8
    titles = title.splitlines()
    top, side = (len(titles) + 1) * LINE_PX, cell * number
    below = (margin if upright else LINE_PX) + LINE_PX + _GAP
    size = left + side + _GAP, top + side + below
    width = max(size[0], *(text_width(line) + 2 * _GAP for line in titles))
    picture = Image.new("RGB", (width, size[1]), "white")
    fractions = row_fractions(counts)
    # Without texts, the square root of the fraction sets the colour, so that rare errors are visible.
    shades = _blues(fractions if number <= MAX_WITH_FRACTIONS else np.sqrt(fractions))
    picture.paste(Image.fromarray(shades).resize((side, side), Image.Resampling.NEAREST), (left, top))
    ImageDraw.Draw(picture).rectangle((left - 1, top - 1, left + side, top + side), outline="grey")
    _draw_title(picture, titles)
    draw_upward(picture, LINE_PX / 2 + 2, top + (side - text_width("True class")) / 2, "True class")
    draw_text(picture, (left + side / 2, size[1] - LINE_PX / 2 - 4), "Predicted class", "mm")
    for index, name in enumerate(names):
        middle = (index + 0.5) * cell
        draw_text(picture, (left - 6, top + middle), name, "rm")
        if upright:
            draw_upward(picture, left + middle, top + side + 6, name)
        else:
            draw_text(picture, (left + middle, top + side + 6 + LINE_PX / 2), name, "mm")
    if number <= MAX_WITH_FRACTIONS:
        for row, column in np.ndindex(*counts.shape):
            fraction, count = float(fractions[row, column]), int(counts[row, column])
            x, y = left + (column + 0.5) * cell, top + (row + 0.5) * cell
            colour = "white" if fraction > 0.55 else "black"
            texts = [f"{fraction:.2f}", f"({count:,})"] if number <= MAX_WITH_COUNTS else [f"{fraction:.2f}"]
            for line, text in enumerate(texts):
                draw_text(picture, (x, y + (line - (len(texts) - 1) / 2) * LINE_PX), text, "mm", colour)
    return picture


def draw_gallery(mistakes: Sequence[Mistake], title: str) -> Image.Image:
    """Draws misclassified galaxies in rows of two, each with its id, true and predicted class.

    Args:
        mistakes: At most ``MAX_MISTAKES`` galaxies, in order.
        title: The title, of one or two lines.

    Returns:
        An RGB picture; without mistakes, it holds the title only.
    """
    rows = -(-len(mistakes) // _COLUMNS)
    titles = title.splitlines()
    top = (len(titles) + 1) * LINE_PX
    step, height = _SIDE + _GAP, _SIDE + 4 * LINE_PX + _GAP
    picture = Image.new("RGB", (_CARD, top + rows * height), "white")
    _draw_title(picture, titles)
    for index, mistake in enumerate(mistakes):
        x, y = _GAP + index % _COLUMNS * step, top + index // _COLUMNS * height
        picture.paste(as_picture(mistake.image).convert("RGB").resize((_SIDE, _SIDE)), (x, y))
        captions = (
            mistake.name,
            f"true: {mistake.true}",
            f"predicted: {mistake.predicted}",
            f"probability: {mistake.probability:.2f}",
        )
        for line, caption in enumerate(captions):
            place = x, y + _SIDE + (line + 0.5) * LINE_PX + 2
            draw_text(picture, place, fit_text(caption, _SIDE), "lm")
    return picture


def _draw_title(picture: Image.Image, titles: Sequence[str]) -> None:
    """Draws the lines of a title."""
    for line, text in enumerate(titles):
        draw_text(picture, (_GAP, (line + 0.7) * LINE_PX), text, "lm")


def _blues(values: npt.NDArray[np.float64]) -> npt.NDArray[np.uint8]:
    """Returns the colours of values in [0, 1], uint8 ``[..., 3]``."""
    positions = np.linspace(0, 1, len(_BLUES))
    channels = [np.interp(values, positions, channel) for channel in _BLUES.T]
    return np.stack(channels, axis=-1).round().astype(np.uint8)
