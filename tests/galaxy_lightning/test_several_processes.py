"""Several processes give the results of one: every galaxy is used once, whatever their number."""

import json
import os
import shutil
import subprocess
import sys

import pandas as pd
import pytest

from data_prep.arrays.format import open_arrays
from galaxy_lightning.cli.main import main
from tests.fuzzing import SOAKING
from tests.galaxy_lightning.made_runs import fit_reference_cnn

TOLERANCE = 1e-6
LONG = [pytest.mark.soak, pytest.mark.skipif(not SOAKING, reason="one of the long tests")]


def devices(number):
    return ["--trainer.accelerator=cpu", f"--trainer.devices={number}", "--trainer.strategy=ddp"]


def callback(name, **settings):
    call = {"class_path": f"tests.galaxy_lightning.interrupting.{name}", "init_args": settings}
    return f"--trainer.callbacks={json.dumps(call)}"


def run_command(*words):
    done = subprocess.run(
        [sys.executable, "-m", "galaxy_lightning", *words],
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert "Traceback" not in done.stderr
    return done


@pytest.fixture(scope="module")
def run(small_arrays, tmp_path_factory):
    return fit_reference_cnn(small_arrays, tmp_path_factory.mktemp("runs"))


def numbers(folder):
    """The numbers in a folder's metrics.json, by name."""
    metrics = pd.json_normalize(json.loads((folder / "metrics.json").read_text()))
    return metrics.select_dtypes("number").iloc[0]


@pytest.mark.parametrize("command", ["test", pytest.param("validate", marks=LONG)])
def test_metrics_are_those_of_one_process(run, small_arrays, tmp_path, command):
    galaxies = len(open_arrays(small_arrays).rows({"test": "test", "validate": "val"}[command]))
    assert galaxies % 5  # No process has an equal share.
    words = [command, f"--ckpt_path={run}", "--data.batch_size=2"]
    main([*words, f"--out={tmp_path}/one"])
    done = run_command(*words, f"--out={tmp_path}/five", *devices(5))
    assert done.returncode == 0, done.stderr
    pd.testing.assert_series_equal(
        numbers(tmp_path / "five"), numbers(tmp_path / "one"), rtol=0, atol=TOLERANCE
    )
    tables = [(tmp_path / name / "confusion_matrix.csv").read_bytes() for name in ("five", "one")]
    assert tables[0] == tables[1]


@pytest.mark.parametrize("processes", [3, pytest.param(1, marks=LONG)])
def test_predictions_resume_on_another_number_of_processes(run, tmp_path, processes):
    words = ["predict", f"--ckpt_path={run}", "--data.batch_size=3"]
    main([*words, f"--out={tmp_path}/whole.csv"])
    table = tmp_path / "table.csv"
    words.append(f"--out={table}")
    cut = run_command(*words, *devices(2), callback("KillAfter", rank=1, batch=5))
    assert cut.returncode == 1
    parts = sorted(path.name for path in tmp_path.glob("table.partial-*.csv"))
    assert parts == ["table.partial-0.csv", "table.partial-1.csv"]
    resumed = run_command(*words, *devices(processes))
    assert resumed.returncode == 0, resumed.stderr
    assert "Resuming after" in resumed.stdout
    assert table.read_bytes() == (tmp_path / "whole.csv").read_bytes()
    assert sorted(os.listdir(tmp_path)) == ["table.csv", "whole.csv"]


@pytest.mark.parametrize("killed", [False, True])
def test_a_process_waits_for_a_later_one_beyond_the_time_limit_of_pytorch(run, tmp_path, killed):
    table = tmp_path / "table.csv"
    words = ["predict", f"--ckpt_path={run}", f"--out={table}", *devices(2)]
    done = run_command(*words, callback("Late", rank=1, limit=1, seconds=6, killed=killed))
    if killed:
        assert done.returncode == 1
        assert "process 1 of this command has ended without a message" in done.stderr
        assert not table.exists()
    else:
        assert done.returncode == 0, done.stderr
        assert table.exists()


def test_processes_that_see_other_images_are_refused(run, raw, tmp_path):
    images, others = (
        shutil.copytree(raw / "images_gz2/images", tmp_path / name) for name in ("all", "fewer")
    )
    min(others.iterdir()).unlink()
    out = tmp_path / "out"
    words = ["predict", f"--ckpt_path={run}", f"--data.images={images}", f"--out={out}/p.csv"]
    words.append("--data.batch_size=8")
    run_command(*words, callback("KillAfter", rank=0, batch=2))
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    assert sorted(before) == ["p.partial-0.csv", "p.partial-0.json"]
    done = run_command(*words, *devices(2), callback("SeeOtherImages", rank=1, folder=str(others)))
    assert done.returncode == 1
    assert done.stderr.count("error: ") == 1
    assert "process 1 of this command sees other galaxies than process 0: run the command" in done.stderr
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before
