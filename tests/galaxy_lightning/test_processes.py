import sys

import pytest

from data_prep.errors import GalaxyError, Terminated
from galaxy_lightning.processes import run_module


@pytest.fixture
def module(tmp_path, monkeypatch):
    """Makes a module of some lines that can be run."""
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))

    def module(*lines):
        (tmp_path / "told.py").write_text("\n".join(["import os, sys, time", *lines]))
        return ["told", "a word"]

    return module


def test_it_is_run_with_its_words_and_says_what_it_says(module, capfd):
    run_module(module("print(sys.argv[1])", "print('42%', end='', file=sys.stderr)"))
    out, err = capfd.readouterr()
    assert out == "a word\n"
    assert err == "42%"


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("sys.exit('told: error: no such\\n galaxy')", "ended with status 1: no such galaxy"),
        ("sys.exit('the last word')", "ended with status 1: the last word"),
        ("os.kill(os.getpid(), 9)", "was killed by signal 9, perhaps for want of memory"),
        ("os.kill(os.getpid(), 6)", "was killed by signal 6"),
    ],
)
def test_why_it_has_failed(module, line, reason):
    with pytest.raises(GalaxyError) as caught:
        run_module(module(line))
    assert str(caught.value) == reason


def test_it_is_asked_to_end_when_we_are(module, monkeypatch, tmp_path):
    def asked(text):
        raise Terminated

    monkeypatch.setattr(sys.stderr, "write", asked)
    begun = "print('begun', file=sys.stderr, flush=True)"
    ended = f"open({str(tmp_path / 'ended')!r}, 'w')"
    with pytest.raises(Terminated):
        run_module(module(begun, "time.sleep(600)", ended))
    assert not (tmp_path / "ended").exists()
