"""Compares models: trains the requested ones, reads all runs, measures them, and writes the report."""

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from baselines.comparison.jobs import BASELINES, plan_jobs
from baselines.comparison.training import train_missing
from data_prep.arrays.format import GalaxyArrays
from data_prep.common.errors import GalaxyError
from data_prep.common.files import explain_write_errors
from data_prep.common.json_files import read_json
from data_prep.common.litter import is_litter
from data_prep.common.locks import wait_for_lock
from data_prep.common.text_layout import align_left, display_width
from galaxy_lightning.jobs.parts import Part, describe_part
from galaxy_lightning.report.audits import read_audits
from galaxy_lightning.report.content import Report
from galaxy_lightning.report.galaxies import ReportGalaxies
from galaxy_lightning.report.summary import group_runs, rank_models
from galaxy_lightning.report.tables import format_p_value
from galaxy_lightning.report.writer import MARKDOWN, write_report
from galaxy_lightning.runs.names import FIGURES, METRICS, PAGE
from galaxy_lightning.runs.reader import Run, read_run

RUNS: Final = "runs"
_REPORT_CONTENTS: Final = {PAGE, MARKDOWN, METRICS, FIGURES, RUNS}


def compare(
    arrays: GalaxyArrays,
    out: Path,
    models: Sequence[str],
    seeds: Sequence[int],
    runs: Sequence[Path],
    *,
    at_once: int = 1,
    part: Part | None = None,
) -> list[str]:
    """Trains models on the stored split and compares them with each other and with existing runs.

    Args:
        arrays: The galaxy arrays.
        out: The folder of the report. Complete runs in it are not trained again.
        models: The models to train; see :func:`~baselines.comparison.jobs.plan_jobs`.
        seeds: The seeds to train each model with.
        runs: Existing run folders to include.
        at_once: The number of models to train at once.
        part: The part of the models to train; no report is then written.

    Returns:
        The results as lines of text.

    Raises:
        GalaxyError: There is nothing to compare, ``out`` holds other files, or a run cannot be compared; or,
            after the report is written, a model failed.
    """
    _check_output_folder(out, arrays)
    arrays.require_rows("test")
    jobs = plan_jobs(arrays, list(models), list(seeds), out / RUNS)
    if not (jobs or runs):
        raise GalaxyError("nothing to compare: name models with --models, or run folders with --runs")
    # Existing runs are read before training, so that an invalid one is reported at once.
    complete = {job: read_run(job.run, arrays) for job in jobs if job.run is not None}
    for job, run in complete.items():
        if job.model in BASELINES and run.model != job.model:
            raise GalaxyError(f"{run.folder} is a run of {run.model}, not of {job.model}: remove it")
    existing = [read_run(folder, arrays) for folder in runs]
    with explain_write_errors(out):
        # This folder marks ``out`` as a report, before there is one.
        (out / RUNS).mkdir(parents=True, exist_ok=True)
    numbered = [*enumerate(jobs, start=1)]
    selected = dict(numbered if part is None else part.select(numbered))
    trained, failures = train_missing(
        selected, len(jobs), complete, lambda folder: read_run(folder, arrays), at_once
    )
    if part is not None:
        if failures:
            raise GalaxyError(f"{'; '.join(failures)}: fix the cause and run the same part again")
        return [describe_part(part, jobs, _combining_command(arrays, out, models, seeds, runs, at_once))]
    if not (trained or existing):
        raise GalaxyError("every model failed: " + "; ".join(failures))
    galaxies = ReportGalaxies.from_arrays(arrays)
    compared = rank_models(group_runs(_drop_repeated_runs([*trained, *existing])), galaxies)
    report = Report(galaxies, compared, failures, *read_audits(galaxies, compared))
    with wait_for_lock(out / f".{RUNS}.lock", f"Another process is writing {out}: waiting for it"):
        write_report(out, report)
    if failures:
        raise GalaxyError(
            f"the report is {out / PAGE}, but without failed models: {'; '.join(failures)}: fix the cause "
            "and run the same command again; complete runs are kept"
        )
    return [*_format_summary(report.summary), "", f"Report: {out / PAGE}"]


def _check_output_folder(out: Path, arrays: GalaxyArrays) -> None:
    """Raises an error if the report could overwrite files of the user."""
    if out.resolve().is_relative_to(arrays.folder.resolve()):
        raise GalaxyError(f"{out} is inside the galaxy arrays: choose another path")
    if not out.exists():
        return
    if not out.is_dir():
        raise GalaxyError(f"{out} is not a folder: choose another path")
    found = {path.name: path for path in out.iterdir() if not is_litter(path.name)}
    folders = (FIGURES, RUNS)
    foreign = [
        name
        for name, path in found.items()
        if name not in _REPORT_CONTENTS or path.is_dir() != (name in folders)
    ]
    if not foreign and found and RUNS not in found:
        foreign = [] if METRICS in found and "mcnemar" in read_json(out / METRICS) else [*found]
    if foreign:
        raise GalaxyError(f"{out} holds {min(foreign)}, which is not part of a report: choose another path")


def _combining_command(
    arrays: GalaxyArrays,
    out: Path,
    models: Sequence[str],
    seeds: Sequence[int],
    runs: Sequence[Path],
    at_once: int,
) -> str:
    """Returns the command that writes the report when all parts are complete."""
    words: list[object] = ["--data", arrays.folder, "--out", out, "--models", *models, "--seeds", *seeds]
    words += ["--runs", *runs] if runs else []
    words += ["--jobs", at_once] if at_once > 1 else []
    return shlex.join(map(str, ["python", "-m", "baselines", "compare", *words]))


def _drop_repeated_runs(runs: Sequence[Run]) -> list[Run]:
    """Drops runs that repeat the training of another run, which would underestimate the spread."""
    kept: list[Run] = []
    for run in runs:
        repeated = (
            other for other in kept if run.folder.resolve() == other.folder.resolve() or run.repeats(other)
        )
        original = next(repeated, None)
        if original is None:
            kept.append(run)
        else:
            print(
                f"{run.folder} is excluded: it has the same model, settings and seed as {original.folder}",
                flush=True,
            )
    return kept


def _format_summary(summary: dict[str, Any]) -> list[str]:
    """Returns the accuracies and tests as lines of text."""
    width = max(display_width(model["name"]) for model in summary["models"])
    lines = []
    for model in summary["models"]:
        spread = f" ± {model['sd']['accuracy']:.3f}" if model["sd"]["accuracy"] is not None else ""
        low, high = model["accuracy_interval"]
        interval = f"   [{low:.3f}, {high:.3f}]" if low is not None else ""
        name = align_left(model["name"], width)
        lines.append(f"{name}  test accuracy {model['mean']['accuracy']:.3f}{spread}{interval}")
    pairs = [(" and ".join(test["models"]), test) for test in summary["mcnemar"]]
    width = max((display_width(pair) for pair, _ in pairs), default=0)
    if pairs:
        lines += ["", "p-values of McNemar's exact test, and corrected for the number of pairs (Holm):"]
    return lines + [
        f"{align_left(pair, width)}  p {format_p_value(test['p']):<8} "
        f"corrected {format_p_value(test['p_holm'])}"
        for pair, test in pairs
    ]
