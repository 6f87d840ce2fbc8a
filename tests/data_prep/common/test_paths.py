"""Paths as users write them: every option that takes a path expands it once, or refuses it."""

import os
import re
from pathlib import Path
from typing import get_type_hints

import pytest

import baselines.cli
import data_prep.cli
from data_prep.cli import main
from data_prep.common.commands import Commands
from data_prep.common.errors import GalaxyError
from data_prep.common.options import CommandParser
from data_prep.common.paths import expand_path, user_path


@pytest.fixture
def home(tmp_path, monkeypatch):
    (tmp_path / "home").mkdir()
    (tmp_path / "work").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("SCRATCH", str(tmp_path / "scratch"))
    monkeypatch.delenv("UNSET", raising=False)
    monkeypatch.chdir(tmp_path / "work")
    return tmp_path / "home"


def test_home_and_variables_are_expanded(home):
    assert expand_path("~/x") == str(home / "x")
    assert expand_path("$SCRATCH/x") == expand_path("${SCRATCH}/x") == str(home.parent / "scratch/x")
    assert expand_path("a/b~") == "a/b~"
    assert expand_path("./~") == "./~"
    Path("cost$5").mkdir()
    assert expand_path("cost$5") == "cost$5"


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("~nobody-of-that-name/x", "there is no user 'nobody-of-that-name'"),
        ("$UNSET/x", r"the environment variable \$UNSET is not set"),
        ("a/${UNSET}", r"the environment variable \$\{UNSET\} is not set"),
        ("", "a path is empty"),
        (" ", "a path is empty"),
        ("a\0b", "NUL"),
    ],
)
def test_paths_that_cannot_be_expanded_are_refused(home, path, reason):
    with pytest.raises(GalaxyError, match=reason):
        expand_path(path)
    with pytest.raises(ValueError, match=reason):
        user_path(path)


def test_parent_folders_in_paths_are_resolved_through_links(home, tmp_path):
    assert expand_path("new/../x") == str(tmp_path / "work/x")
    (tmp_path / "elsewhere/deep").mkdir(parents=True)
    Path("link").symlink_to(tmp_path / "elsewhere/deep")
    assert expand_path("link/../x") == str(tmp_path / "elsewhere/x")


@pytest.mark.parametrize("out", ["~/raw", "$HOME/raw", "nowhere/../../home/raw", "../home/raw/"])
def test_results_are_written_where_a_shell_would_write_them(home, out):
    main(["simulate", f"--out={out}", "--n", "1", "--workers", "1"])
    assert (home / "raw/truth.csv").is_file()
    assert not os.listdir(".")


def functions(commands):
    for name, command in commands.commands.items():
        if isinstance(command, Commands):
            yield from functions(command)
        else:
            yield pytest.param(command, id=name)


@pytest.mark.parametrize("command", [*functions(data_prep.cli.COMMANDS), *functions(baselines.cli.COMMANDS)])
def test_every_option_that_takes_a_path_expands_it(command):
    """Each that is a path for Python, and the same whose help shows the name of a file or folder."""
    actions = {action.dest: action for action in CommandParser("program", command)._actions}
    metavars = r"RAW|FILE|ARRAYS|OUT|RUN|REPORT|FOLDER|TABLE"
    shown = {name for name, action in actions.items() if re.fullmatch(metavars, str(action.metavar))}
    assert shown == {name for name, hint in get_type_hints(command).items() if "Path" in str(hint)} != set()
    for name in shown:
        assert actions[name].type is user_path, name
