import os
import subprocess
import sys

import pytest

from data_prep.common import slurm

ARRAY = {"SLURM_JOB_ID": "9", "SLURM_ARRAY_JOB_ID": "7", "SLURM_ARRAY_TASK_ID": "2"}


@pytest.fixture
def job(monkeypatch):
    """Sets the environment variables of a job."""
    for name in [name for name in os.environ if name.startswith("SLURM") or name.endswith("RANK")]:
        monkeypatch.delenv(name)

    def job(variables):
        for name, value in variables.items():
            monkeypatch.setenv(name, value)

    return job


@pytest.mark.parametrize(
    ("variables", "name"),
    [
        ({}, None),
        ({"SLURM_JOB_ID": "9"}, "9"),
        ({"SLURM_JOB_ID": "9", "SLURM_JOB_NAME": "galaxies"}, "9"),
        (ARRAY, "7_2"),
        ({"SLURM_JOB_ID": "9", "SLURM_JOB_NAME": "bash"}, None),
        ({"SLURM_JOB_ID": "9", "SLURM_JOB_NAME": "interactive"}, None),
    ],
)
def test_the_batch_job_has_the_name_that_scontrol_knows(job, variables, name):
    job(variables)
    assert slurm.batch_job() == name


def test_whether_a_job_is_interactive(job):
    assert not slurm.is_interactive()
    job({"SLURM_JOB_NAME": "interactive"})
    assert slurm.is_interactive()


@pytest.mark.parametrize(
    ("variables", "in_step", "job_tasks", "step_tasks"),
    [
        ({}, False, 1, 1),
        ({"SLURM_PROCID": "0", "SLURM_NTASKS": "4"}, False, 4, 1),  # A batch script.
        ({"SLURM_STEP_ID": "0", "SLURM_PROCID": "0", "SLURM_NTASKS": "4"}, True, 4, 4),
        ({"SLURM_PROCID": "1", "SLURM_NTASKS": "4"}, True, 4, 4),
        ({"SLURM_STEP_ID": "0", "SLURM_NTASKS": "4", "SLURM_STEP_NUM_TASKS": "1"}, True, 4, 1),
        ({"SLURM_STEP_ID": "0", "SLURM_NTASKS": "many"}, True, 1, 1),
    ],
)
def test_the_tasks_of_a_job_and_of_a_step(job, variables, in_step, job_tasks, step_tasks):
    job(variables)
    assert (slurm.is_in_step(), slurm.job_tasks(), slurm.step_tasks()) == (in_step, job_tasks, step_tasks)


@pytest.mark.parametrize("name", ["SLURM_PROCID", "RANK", "LOCAL_RANK"])
def test_which_process_is_the_first(job, name):
    assert slurm.is_first_process()
    job({name: "0"})
    assert slurm.is_first_process()
    job({name: "1"})
    assert not slurm.is_first_process()


FAILS = "slurm.end_step_at_exit(); 1 / 0"
COMMAND = "from galaxy_lightning.cli.main import main; main(['fit', '{}'])"


@pytest.mark.parametrize(
    ("variables", "code", "cancelled"),
    [
        ({"SLURM_STEP_NUM_TASKS": "1"}, FAILS, ""),
        ({}, FAILS, "9.3\n"),
        ({"SLURM_JOB_NAME": "bash"}, FAILS, ""),
        ({"TORCHELASTIC_RUN_ID": "1"}, FAILS, ""),
        ({}, "slurm.end_step_at_exit(); slurm.keep_step(); 1 / 0", ""),
        ({}, COMMAND.format("--help"), ""),
        ({}, COMMAND.format("--model.network=none"), "9.3\n"),
    ],
    ids=["one", "two", "shell", "torchrun", "goes on", "help", "command"],
)
def test_a_process_that_fails_ends_its_step_when_it_exits(
    job, tmp_path, monkeypatch, variables, code, cancelled
):
    job({"SLURM_JOB_ID": "9", "SLURM_STEP_ID": "3", "SLURM_STEP_NUM_TASKS": "2"} | variables)
    calls = tmp_path / "calls"
    calls.touch()
    program = tmp_path / "scancel"
    program.write_text(f'#!/bin/sh\necho "$@" >> {calls}\nkill $PPID\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    code = f"from data_prep.common import slurm; slurm._STEP_SECONDS = 0; {code}"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert calls.read_text() == cancelled, ended.stderr
    assert ended.returncode == (0 if "--help" in code else 1)
