"""Trains the models of a comparison that are missing, one after the other or several at once."""

from collections.abc import Callable, Mapping
from pathlib import Path

from baselines.comparison.jobs import ModelJob, train
from data_prep.common.errors import GalaxyError
from data_prep.common.progress import print_above_bars
from galaxy_lightning.jobs.training import train_jobs
from galaxy_lightning.runs.reader import Run


def train_missing(
    jobs: Mapping[int, ModelJob],
    total: int,
    complete: Mapping[ModelJob, Run],
    read: Callable[[Path], Run],
    asked: int,
) -> tuple[list[Run], list[str]]:
    """Trains the jobs that are not complete, and prints a line for each.

    A failure does not affect the others.

    Args:
        jobs: The jobs by their number, from 1.
        total: The number of jobs of all parts.
        complete: The runs that are complete.
        read: Reads a run.
        asked: The value of ``--jobs``.

    Returns:
        All runs and the failures with their reasons, in the order of the jobs.
    """
    numbers, listed = [*jobs], [*jobs.values()]
    runs: dict[int, Run] = {}
    unreadable: dict[int, GalaxyError] = {}

    def announce(position: int) -> None:
        print_above_bars(f"[{numbers[position]}/{total}] training {listed[position]}")

    def report(position: int, *_: float | None) -> None:
        job = listed[position]
        folder = job.run
        try:
            if folder is None:
                raise GalaxyError(f"{job.folder} holds no complete run any more")
            run = runs[position] = complete[job] if job in complete else read(folder)
        except GalaxyError as error:
            unreadable[position] = error
        else:
            print_above_bars(f"[{numbers[position]}/{total}] {job}: complete ({run.folder})")

    errors = train_jobs(listed, asked, train=train, report=report, announce=announce, stop_after_error=False)
    failures = errors | unreadable
    return [runs[each] for each in sorted(runs)], [
        f"{listed[each]}: {failures[each]}" for each in sorted(failures)
    ]
