"""Benchmarks of the time until ``--help`` is shown."""

from collections.abc import Iterator

from benchmarks.commands import Survey, run
from benchmarks.rows import Row, ratios


def measure(survey: Survey, repeats: int) -> Iterator[Row]:
    """Yields the rows of start-up time."""
    commands = {
        "lightning": ["-c", "import lightning"],
        "python": ["-c", "pass"],
        "galaxy_lightning": ["-m", "galaxy_lightning", "--help"],
        "fit": ["-m", "galaxy_lightning", "fit", "--help"],
        "data_prep": ["-m", "data_prep", "--help"],
        "baselines": ["-m", "baselines", "--help"],
    }
    seconds: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(repeats):
        for name, words in commands.items():
            seconds[name].append(run(words).seconds)
    for name, target in (("galaxy_lightning", "at most 1.3"), ("fit", "")):
        yield Row(
            f"python {' '.join(commands[name])}: {min(seconds[name]):.2f} s",
            f"import lightning: {min(seconds['lightning']):.2f} s",
            ratios(seconds[name], seconds["lightning"]),
            f"an empty program: {min(seconds['python']):.2f} s",
            target=target,
        )
    for name, target in (("data_prep", "at most 0.6"), ("baselines", "")):
        yield Row(
            f"python {' '.join(commands[name])}",
            "",
            seconds[name],
            f"an empty program: {min(seconds['python']):.2f} s",
            target=target,
            unit="s",
        )
