import subprocess
import sys

import pytest

from data_prep.cli import main


@pytest.mark.parametrize("command", [[], ["simulate"], ["extract"], ["cutouts"], ["preprocess"], ["check"]])
def test_help_shows_no_python_types(command, capsys):
    with pytest.raises(SystemExit) as caught:
        main([*command, "--help"])
    assert caught.value.code == 0
    text = capsys.readouterr().out
    assert text.startswith("usage: python -m data_prep")
    assert "type:" not in text
    assert "<class" not in text


def test_without_arguments_the_commands_are_shown(capsys):
    main([])
    assert "preprocess" in capsys.readouterr().out


def test_the_complete_preparation_from_the_command_line(raw, tmp_path, capsys):
    sample, arrays = str(tmp_path / "sample.csv"), str(tmp_path / "arrays")
    main(["extract", "--raw", str(raw), "--out", sample, "--n", "40", "--label_rule", "flags", "--seed", "2"])
    main(
        [
            "preprocess",
            "--sample",
            sample,
            "--raw",
            str(raw),
            "--out",
            arrays,
            "--crop",
            "64",
            "--rotate-once",
        ]
    )
    main(["check", arrays])
    out = capsys.readouterr().out
    assert "40 of 80 eligible galaxies" in out
    assert f"fit --config galaxy_cnn --data.arrays {arrays}" in out
    assert "no galaxy in two splits" in out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["extract", "--raw", "nowhere", "--out", "s.csv"], "nowhere is not a raw Galaxy Zoo folder"),
        (["preprocess", "--sample", "no.csv", "--raw", ".", "--out", "a"], "no.csv is missing"),
        (["check", "nowhere"], "nowhere does not hold galaxy arrays"),
    ],
)
def test_a_user_error_is_one_line_and_status_1(words, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as caught:
        main(words)
    assert caught.value.code == 1
    error = capsys.readouterr().err
    assert error.startswith(f"python -m data_prep {words[0]}: error: {message}")
    assert error.count("\n") == 1


@pytest.mark.parametrize("words", [["extract"], ["extract", "--raw", "r", "--out", "o", "--n", "0"], ["fly"]])
def test_an_invalid_command_line_is_status_2(words, capsys):
    with pytest.raises(SystemExit) as caught:
        main(words)
    assert caught.value.code == 2


@pytest.mark.parametrize("package", ["data_prep", "baselines"])
def test_neither_torch_nor_anything_heavy_is_imported_for_the_help(package):
    heavy = "{'torch', 'pandas', 'numpy'}"
    code = f"import sys, {package}.cli as c; c.main([]); print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.endswith("[]\n")
