"""The whole comparison: train what is asked for, read every run, measure, and report."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from baselines.comparison.jobs import BASELINES, Job, plan, train
from baselines.comparison.report import FIGURES, HTML, MARKDOWN, METRICS, p_text, write_report
from baselines.comparison.summary import group, ranked, summarise
from data_prep.arrays.format import GalaxyArrays
from data_prep.common.errors import GalaxyError
from data_prep.common.files import explain_write_errors
from data_prep.common.json_files import read_json
from data_prep.common.litter import is_litter
from galaxy_lightning.runs.reader import Run, read_run

RUNS: Final = "runs"
_OURS: Final = {HTML, MARKDOWN, METRICS, FIGURES, RUNS}


def compare(
    arrays: GalaxyArrays, out: Path, models: Sequence[str], seeds: Sequence[int], runs: Sequence[Path]
) -> list[str]:
    """Trains models on the stored split, and compares them with each other and with runs that exist.

    Args:
        arrays: The galaxy arrays.
        out: The report's folder. Runs in it that are complete are not trained again.
        models: What to train; see :func:`~baselines.comparison.jobs.plan`.
        seeds: The seeds to train each with.
        runs: Run folders to join in.

    Returns:
        What came of it, as lines of text.

    Raises:
        GalaxyError: Nothing is to be compared, ``out`` holds something else, or a run cannot be
            compared; or, once the report is written, that a model has failed.
    """
    _check_place(out, arrays)
    arrays.require_rows("test")
    jobs = plan(arrays, list(models), list(seeds), out / RUNS)
    if not (jobs or runs):
        raise GalaxyError("nothing to compare: name models with --models, or run folders with --runs")
    # Before anything is trained: a run that cannot be compared would waste the wait.
    complete = {job: read_run(job.run, arrays) for job in jobs if job.run is not None}
    for job, run in complete.items():
        if job.model in BASELINES and run.model != job.model:
            raise GalaxyError(f"{run.folder} is a run of {run.model}, not of {job.model}: remove it")
    joining = [read_run(folder, arrays) for folder in runs]
    with explain_write_errors(out):
        # It makes the folder a report's, before there is one.
        (out / RUNS).mkdir(parents=True, exist_ok=True)
    trained, failures = _trained(jobs, complete, arrays)
    if not (trained or joining):
        raise GalaxyError("every model failed: " + "; ".join(failures))
    grouped = ranked(group(_distinct([*trained, *joining])), arrays)
    summary = summarise(arrays, grouped) | {"failures": failures}
    write_report(out, arrays, grouped, summary)
    if failures:
        raise GalaxyError(
            f"the report is {out / HTML}, but without what failed: {'; '.join(failures)}. Mend it and run "
            "the same command again: it goes on with the runs that are complete"
        )
    return [*_lines(summary), "", f"The report is {out / HTML}"]


def _check_place(out: Path, arrays: GalaxyArrays) -> None:
    """Stops before anything of the user's is written over."""
    if out.resolve().is_relative_to(arrays.folder.resolve()):
        raise GalaxyError(f"{out} lies in the galaxy arrays: name another place")
    if not out.exists():
        return
    if not out.is_dir():
        raise GalaxyError(f"{out} is no folder: name another place")
    found = {path.name: path for path in out.iterdir() if not is_litter(path.name)}
    folders = (FIGURES, RUNS)
    wrong = [name for name, path in found.items() if name not in _OURS or path.is_dir() != (name in folders)]
    if not wrong and found and RUNS not in found:
        wrong = [] if METRICS in found and "mcnemar" in read_json(out / METRICS) else [*found]
    if wrong:
        raise GalaxyError(
            f"{out} holds {min(wrong)}, which is none of a report's, so it is no report's folder: name "
            "another place"
        )


def _trained(
    jobs: Sequence[Job], complete: Mapping[Job, Run], arrays: GalaxyArrays
) -> tuple[list[Run], list[str]]:
    """Trains what is not complete yet; returns the runs, and what failed and why."""
    trained, failures = [], []
    for number, job in enumerate(jobs, start=1):
        if job in complete:
            print(f"[{number}/{len(jobs)}] {job}: complete, in {complete[job].folder}", flush=True)
            trained.append(complete[job])
            continue
        print(f"[{number}/{len(jobs)}] training {job}", flush=True)
        try:
            trained.append(read_run(train(job), arrays))
        except GalaxyError as error:
            failures.append(f"{job}: {error}")
    return trained, failures


def _distinct(runs: Sequence[Run]) -> list[Run]:
    """Leaves out a run that repeats another's training: it would feign agreement."""
    kept: list[Run] = []
    for run in runs:
        seed = run.about.get("seed")
        same = (
            other
            for other in kept
            if run.folder.resolve() == other.folder.resolve() or (seed is not None and run.repeats(other))
        )
        other = next(same, None)
        if other is None:
            kept.append(run)
        else:
            print(f"{run.folder} is left out: same model, settings and seed as {other.folder}", flush=True)
    return kept


def _lines(summary: dict[str, Any]) -> list[str]:
    """Returns accuracies and tests as lines of text."""
    width = max(len(model["name"]) for model in summary["models"])
    lines = []
    for model in summary["models"]:
        spread = f" ± {model['sd']['accuracy']:.3f}" if model["sd"]["accuracy"] is not None else ""
        low, high = model["accuracy_interval"]
        bounds = f"   [{low:.3f}, {high:.3f}]" if low is not None else ""
        lines.append(
            f"{model['name']:<{width}}  test accuracy {model['mean']['accuracy']:.3f}{spread}{bounds}"
        )
    pairs = [(" and ".join(test["models"]), test) for test in summary["mcnemar"]]
    width = max((len(pair) for pair, _ in pairs), default=0)
    if pairs:
        lines += ["", "Do they differ? McNemar's exact test, and p corrected for the number of pairs (Holm):"]
    return lines + [
        f"{pair:<{width}}  p {p_text(test['p']):<8} corrected {p_text(test['p_holm'])}"
        for pair, test in pairs
    ]
