import json

import pandas as pd
import pytest

from data_prep.common.errors import GalaxyError
from data_prep.samples.sample_file import (
    draw_sample,
    excluded_path,
    refuse_existing_sample,
    summary_path,
    write_sample,
)

ROWS = pd.DataFrame({"objid": range(10), "label": ["a", "b"] * 5})


def test_the_companions_of_a_sample_are_beside_it(tmp_path):
    assert summary_path(tmp_path / "my.sample.csv") == tmp_path / "my.sample.json"
    assert excluded_path(tmp_path / "my.sample.csv") == tmp_path / "my.sample_excluded.csv"


def test_all_files_are_written_and_an_older_list_is_removed(tmp_path):
    out = tmp_path / "new/s.csv"
    listed = pd.DataFrame({"id": ["7", "\udcff"], "reason": ["no image", "no label"]}, dtype=object)
    write_sample(out, ROWS, {"galaxies": 10}, listed)
    assert pd.read_csv(out).equals(ROWS)
    assert json.loads(summary_path(out).read_text()) == {"galaxies": 10}
    assert pd.read_csv(excluded_path(out), dtype=str)["id"].tolist() == ["7", r"\udcff"]
    write_sample(out, ROWS, {"galaxies": 10}, listed.head(0))
    assert sorted(path.name for path in out.parent.iterdir()) == ["s.csv", "s.json"]


def test_a_failure_leaves_the_older_files(tmp_path):
    out = tmp_path / "s.csv"
    write_sample(out, ROWS, {"galaxies": 10})
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(TypeError):
        write_sample(out, ROWS.head(2), {"galaxies": object()})
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


@pytest.mark.parametrize("name", ["s.csv", "s.json", "s_excluded.csv"])
def test_no_file_is_replaced_unless_allowed(tmp_path, name):
    (tmp_path / name).touch()
    with pytest.raises(GalaxyError, match=f"{name} already exists"):
        refuse_existing_sample(tmp_path / "s.csv", overwrite=False)
    refuse_existing_sample(tmp_path / "s.csv", overwrite=True)


@pytest.mark.parametrize("name", ["s", "s.txt", "s.CSV.gz", "s.json"])
def test_a_sample_is_a_csv(tmp_path, name):
    with pytest.raises(GalaxyError, match=r"use a name that ends in \.csv"):
        refuse_existing_sample(tmp_path / name, overwrite=True)


def test_a_draw_is_random_without_repetition_and_determined_by_the_seed(tmp_path):
    draws = [draw_sample(ROWS, 6, seed, tmp_path, {}, [])["objid"].tolist() for seed in (1, 1, 2)]
    assert draws[0] == draws[1] != draws[2]
    assert len(set(draws[0])) == 6
    assert sorted(draw_sample(ROWS, "all", 1, tmp_path, {}, [])["objid"]) == list(range(10))


def test_too_few_galaxies_are_explained(tmp_path):
    with pytest.raises(
        GalaxyError, match=r"11 .* but 10 are eligible \(excluded: 3 no image\): choose --n from"
    ):
        draw_sample(ROWS, 11, 0, tmp_path, {"no image": 3}, [])
    with pytest.raises(
        GalaxyError, match=r"no galaxies are eligible .*: check the tables and images; a hint"
    ):
        draw_sample(ROWS.head(0), "all", 0, tmp_path, {}, ["a hint"])
