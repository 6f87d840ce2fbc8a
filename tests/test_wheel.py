"""The wheel works without the clone, from any folder and offline, and finds its configs by name."""

import os
import re
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


ONE_AFTER_ANOTHER = """
import runpy, shlex, sys
for command in sys.argv[1:]:
    sys.argv = shlex.split(command)
    try:
        runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
    except SystemExit as end:
        assert not end.code, f"{command}: status {end.code}"
"""
"""Runs commands as ``python -m`` does, in one process, since the libraries take seconds to import."""


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Runs commands of the installed wheel in an empty folder; the clone cannot be imported."""
    folder = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    if "GALAXY_WHEEL" in os.environ:
        wheel = os.environ["GALAXY_WHEEL"]
    else:
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

    def run(*commands: str) -> str:
        done = subprocess.run(
            [str(python), "-c", ONE_AFTER_ANOTHER, *commands],
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
    printed = run(
        "data_prep simulate --out new --n 20 --seed 5",
        "galaxy_lightning predict --data.images new/images_gz2/images --out new.csv",
        "galaxy_lightning model --about",
    )
    assert "Model: galaxy_zoo1" in printed
    assert len((run.here / "new.csv").read_text().splitlines()) == 21
    assert re.search("^model: +galaxy_zoo1", printed, re.MULTILINE)


def test_every_step_works_from_another_folder(run):
    assert f"'{ROOT}'" not in run("site")
    shown = run(
        "data_prep simulate --out raw --n 60",
        "data_prep extract --raw raw --out s.csv --n all",
        "data_prep preprocess --sample s.csv --raw raw --out arrays --crop 64",
        "galaxy_lightning fit --data.arrays arrays --model.image_size 64 --trainer.max_epochs 1",
        "galaxy_lightning test --ckpt_path runs/galaxy_cnn/version_0",
        "galaxy_lightning predict --ckpt_path runs/galaxy_cnn/version_0 --data.images raw --out table.csv",
        "baselines compare --data arrays --out report --models majority --runs runs/galaxy_cnn/version_0",
        "galaxy_lightning fit --data.arrays arrays --print_config",
        "galaxy_lightning fit --data.arrays arrays --config reference_cnn --print_config",
    )
    assert (run.here / "table.csv").read_text().startswith("id,path,p_elliptical")
    assert (run.here / "report/report.html").is_file()
    assert {"  network: galaxy_cnn", "  network: reference_cnn"} <= set(shown.splitlines())
