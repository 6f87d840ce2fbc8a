"""The data preparation on real galaxies, if they are available."""

import json

import pandas as pd
import pytest

from data_prep.arrays.check import check
from data_prep.arrays.preprocess import preprocess
from data_prep.cli import main
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


def label(out, **options):
    """Labels galaxies by the command line; returns the sample and its summary."""
    main(["label", "--out", str(out), *(f"--{name}={value}" for name, value in options.items())])
    return pd.read_csv(out), json.loads(out.with_suffix(".json").read_text())


@pytest.mark.parametrize(
    ("rules", "classes"),
    [
        ("gz2_three", {"elliptical": 135, "irregular": 191, "spiral": 174}),
        ("gz2_four", {"edge-on": 125, "elliptical": 159, "merger": 71, "spiral": 100}),
    ],
)
def test_galaxy_zoo_2_is_labelled_by_its_votes(gz2_sample, tmp_path, rules, classes):
    sample, summary = label(
        tmp_path / "sample.csv",
        table=gz2_sample / "gz2_hart16.csv",
        rules=rules,
        mapping=gz2_sample / "gz2_filename_mapping.csv",
        images=gz2_sample / "images_gz2/images",
    )
    assert summary["classes"] == classes
    assert summary["excluded"].get("no rule matches", 0) == 500 - len(sample)
    assert sample["n_votes"].gt(0).all()
    assert sample.filter(like="vote_").notna().all(axis=None)
    mapping = pd.read_csv(gz2_sample / "gz2_filename_mapping.csv").set_index("objid")["asset_id"]
    assert (sample["asset_id"] == mapping[sample["objid"]].to_numpy()).all()


def test_a_table_of_labels_needs_no_options(gz2_sample, leaf_sample, tmp_path):
    images = gz2_sample / "images_gz2/images"
    _, summary = label(tmp_path / "four.csv", table=gz2_sample / "derived_label.csv", images=images)
    assert summary["classes"] == dict.fromkeys(("edge-on", "elliptical", "merger", "spiral"), 125)
    table = leaf_sample / "labels.csv"
    sample, summary = label(tmp_path / "leaves.csv", table=table, images=leaf_sample / "images")
    assert summary["excluded"] == {}
    expected = pd.read_csv(table).set_index("objid")["class"]
    assert sample.set_index("objid")["label"].sort_index().equals(expected.sort_index().rename("label"))


def test_arrays_of_any_classes_are_valid(leaf_sample, tmp_path):
    table, images = leaf_sample / "labels.csv", leaf_sample / "images"
    sample, _ = label(tmp_path / "sample.csv", table=table, images=images, n=200)
    out = tmp_path / "arrays"
    main(
        [
            "preprocess",
            f"--sample={tmp_path / 'sample.csv'}",
            f"--images={images}",
            f"--out={out}",
            "--size=64",
        ]
    )
    arrays = check(out)
    assert arrays.images.shape == (200, 64, 64, 3)
    assert arrays.classes == sorted(sample["label"].unique())
