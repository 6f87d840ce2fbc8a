from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import pytest
from jsonargparse.typing import PositiveInt

import baselines.cli
import data_prep.cli
from data_prep.common.options import CommandParser, FilePath

Filters = Annotated[Sequence[str], str, "FILTER", "*"]


def observe(
    sky_map: FilePath,
    *,
    out: FilePath,
    nights: PositiveInt | None = None,
    filters: Filters = ("g", "r"),
    dry_run: bool = False,
) -> None:
    """Observe
    a field.

    Takes a night,
    or two.

    Args:
        sky_map: what to observe
        out: table
            to write
        nights: how many
        filters: what to observe it in
        dry_run: move nothing
    """


@pytest.fixture
def parser():
    return CommandParser("observe", observe)


def test_parameters_are_options_and_those_by_position_are_positional(parser):
    given = parser.parse_args(["plan.txt", "--out", "t", "--nights=2", "--filters", "u", "z", "--dry-run"])
    assert given.as_dict() == {
        "sky_map": Path("plan.txt"),
        "out": Path("t"),
        "nights": 2,
        "filters": ["u", "z"],
        "dry_run": True,
    }
    given = parser.parse_args(["plan.txt", "--out", "t", "--filters"])
    assert (given.nights, given.filters, given.dry_run) == (None, [], False)
    assert parser.parse_args(["plan.txt", "--out", "t"]).filters == ["g", "r"]


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["plan"], "required: out"),
        (["--out", "t"], "required: sky_map"),
        (["plan", "--out", "t", "--nights", "0"], "restriction v>0"),
        (["plan", "--out", "t", "--dry-run=yes"], "ignored explicit argument"),
        (["plan", "--out", "$NO_SUCH_FOLDER/t"], "NO_SUCH_FOLDER is not set"),
    ],
)
def test_what_a_parameter_does_not_take_is_refused(parser, words, reason, capsys):
    with pytest.raises(SystemExit, match="2"):
        parser.parse_args(words)
    assert reason in capsys.readouterr().err


def test_the_docstring_is_the_help(parser, monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")
    assert (
        parser.format_help()
        == """\
usage: observe FILE --out FILE [options]

Observe a field.
Takes a night, or two.

positional arguments:
  FILE                  what to observe

options:
  -h, --help            show this help message and exit
  --out FILE            table to write (required)
  --nights NIGHTS       how many
  --filters [FILTER ...]
                        what to observe it in (default: g r)
  --dry-run             move nothing
"""
    )


@pytest.mark.parametrize("commands", [data_prep.cli.COMMANDS, baselines.cli.COMMANDS, baselines.cli.FITS])
def test_every_option_is_explained(commands):
    for name, command in commands.commands.items():
        if callable(command):
            for action in CommandParser(name, command)._actions:
                assert action.help, f"{name} {action.dest}"
