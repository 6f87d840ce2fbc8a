"""Pixel scales that may depend on the size of each galaxy, such as 0.02*petroR90_r arcsec per pixel."""

import re
from typing import Any, Final, NamedTuple, Self

from data_prep.common.json_values import is_number

_PRODUCT: Final = re.compile(r"\s*([0-9.][0-9.eE+-]*)\s*(?:\*\s*(.*\S)\s*)?")


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
        """
        if is_number(value):
            return cls(float(value)) if value > 0 else None
        if not isinstance(value, str) or not value.strip():
            return None
        product = _PRODUCT.fullmatch(value)
        if product is None:
            return cls(1.0, value.strip())
        try:
            factor = float(product[1])
        except ValueError:
            return None
        return cls(factor, product[2]) if 0 < factor < float("inf") else None
