"""Names in figures: shortened to the space, without formulas, in a font that has their characters."""

import functools
import textwrap
from collections.abc import Sequence
from typing import Final

from matplotlib.axes import Axes
from matplotlib.font_manager import FontProperties, findfont, get_font, get_font_names
from matplotlib.text import Text
from matplotlib.textpath import TextToPath

from data_prep.common.text_layout import display_width, drawn_names

_DEFAULT_FONT: Final = "DejaVu Sans"
_OTHER_FONTS: Final = (
    "Noto Sans CJK JP",
    "Noto Sans CJK SC",
    "Noto Sans CJK KR",
    "Noto Sans JP",
    "Noto Sans SC",
    "Noto Sans KR",
    "Source Han Sans",
    "WenQuanYi Zen Hei",
    "WenQuanYi Micro Hei",
    "IPAGothic",
    "Hiragino Sans",
    "PingFang SC",
    "Apple SD Gothic Neo",
    "Yu Gothic",
    "Microsoft YaHei",
    "Malgun Gothic",
    "Arial Unicode MS",
    "Noto Sans Devanagari",
    "Noto Sans Thai",
)
"""Fonts for characters that the default font lacks; those that are installed are used."""
_UNKNOWN: Final = "\N{REPLACEMENT CHARACTER}"
"""What is drawn instead of a character that no font has."""


def class_names(classes: Sequence[str], width: int) -> list[str]:
    """Returns the names of classes as a figure shows them; see :func:`shown_names`."""
    return shown_names(classes, width, "class")


def shown_names(names: Sequence[str], width: int, noun: str) -> list[str]:
    """Returns names as a figure shows them; see :func:`data_prep.common.text_layout.drawn_names`.

    Args:
        names: The names, in order.
        width: The maximum width in characters; East Asian characters count twice.
        noun: What they are the names of, such as ``class``.
    """
    return drawn_names(names, width, noun, _can_draw)


def legend_names(models: Sequence[str]) -> list[str]:
    """Returns the names of models as a legend shows them; with many models, they fit in two columns."""
    return shown_names(models, 52 if len(models) <= 6 else 26, "model")


def undrawn_note(classes: Sequence[str]) -> list[str]:
    """Returns a note on the classes whose names cannot be drawn; empty if there are none.

    Args:
        classes: The class names, in order.
    """
    undrawn = [str(number) for number, name in enumerate(classes, start=1) if not _can_draw(name)]
    if not undrawn:
        return []
    listed = undrawn if len(undrawn) <= 10 else [*undrawn[:9], f"{len(undrawn) - 9} more"]
    numbers = " and ".join([", ".join(listed[:-1]), listed[-1]] if len(listed) > 1 else listed)
    names, word = ("names", "classes") if len(undrawn) > 1 else ("name", "class")
    return [f"No installed font has the characters of the {names} of {word} {numbers} (of {len(classes)})"]


def show_as_is(text: Text) -> None:
    """Draws a text without formulas, and in fonts that have its characters.

    A character that no font has is replaced.
    """
    text.set_parse_math(False)
    text.set_text(_replace_unknown(text.get_text()))
    if families := _font_families(text.get_text()):
        text.set_fontfamily(families)


def text_width(text: str, size: float) -> float:
    """Returns the width of a text in inches, as :func:`show_as_is` draws it.

    Args:
        text: The text, on one line.
        size: The font size in points.
    """
    font = FontProperties(family=_font_families(text), size=size)
    width, _, _ = TextToPath().get_text_width_height_descent(_replace_unknown(text), font, ismath=False)
    return float(width) / 72


def set_title(axes: Axes, name: str, width: int) -> None:
    """Sets a title, wrapped at ``width`` characters; dollar signs in it do not start a formula."""
    text = "\n".join(textwrap.wrap(shorten_title(name), width))
    show_as_is(axes.set_title(text))


def shorten_title(name: str) -> str:
    """Shortens a model's name to the space in a figure."""
    return textwrap.shorten(name, 80, placeholder=" ...") if " " in name else name[:80]


def wrap_lines(text: str, width: int) -> str:
    """Wraps each line of a text at ``width`` characters; East Asian characters count twice."""
    wrapped = []
    for line in text.splitlines():
        characters = width if display_width(line) <= len(line) else width // 2
        wrapped += textwrap.wrap(line, characters) or [""]
    return "\n".join(wrapped)


def _font_families(text: str) -> list[str] | None:
    """Returns the fonts to draw a text with; None for Matplotlib's default font."""
    return None if text.isascii() else [_DEFAULT_FONT, *_installed_fonts()]


def _replace_unknown(text: str) -> str:
    """Replaces the characters that no font has."""
    return "".join(letter if letter == "\n" or _can_draw(letter) else _UNKNOWN for letter in text)


def _can_draw(name: str) -> bool:
    """Returns whether the fonts have all characters of a name."""
    return name.isascii() or all(ord(character) in _known_characters() for character in name)


@functools.cache
def _installed_fonts() -> tuple[str, ...]:
    """Returns the installed ones of the other fonts."""
    names = set(get_font_names())
    return tuple(name for name in _OTHER_FONTS if name in names)


@functools.cache
def _known_characters() -> frozenset[int]:
    """Returns the code points that the fonts can draw."""
    fonts = (
        get_font(findfont(FontProperties(family=[name]))) for name in (_DEFAULT_FONT, *_installed_fonts())
    )
    return frozenset(code for font in fonts for code in font.get_charmap())
