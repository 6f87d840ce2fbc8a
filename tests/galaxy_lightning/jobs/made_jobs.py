"""Jobs that train nothing: each prints lines, and writes its run."""

import os
from pathlib import Path

from galaxy_lightning.jobs.job import Job

MODULE = """
import json, os, pathlib, sys, time
from data_prep.common.errors import GalaxyError, errors_in_one_line

folder, action = pathlib.Path(sys.argv[1]), sys.argv[2]
names = ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "GALAXY_FITS_AT_ONCE", "SLURM_NTASKS")
about = {name: os.environ.get(name) for name in names}
about["cores"] = sorted(os.sched_getaffinity(0))
with errors_in_one_line("python -m told fit"):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "begun").write_text(str(os.getpid()))
    try:
        print("epoch 1/2  loss 0.5", file=sys.stderr, flush=True)
        if action == "fail":
            raise GalaxyError("no such galaxy")
        if action == "sleep":
            time.sleep(60)
        elif action != "none":
            while not pathlib.Path(action).exists():
                time.sleep(0.02)
        print("UserWarning: careful", file=sys.stderr, flush=True)
        (folder / "run.json").write_text(json.dumps(about))
    finally:
        (folder / "ended").touch()
"""


def make_job(folder: Path, name: str, action: str = "none") -> Job:
    """Makes a job.

    Args:
        folder: A folder for all jobs.
        name: The name of the job.
        action: ``none``; ``fail``; ``sleep``, for a minute; or a file to wait for.
    """
    (folder / "told.py").write_text(MODULE)
    return Job(name, ("told", str(folder / name), action), folder / name, folder / f"{name}.log")


def search_path(folder: Path) -> str:
    """Returns a ``PYTHONPATH`` with which the jobs can be run."""
    return os.pathsep.join([str(folder), str(Path(__file__).parents[3])])
