"""The results of benchmarks over several repeats, and their table."""

import statistics
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Row:
    """A row of the table.

    Attributes:
        measurement: A description of the measurement.
        baseline: A description of the baseline of the ratio.
        values: The result of each repeat.
        limit: A description of the limit that no program on this machine can exceed.
        limit_shares: The result as a share of the limit, for each repeat, if the limit is known.
        target: The target, as text such as "at least 1.15".
        unit: The unit; empty for a ratio.
    """

    measurement: str
    baseline: str
    values: Sequence[float]
    limit: str
    limit_shares: Sequence[float] = ()
    target: str = ""
    unit: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Returns the row as JSON values, with median, minimum and maximum."""
        return asdict(self) | {
            "median": statistics.median(self.values),
            "minimum": min(self.values),
            "maximum": max(self.values),
        }


def ratios(values: Sequence[float], baselines: Sequence[float]) -> list[float]:
    """Returns the ratio of each repeat, in which both were measured within minutes."""
    return [value / baseline for value, baseline in zip(values, baselines, strict=True)]


def format_table(rows: Sequence[Row]) -> Iterator[str]:
    """Yields the lines of a Markdown table."""
    yield "| measurement | baseline | median | range | target | limit |"
    yield "|---|---|---|---|---|---|"
    for row in rows:
        median, low, high = (
            _format_number(value)
            for value in (statistics.median(row.values), min(row.values), max(row.values))
        )
        limit = row.limit
        if row.limit_shares:
            limit = f"{statistics.median(row.limit_shares):.2f} of {limit}"
        unit = f" {row.unit}" if row.unit else ""
        yield (
            f"| {row.measurement} | {row.baseline} | **{median}{unit}** | {low} to {high} | {row.target} | "
            f"{limit} |"
        )


def _format_number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
