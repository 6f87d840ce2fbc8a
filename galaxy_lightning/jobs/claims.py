"""Lets commands share the fits to train: one of them at a time trains each fit, also on a shared disk."""

import contextlib
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Generic, Self, TypeVar

from data_prep.common.errors import GalaxyError
from data_prep.common.files import explain_write_errors
from data_prep.common.locks import HeldLock, try_lock
from data_prep.common.progress import print_progress
from galaxy_lightning.jobs.job import Job

AnyJob = TypeVar("AnyJob", bound=Job)

POLL_INTERVAL: Final = 0.5
"""Seconds between two attempts to claim a fit that another command trains."""


class Claim(Generic[AnyJob]):
    """A fit that no other command trains until the context is left.

    Args:
        number: The position of the fit, from 0.
        job: The fit.
        lock: The lock on it; None if its run is complete, so that there is nothing to train.
        problem: Why it cannot be locked.
    """

    def __init__(
        self, number: int, job: AnyJob, lock: HeldLock | None, problem: GalaxyError | None = None
    ) -> None:
        self.number, self.job, self.lock, self._problem = number, job, lock, problem

    @property
    def is_complete(self) -> bool:
        """Whether there is nothing to train."""
        return self.lock is None and self._problem is None

    @property
    def inherited(self) -> list[int]:
        """The descriptors that the process of the fit inherits: its lock outlives a killed command."""
        return [] if self.lock is None else [self.lock.descriptor]

    def check(self) -> None:
        """Checks that the fit can be started.

        Raises:
            GalaxyError: The lock, or the run, cannot be written.
        """
        if self._problem is not None:
            raise self._problem
        self.job.check()

    def find_error(self, error: GalaxyError | None) -> GalaxyError | None:
        """Returns why the fit has failed, if it has left no complete run.

        Args:
            error: The error of its command. A process that outlived a killed command may have completed the
                run nevertheless.
        """
        if self.job.run is not None:
            return None
        return error or GalaxyError(f"succeeded, but left no complete run in {self.job.folder}")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.release()

    def release(self) -> None:
        """Lets other commands claim the fit."""
        if self.lock is not None:
            self.lock.release()


class Claims(Generic[AnyJob]):
    """Claims one fit after the other, in order, but those that other commands train last.

    Args:
        jobs: The fits.
    """

    def __init__(self, jobs: Sequence[AnyJob]) -> None:
        self._pending = dict(enumerate(jobs))
        self._announced: set[int] = set()

    @property
    def are_left(self) -> bool:
        """Whether there are fits left to claim."""
        return bool(self._pending)

    def take(self) -> Claim[AnyJob] | None:
        """Claims the next fit that is complete or that no other command trains; None if there is none."""
        for number, job in self._pending.items():
            if (claim := _claim(number, job)) is not None:
                del self._pending[number]
                return claim
        return None

    def wait(self) -> Claim[AnyJob] | None:
        """Claims the next fit; waits, with a message, if other commands train all that are left.

        Returns:
            The claim; None if no fit is left.
        """
        while self._pending:
            if (claim := self.take()) is not None:
                return claim
            self.announce()
            time.sleep(POLL_INTERVAL)
        return None

    def announce(self) -> None:
        """Tells the user once that other commands train the fits that are left."""
        for number, job in self._pending.items():
            if number not in self._announced:
                print_progress(f"{job}: another command is training it: waiting for it")
                self._announced.add(number)


def _claim(number: int, job: AnyJob) -> Claim[AnyJob] | None:
    """Claims a fit; None if another command trains it."""
    if _is_complete(job):
        _remove_leftover(job.lock)
        return Claim(number, job, None)
    try:
        with explain_write_errors(job.lock):
            job.lock.parent.mkdir(parents=True, exist_ok=True)
            lock = try_lock(job.lock)
    except GalaxyError as problem:  # A failure of this fit only.
        return Claim(number, job, None, problem)
    if lock is not None and _is_complete(job):  # Another command has just completed it.
        lock.release()
        return Claim(number, job, None)
    return None if lock is None else Claim(number, job, lock)


def _remove_leftover(file: Path) -> None:
    """Removes the lock of a command that was killed, if no fit of it holds the lock."""
    with contextlib.suppress(OSError):  # On a read-only disk, say.
        if file.exists() and (lock := try_lock(file)) is not None:
            lock.release()


def _is_complete(job: Job) -> bool:
    return job.run is not None
