import pytest
from jsonargparse import ArgumentParser

from data_prep.common.plain_help import PlainHelp

METHODS = sorted(name for name, method in vars(PlainHelp).items() if callable(method) and name[1] != "_")


@pytest.fixture
def parser():
    description = "Counts galaxies.\n\npython -m count galaxies.csv"
    parser = ArgumentParser(prog="count", description=description, formatter_class=PlainHelp)
    parser.add_argument("--n", type=int, default=3, help="how many")
    parser.add_argument("--out", type=str, required=True, help="where they go")
    return parser


def test_the_help_says_what_an_option_means_and_its_default(parser):
    text = parser.format_help()
    assert "Counts galaxies.\n\npython -m count galaxies.csv\n" in text
    assert "how many (default: 3)\n" in text
    assert "where they go (required)\n" in text


@pytest.mark.parametrize("method", METHODS)
def test_where_argparse_calls_a_method_no_more_the_help_is_still_there(parser, monkeypatch, method):
    monkeypatch.delattr(PlainHelp, method)
    text = parser.format_help()
    assert all(words in text for words in ("Counts galaxies.", "--n", "how many", "--out", "where they go"))
