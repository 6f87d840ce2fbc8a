"""All files name the same version, and the image installs what the lock says."""

import os
import re
import runpy
import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
SCRIPT = runpy.run_path(str(ROOT / "packaging/runtime_lock.py"))
lock_entries, runtime_lock = SCRIPT["lock_entries"], SCRIPT["runtime_lock"]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
LOCK = (ROOT / "requirements.lock").read_text(encoding="utf-8")


def test_all_files_name_the_same_version():
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    newest, date = re.search(r"^## (\d\S*) - (\d{4}-\d{2}-\d{2})$", changelog, re.MULTILINE).groups()
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    recipe = yaml.safe_load((ROOT / "packaging/conda/recipe.yaml").read_text(encoding="utf-8"))
    image = re.search(r"^ARG VERSION=(.*)$", (ROOT / "packaging/Dockerfile").read_text(), re.MULTILINE)
    found = {newest, citation["version"], recipe["context"]["version"], image[1]}
    assert found == {PROJECT["version"]}
    assert str(citation["date-released"]) == date


@pytest.mark.skipif("GALAXY_WHEEL" not in os.environ, reason="only the wheel is surely installed anew")
def test_the_installed_version_is_that_of_pyproject():
    assert version("galaxy-lightning") == PROJECT["version"]


def test_the_image_installs_the_libraries_of_the_package_with_their_hashes():
    text = runtime_lock(LOCK, PROJECT, ["explain"])
    names = {name for name, _, _ in lock_entries(text)}
    assert {"torch", "numpy", "markupsafe", "nvidia-cublas", "numba"} <= names
    assert not names & {"tensorflow", "pytest", "mypy", "timm", "wandb"}
    assert all("--hash=sha256:" in entry for _, _, entry in lock_entries(text))
    assert text.count("--hash") < LOCK.count("--hash")
    cpu = {name for name, _, _ in lock_entries(runtime_lock(LOCK, PROJECT, ["explain"], cpu=True))}
    assert names - cpu == {name for name in names if name.startswith(("cuda-", "nvidia-"))} | {
        "torch",
        "torchvision",
        "triton",
    }
