import pytest

from benchmarks.rows import Row, format_table, ratios


def test_the_table_shows_medians_spread_and_target():
    row = Row(
        "loading", "training", ratios([10, 30, 22], [10, 10, 10]), "copying", [0.1, 0.3, 0.2], "at least 2"
    )
    lines = list(format_table([row, Row("starting", "", [0.31], "", unit="s", target="at most 1")]))
    assert lines[2:] == [
        "| loading | training | **2.2** | 1 to 3 | at least 2 | 0.20 of copying |",
        "| starting |  | **0.31 s** | 0.31 to 0.31 | at most 1 |  |",
    ]
    assert {line.count("|") for line in lines} == {7}
    assert row.as_dict()["median"] == pytest.approx(2.2)
    assert row.as_dict()["maximum"] == 3
