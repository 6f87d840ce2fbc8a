"""The conda recipe is valid and has the version, commands and dependencies of pyproject.toml."""

import re
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "packaging/conda"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
RECIPE = yaml.safe_load((FOLDER / "recipe.yaml").read_text(encoding="utf-8"))
CONDA_NAMES = {"astropy": "astropy-base", "matplotlib": "matplotlib-base", "torch": "pytorch"}
"""Where the names on conda-forge differ from those on PyPI."""
SIGNATURES = {"docstring_parser", "typeshed-client"}
"""What the extra "signatures" of jsonargparse adds."""
TOOLS = {"dev", "dist", "docs"}
"""Extras for the development of the package."""


def conda_specs(requirements):
    """Returns requirements of pyproject.toml in the form of conda."""
    specs = set()
    for requirement in requirements:
        name, bounds = re.fullmatch(r"([\w.-]+)(?:\[.*\])?([<>=].*)", requirement).groups()
        specs.add(f"{CONDA_NAMES.get(name, name)} {','.join(sorted(bounds.split(','), reverse=True))}")
    return specs


def test_the_dependencies_are_those_of_pyproject():
    python, *run = RECIPE["requirements"]["run"]
    assert python == "python >=${{ python_min }}"
    assert f">={RECIPE['context']['python_min']}" == PROJECT["requires-python"]
    assert {spec for spec in run if spec.split()[0] not in SIGNATURES} == conda_specs(PROJECT["dependencies"])
    extras = PROJECT["optional-dependencies"].items()
    optional = [requirement for extra, names in extras if extra not in TOOLS for requirement in names]
    assert set(RECIPE["requirements"]["run_constraints"]) == conda_specs(optional)


def test_the_commands_and_the_build_backend_are_those_of_pyproject():
    commands = dict(entry.split(" = ") for entry in RECIPE["build"]["python"]["entry_points"])
    assert commands == PROJECT["scripts"]
    build = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["build-system"]["requires"]
    assert conda_specs(build) <= set(RECIPE["requirements"]["host"])


def test_the_recipe_can_be_rendered():
    rattler_build = pytest.importorskip("rattler_build", reason="py-rattler-build is not installed")
    text = (FOLDER / "recipe.yaml").read_text(encoding="utf-8")
    variants = rattler_build.Stage0Recipe.from_yaml(text, recipe_dir=FOLDER).render()
    assert [variant.recipe.package.name for variant in variants] == ["galaxy-lightning"]
    assert [str(variant.recipe.package.version) for variant in variants] == [PROJECT["version"]]
    with pytest.raises(rattler_build.RattlerBuildError):
        rattler_build.Stage0Recipe.from_yaml(text.replace("run_constraints", "run_constrained_by"))
