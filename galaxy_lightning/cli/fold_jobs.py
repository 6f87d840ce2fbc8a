"""The fits of a cross-validation as jobs: which to train, one after the other or several at once."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from data_prep.arrays.format import GalaxyArrays
from data_prep.common.errors import GalaxyError
from galaxy_lightning.cli.checkpoint_names import NEWEST
from galaxy_lightning.cli.fold_progress import LOG, FoldProgress, failed_fit, run_fit
from galaxy_lightning.evaluation.crossval import fold_predictions
from galaxy_lightning.jobs.job import Job
from galaxy_lightning.jobs.training import train_jobs
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
    own = [jobs[number] for number in numbers]
    progress = FoldProgress(len(folds), [number for number in numbers if jobs[number].run is None])
    shown = trainer.get("enable_progress_bar") is not False
    limit = trainer.get("max_epochs")
    epochs = None if limit is None or limit < 0 else limit
    runs: dict[int, Run] = {}

    def train(job: Job, inherited: Sequence[int]) -> None:
        run_fit(job, epochs=epochs, shown=shown, inherited=inherited)

    def report(position: int, seconds: float | None, seconds_left: float | None) -> None:
        number, job = numbers[position], own[position]
        if job.run is None:
            raise GalaxyError(f"{job}: {job.folder} holds no complete run any more")
        fold = folds[number]
        run = runs[number] = read_run(job.run, fold)
        metrics = fold_predictions(run, fold).metrics
        progress.finish(number, metrics["accuracy"], metrics["calibration_error"], seconds, seconds_left)

    errors = train_jobs(own, asked, train=train, report=report, stop_after_error=True, shown=shown)
    if errors:
        raise GalaxyError(
            "; ".join(failed_fit(own[position], errors[position]) for position in sorted(errors))
        )
    return {number: runs[number] for number in numbers}
