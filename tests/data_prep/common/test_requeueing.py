"""SIGUSR1 in a SLURM job: the command ends as after SIGTERM, and the job is requeued."""

import os
import signal

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


def signalled():
    with pytest.raises(SystemExit) as ended, errors_in_one_line("program"):
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
