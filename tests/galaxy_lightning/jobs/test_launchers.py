import pytest

from data_prep.common.errors import GalaxyError
from galaxy_lightning.jobs.launchers import refuse_ranks

STEP = {"SLURM_STEP_ID": "0", "SLURM_PROCID": "0"}


@pytest.mark.parametrize(
    ("variables", "problem"),
    [
        ({"WORLD_SIZE": "2"}, "without torchrun, and so on"),
        (STEP | {"SLURM_NTASKS": "2"}, "without srun, or with srun --ntasks=1, and so on"),
        ({"SLURM_PROCID": "1", "SLURM_NTASKS": "2"}, "without srun"),
        (STEP | {"SLURM_NTASKS": "1", "SLURM_STEP_NUM_TASKS": "4"}, "without srun"),
        ({"WORLD_SIZE": "1"}, None),
        ({"WORLD_SIZE": "many"}, None),
        (STEP | {"SLURM_NTASKS": "1"}, None),
        # A batch script of a job with several tasks.
        ({"SLURM_PROCID": "0", "SLURM_NTASKS": "4"}, None),
        (STEP | {"SLURM_NTASKS": "4", "SLURM_STEP_NUM_TASKS": "1"}, None),
    ],
)
def test_a_command_that_is_started_several_times_is_refused(variables, problem, monkeypatch):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    if problem is None:
        refuse_ranks("crossval", "and so on")
        return
    with pytest.raises(GalaxyError, match=problem):
        refuse_ranks("crossval", "and so on")
