"""The wheel works without the clone, from any folder and offline, and finds its configs by name."""

import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
OFFLINE = """
import socket

def connect(self, address):
    raise OSError(f"there is no network: {address}")

socket.socket.connect = connect
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Runs a module of the installed wheel in an empty folder; the clone cannot be imported."""
    folder = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    build = ["wheel", str(ROOT), "--no-deps", "--no-build-isolation", "--wheel-dir", str(folder)]
    subprocess.run([*pip, *build], check=True)
    (wheel,) = folder.glob("*.whl")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder / "env")], check=True)
    scripts = "Scripts/python.exe" if sys.platform == "win32" else "bin/python"
    python = folder / "env" / scripts
    subprocess.run([*pip, "--python", str(python), "install", "--no-deps", str(wheel)], check=True)
    (site,) = (folder / "env").glob("**/site-packages")
    # The libraries of this environment, without packages that are installed in editable mode.
    (site / "libraries.pth").write_text(sysconfig.get_path("purelib") + "\n")
    (site / "sitecustomize.py").write_text(OFFLINE)
    here = folder / "here"
    here.mkdir()

    def run(*words: str) -> str:
        done = subprocess.run(
            [str(python), "-m", *words],
            cwd=here,
            env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    run.here = here
    return run


def test_a_folder_is_classified_without_a_network_right_after_the_installation(run):
    run("data_prep", "simulate", "--out", "new", "--n", "20", "--seed", "5")
    printed = run("galaxy_lightning", "predict", "--data.images", "new/images_gz2/images", "--out", "new.csv")
    assert "Model: galaxy_zoo1" in printed
    assert len((run.here / "new.csv").read_text().splitlines()) == 21
    assert "galaxy_zoo1" in run("galaxy_lightning", "model", "--about")


def test_every_step_works_from_another_folder(run):
    assert f"'{ROOT}'" not in run("site")
    run("data_prep", "simulate", "--out", "raw", "--n", "60")
    run("data_prep", "extract", "--raw", "raw", "--out", "s.csv", "--n", "all")
    run("data_prep", "preprocess", "--sample", "s.csv", "--raw", "raw", "--out", "arrays", "--crop", "64")
    short = ["--data.arrays", "arrays", "--model.image_size", "64", "--trainer.max_epochs", "1"]
    run("galaxy_lightning", "fit", *short)
    run("galaxy_lightning", "test", "--ckpt_path", "runs/galaxy_cnn/version_0")
    run("galaxy_lightning", "predict", "--ckpt_path", "runs/galaxy_cnn/version_0", "--data.images", "raw",
        "--out", "table.csv")  # fmt: skip
    assert (run.here / "table.csv").read_text().startswith("id,path,p_elliptical")
    run("baselines", "compare", "--data", "arrays", "--out", "report", "--models", "majority",
        "--runs", "runs/galaxy_cnn/version_0")  # fmt: skip
    assert (run.here / "report/report.html").is_file()
    for options, network in (((), "galaxy_cnn"), (("--config", "reference_cnn"), "reference_cnn")):
        shown = run("galaxy_lightning", "fit", "--data.arrays", "arrays", *options, "--print_config")
        assert f"network: {network}" in shown
