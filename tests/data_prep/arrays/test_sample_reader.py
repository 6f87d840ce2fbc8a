import json

import pandas as pd
import pytest

from data_prep.arrays.sample_reader import make_split, read_labelling, read_sample
from data_prep.common.errors import GalaxyError


def write(folder, summary=None, **columns):
    known = {"objid": [1, 2, 3], "label": ["a", "b", "a"], "path": ["x/1.jpg", "2.fits.gz", "3.v1.png"]}
    pd.DataFrame(known | columns).to_csv(folder / "s.csv", index=False)
    if summary is not None:
        (folder / "s.json").write_text(summary if isinstance(summary, str) else json.dumps(summary))
    return folder / "s.csv"


def test_images_are_named_by_their_files_unless_the_sample_names_them(tmp_path):
    assert read_sample(write(tmp_path))["asset_id"].tolist() == ["1", "2", "3.v1"]
    assert read_sample(write(tmp_path, asset_id=["007", "8", "x"]))["asset_id"].tolist() == ["007", "8", "x"]


def test_columns_are_in_the_order_of_the_catalogue(tmp_path):
    sample = read_sample(write(tmp_path, id=["01", "02", "03"], mag=[1.5, 2, 3]))
    assert list(sample) == ["objid", "id", "asset_id", "label", "mag", "path"]
    assert sample["id"].tolist() == ["01", "02", "03"]


def test_the_summary_names_the_classes_in_order_and_describes_them(tmp_path):
    summary = {
        "classes": {"b": 1, "a": 2, "c": 0},
        "class_descriptions": {"a": "first"},
        "label_rule": "mine",
    }
    path = write(tmp_path, summary)
    labelling = read_labelling(path, read_sample(path))
    assert labelling["class_descriptions"] == {"b": "", "a": "first", "c": ""}
    assert labelling["label_rule"] == "mine"


def test_without_a_summary_the_classes_are_the_labels(tmp_path):
    path = write(tmp_path)
    labelling = read_labelling(path, read_sample(path))
    assert list(labelling["class_descriptions"]) == ["a", "b"]
    assert labelling["label_rule"].startswith("unknown")


@pytest.mark.parametrize(
    ("summary", "message"),
    [
        ("{", "s.json"),
        ({"classes": ["a", "b"]}, "'classes' or 'class_descriptions' is invalid: make the sample again"),
        ({"classes": {"a": 3, "c": 0}}, "line 3, column label: 'b' is not one of a, c"),
        ({"classes": {"a": 1, "b": 1, "B": 1}}, "'b' and 'B' differ only by case"),
    ],
)
def test_an_invalid_summary_is_refused(tmp_path, summary, message):
    path = write(tmp_path, summary)
    with pytest.raises(GalaxyError, match=message):
        read_labelling(path, read_sample(path))


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"objid": [1, 1, 3]}, "1 galaxies have two labels .the first: objid 1"),
        ({"path": ["1.jpg", "", "3.jpg"]}, "line 3: the column path is empty"),
        ({"split": ["train", "test", "exam"]}, "1 galaxies are in none of train, val, test .found: exam"),
        ({"quarter_turns": [0, 1, 2]}, "is made by preprocess: remove it"),
    ],
)
def test_an_invalid_sample_is_refused(tmp_path, columns, message):
    with pytest.raises(GalaxyError, match=message):
        read_sample(write(tmp_path, **columns))


def test_the_id_is_named_if_a_given_split_leaks(tmp_path):
    path = write(
        tmp_path, objid=[1, 2, 2], label=["a", "b", "b"], id=["x", "y", "y"], split=["test", "train", "test"]
    )
    sample = read_sample(path)
    with pytest.raises(GalaxyError, match=r"s\.csv: the given split .* id y in train, id y in test"):
        make_split(sample, sample["objid"].to_numpy(), 0, path)
