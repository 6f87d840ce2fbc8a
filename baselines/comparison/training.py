"""Trains the models of a comparison that are missing, one after the other or several at once."""

import contextlib
from collections.abc import Callable, Mapping
from pathlib import Path

from baselines.comparison.jobs import ModelJob, require_free_folder, train
from data_prep.common.errors import GalaxyError
from data_prep.common.progress import print_above_bars, print_progress
from galaxy_lightning.jobs.claims import Claims
from galaxy_lightning.jobs.cores import count_at_once, describe_at_once, share_cores
from galaxy_lightning.jobs.live_line import LiveLine
from galaxy_lightning.jobs.observer import LiveObserver
from galaxy_lightning.jobs.pool import train_at_once
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
    training = _Training(jobs, total, complete, read)
    at_once = count_at_once(asked, len(jobs))
    if asked > 1 and any(job not in complete for job in jobs.values()):
        print_progress(describe_at_once(asked, at_once))
    if at_once == 1:
        training.train_one_by_one()
    else:
        training.train_at_once(at_once)
    failures = [f"{job}: {training.failures[job]}" for job in jobs.values() if job in training.failures]
    return [training.runs[job] for job in jobs.values() if job in training.runs], failures


class _Training:
    """The training of the jobs; see :func:`train_missing`."""

    def __init__(
        self,
        jobs: Mapping[int, ModelJob],
        total: int,
        complete: Mapping[ModelJob, Run],
        read: Callable[[Path], Run],
    ) -> None:
        self.runs: dict[ModelJob, Run] = {}
        self.failures: dict[ModelJob, GalaxyError] = {}
        self._numbers, self._jobs = [*jobs], [*jobs.values()]
        self._total, self._complete, self._read = total, complete, read

    def train_one_by_one(self) -> None:
        claims = Claims(self._jobs)
        while (claim := claims.wait()) is not None:
            with claim:
                if claim.is_complete:
                    self._report(claim.number)
                    continue
                self._announce(claim.number)
                try:
                    self.runs[claim.job] = self._read(train(claim.job, claim.inherited))
                except GalaxyError as error:
                    self.failures[claim.job] = error

    def train_at_once(self, at_once: int) -> None:
        jobs: list[ModelJob] = []
        for job in self._jobs:
            try:
                require_free_folder(job)
                jobs.append(job)
            except GalaxyError as error:
                self.failures[job] = error
        positions = [self._jobs.index(job) for job in jobs]
        missing = [number for number, job in enumerate(jobs) if job not in self._complete]
        with contextlib.closing(LiveLine(len(jobs), missing)) as line:
            observer = LiveObserver(
                jobs,
                line,
                lambda number, seconds: self._report(positions[number]),
                lambda number: self._announce(positions[number]),
            )
            train_at_once(Claims(jobs), share_cores(at_once), observer, stop_after_error=False)
        self.failures |= {jobs[number]: error for number, error in observer.errors.items()}

    def _announce(self, position: int) -> None:
        """Prints the line of a job that is started."""
        print_above_bars(f"[{self._numbers[position]}/{self._total}] training {self._jobs[position]}")

    def _report(self, position: int) -> None:
        """Reads a complete run, and prints its line."""
        job = self._jobs[position]
        folder = job.run
        try:
            if folder is None:
                raise GalaxyError(f"{job.folder} holds no complete run any more")
            run = self._complete[job] if job in self._complete else self._read(folder)
        except GalaxyError as error:
            self.failures[job] = error
            return
        self.runs[job] = run
        print_above_bars(f"[{self._numbers[position]}/{self._total}] {job}: complete ({run.folder})")
