"""The data preparation on real galaxies, if they are available."""

import pytest

from data_prep.arrays.check import check
from data_prep.arrays.preprocess import preprocess
from data_prep.samples.extract import extract

pytestmark = pytest.mark.real


def test_flags_label_all_galaxies_and_votes_only_those_that_have_them(real_sample, tmp_path):
    flags = extract(real_sample, tmp_path / "flags.csv", n="all", label_rule="flags")
    assert flags["classes"] == {"elliptical": 242, "irregular": 298, "spiral": 460}
    votes = extract(real_sample, tmp_path / "votes.csv", n="all")
    assert votes["excluded"]["no vote"] == 968
    assert votes["galaxies"] == 32


def test_the_arrays_are_valid_and_split_700_150_150(real_sample, tmp_path):
    extract(real_sample, tmp_path / "sample.csv", n="all", label_rule="flags")
    preprocess(tmp_path / "sample.csv", real_sample, tmp_path / "arrays", progress=False)
    arrays = check(tmp_path / "arrays")
    assert arrays.images.shape == (1000, 224, 224, 3)
    assert [len(arrays.rows(split)) for split in ("train", "val", "test")] == [700, 150, 150]
