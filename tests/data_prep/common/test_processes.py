import errno
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from data_prep.common.errors import GalaxyError, Terminated
from data_prep.common.processes import run_module


@pytest.fixture
def module(tmp_path, monkeypatch):
    """Makes a module that can be run."""
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))

    def module(*lines):
        (tmp_path / "told.py").write_text("\n".join(["import os, sys, time", *lines]))
        return ["told", "a word"]

    return module


def test_a_module_is_run_with_its_arguments_and_its_output_is_shown(module, capfd):
    run_module(module("print(sys.argv[1])", "print('42%', end='', file=sys.stderr)"))
    out, err = capfd.readouterr()
    assert out == "a word\n"
    assert err == "42%"


def test_lines_can_be_handled_and_all_output_saved(module, capfd, tmp_path):
    lines = []
    run_module(
        module(
            "print('one')",
            "print('two\\n\\rthree', file=sys.stderr)",
            "print('four', end='', file=sys.stderr)",
        ),
        handle_line=lines.append,
        log=tmp_path / "log",
    )
    assert lines == ["two", "three", "four"]
    assert (tmp_path / "log").read_bytes().split() == [b"one", b"two", b"three", b"four"]
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("columns", [60, None])
def test_a_module_knows_the_width_of_the_terminal_that_shows_its_lines(module, capfd, monkeypatch, columns):
    monkeypatch.setattr("data_prep.common.processes.terminal_columns", lambda: columns)
    words = module(
        "from data_prep.common.progress import terminal_columns", "print(terminal_columns(), file=sys.stderr)"
    )
    monkeypatch.setenv("PYTHONPATH", f"{Path(__file__).parents[3]}:{os.environ['PYTHONPATH']}")
    run_module(words)
    assert capfd.readouterr().err == f"{columns}\n"


def test_a_module_may_have_variables_and_inherit_files(module, tmp_path, monkeypatch):
    """A module within a job of SLURM, or of torchrun, may start processes of its own."""
    ranks = (
        "SLURM_JOB_ID",
        "SLURM_NTASKS",
        "SLURM_PROCID",
        "SLURM_NTASKS_PER_NODE",
        "SLURM_STEP_ID",
        "LOCAL_RANK",
        "MASTER_PORT",
    )
    for name in ("SLURM_CPUS_PER_TASK", *ranks):
        monkeypatch.setenv(name, "1")
    started = []
    words = module(
        f"kept = [name for name in ('SLURM_CPUS_PER_TASK', *{ranks}) if name in os.environ]",
        "os.write(int(os.environ['PLACE']), ' '.join(kept).encode())",
    )
    with (tmp_path / "file").open("wb") as file:
        variables = {"PLACE": str(file.fileno())}
        run_module(words, environment=variables, inherited=[file.fileno()], handle_process=started.append)
    assert (tmp_path / "file").read_text() == "SLURM_CPUS_PER_TASK"
    assert [process.returncode for process in started] == [0]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("sys.exit('told: error: no such\\n galaxy')", "ended with status 1: no such galaxy"),
        ("sys.exit('the last word')", "ended with status 1: the last word"),
        ("os.kill(os.getpid(), 9)", "was killed by signal 9 (possibly out of memory)"),
        ("os.kill(os.getpid(), 6)", "was killed by signal 6"),
    ],
)
def test_the_reason_for_a_failure_is_reported(module, line, reason):
    with pytest.raises(GalaxyError) as caught:
        run_module(module(line))
    assert str(caught.value) == reason


def test_a_command_that_cannot_be_started_is_an_error(module, monkeypatch):
    def refuse(*words, **options):
        raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))

    monkeypatch.setattr(subprocess, "Popen", refuse)
    with pytest.raises(GalaxyError, match="^cannot be started: Resource temporarily unavailable$"):
        run_module(module())


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux simulates a full disk")
def test_a_command_whose_log_cannot_be_written_is_ended(module, tmp_path):
    started = []
    words = module("print('begun', file=sys.stderr, flush=True)", "time.sleep(600)")
    with pytest.raises(GalaxyError, match="^/dev/full cannot be written: No space left on device$"):
        run_module(words, log=Path("/dev/full"), handle_process=started.append)
    assert [process.returncode for process in started] == [-signal.SIGTERM]


def test_sigterm_is_passed_on_to_the_child(module, monkeypatch, tmp_path):
    def asked(text):
        raise Terminated

    monkeypatch.setattr(sys.stderr, "write", asked)
    begun = "print('begun', file=sys.stderr, flush=True)"
    ended = f"open({str(tmp_path / 'ended')!r}, 'w')"
    with pytest.raises(Terminated):
        run_module(module(begun, "time.sleep(600)", ended))
    assert not (tmp_path / "ended").exists()


@pytest.mark.parametrize("in_job", [False, True])
def test_a_command_has_longer_to_save_its_work_in_a_job_of_slurm(module, monkeypatch, tmp_path, in_job):
    def asked(line):
        raise Terminated

    monkeypatch.setattr("data_prep.common.processes._GRACE_SECONDS", 0.2)
    monkeypatch.delenv("SLURM_JOB_NAME", raising=False)
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    if in_job:
        monkeypatch.setenv("SLURM_JOB_ID", "9")
    words = module(
        "import signal",
        "received = []",
        "signal.signal(signal.SIGTERM, lambda *_: received.append(1))",
        "print('begun', file=sys.stderr, flush=True)",
        "while not received: time.sleep(0.02)",
        "time.sleep(1)",
        f"open({str(tmp_path / 'saved')!r}, 'w')",
    )
    with pytest.raises(Terminated):
        run_module(words, handle_line=asked)
    assert (tmp_path / "saved").exists() == in_job


@pytest.mark.parametrize(("status", "error"), [(143, Terminated), (130, KeyboardInterrupt)])
def test_a_terminated_child_terminates_its_parent(module, status, error):
    with pytest.raises(error):
        run_module(module(f"sys.exit({status})"))


def test_the_child_ends_when_the_parent_is_interrupted(module, monkeypatch, tmp_path):
    def interrupted(text):
        raise KeyboardInterrupt

    monkeypatch.setattr(sys.stderr, "write", interrupted)
    monkeypatch.setattr("data_prep.common.processes.INTERRUPT_SECONDS", 0.1)
    begun = "print('begun', file=sys.stderr, flush=True)"
    ended = f"open({str(tmp_path / 'ended')!r}, 'w')"
    with pytest.raises(KeyboardInterrupt):
        run_module(module(begun, "time.sleep(10)", ended))
    assert not (tmp_path / "ended").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows tells no process of its parent's end")
def test_the_child_ends_when_the_parent_is_killed(module, tmp_path):
    words = module(
        "from data_prep.common.errors import errors_in_one_line",
        "with errors_in_one_line('told'):",
        f"    open({str(tmp_path / 'begun')!r}, 'w').write(str(os.getpid()))",
        "    try:",
        "        time.sleep(60)",
        "    finally:",
        f"        open({str(tmp_path / 'cleared away')!r}, 'w')",
    )
    code = f"from data_prep.common.processes import run_module; run_module({words})"
    environment = os.environ | {"PYTHONPATH": f"{tmp_path}:{Path(__file__).parents[3]}"}
    with subprocess.Popen([sys.executable, "-c", code], env=environment) as process:
        until = time.monotonic() + 20
        while not (tmp_path / "begun").exists() and time.monotonic() < until:
            time.sleep(0.05)
        process.kill()
    while not (tmp_path / "cleared away").exists() and time.monotonic() < until:
        time.sleep(0.05)
    assert (tmp_path / "cleared away").exists()
