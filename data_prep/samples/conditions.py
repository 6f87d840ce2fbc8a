"""Conditions on the columns of a table: ``{P_CS_DEBIASED: ">= 0.65"}``."""

import math
import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from data_prep.common.errors import GalaxyError, shown
from data_prep.common.suggestions import nearest
from data_prep.samples.cell_values import TableColumns

_COMPARISONS: Final[Mapping[str, Callable[[Any, Any], Any]]] = {
    ">=": operator.ge,
    "<=": operator.le,
    "==": operator.eq,
    "!=": operator.ne,
    ">": operator.gt,
    "<": operator.lt,
}
_CONDITION: Final = re.compile(r"(?P<operator>>=|<=|==|!=|>|<|in(?=\s))\s*(?P<value>\S.*)", re.DOTALL)
_NUMBER: Final = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_QUOTED: Final = re.compile(r"'(?P<single>[^']*)'|\"(?P<double>[^\"]*)\"")
_FORM: Final = "'>= 0.5', '< threshold', '== 1', '!= spiral' or 'in Sa, Sb'"


@dataclass(frozen=True)
class Expression:
    """A column, or a sum of products of columns.

    Attributes:
        terms: The terms to add; each is the columns to multiply.
    """

    terms: tuple[tuple[str, ...], ...]

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the columns, each once."""
        return tuple(dict.fromkeys(name for term in self.terms for name in term))

    def evaluate(self, columns: TableColumns) -> npt.NDArray[np.float64]:
        """Computes the values.

        A product with a factor of 0 is 0, even if another factor is missing: if nobody saw a disc, nobody was
        asked whether it is edge-on. Otherwise, the value is missing if any column is.

        Args:
            columns: The table's columns.

        Returns:
            ``[N]`` values, NaN where missing.

        Raises:
            GalaxyError: A column is missing or does not hold numbers.
        """
        total = np.zeros(columns.rows)
        for term in self.terms:
            factors = [columns.numbers(name) for name in term]
            product = factors[0].copy()
            for factor in factors[1:]:
                product *= factor
            if len(factors) > 1:
                product[np.any([factor == 0 for factor in factors], axis=0)] = 0.0
            total += product
        return total


@dataclass(frozen=True)
class Condition:
    """A comparison of an expression with a value.

    Attributes:
        expression: The left side.
        operator: One of ``>=``, ``<=``, ``==``, ``!=``, ``>``, ``<`` and ``in``.
        values: The right side: one number or text, several for ``in``.
    """

    expression: Expression
    operator: str
    values: tuple[float | str, ...]

    @property
    def compares_text(self) -> bool:
        """Whether the right side is text."""
        return isinstance(self.values[0], str)

    def evaluate(self, columns: TableColumns) -> npt.NDArray[np.bool_]:
        """Returns ``[N]`` whether each row satisfies the condition; a row without the value does not.

        Args:
            columns: The table's columns.

        Raises:
            GalaxyError: A column is missing, or holds text instead of numbers or numbers instead of text.
        """
        cells: npt.NDArray[Any]
        if self.compares_text:
            cells = columns.text(self.expression.columns[0])
            known = cells != ""
        else:
            cells = self.expression.evaluate(columns)
            known = ~np.isnan(cells)
        if self.operator == "in":
            true = np.any([cells == value for value in self.values], axis=0)
        else:
            true = _COMPARISONS[self.operator](cells, self.values[0])
        return np.asarray(known & true, dtype=bool)


def parse_expression(text: Any, names: Mapping[str, str]) -> Expression:
    """Parses a column, or columns joined by `` * `` and `` + ``; the spaces belong to the signs.

    Args:
        text: The expression, such as ``featured * edge_on``.
        names: Short names of columns, with the columns that they stand for.

    Raises:
        GalaxyError: It is not such an expression. The message has no file name.
    """
    if not isinstance(text, str):
        raise GalaxyError(f"{shown(text)} is not a column name: write names such as no, on and 1 in quotes")
    terms = [[name.strip() for name in term.split(" * ")] for term in text.split(" + ")]
    for name in (name for term in terms for name in term):
        if not name or not name.isprintable() or name in ("*", "+"):
            raise GalaxyError(f"{shown(text)} is not a column, or columns joined by ' * ' and ' + '")
        if "*" in name and name not in names:
            raise GalaxyError(f"{shown(text)}: write products with spaces around the sign: 'a * b'")
    return Expression(tuple(tuple(names.get(name, name) for name in term) for term in terms))


def parse_condition(expression: Expression, text: Any, parameters: Mapping[str, float]) -> Condition:
    """Parses the right side of a condition: ``>= 0.65``, ``>= threshold``, ``== spiral``, ``in Sa, Sb``.

    Args:
        expression: The left side.
        text: An operator and a value: a number, the name of a parameter, or text (``==``, ``!=`` and ``in``
            only). Text that looks like a number or a parameter is written in quotes.
        parameters: The values of the parameters.

    Raises:
        GalaxyError: It is not such a condition. The message has no file name.

    Examples:
        >>> condition = parse_condition(parse_expression("smooth", {}), ">= threshold", {"threshold": 0.65})
        >>> condition.operator, condition.values
        ('>=', (0.65,))
    """
    match = _CONDITION.fullmatch(text.strip()) if isinstance(text, str) else None
    if match is None:
        raise GalaxyError(f"{shown(text)} is not a condition: write one in quotes, such as {_FORM}")
    sign, value = match["operator"], match["value"]
    if value[0] in "=<>!":
        raise GalaxyError(f"{shown(text)} is not a condition: write one such as {_FORM}")
    parts = [part.strip() for part in value.split(",")] if sign == "in" else [value]
    values = tuple(_parse_value(part, parameters) for part in parts)
    if "" in values:
        raise GalaxyError(f"{shown(text)} has an empty value: write a condition such as {_FORM}")
    texts = [value for value in values if isinstance(value, str)]
    if texts and sign not in ("==", "!=", "in"):
        raise GalaxyError(
            f"{shown(text)}: {shown(texts[0])} is neither a number nor a parameter"
            f"{nearest(texts[0], parameters)}: write a number, or add it to 'parameters'"
        )
    if texts and sum(map(len, expression.terms)) > 1:
        raise GalaxyError(f"{shown(text)}: a sum or product of columns cannot be compared with text")
    if texts and len(texts) < len(values):
        values = tuple(part.strip("'\"") for part in parts)  # 'in 1, 2, E' is a list of texts.
    return Condition(expression, sign, values)


def parse_number(value: Any) -> float | None:
    """Returns a finite number of a YAML file as a float; None if it is none.

    YAML's own reader takes numbers such as ``1e-3`` for text.
    """
    if isinstance(value, str) and _NUMBER.fullmatch(value.strip()):
        number = float(value)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        try:
            number = float(value)
        except OverflowError:
            return None
    else:
        return None
    return number if math.isfinite(number) else None


def _parse_value(text: str, parameters: Mapping[str, float]) -> float | str:
    """Parses the value of a condition."""
    if quoted := _QUOTED.fullmatch(text):
        return (quoted["single"] or quoted["double"] or "").strip()
    if text in parameters:
        return parameters[text]
    number = parse_number(text)
    if number is None and _NUMBER.fullmatch(text):
        raise GalaxyError(f"the number {shown(text)} is too large")
    return text if number is None else number
