"""Pixel scales that may depend on the size of each galaxy, such as 0.02*petroR90_r arcsec per pixel."""

from typing import Any, NamedTuple, Self

from data_prep.common.json_values import is_number


class RelativeScale(NamedTuple):
    """A pixel scale: a number of arcsec per pixel, or a number times a column of a catalogue.

    Attributes:
        factor: The number, positive.
        column: The column, such as a Petrosian radius in arcsec; None for the same scale of all galaxies.
    """

    factor: float
    column: str | None = None

    def __str__(self) -> str:
        return f"{self.factor:g}" if self.column is None else f"{self.factor:g}*{self.column}"

    @classmethod
    def parse(cls, value: Any) -> Self | None:
        """Reads ``0.396``, ``0.02*petroR90_r`` or ``scale``; returns None for anything else.

        Args:
            value: A number or a text.

        Examples:
            >>> RelativeScale.parse("0.02*petroR90_r")
            RelativeScale(factor=0.02, column='petroR90_r')
            >>> RelativeScale.parse(0.396)
            RelativeScale(factor=0.396, column=None)
        """
        factor, column = value, None
        if isinstance(value, str):
            number, star, rest = value.partition("*")
            factor, column = _as_number(number if star else value), rest.strip() if star else None
            if factor is None and not star and value.strip():
                factor, column = 1.0, value.strip()
        if not is_number(factor) or factor <= 0 or column == "":
            return None
        return cls(float(factor), column)


def _as_number(text: str) -> float | None:
    """Returns a text as a number; None if it is none."""
    try:
        return float(text) if text.isascii() and "_" not in text else None
    except ValueError:
        return None
