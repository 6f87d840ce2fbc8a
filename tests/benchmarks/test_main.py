import json
import sys

import benchmarks.__main__ as program
from benchmarks.rows import Row


def test_groups_are_measured_printed_and_written(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(program, "Survey", lambda folder, galaxies: galaxies)
    for group in ("feeding", "starting"):
        monkeypatch.setitem(
            program.GROUPS, group, lambda survey, repeats, name=group: [Row(name, "", [survey] * repeats, "")]
        )
    words = ["benchmarks", "--only", "starting", "--repeats", "2", "--out", str(tmp_path / "b.json")]
    monkeypatch.setattr(sys, "argv", words)
    program.main()
    shown = capsys.readouterr().out
    assert "| starting |  | **1,000** |" in shown
    assert "feeding" not in shown
    (row,) = json.loads((tmp_path / "b.json").read_text())["rows"]
    assert row["values"] == [1000, 1000]
