"""Trains the fits of a command, one after the other or several at once."""

import contextlib
import time
from collections.abc import Callable, Sequence

from data_prep.common.errors import GalaxyError
from data_prep.common.progress import print_progress
from galaxy_lightning.jobs.claims import AnyJob, Claims
from galaxy_lightning.jobs.cores import count_at_once, describe_at_once, share_cores
from galaxy_lightning.jobs.live_line import LiveLine
from galaxy_lightning.jobs.observer import LiveObserver, Observer
from galaxy_lightning.jobs.pool import train_at_once


def train_jobs(
    jobs: Sequence[AnyJob],
    asked: int,
    *,
    train: Callable[[AnyJob, Sequence[int]], None],
    report: Callable[[int, float | None, float | None], None],
    announce: Callable[[int], None] = lambda number: None,
    stop_after_error: bool,
    shown: bool = True,
) -> dict[int, GalaxyError]:
    """Trains the fits whose runs are not complete.

    Args:
        jobs: The fits.
        asked: The value of ``--jobs``.
        train: Trains a fit that runs alone, whose process inherits these descriptors, and shows its epochs.
        report: Is called with the position of a fit that is complete, its duration in seconds (None if it was
            complete before), and the time left, if it is known.
        announce: Is called with the position of a fit that is started.
        stop_after_error: Whether to start no more fits after one has failed.
        shown: Whether to show the progress of fits at once.

    Returns:
        Why fits have failed, by their position.

    Raises:
        GalaxyError: The value of ``--jobs`` is invalid.
        Terminated: The command, or a fit, was terminated by the system.
        KeyboardInterrupt: The user has interrupted the command.
    """
    missing = [number for number, job in enumerate(jobs) if job.run is None]
    at_once = count_at_once(asked, len(jobs))
    if missing and asked > 1:
        print_progress(describe_at_once(asked, at_once))
    claims = Claims(jobs)
    with contextlib.closing(LiveLine(len(jobs), missing, shown=shown and at_once > 1)) as line:

        def report_with_time_left(number: int, seconds: float | None) -> None:
            report(number, seconds, line.seconds_left())

        observer = LiveObserver(jobs, line, report_with_time_left, announce)
        if at_once == 1:
            _train_one_by_one(claims, train, observer, stop_after_error=stop_after_error)
        else:
            train_at_once(claims, share_cores(at_once), observer, stop_after_error=stop_after_error)
    return observer.errors


def _train_one_by_one(
    claims: Claims[AnyJob],
    train: Callable[[AnyJob, Sequence[int]], None],
    observer: Observer,
    *,
    stop_after_error: bool,
) -> None:
    """Trains fits one after the other; see :func:`train_jobs`."""
    while (claim := claims.wait()) is not None:
        with claim:
            if claim.is_complete:
                observer.finish(claim.number, None, None)
                continue
            observer.start(claim.number)
            began, error = time.monotonic(), None
            try:
                claim.check()
                train(claim.job, claim.inherited)
            except GalaxyError as failure:
                error = failure
            error = claim.find_error(error)
            observer.finish(claim.number, time.monotonic() - began, error)
        if error is not None and stop_after_error:
            return
