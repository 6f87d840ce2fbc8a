import gzip
import json
import re

import numpy as np
import pandas as pd
import pytest

from data_prep.common.errors import GalaxyError
from data_prep.samples.extract import extract
from data_prep.schema import MAPPING_FILE, TABLE2_COLUMNS, TABLE2_FILE

FIRST = 587722981742084097


def make_raw(folder, objids, table_objids, images, **columns):
    """A raw folder whose images are empty files: extract reads only their names."""
    (folder / "images_gz2/images").mkdir(parents=True)
    for asset_id in images:
        (folder / f"images_gz2/images/{asset_id}.jpg").touch()
    mapping = pd.DataFrame({"objid": objids, "sample": "original", "asset_id": np.arange(1, len(objids) + 1)})
    mapping.to_csv(folder / "gz2_filename_mapping.csv", index=False)
    table = pd.DataFrame(0.5, index=range(len(table_objids)), columns=list(TABLE2_COLUMNS))
    known = {"OBJID": table_objids, "RA": "00:00:00.41", "DEC": "-10:22:25.7", "NVOTE": 30}
    table = table.assign(**(known | {"SPIRAL": 0, "ELLIPTICAL": 0, "UNCERTAIN": 1} | columns))
    table.to_csv(folder / "GalaxyZoo1_DR_table2.csv", index=False)
    return folder


def test_excluded_galaxies_are_counted_by_reason(tmp_path):
    objids = [FIRST + k for k in (0, 1, 2, 3, 4, 4)]
    raw = make_raw(
        tmp_path / "raw",
        objids,
        [FIRST + k for k in (0, 0, 1, 2, 4)],
        images=(1, 3, 5, 6),
        P_CS_DEBIASED=[0.9, 0.1, 0.2, np.nan, 0.1],
        P_EL_DEBIASED=[0.1, 0.9, 0.8, 0.9, 0.2],
    )
    summary = extract(raw, tmp_path / "sample.csv", n="all")
    assert summary["excluded"] == {
        "objid repeated in Table 2": 1,
        "objid not in Table 2": 1,
        "no vote": 1,
        "no image": 1,
        "objid repeated in the mapping": 1,
    }
    sample = pd.read_csv(tmp_path / "sample.csv", dtype={"objid": "int64"}).sort_values("asset_id")
    assert sample["objid"].tolist() == [FIRST, FIRST + 4]
    assert sample["label"].tolist() == ["spiral", "irregular"]
    assert sample["path"].tolist() == ["images_gz2/images/1.jpg", "images_gz2/images/5.jpg"]
    assert json.loads((tmp_path / "sample.json").read_text()) == summary


def test_a_galaxy_without_its_first_image_uses_the_second(tmp_path):
    raw = make_raw(tmp_path / "raw", [FIRST, FIRST], [FIRST], images=(2,))
    extract(raw, tmp_path / "sample.csv", n=1)
    assert pd.read_csv(tmp_path / "sample.csv")["asset_id"].tolist() == [2]


def test_the_seed_determines_the_sample(raw, tmp_path):
    for name, seed in (("a", 3), ("b", 3), ("c", 4)):
        extract(raw, tmp_path / f"{name}.csv", n=20, seed=seed)
    a, b, c = ((tmp_path / f"{name}.csv").read_bytes() for name in "abc")
    assert a == b != c


def test_a_sample_larger_than_the_survey_reports_the_number_of_eligible_galaxies(raw, tmp_path):
    with pytest.raises(GalaxyError, match="5,000 galaxies requested.*--n all"):
        extract(raw, tmp_path / "sample.csv", n=5000)
    assert list(tmp_path.iterdir()) == []


def test_an_existing_sample_is_replaced_only_with_overwrite(raw, tmp_path):
    path = tmp_path / "sample.csv"
    path.write_text("precious")
    with pytest.raises(GalaxyError, match="already exists"):
        extract(raw, path, n=5)
    assert path.read_text() == "precious"
    extract(raw, path, n=5, overwrite=True)
    assert len(pd.read_csv(path)) == 5


def test_a_folder_without_a_survey_is_refused_with_a_list_of_missing_files(tmp_path):
    with pytest.raises(
        GalaxyError, match=r"images_gz2/images, gz2_filename_mapping.csv, GalaxyZoo1_DR_table2.csv"
    ):
        extract(tmp_path, tmp_path / "sample.csv")


def test_the_full_size_tables_are_joined_correctly(tmp_path):
    """The tables have 355,990 and 667,944 rows, as the real ones."""
    rng = np.random.default_rng(0)
    table_objids = rng.permutation(FIRST + np.arange(667_944) * 7)
    objids = rng.choice(table_objids, 355_990, replace=False)
    spiral, elliptical = rng.dirichlet([1, 1, 1], len(table_objids)).round(3).T[:2]
    images = rng.choice(len(objids), 3000, replace=False) + 1
    raw = make_raw(
        tmp_path / "raw", objids, table_objids, images, P_CS_DEBIASED=spiral, P_EL_DEBIASED=elliptical
    )
    summary = extract(raw, tmp_path / "sample.csv", n=2000)
    assert summary["eligible"] == 3000
    sample = pd.read_csv(tmp_path / "sample.csv", dtype={"objid": "int64"})
    assert set(sample["asset_id"]) <= set(images.tolist())
    assert (objids[sample["asset_id"] - 1] == sample["objid"]).all()
    place = {objid: row for row, objid in enumerate(table_objids.tolist())}
    rows = [place[objid] for objid in sample["objid"]]
    expected = np.where(
        spiral[rows] >= 0.65, "spiral", np.where(elliptical[rows] >= 0.65, "elliptical", "irregular")
    )
    assert (sample["label"].to_numpy() == expected).all()


def test_the_summary_replaces_no_other_file(raw, tmp_path):
    (tmp_path / "sample.json").write_text("precious")
    with pytest.raises(GalaxyError, match=r"sample\.json already exists"):
        extract(raw, tmp_path / "sample.csv", n=5)
    with pytest.raises(GalaxyError, match=r"ends in \.csv"):
        extract(raw, tmp_path / "sample.json", n=5, overwrite=True)
    assert (tmp_path / "sample.json").read_text() == "precious"


def test_gzipped_tables_are_read(raw, tmp_path):
    copy = tmp_path / "raw"
    copy.mkdir()
    (copy / "images_gz2").symlink_to(raw / "images_gz2")
    for name in (MAPPING_FILE, TABLE2_FILE):
        (copy / f"{name}.gz").write_bytes(gzip.compress((raw / name).read_bytes()))
    for folder, name in ((raw, "plain"), (copy, "gzipped")):
        extract(folder, tmp_path / f"{name}.csv", n=20)
    assert (tmp_path / "plain.csv").read_bytes() == (tmp_path / "gzipped.csv").read_bytes()


def test_tables_that_cannot_replace_table_2_are_named(tmp_path):
    raw = make_raw(tmp_path / "raw", [FIRST], [FIRST], images=(1,))
    (raw / TABLE2_FILE).rename(raw / "gz2_hart16.csv")
    with pytest.raises(GalaxyError, match=rf"missing: {TABLE2_FILE} \(labels .* gz2_hart16.csv cannot"):
        extract(raw, tmp_path / "sample.csv")


@pytest.mark.parametrize("n", ["all", 1])
def test_the_label_rule_that_labels_most_galaxies_is_suggested(tmp_path, n):
    objids = [FIRST + k for k in range(5)]
    votes = [np.nan, np.nan, np.nan, np.nan, np.nan if n == "all" else 0.9]
    raw = make_raw(tmp_path / "raw", objids, objids, range(1, 6), P_CS_DEBIASED=votes, P_EL_DEBIASED=votes)
    suggestion = "of the 5 galaxies have no debiased votes .* use --label-rule flags"
    if n == "all":
        with pytest.raises(GalaxyError, match=suggestion):
            extract(raw, tmp_path / "sample.csv", n=n)
    else:
        assert re.search(suggestion, extract(raw, tmp_path / "sample.csv", n=n)["notes"][0])
    assert extract(raw, tmp_path / "flags.csv", n="all", label_rule="flags")["galaxies"] == 5
