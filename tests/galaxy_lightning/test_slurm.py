"""The commands in jobs of a real SLURM with two nodes, by the documented scripts."""

import json
import os
import signal
import socket
import sys
from pathlib import Path

import pandas as pd
import pytest
import torch

from data_prep.common.errors import GalaxyError
from galaxy_lightning.cli.main import main
from galaxy_lightning.cli.trainer_checks import check_settings
from galaxy_lightning.runs.names import HISTORY_COLUMNS
from tests import slurm
from tests.fuzzing import SOAKING

SCRIPTS = Path(__file__).parents[2] / "configs/slurm"
NODES = ["--nodes=2", "--ntasks-per-node=1", "--gres=none", "--cpus-per-task=1"]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    if problem := slurm.missing():
        pytest.skip(problem)
    with slurm.started(tmp_path_factory.mktemp("slurm")) as cluster:
        # The nodes' names are known to SLURM only.
        cluster.environment |= {"MASTER_ADDR": "127.0.0.1", "VENV": str(Path(sys.executable).parents[1])}
        cluster.environment |= {"PYTHONPATH": str(SCRIPTS.parents[1]), "OMP_NUM_THREADS": "1"}
        yield cluster


def words_of_fit(arrays, runs, *more):
    return [
        "--config=reference_cnn", f"--data.arrays={arrays}", f"--runs={runs}", "--data.batch_size=6",
        "--model.image_size=64", "--trainer.enable_progress_bar=false", *more,
    ]  # fmt: skip


def output(folder):
    (log,) = folder.glob("*.log")
    return log.read_text()


@pytest.fixture(scope="module")
def whole(cluster, small_arrays, tmp_path_factory):
    """The run of a fit on two nodes, by the documented script, and its output."""
    folder = tmp_path_factory.mktemp("whole")
    job = cluster.submit(
        *NODES,
        SCRIPTS / "fit.sbatch",
        *words_of_fit(small_arrays, folder, "--trainer.max_epochs=2"),
        cwd=folder,
    )
    assert cluster.wait(job, *slurm.ENDED) == "COMPLETED", output(folder)
    return folder / f"galaxies-{job}/version_0", output(folder)


def test_the_documented_script_trains_on_two_nodes(whole):
    run, said = whole
    assert "Device: 2 x 1 CPU thread" in said
    assert (run / "run.json").is_file()
    assert "Traceback" not in said
    assert "srun" not in said


def test_the_predictions_of_two_nodes_are_those_of_one_process(cluster, whole, tmp_path):
    words = [f"--ckpt_path={whole[0]}", "--data.batch_size=7"]
    job = cluster.submit(*NODES, SCRIPTS / "predict.sbatch", *words, "--out=two.csv", cwd=tmp_path)
    assert cluster.wait(job, *slurm.ENDED) == "COMPLETED", output(tmp_path)
    main(["predict", *words, f"--out={tmp_path}/one.csv"])
    assert (tmp_path / "two.csv").read_bytes() == (tmp_path / "one.csv").read_bytes()


def test_a_process_that_fails_before_the_others_know_it_ends_the_job(cluster, whole, tmp_path):
    words = [f"--ckpt_path={whole[0]}", "--out=two.csv"]
    with socket.create_server(("", 0)) as occupied:
        port = f"--export=ALL,MASTER_PORT={occupied.getsockname()[1]}"
        job = cluster.submit(*NODES, port, SCRIPTS / "predict.sbatch", *words, cwd=tmp_path)
        assert cluster.wait(job, *slurm.ENDED, seconds=60) == "FAILED", output(tmp_path)
    assert "predict: error: The server socket has failed to listen" in output(tmp_path)
    assert "Traceback" not in output(tmp_path)


def test_a_command_without_srun_is_refused(cluster, whole, tmp_path):
    script = tmp_path / "job.sh"
    script.write_text(f"#!/bin/bash\n{sys.executable} -m galaxy_lightning predict --ckpt_path {whole[0]}\n")
    job = cluster.submit(*NODES, f"--output={tmp_path}/%j.log", script, cwd=tmp_path)
    assert cluster.wait(job, *slurm.ENDED) == "FAILED"
    (line,) = output(tmp_path).splitlines()
    assert "this SLURM job has 2 tasks, but the command was started without srun: write srun python" in line


@pytest.mark.parametrize("present", ["step", "per node"])
def test_tasks_without_a_number_per_node_are_refused(monkeypatch, present):
    monkeypatch.setenv("SLURM_NTASKS", "2")
    monkeypatch.setenv("SLURM_STEP_ID" if present == "step" else "SLURM_NTASKS_PER_NODE", "1")
    problem = "ntasks-per-node" if present == "step" else "without srun"
    with pytest.raises(GalaxyError, match=problem):
        check_settings({}, "predict")


def slow(folder, seconds):
    path = "tests.galaxy_lightning.interrupting.Slow"
    settings = {"folder": str(folder), "seconds": seconds}
    return "--trainer.callbacks=" + json.dumps({"class_path": path, "init_args": settings})


def same(run, whole):
    """Asserts that two runs have the same history, weights and predictions."""
    columns = [name for name in HISTORY_COLUMNS if "seconds" not in name]
    histories = [pd.read_csv(folder / "history.csv")[columns] for folder in (run, whole)]
    pd.testing.assert_frame_equal(*histories, rtol=0, atol=1e-6)
    states = [torch.load(folder / "best.ckpt", weights_only=True)["state_dict"] for folder in (run, whole)]
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[1])
    assert (run / "predictions.csv").read_bytes() == (whole / "predictions.csv").read_bytes()


def test_a_job_that_is_signalled_is_requeued_and_ends_as_the_uninterrupted_fit(
    cluster, whole, small_arrays, tmp_path
):
    words = words_of_fit(small_arrays, tmp_path, "--trainer.max_epochs=2", slow(tmp_path, 0.3))
    job = cluster.submit(*NODES, SCRIPTS / "fit.sbatch", *words, cwd=tmp_path)
    cluster.wait(job, "RUNNING")
    while not all((tmp_path / f"rank-{rank}").exists() for rank in (0, 1)):
        assert cluster.about(job)["JobState"] == "RUNNING", output(tmp_path)
    cluster.run("scancel", "--signal=USR1", job)
    assert cluster.wait(job, *slurm.ENDED) == "COMPLETED", output(tmp_path)
    assert f"SLURM has asked job {job} to end: it was requeued" in output(tmp_path)
    assert "Traceback" not in output(tmp_path)
    assert cluster.about(job)["Restarts"] == "1"
    same(tmp_path / f"galaxies-{job}/version_0", whole[0])


@pytest.mark.soak
@pytest.mark.skipif(not SOAKING, reason="one of the long tests")
def test_a_job_at_its_time_limit_is_requeued_and_ends_as_the_uninterrupted_fit(
    cluster, small_arrays, tmp_path
):
    """SLURM's shortest limit is a minute, and it may send the signal a minute before the time asked for."""
    words = words_of_fit(small_arrays, tmp_path, "--trainer.max_epochs=8")
    limits = ["--time=1", "--signal=USR1@10"]
    script = SCRIPTS / "fit.sbatch"
    cut = cluster.submit(*NODES, *limits, script, *words, slow(tmp_path, 0.8), cwd=tmp_path)
    assert cluster.wait(cut, *slurm.ENDED, seconds=500) == "COMPLETED", output(tmp_path)
    assert f"SLURM has asked job {cut} to end: it was requeued" in output(tmp_path)
    assert int(cluster.about(cut)["Restarts"]) >= 1
    alone = tmp_path / "alone"
    alone.mkdir()
    whole = cluster.submit(*NODES, script, *words, cwd=alone)
    assert cluster.wait(whole, *slurm.ENDED) == "COMPLETED", output(alone)
    same(tmp_path / f"galaxies-{cut}/version_0", tmp_path / f"galaxies-{whole}/version_0")


@pytest.mark.soak
@pytest.mark.skipif(not SOAKING, reason="one of the long tests")
def test_a_killed_process_ends_the_job_which_resumes(cluster, small_arrays, tmp_path):
    words = words_of_fit(small_arrays, tmp_path, "--trainer.max_epochs=2", slow(tmp_path, 0.5))
    job = cluster.submit(*NODES, "--job-name=killed", SCRIPTS / "fit.sbatch", *words, cwd=tmp_path)
    cluster.wait(job, "RUNNING")
    while not (tmp_path / f"killed-{job}/version_0/last.ckpt").exists():
        assert cluster.about(job)["JobState"] == "RUNNING", output(tmp_path)
    os.kill(int((tmp_path / "rank-1").read_text()), signal.SIGKILL)
    assert cluster.wait(job, *slurm.ENDED, seconds=60) == "FAILED"
    assert "process 1 of this command has ended without a message" in output(tmp_path)
    cluster.run("scontrol", "requeue", job)
    assert cluster.wait(job, "COMPLETED", seconds=120) == "COMPLETED"
    assert (tmp_path / f"killed-{job}/version_0/run.json").is_file()


@pytest.mark.soak
@pytest.mark.skipif(not SOAKING, reason="one of the long tests")
def test_the_tasks_of_an_array_job_train_a_fold_each_also_if_requeued(cluster, small_arrays, tmp_path):
    words = words_of_fit(
        small_arrays, tmp_path, "--trainer.max_epochs=2", "--folds=2", f"--out={tmp_path}/cv"
    )
    limits = ["--array=1-2", "--gres=none", "--cpus-per-task=1"]
    job = cluster.submit(*limits, SCRIPTS / "crossval.sbatch", *words, slow(tmp_path, 0.3), cwd=tmp_path)
    first = tmp_path / "cv/fold_0/version_0"
    while not (first / "last.ckpt").exists():  # An epoch is finished.
        assert cluster.about(f"{job}_1")["JobState"] in ("PENDING", "RUNNING")
    cluster.run("scancel", "--signal=USR1", f"{job}_1")
    assert cluster.wait(f"{job}_1", *slurm.ENDED) == "COMPLETED", (
        tmp_path / f"crossval-{job}_1.log"
    ).read_text()
    assert cluster.wait(f"{job}_2", *slurm.ENDED) == "COMPLETED", (
        tmp_path / f"crossval-{job}_2.log"
    ).read_text()
    log = (tmp_path / f"crossval-{job}_1.log").read_text()
    assert f"SLURM has asked job {job}_1 to end: it was requeued" in log
    assert [folder.name for folder in first.parent.glob("version_*")] == ["version_0"]  # It went on.
    weights = first / "best.ckpt"
    before = weights.stat().st_mtime_ns
    main(["crossval", *words, slow(tmp_path, 0.3)])
    assert weights.stat().st_mtime_ns == before
    assert (tmp_path / "cv/summary.json").is_file()
