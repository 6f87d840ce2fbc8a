"""The fits of a cross-validation as jobs: which to train, one after the other or several at once."""

import contextlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from data_prep.arrays.format import GalaxyArrays
from data_prep.common.errors import GalaxyError
from data_prep.common.progress import print_progress
from galaxy_lightning.cli.checkpoint_names import NEWEST
from galaxy_lightning.cli.fold_progress import LOG, FoldProgress, failed_fit, run_fit
from galaxy_lightning.evaluation.crossval import fold_predictions
from galaxy_lightning.jobs.claims import Claims
from galaxy_lightning.jobs.cores import count_at_once, describe_at_once, share_cores
from galaxy_lightning.jobs.job import Job
from galaxy_lightning.jobs.live_line import LiveLine
from galaxy_lightning.jobs.observer import LiveObserver
from galaxy_lightning.jobs.pool import train_at_once
from galaxy_lightning.runs.reader import Run, read_run


def plan_folds(
    fit_args: Sequence[str], folds: Sequence[GalaxyArrays], out: Path, trainer: Mapping[str, Any]
) -> list[Job]:
    """Returns the fits of a cross-validation, in the order of the folds.

    Args:
        fit_args: The options of the fits.
        folds: The galaxy arrays of the folds.
        out: The folder of the cross-validation.
        trainer: The trainer's settings.
    """
    devices = trainer.get("devices")
    processes = devices if isinstance(devices, int) and devices > 0 else 1
    jobs = []
    for number, fold in enumerate(folds):
        name = fold.folder.name
        own_args = ["--data.arrays", str(fold.folder), "--runs", str(out), "--name", name]
        own_args += ["--ckpt_path", NEWEST]  # Goes on with an interrupted fit.
        command = ("galaxy_lightning", "fit", *fit_args, *own_args)
        title = FoldProgress(len(folds), ()).title(number)
        jobs.append(Job(title, command, out / name, out / name / LOG, processes=processes))
    return jobs


def train_folds(
    jobs: Sequence[Job],
    numbers: Sequence[int],
    folds: Sequence[GalaxyArrays],
    trainer: Mapping[str, Any],
    asked: int,
) -> dict[int, Run]:
    """Trains the models of folds whose runs are not complete, and prints a line for each fold.

    Args:
        jobs: The fits of all folds.
        numbers: The folds to train.
        folds: The galaxy arrays of all folds.
        trainer: The trainer's settings.
        asked: The value of ``--jobs``.

    Returns:
        The runs of these folds, by their numbers.

    Raises:
        GalaxyError: A fit failed.
    """
    missing = [number for number in numbers if jobs[number].run is None]
    training = _Training(jobs, numbers, folds, trainer, missing)
    at_once = count_at_once(asked, len(numbers))
    if missing and asked > 1:
        print_progress(describe_at_once(asked, at_once))
    if at_once == 1:
        training.train_one_by_one()
    else:
        training.train_at_once(at_once)
    return {number: training.runs[number] for number in numbers}


class _Training:
    """The training of folds; see :func:`train_folds`."""

    def __init__(
        self,
        jobs: Sequence[Job],
        numbers: Sequence[int],
        folds: Sequence[GalaxyArrays],
        trainer: Mapping[str, Any],
        missing: Sequence[int],
    ) -> None:
        self.runs: dict[int, Run] = {}
        self._jobs = [jobs[number] for number in numbers]
        self._numbers, self._folds, self._missing = numbers, folds, missing
        self._progress = FoldProgress(len(folds), missing)
        self._shown = trainer.get("enable_progress_bar") is not False
        limit = trainer.get("max_epochs")
        self._epochs = None if limit is None or limit < 0 else limit

    def train_one_by_one(self) -> None:
        claims = Claims(self._jobs)
        while (claim := claims.wait()) is not None:
            seconds, job = None, claim.job
            with claim:
                if not claim.is_complete:
                    seconds = run_fit(
                        job.command[2:],
                        job.title,
                        job.folder,
                        epochs=self._epochs,
                        shown=self._shown,
                        inherited=claim.inherited,
                    )
            self._report(claim.number, seconds)

    def train_at_once(self, at_once: int) -> None:
        missing = [position for position, number in enumerate(self._numbers) if number in self._missing]
        with contextlib.closing(LiveLine(len(self._jobs), missing, shown=self._shown)) as line:

            def report(position: int, seconds: float | None) -> None:
                self._report(position, seconds, line.seconds_left())

            observer = LiveObserver(self._jobs, line, report)
            train_at_once(Claims(self._jobs), share_cores(at_once), observer, stop_after_error=True)
        failed = ((self._jobs[position], error) for position, error in sorted(observer.errors.items()))
        if messages := [failed_fit(job.title, error, job.log) for job, error in failed]:
            raise GalaxyError("; ".join(messages))

    def _report(self, position: int, seconds: float | None, seconds_left: float | None = None) -> None:
        """Reads the run of a fold, and prints its line."""
        number, job = self._numbers[position], self._jobs[position]
        if job.run is None:
            raise GalaxyError(f"{job}: the fit succeeded, but left no complete run in {job.folder}")
        fold = self._folds[number]
        run = self.runs[number] = read_run(job.run, fold)
        metrics = fold_predictions(run, fold).metrics
        accuracy, calibration_error = metrics["accuracy"], metrics["calibration_error"]
        self._progress.finish(number, accuracy, calibration_error, seconds, seconds_left=seconds_left)
