"""The fits of a command give the same results one after the other and several at once."""

import pytest

from data_prep.common.errors import GalaxyError
from data_prep.common.processes import run_module
from galaxy_lightning.jobs import training
from galaxy_lightning.jobs.cores import Share
from galaxy_lightning.jobs.job import Job
from galaxy_lightning.jobs.training import train_jobs
from tests.galaxy_lightning.jobs.made_jobs import make_job, search_path


@pytest.fixture(autouse=True)
def importable(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", search_path(tmp_path))
    monkeypatch.setattr(training, "count_at_once", lambda asked, fits: asked)
    monkeypatch.setattr(training, "share_cores", lambda at_once: [Share(1, at_once)] * at_once)


def run(job, inherited):
    run_module(job.command, log=job.log, inherited=inherited)


def train(jobs, asked, *, stop_after_error=False, run=run):
    """Trains jobs; returns the positions of the complete ones, of the started ones, and the errors."""
    complete, started = {}, []

    def report(number, seconds, seconds_left):
        complete[number] = seconds

    errors = train_jobs(
        jobs, asked, train=run, report=report, announce=started.append, stop_after_error=stop_after_error
    )
    return complete, started, {number: str(error) for number, error in errors.items()}


@pytest.mark.parametrize("asked", [1, 2])
def test_complete_runs_are_kept_and_failures_do_not_affect_other_fits(tmp_path, asked):
    jobs = [
        make_job(tmp_path, name, action) for name, action in [("a", "fail"), ("b", "none"), ("c", "none")]
    ]
    jobs[1].folder.mkdir()
    (jobs[1].folder / "run.json").write_text("{}")
    complete, started, errors = train(jobs, asked)
    assert sorted(started) == [0, 2]
    assert sorted(complete) == [1, 2]
    assert complete[1] is None
    assert 0 < complete[2] < 60
    assert errors == {0: "ended with status 1: no such galaxy"}
    assert not [*tmp_path.glob(".*.lock")]


@pytest.mark.parametrize("asked", [1, 2])
def test_a_fit_that_fails_its_check_is_not_started(tmp_path, asked, monkeypatch):
    jobs = [make_job(tmp_path, "a"), make_job(tmp_path, "b")]

    def check(job):
        if job == jobs[0]:
            raise GalaxyError("it holds other files")

    monkeypatch.setattr(Job, "check", check)
    complete, _, errors = train(jobs, asked)
    assert errors == {0: "it holds other files"}
    assert [*complete] == [1]
    assert not jobs[0].folder.exists()


def test_no_fit_is_started_after_an_error(tmp_path):
    jobs = [make_job(tmp_path, "a", "fail"), make_job(tmp_path, "b")]
    complete, started, errors = train(jobs, 1, stop_after_error=True)
    assert (complete, started, [*errors]) == ({}, [0], [0])


def test_a_run_that_another_process_completes_is_used(tmp_path):
    def run_twice(job, inherited):
        run(job, inherited)
        raise GalaxyError("the second to finish finds that there is one")

    complete, _, errors = train([make_job(tmp_path, "a")], 1, run=run_twice)
    assert [*complete] == [0]
    assert not errors


def test_a_fit_without_a_run_is_an_error(tmp_path):
    _, _, errors = train([make_job(tmp_path, "a")], 1, run=lambda job, inherited: None)
    assert errors == {0: f"succeeded, but left no complete run in {tmp_path}/a"}
