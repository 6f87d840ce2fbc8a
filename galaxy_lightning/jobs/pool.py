"""Trains several fits at once, each in a process of its own on its own cores."""

import queue
import subprocess
import threading
import time
from collections.abc import Sequence
from typing import Generic, Self

from data_prep.common.errors import GalaxyError
from data_prep.common.processes import INTERRUPT_SECONDS, KILL_SECONDS, grace_seconds, run_module
from galaxy_lightning.jobs.claims import POLL_INTERVAL, AnyJob, Claim, Claims
from galaxy_lightning.jobs.cores import Share
from galaxy_lightning.jobs.observer import Observer


def train_at_once(
    claims: Claims[AnyJob], shares: Sequence[Share], observer: Observer, *, stop_after_error: bool
) -> None:
    """Trains fits at once, one on each share of the cores, and ends them when this process has to end.

    If a fit fails, those that are running are finished.

    Args:
        claims: The fits.
        shares: The shares of the cores.
        observer: Is told what happens, in the main thread.
        stop_after_error: Whether to start no more fits after one has failed.

    Raises:
        Terminated: The command, or a fit, was terminated by the system.
        KeyboardInterrupt: The user has interrupted the command.
    """
    pool: _Pool[AnyJob] = _Pool(shares, observer)
    with pool:
        failed = False
        while True:
            while (
                pool.has_room and not (failed and stop_after_error) and (claim := claims.take()) is not None
            ):
                pool.start(claim)
            if not pool.is_running:
                if not claims.are_left or (failed and stop_after_error):
                    return
                claims.announce()
            failed |= pool.process_event()


class _Worker(threading.Thread, Generic[AnyJob]):
    """A thread that runs the command of a fit. Signals only reach the main thread, which may end the command.

    Args:
        claim: The fit.
        share: Its cores.
        events: Receives the worker with each line that the command prints, and with None at the end.
    """

    def __init__(
        self,
        claim: Claim[AnyJob],
        share: Share,
        events: "queue.SimpleQueue[tuple[_Worker[AnyJob], str | None]]",
    ) -> None:
        super().__init__(name=str(claim.job), daemon=True)
        self.claim, self.share = claim, share
        self.error: BaseException | None = None
        self.began = time.monotonic()
        self._events = events
        self._guard = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._ending = False

    def run(self) -> None:
        """Runs the command."""
        job = self.claim.job
        try:
            self.claim.check()
            with self.share.pinned():
                run_module(
                    job.command,
                    handle_line=lambda line: self._events.put((self, line)),
                    log=job.log,
                    environment=self.share.environment(job.processes),
                    inherited=self.claim.inherited,
                    handle_process=self._register,
                )
        except BaseException as error:
            self.error = error
        self._events.put((self, None))

    def end(self, *, by_force: bool = False) -> None:
        """Terminates the command, or kills it."""
        with self._guard:
            self._ending = True
            if self._process is not None:
                (self._process.kill if by_force else self._process.terminate)()

    def _register(self, process: "subprocess.Popen[bytes]") -> None:
        with self._guard:
            self._process = process
            if self._ending:
                process.terminate()


class _Pool(Generic[AnyJob]):
    """The fits that are running; leaving the context ends them.

    Args:
        shares: The shares of the cores.
        observer: Is told what happens.
    """

    def __init__(self, shares: Sequence[Share], observer: Observer) -> None:
        self._free = list(shares)
        self._observer = observer
        self._workers: list[_Worker[AnyJob]] = []
        self._events: queue.SimpleQueue[tuple[_Worker[AnyJob], str | None]] = queue.SimpleQueue()

    def __enter__(self) -> Self:
        return self

    @property
    def has_room(self) -> bool:
        """Whether there are cores for another fit."""
        return bool(self._free)

    @property
    def is_running(self) -> bool:
        """Whether a fit is running."""
        return bool(self._workers)

    def start(self, claim: Claim[AnyJob]) -> None:
        """Starts a fit, unless it is complete."""
        if claim.is_complete:
            self._observer.finish(claim.number, None, None)
            return
        worker = _Worker(claim, self._free.pop(0), self._events)
        self._workers.append(worker)
        worker.start()
        self._observer.start(claim.number)

    def process_event(self) -> bool:
        """Waits for a fit to print a line or to end, but not for long; returns whether a fit has failed.

        Raises:
            Terminated: The fit was terminated by the system.
            KeyboardInterrupt: The fit was interrupted by the user.
        """
        try:
            worker, line = self._events.get(timeout=POLL_INTERVAL)
        except queue.Empty:
            return False
        if line is not None:
            self._observer.handle(worker.claim.number, line)
            return False
        worker.join()
        self._workers.remove(worker)
        self._free.append(worker.share)
        error = worker.error
        with worker.claim:
            if error is not None and not isinstance(error, GalaxyError):
                raise error
            error = worker.claim.find_error(error)
            self._observer.finish(worker.claim.number, time.monotonic() - worker.began, error)
        return error is not None

    def __exit__(self, kind: type[BaseException] | None, *error: object) -> None:
        if not self._workers:
            return
        if kind is not None and issubclass(kind, KeyboardInterrupt):
            self._join(INTERRUPT_SECONDS)
        for worker in self._workers:
            worker.end()
        self._join(grace_seconds())
        for worker in self._workers:
            worker.end(by_force=True)
        self._join(KILL_SECONDS)
        for worker in self._workers:
            worker.claim.release()

    def _join(self, seconds: float) -> None:
        """Waits for all fits to end, but not longer than a number of seconds."""
        deadline = time.monotonic() + seconds
        for worker in self._workers:
            if worker.is_alive():  # It may not have been started yet.
                worker.join(max(deadline - time.monotonic(), 0))
