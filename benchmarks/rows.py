"""What a benchmark finds: figures over several repeats, and the table of them."""

import statistics
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Row:
    """One figure of the table.

    Attributes:
        what: What is measured.
        baseline: What it is measured against.
        values: The figure, once per repeat.
        limit: What no program on this machine can pass, in words.
        of_limit: The share of that limit that was reached, once per repeat, where it is a number.
        wanted: The figure that is aimed at, as words: "at least 1.15".
        unit: "" for a ratio.
    """

    what: str
    baseline: str
    values: Sequence[float]
    limit: str
    of_limit: Sequence[float] = ()
    wanted: str = ""
    unit: str = ""

    def state(self) -> dict[str, Any]:
        """Returns it as plain values, with median and extremes."""
        return asdict(self) | {
            "median": statistics.median(self.values),
            "lowest": min(self.values),
            "highest": max(self.values),
        }


def ratio(one: Sequence[float], other: Sequence[float]) -> list[float]:
    """Divides repeat by repeat: both were measured within the same minute."""
    return [a / b for a, b in zip(one, other, strict=True)]


def table(rows: Sequence[Row]) -> Iterator[str]:
    """Yields the rows as a Markdown table, line by line."""
    yield "| what | against | median | lowest to highest | wanted | limit |"
    yield "|---|---|---|---|---|---|"
    for row in rows:
        numbers = [
            _short(value) for value in (statistics.median(row.values), min(row.values), max(row.values))
        ]
        reached = f"{statistics.median(row.of_limit):.2f} of {row.limit}" if row.of_limit else row.limit
        unit = f" {row.unit}" if row.unit else ""
        yield (
            f"| {row.what} | {row.baseline} | **{numbers[0]}{unit}** | {numbers[1]} to {numbers[2]} | "
            f"{row.wanted} | {reached} |"
        )


def _short(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
