"""Fits at once: their cores, what is shown of them, failures, and signals."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from data_prep.common.errors import GalaxyError, Terminated
from data_prep.common.locks import try_lock
from galaxy_lightning.jobs.claims import Claims
from galaxy_lightning.jobs.cores import Share, share_cores
from galaxy_lightning.jobs.live_line import LiveLine
from galaxy_lightning.jobs.observer import LiveObserver
from galaxy_lightning.jobs.pool import train_at_once
from tests.galaxy_lightning.jobs.made_jobs import make_job, search_path

LIMIT = 15
"""Seconds in which all processes must have ended."""


@pytest.fixture(autouse=True)
def importable(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", search_path(tmp_path))


def train(jobs, at_once=2, *, stop_after_error=True, shares=None):
    """Trains jobs; returns the positions and durations of the complete ones, and the errors."""
    finished, missing = [], [number for number, job in enumerate(jobs) if job.run is None]

    def report(number, seconds):
        finished.append((number, seconds))
        (jobs[number].folder / "reported").touch()

    with contextlib.closing(LiveLine(len(jobs), missing)) as line:
        observer = LiveObserver(jobs, line, report)
        shares = shares or [Share(1, at_once)] * at_once
        train_at_once(Claims(jobs), shares, observer, stop_after_error=stop_after_error)
    return finished, observer.errors


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux pins processes")
def test_each_fit_has_its_cores_and_the_results_do_not_depend_on_the_order(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("SLURM_NTASKS", "1")
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    # The first waits for the second.
    jobs = [make_job(tmp_path, "a", str(tmp_path / "b/reported")), make_job(tmp_path, "b")]
    available = sorted(os.sched_getaffinity(0))
    shares = share_cores(2) if len(available) > 1 else [Share(1, 2, frozenset(available))] * 2
    finished, errors = train(jobs, shares=shares)
    assert not errors
    assert [number for number, _ in finished] == [1, 0]
    assert all(0 < seconds < 60 for _, seconds in finished)
    for job, share in zip(jobs, shares, strict=True):
        about = json.loads((job.folder / "run.json").read_text())
        assert about.pop("cores") == sorted(share.cores)
        number = str(share.number)
        assert about == {
            "OMP_NUM_THREADS": number,
            "TF_NUM_INTRAOP_THREADS": number,
            "GALAXY_FITS_AT_ONCE": "2",
            "SLURM_NTASKS": None,
        }
        assert "epoch 1/2  loss 0.5" in job.log.read_text()
        assert not job.lock.exists()
    assert sorted(capsys.readouterr().err.splitlines()) == [f"{job}: UserWarning: careful" for job in jobs]
    assert sorted(os.sched_getaffinity(0)) == available


def test_complete_fits_are_reported_and_not_trained(tmp_path):
    jobs = [make_job(tmp_path, "a"), make_job(tmp_path, "b")]
    jobs[0].folder.mkdir()
    (jobs[0].folder / "run.json").write_text("{}")
    finished, _ = train(jobs)
    assert finished[0] == (0, None)
    assert finished[1][0] == 1
    assert not jobs[0].log.exists()


@pytest.mark.parametrize("stop", [True, False])
def test_fits_that_run_beside_a_failed_one_are_finished(tmp_path, capsys, stop):
    jobs = [
        make_job(tmp_path, "a", "fail"),
        make_job(tmp_path, "b", str(tmp_path / "a/ended")),
        make_job(tmp_path, "c"),
    ]
    finished, errors = train(jobs, stop_after_error=stop)
    assert {number: str(error) for number, error in errors.items()} == {
        0: "ended with status 1: no such galaxy"
    }
    assert jobs[1].run is not None
    if not stop:
        assert sorted(number for number, _ in finished) == [1, 2]
    shown = capsys.readouterr().err
    assert "no such galaxy" not in shown
    assert all(job.log.is_file() for job in jobs[:2])
    assert not any(job.lock.exists() for job in jobs)


def test_a_fit_without_a_run_is_an_error(tmp_path):
    job = make_job(tmp_path, "a")
    object.__setattr__(job, "folder", tmp_path / "elsewhere")
    _, errors = train([job])
    assert str(errors[0]) == f"succeeded, but left no complete run in {tmp_path}/elsewhere"


@pytest.mark.parametrize(
    ("log", "problem"),
    [
        ("file/a.log", "File exists"),
        pytest.param(
            "/dev/full", "No space left on device", marks=pytest.mark.skipif(
                not Path("/dev/full").exists(), reason="only Linux simulates a full disk"
            ),
        ),
    ],
)  # fmt: skip
def test_a_log_that_cannot_be_written_is_an_error_of_its_fit_only(tmp_path, log, problem):
    jobs = [make_job(tmp_path, "a", "sleep"), make_job(tmp_path, "b", str(tmp_path / "go"))]
    (tmp_path / "file").write_text("")
    log = tmp_path / log
    object.__setattr__(jobs[0], "log", log)

    class Going(LiveObserver):
        def finish(self, number, seconds, error):
            super().finish(number, seconds, error)
            (tmp_path / "go").touch()

    with contextlib.closing(LiveLine(2, [0, 1])) as line:
        observer = Going(jobs, line, lambda *fit: None)
        train_at_once(Claims(jobs), [Share(1, 2)] * 2, observer, stop_after_error=True)
    assert {number: str(error) for number, error in observer.errors.items()} == {
        0: f"{log} cannot be written: {problem}"
    }
    assert jobs[0].run is None
    assert jobs[1].run is not None


def test_a_fit_that_another_command_trains_is_waited_for(tmp_path, capsys):
    jobs = [make_job(tmp_path, "a"), make_job(tmp_path, "b")]
    lock = try_lock(jobs[0].lock)

    class Releasing(LiveObserver):
        def finish(self, number, seconds, error):
            super().finish(number, seconds, error)
            if number == 1:
                jobs[0].folder.mkdir()
                (jobs[0].folder / "run.json").write_text("{}")
                lock.release()

    finished = []
    with contextlib.closing(LiveLine(2, [0, 1])) as line:
        observer = Releasing(jobs, line, lambda *fit: finished.append(fit))
        train_at_once(Claims(jobs), [Share(1, 2)] * 2, observer, stop_after_error=True)
    assert finished[1] == (0, None)
    assert not jobs[0].log.exists()


def test_a_terminated_fit_terminates_the_command_and_the_others(tmp_path):
    jobs = [make_job(tmp_path, "a", "sleep"), make_job(tmp_path, "b", "sleep")]

    class Terminating(LiveObserver):
        def handle(self, number, line):
            if number == 0:
                os.kill(int((jobs[0].folder / "begun").read_text()), signal.SIGTERM)

    with contextlib.closing(LiveLine(2, [0, 1])) as line, pytest.raises(Terminated):
        observer = Terminating(jobs, line, lambda *fit: None)
        train_at_once(Claims(jobs), [Share(1, 2)] * 2, observer, stop_after_error=True)
    assert (jobs[0].folder / "ended").exists()
    assert not any(job.lock.exists() for job in jobs)


def test_an_error_of_the_command_ends_the_fits(tmp_path):
    jobs = [make_job(tmp_path, "a"), make_job(tmp_path, "b", "sleep")]

    def report(number, seconds):
        raise GalaxyError("an unreadable run")

    with contextlib.closing(LiveLine(2, [0, 1])) as line, pytest.raises(GalaxyError, match="unreadable"):
        observer = LiveObserver(jobs, line, report)
        train_at_once(Claims(jobs), [Share(1, 2)] * 2, observer, stop_after_error=True)
    assert jobs[1].run is None


COMMAND = """
import pathlib, signal, sys
from data_prep.common.errors import errors_in_one_line
from tests.galaxy_lightning.jobs.made_jobs import make_job
from tests.galaxy_lightning.jobs.test_pool import train

signal.signal(signal.SIGINT, signal.default_int_handler)  # A background job of a shell ignores it.
folder = pathlib.Path(sys.argv[1])
with errors_in_one_line("python -m command"):
    train([make_job(folder, name, "sleep") for name in ("a", "b")])
"""


@pytest.mark.parametrize(
    ("number", "status", "line"),
    [
        (signal.SIGTERM, 143, "python -m command: terminated\n"),
        (signal.SIGINT, 130, "python -m command: interrupted\n"),
        (signal.SIGKILL, -signal.SIGKILL, ""),
    ],
)
def test_all_fits_end_with_the_command(tmp_path, number, status, line):
    jobs = [make_job(tmp_path, name, "sleep") for name in ("a", "b")]
    with subprocess.Popen(
        [sys.executable, "-c", COMMAND, str(tmp_path)],
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as command:
        until = time.monotonic() + 60
        while not all((job.folder / "begun").exists() for job in jobs) and time.monotonic() < until:
            time.sleep(0.05)
        began = time.monotonic()
        if number == signal.SIGINT:  # A terminal sends it to all processes.
            os.killpg(command.pid, number)
        else:
            command.send_signal(number)
        # A command that was killed has no time to remove its locks: its fits keep them until they end.
        lock = None
        while lock is None and time.monotonic() < began + LIMIT:
            lock = try_lock(jobs[0].lock)
            time.sleep(0.05)
        assert lock is not None
        lock.release()
        assert command.wait(LIMIT) == status
        assert command.stderr.read() == line
    while not all((job.folder / "ended").exists() for job in jobs) and time.monotonic() < began + LIMIT:
        time.sleep(0.05)
    assert all((job.folder / "ended").exists() for job in jobs)
    assert not any(job.run for job in jobs)
