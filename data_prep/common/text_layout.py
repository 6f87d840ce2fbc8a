"""Aligns, shortens and escapes text. In a terminal, East Asian characters take two columns."""

import re
import unicodedata
from collections.abc import Callable, Sequence
from typing import Final

ELLIPSIS: Final = "…"
_MARKUP: Final = re.compile(r"[\\`*\[\]]|(?<!\w)_|_(?!\w)")
"""Characters that Markdown does not show as they are; an underscore inside a word is shown."""


def display_width(text: str) -> int:
    """Returns the number of terminal columns that a text takes.

    Wide and full-width characters (Unicode Standard Annex 11) take two columns, combining characters none.
    """
    return sum(map(_character_width, text))


def align_right(text: str, width: int) -> str:
    """Pads a text on its left to ``width`` terminal columns; a wider text is returned as it is."""
    return " " * (width - display_width(text)) + text


def align_left(text: str, width: int) -> str:
    """Pads a text on its right to ``width`` terminal columns; a wider text is returned as it is."""
    return text + " " * (width - display_width(text))


def shorten(text: str, width: int) -> str:
    """Shortens a text to at most ``width`` terminal columns; an ellipsis replaces its end.

    Args:
        text: The text.
        width: The maximum width, at least 1.
    """
    if display_width(text) <= width:
        return text
    return _start(text, width - 1).rstrip() + ELLIPSIS


def shorten_names(names: Sequence[str], width: int) -> list[str]:
    """Shortens names to at most ``width`` terminal columns, so that they remain distinct.

    An ellipsis replaces the end of each long name. If two names become equal, it replaces their middle
    instead; if that does not distinguish them either, the shortened names end with their number, from 1.

    Args:
        names: Distinct names.
        width: The maximum width, at least 8.
    """
    by_end = [shorten(name, width) for name in names]
    if len(set(by_end)) == len(names):
        return by_end
    by_middle = [_shorten_middle(name, width) for name in names]
    if len(set(by_middle)) == len(names):
        return by_middle
    return [
        name if name == short else f"{shorten(name, width - 1 - len(str(number)))} {number}"
        for number, (name, short) in enumerate(zip(names, by_end, strict=True), start=1)
    ]


def drawn_names(names: Sequence[str], width: int, noun: str, can_draw: Callable[[str], bool]) -> list[str]:
    """Returns names as a picture shows them: shortened, but distinct; see :func:`shorten_names`.

    A name that cannot be drawn becomes ``class 3``, where 3 is its position in ``names``, counted from 1.

    Args:
        names: Distinct names.
        width: The maximum width, at least 8.
        noun: What they are the names of, such as ``class``.
        can_draw: Returns whether a font has all characters of a name.
    """
    shown = []
    for number, name in enumerate(names, start=1):
        numbered = f"{noun} {number}" if f"{noun} {number}" not in names else f"no. {number}"
        shown.append(name if can_draw(name) else numbered)
    return shorten_names(shown, width)


def escape_markdown(text: str) -> str:
    """Escapes the characters of a text that Markdown would not show as they are."""
    return _MARKUP.sub(r"\\\g<0>", text).replace("&", "&amp;").replace("<", "&lt;")


def _shorten_middle(text: str, width: int) -> str:
    """Shortens a text; an ellipsis replaces its middle."""
    if display_width(text) <= width:
        return text
    end = _start(text[::-1], (width - 1) // 2)[::-1]
    return f"{_start(text, width - 1 - display_width(end)).rstrip()}{ELLIPSIS}{end.lstrip()}"


def _start(text: str, width: int) -> str:
    """Returns the longest start of a text that takes at most ``width`` columns."""
    used = 0
    for position, character in enumerate(text):
        used += _character_width(character)
        if used > width:
            return text[:position]
    return text


def _character_width(character: str) -> int:
    if unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1
