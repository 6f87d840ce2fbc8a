"""SIGUSR1 in a SLURM job: the command ends as after SIGTERM, and the job is requeued."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from data_prep.common import requeueing
from data_prep.common.errors import errors_in_one_line

ARRAY = {"SLURM_ARRAY_JOB_ID": "7", "SLURM_ARRAY_TASK_ID": "2"}


@pytest.fixture
def calls(tmp_path, monkeypatch):
    """A scontrol that records its arguments, and the job 9."""
    for name in [name for name in os.environ if name.startswith("SLURM")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("SLURM_JOB_ID", "9")
    program = tmp_path / "scontrol"
    program.write_text(
        f'#!/bin/sh\necho "$@" >> {tmp_path}/calls\n'
        f"[ ! -e {tmp_path}/refuse ] || {{ echo no >&2; exit 1; }}\n"
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    return tmp_path / "calls"


def signalled(*, resumes=True):
    with pytest.raises(SystemExit) as ended, errors_in_one_line("program"):
        if resumes:
            requeueing.allow_requeue()
        os.kill(os.getpid(), signal.SIGUSR1)
    return ended.value.code


@pytest.mark.parametrize(("more", "job"), [({}, "9"), (ARRAY, "7_2")])
def test_the_job_is_requeued(calls, monkeypatch, capsys, more, job):
    for name, value in more.items():
        monkeypatch.setenv(name, value)
    before = signal.getsignal(signal.SIGUSR1)
    assert signalled() == 143
    assert calls.read_text() == f"requeue {job}\n"
    assert capsys.readouterr().err == (
        f"SLURM has asked job {job} to end: it was requeued\nprogram: terminated\n"
    )
    assert signal.getsignal(signal.SIGUSR1) is before


def test_a_refusal_is_reported(calls, tmp_path, capsys):
    (tmp_path / "refuse").touch()
    assert signalled() == 143
    assert "cannot be requeued (no): submit it again" in capsys.readouterr().err


def test_without_scontrol_it_is_reported(calls, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("PATH", "/nowhere")
    assert signalled() == 143
    assert "cannot be requeued" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["SLURM_PROCID", "RANK"])
def test_only_the_first_process_requeues(calls, monkeypatch, name):
    monkeypatch.setenv(name, "1")
    monkeypatch.setattr(requeueing, "_WAIT_SECONDS", 0)
    assert signalled() == 143
    assert not calls.exists()


def test_a_command_that_succeeds_or_is_terminated_is_not_requeued(calls):
    with errors_in_one_line("program"):
        pass
    with pytest.raises(SystemExit), errors_in_one_line("program"):
        os.kill(os.getpid(), signal.SIGTERM)
    assert not calls.exists()


@pytest.mark.parametrize("name", [None, "interactive"])
def test_without_a_batch_job_the_command_ends_too(calls, monkeypatch, capsys, name):
    if name is None:
        monkeypatch.delenv("SLURM_JOB_ID")
    else:
        monkeypatch.setenv("SLURM_JOB_NAME", name)
    assert signalled() == 143
    assert capsys.readouterr().err == "program: terminated\n"
    assert not calls.exists()


def test_a_command_that_would_begin_anew_is_not_requeued(calls, capsys):
    assert signalled(resumes=False) == 143
    assert "job 9 to end: it is not requeued, since this command would begin anew" in capsys.readouterr().err
    assert not calls.exists()
    assert signalled() == 143  # The next command of the process is another one.
    assert calls.exists()


def test_a_library_that_raises_another_error_when_it_is_interrupted_does_not_prevent_it(calls):
    with pytest.raises(SystemExit) as ended, errors_in_one_line("program"):
        requeueing.allow_requeue()
        try:
            os.kill(os.getpid(), signal.SIGUSR1)
        except SystemExit as error:
            raise RuntimeError("a loader has been interrupted") from error
    assert ended.value.code == 143
    assert calls.read_text() == "requeue 9\n"


def test_a_forked_process_ignores_the_signal(calls):
    with errors_in_one_line("program"):
        requeueing.allow_requeue()
        if (child := os.fork()) == 0:
            os.kill(os.getpid(), signal.SIGUSR1)
            os._exit(7)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
    assert not calls.exists()


def test_a_signal_that_only_a_thread_has_received_counts_once(calls):
    with pytest.raises(SystemExit), errors_in_one_line("program"):
        requeueing.allow_requeue()
        requeueing.note_signal(signal.SIGTERM)
        requeueing.requeue_if_asked()
        assert not calls.exists()
        requeueing.note_signal(signal.SIGUSR1)
        requeueing.requeue_if_asked()
        raise SystemExit(143)
    assert calls.read_text() == "requeue 9\n"


STUCK = """
import ctypes
from data_prep.common.errors import errors_in_one_line
from data_prep.common.requeueing import allow_requeue
from galaxy_lightning.runtime.ranks import Ranks

mutex, libc = ctypes.create_string_buffer(64), ctypes.CDLL(None)
with errors_in_one_line("program"), Ranks(["fit"]):
    allow_requeue()
    libc.pthread_mutex_lock(mutex)
    print("stuck", flush=True)
    libc.pthread_mutex_lock(mutex)  # It never returns, and ignores signals.
"""


def test_a_process_that_waits_in_a_library_is_ended_by_force_and_requeued(calls, monkeypatch):
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "1")
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[3]))
    with subprocess.Popen(
        [sys.executable, "-c", STUCK], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout.readline() == "stuck\n"
        time.sleep(0.2)
        process.send_signal(signal.SIGUSR1)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 143
    assert "SLURM has asked job 9 to end: it was requeued" in err
    assert calls.read_text() == "requeue 9\n"
