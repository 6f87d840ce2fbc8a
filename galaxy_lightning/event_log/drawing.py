"""Draws text and blocks with Pillow, in a hundredth of the time and memory that Matplotlib needs."""

import functools
import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from PIL import Image, ImageDraw, ImageFont

from data_prep.common.text_layout import ELLIPSIS, drawn_names

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont

TEXT_PX: Final = 13
"""Size of the text in pixels."""
LINE_PX: Final = 17
"""Height of a line of text in pixels."""
_OTHER_FONTS: Final = (
    "NotoSansCJK-Regular.ttc",
    "wqy-zenhei.ttc",
    "wqy-microhei.ttc",
    "PingFang.ttc",
    "msyh.ttc",
    "YuGothM.ttc",
    "malgun.ttf",
    "Arial Unicode.ttf",
)
"""Files of fonts for characters that the default font lacks; those that are installed are used."""
_UNDEFINED: Final = "\uffff"


def drawable_names(names: Sequence[str], width: int) -> list[str]:
    """Returns the names of classes as a picture shows them; see :func:`~.text_layout.drawn_names`.

    Args:
        names: The class names, in order.
        width: The maximum width in characters; East Asian characters count twice.
    """
    return drawn_names(names, width, "class", lambda name: _font_for(name, TEXT_PX) is not None)


def text_width(text: str, size: int = TEXT_PX) -> int:
    """Returns the width of a line of text in pixels."""
    return round(_font(text, size).getlength(text))


def fit_text(text: str, width: int) -> str:
    """Shortens a line of text to a width in pixels; an ellipsis replaces its middle."""
    if text_width(text) <= width:
        return text
    kept = len(text)
    while kept > 2:
        kept -= 1
        short = f"{text[: kept - kept // 2]}{ELLIPSIS}{text[len(text) - kept // 2 :]}"
        if text_width(short) <= width:
            break
    return short


def draw_text(
    picture: Image.Image, position: tuple[float, float], text: str, anchor: str, colour: int | str = "black"
) -> None:
    """Draws a line of text.

    Args:
        picture: The picture to draw on.
        position: x and y in pixels.
        text: The text.
        anchor: Which point of the text is at the position, in Pillow's notation, such as ``"mm"``.
        colour: The colour.
    """
    ImageDraw.Draw(picture).text(position, text, colour, _font(text, TEXT_PX), anchor)


def draw_upward(picture: Image.Image, x: float, top: float, text: str) -> None:
    """Draws a line of text that runs upward, centred at ``x``, and ends at ``top``."""
    width = text_width(text) + 2
    label = Image.new("L", (width, LINE_PX), 0)
    ImageDraw.Draw(label).text((width, LINE_PX / 2), text, 255, _font(text, TEXT_PX), "rm")
    turned = label.rotate(90, expand=True)
    picture.paste("black", (round(x - LINE_PX / 2), round(top)), turned)


def _font(text: str, size: int) -> Font:
    font = _font_for(text, size) or _load_font(_default_font(), size)
    assert font is not None  # The default font is always there.
    return font


def _font_for(text: str, size: int) -> Font | None:
    """Returns the first font with all characters of a text; None if there is none."""
    for name in (_default_font(), *_OTHER_FONTS):
        font = _load_font(name, size)
        if font is not None and (text.isascii() or all(_has(name, character) for character in set(text))):
            return font
    return None


@functools.cache
def _has(name: str, character: str) -> bool:
    """Returns whether a font has a character: others look like an undefined one."""
    font = _load_font(name, TEXT_PX)
    assert font is not None
    return bytes(font.getmask(character)) != bytes(font.getmask(_UNDEFINED))


@functools.cache
def _load_font(name: str, size: int) -> Font | None:
    """Loads a font file; None if it is not installed."""
    try:
        return ImageFont.truetype(name, size)
    except OSError:
        return ImageFont.load_default(size) if name == _default_font() else None


@functools.cache
def _default_font() -> str:
    """Returns the path of Matplotlib's default font, without an import of Matplotlib."""
    found = importlib.util.find_spec("matplotlib")
    folders = (found and found.submodule_search_locations) or [""]
    return str(Path(folders[0], "mpl-data/fonts/ttf/DejaVuSans.ttf"))
