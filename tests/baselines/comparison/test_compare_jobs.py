"""Comparisons whose models are trained at once or in parts: the same figures, and honest times."""

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time

import pytest

from baselines.cli import main
from baselines.comparison.jobs import plan_jobs
from baselines.recording import describe_threads
from data_prep.arrays.format import open_arrays
from data_prep.common.locks import try_lock
from data_prep.common.threads import cores
from galaxy_lightning.shipped_configs import find_config
from tests.baselines.comparison.test_killed_compare import without_times

MODELS = ["scratch", "majority"]
JOBS = ("scratch/seed_0", "majority/seed_0", "scratch/seed_1")


def words_of(arrays, out, *more):
    return [
        "compare",
        "--data",
        str(arrays),
        "--out",
        str(out),
        "--models",
        *MODELS,
        "--seeds",
        "0",
        "1",
        *more,
    ]


def figures(report):
    """Returns the figures of a report, without those that depend on the machine."""
    summary = without_times(json.loads((report / "metrics.json").read_text()))
    for model in summary["models"]:
        for run in model["runs"]:
            run.pop("fits_at_once")
    return summary


def start(*words):
    return subprocess.Popen(
        [sys.executable, "-m", "baselines", *words], text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


@pytest.fixture(scope="module")
def in_turn(small_arrays, tmp_path_factory):
    """The report on models that were trained one after the other."""
    out = tmp_path_factory.mktemp("compare") / "report"
    main(words_of(small_arrays, out))
    assert "fits at once" not in (out / "report.md").read_text()
    return out


@pytest.mark.skipif(cores() < 2, reason="needs two cores")
def test_models_trained_at_once_have_the_same_figures_and_a_note_on_their_times(
    small_arrays, in_turn, tmp_path, capfd
):
    out = tmp_path / "report"
    main(words_of(small_arrays, out, "--jobs", "2"))
    shown = capfd.readouterr()
    assert figures(out) == figures(in_turn)
    for number, job in enumerate(("scratch, seed 0", "majority, seed 0", "scratch, seed 1"), start=1):
        assert f"[{number}/3] training {job}\n" in shown.out
        assert f"[{number}/3] {job}: complete ({out}/runs/" in shown.out
    assert re.search(r"^Training up to 2 fits at once, each on \d+ cores?$", shown.err, re.MULTILINE)
    assert "epoch" not in shown.err
    text = (out / "report.md").read_text()
    assert "1 CPU thread, 2 fits at once" in text
    assert "their training times are not those of a fit that runs alone" in text
    assert not [*out.glob(".*"), *out.glob("runs/*/.*")]
    assert json.loads((out / "runs/scratch/seed_1/run.json").read_text())["fits_at_once"] == 2


def test_parts_train_their_models_and_are_combined(small_arrays, in_turn, tmp_path, capfd):
    out = tmp_path / "report"
    parts = [start(*words_of(small_arrays, out, "--part", f"{number}/2")) for number in (1, 2)]
    printed = [part.communicate(timeout=200) for part in parts]
    assert [part.returncode for part in parts] == [0, 0], printed
    for number, (output, _) in enumerate(printed, start=1):
        assert re.findall(r"^\[(.)/3\] training", output, re.MULTILINE) == (["1", "3"], ["2"])[number - 1]
        assert output.splitlines()[-1].startswith(f"Part {number}/2: ")
    assert not (out / "report.html").exists()
    combine = printed[0][0].splitlines()[-1].partition("combine them: python -m baselines ")[2]
    main(shlex.split(combine))
    shown = capfd.readouterr().out
    assert "training" not in shown
    assert figures(out) == figures(in_turn)
    main(words_of(small_arrays, out, "--part", "2/2"))
    assert "Part 2/2: all 3 fits are complete; combine them: " in capfd.readouterr().out


def test_a_killed_comparison_with_two_jobs_resumes_to_the_same_figures(
    small_arrays, in_turn, tmp_path, capfd
):
    out = tmp_path / "report"
    words = words_of(small_arrays, out, "--jobs", "2")
    logs = [out / f"runs/{job}.log" for job in ("scratch/seed_0", "scratch/seed_1")]
    with start(*words) as command:
        until = time.monotonic() + 120
        while (
            not any("epoch" in log.read_text() for log in logs if log.exists()) and time.monotonic() < until
        ):
            time.sleep(0.02)
        command.send_signal(signal.SIGKILL)
    killed = time.monotonic()
    for job in JOBS:
        folder = (out / "runs" / job).parent
        folder.mkdir(exist_ok=True)
        while (lock := try_lock(folder / f".{job.partition('/')[2]}.lock")) is None:
            assert time.monotonic() < killed + 30
            time.sleep(0.1)
        lock.release()
    main(words)
    assert figures(out) == figures(in_turn)


def test_a_model_that_fails_beside_others_is_reported_and_the_part_can_be_repeated(
    small_arrays, tmp_path, capfd
):
    config, out = tmp_path / "broken.yaml", tmp_path / "report"
    config.write_text("model:\n  image_size: 50\ntrainer:\n  max_epochs: 1\n")
    damaged = out / "runs/majority/seed_0"
    damaged.mkdir(parents=True)
    (damaged / "history.csv").write_text("")
    models = ["--models", str(config), *MODELS, "--seeds", "0"]
    with pytest.raises(SystemExit):
        compared = ["compare", "--data", str(small_arrays), "--out", str(out)]
        main([*compared, *models, "--jobs", "4", "--part", "1/1"])
    error = capfd.readouterr().err
    last = error.splitlines()[-1]
    assert "broken, seed 0: ended with status 1: " in last
    assert "images of 64 pixels, but the model needs 50" in last
    assert "majority, seed 0: " in last
    assert "is not a complete run: remove it" in last
    assert "fix the cause and run the same part again" in last
    assert error.count("error: ") == 1
    assert (out / "runs/scratch/seed_0/run.json").exists()


def test_a_config_that_is_named_twice_is_trained_once(small_arrays, tmp_path):
    models = ["galaxy_cnn", find_config("galaxy_cnn"), "majority"]
    jobs = plan_jobs(open_arrays(small_arrays), models, [0, 1], tmp_path)
    assert [str(job) for job in jobs] == ["galaxy_cnn, seed 0", "majority, seed 0", "galaxy_cnn, seed 1"]


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_model_whose_folder_cannot_be_written_does_not_affect_the_others(
    small_arrays, tmp_path, capfd, jobs
):
    out = tmp_path / "report"
    (out / "runs").mkdir(parents=True)
    (out / "runs/scratch").write_text("a file")
    with pytest.raises(SystemExit):
        main(words_of(small_arrays, out, "--seeds", "0", "--jobs", str(jobs)))
    last = capfd.readouterr().err.splitlines()[-1]
    assert f"scratch, seed 0: {out}/runs/scratch/.seed_0.lock cannot be written: " in last
    assert (out / "runs/majority/seed_0/run.json").exists()
    assert (out / "report.html").exists()


@pytest.mark.parametrize(
    ("words", "variables", "message"),
    [
        (["--part", "3/2"], {}, "--part 3/2: the part must be from 1 to 2"),
        (["--jobs", "0"], {}, 'key "jobs"'),
        ([], {"WORLD_SIZE": "2"}, "compare starts the processes of each fit itself: run it without torchrun"),
        ([], {"SLURM_STEP_ID": "0", "SLURM_NTASKS": "2"}, "run it without srun"),
    ],
)
def test_an_invalid_choice_is_refused_before_anything_is_made(
    small_arrays, tmp_path, words, variables, message, capfd, monkeypatch
):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit):
        main(words_of(small_arrays, tmp_path / "report", *words))
    assert message in capfd.readouterr().err
    assert not [*tmp_path.iterdir()]


def test_the_device_of_a_baseline_is_its_number_of_threads(monkeypatch):
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "")
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert describe_threads("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS") == "3 CPU threads"
    assert describe_threads() == f"{cores()} CPU thread{'s' if cores() > 1 else ''}"
    assert os.environ["OMP_NUM_THREADS"] == "3"
