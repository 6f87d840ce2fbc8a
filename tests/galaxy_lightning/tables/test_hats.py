"""The documented call that makes a HATS catalogue from a Parquet table."""

import re
from pathlib import Path

import pytest

from tests.galaxy_lightning.tables.made_tables import OBJIDS, ROWS, converted, csv_table

DOCUMENT = Path(__file__).parents[3] / "docs/tables.md"


def test_lsdb_makes_a_hats_catalogue(tmp_path, monkeypatch):
    lsdb = pytest.importorskip("lsdb")
    rows = [ROWS[0], ROWS[2]]  # LSDB needs all positions.
    converted(tmp_path, ".parquet", csv_table(tmp_path, rows)).rename(tmp_path / "galaxies.parquet")
    monkeypatch.chdir(tmp_path)
    code = re.findall(r"```python\n(.*?)```", DOCUMENT.read_text(encoding="utf-8"), re.DOTALL)
    exec(code[0], {})
    found = lsdb.open_catalog("galaxies_hats").compute().sort_values("objid")
    assert found["objid"].tolist() == [OBJIDS[0], OBJIDS[2]]
    assert found["p_spiral"].tolist() == [0.7, 0.0]
