"""Output that cannot be written: the command still completes its work."""

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest

from data_prep.common.output import guarded_output

FULL = Path("/dev/full")


def start(words, **more):
    return subprocess.Popen([sys.executable, "-m", *words], **more)


@pytest.mark.parametrize("module", ["data_prep", "galaxy_lightning", "baselines"])
@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_a_closed_pipe_is_ignored(module, stream):
    reader, writer = os.pipe()
    os.close(reader)
    other = "stderr" if stream == "stdout" else "stdout"
    words = [module, "--help"] if stream == "stdout" else [module, "nonsense"]
    with start(words, **{stream: writer, other: subprocess.PIPE}) as process:
        os.close(writer)
        said = getattr(process, other).read()
        assert process.wait() == (0 if stream == "stdout" else process.returncode)
        assert process.returncode in (0, 1, 2)
        assert b"BrokenPipe" not in said


@pytest.mark.skipif(not FULL.exists(), reason="the system has no device that is always full")
def test_a_full_standard_output_is_reported_and_the_result_is_complete(raw, tmp_path):
    out = tmp_path / "sample.csv"
    with (
        FULL.open("w") as full,
        start(
            ["data_prep", "extract", "--raw", str(raw), "--out", str(out), "--n", "all"],
            stdout=full,
            stderr=subprocess.PIPE,
        ) as process,
    ):
        said = process.stderr.read().decode()
    assert process.returncode == 0
    assert said == (
        "python -m data_prep: standard output could not be written: [Errno 28] No space left on device\n"
    )
    assert out.is_file()
    assert out.with_suffix(".json").is_file()


def test_characters_that_a_console_lacks_are_escaped(monkeypatch):
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding="cp1252", newline=""))
    with guarded_output("test"):
        print("0.83 ± 0.02, Ångström, 星系")
    assert raw.getvalue().decode("cp1252") == "0.83 ± 0.02, Ångström, \\u661f\\u7cfb\n"


def test_an_ascii_console_shows_every_help():
    for module in ("data_prep", "galaxy_lightning", "baselines"):
        environment = os.environ | {"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
        subprocess.run(
            [sys.executable, "-m", module, "--help"], env=environment, check=True, capture_output=True
        )


def test_the_work_continues_without_any_output(monkeypatch):
    monkeypatch.setattr(sys, "stdout", None)
    with guarded_output("test"):
        print("nobody reads this")
    closed = io.StringIO()
    closed.close()
    monkeypatch.setattr(sys, "stderr", closed)
    with guarded_output("test"):
        print("nor this", file=sys.stderr)
    assert sys.stderr is closed
