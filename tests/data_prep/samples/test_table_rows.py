import numpy as np
import pytest

from data_prep.common.errors import GalaxyError
from data_prep.samples.rules import read_rules
from data_prep.samples.table_columns import NamedColumns, choose_columns
from data_prep.samples.table_rows import read_rows
from data_prep.tables.catalogues import open_catalogue
from tests.own_galaxies import write_table


def read(folder, rules=None, keep=(), named=None, **columns):
    catalogue = open_catalogue(write_table(folder / "t.csv", **columns))
    label_rules = read_rules(str(rules)) if rules else None
    chosen, guessed, _ = choose_columns(catalogue, named or NamedColumns(), label_rules)
    return read_rows(catalogue, chosen, guessed, label_rules, keep)


@pytest.fixture
def rules(tmp_path):
    """Rules for the columns v and w, with votes."""
    (tmp_path / "r.yaml").write_text(
        "rules:\n  - {exclude: star, where: {w: '> 0.9'}}\n  - {label: a, where: {v: '>= 0.5'}}\n"
        "otherwise: b\nvotes: {count: n, fractions: {a: v}, rest: b}\n"
    )
    return tmp_path / "r.yaml"


def test_a_row_has_an_id_a_label_or_the_reason_why_not(tmp_path):
    rows = read(tmp_path, objid=["3", "", "7"], label=["x", "y", ""]).rows
    assert rows["objid"].tolist() == [3, 0, 7]
    assert rows["name"].fillna("none").tolist() == ["3", "none", "7"]
    assert rows["label"].tolist() == ["x", "y", ""]
    assert rows["reason"].tolist() == ["", "id missing", "no label"]


def test_ids_that_are_no_integers_are_text(tmp_path):
    rows = read(tmp_path, objid=["03", "A/1", " x "], label=["x", "y", "z"]).rows
    assert rows["id"].tolist() == rows["name"].tolist() == ["03", "A/1", "x"]


def test_rules_give_labels_reasons_and_votes(tmp_path, rules):
    made = read(tmp_path, rules, objid=[1, 2, 3, 4], v=[0.6, 0.4, 0.6, None], w=[0, 0, 1, 0], n=[9, 8, 7, 6])
    assert made.rows["label"].tolist() == ["a", "b", "", ""]
    assert made.rows["reason"].tolist() == ["", "", "star", "no vote"]
    assert made.votes == ["vote_a", "n_votes"]
    np.testing.assert_array_equal(made.rows["vote_a"], [0.6, 0.4, 0.6, np.nan])
    assert made.kept == ["w", "v", "n"]


def test_votes_are_left_out_if_the_table_lacks_their_columns(tmp_path, rules):
    made = read(tmp_path, rules, objid=[1, 2], v=[0.6, 0.4], w=[0, 0])
    assert (made.votes, made.rows["label"].tolist()) == ([], ["a", "b"])
    assert made.notes == ["no vote fractions: the table lacks n"]


def test_a_kept_column_never_replaces_one_of_the_sample(tmp_path):
    made = read(tmp_path, keep=["split", "mag"], id=[1, 2], label=["x", "y"], mag=[3, 4], split=["q", "r"])
    assert made.kept == ["mag"]
    assert made.rows["mag"].tolist() == ["3", "4"]
    assert any("the column split is not kept" in note for note in made.notes)


def test_an_invalid_vote_names_table_and_row(tmp_path, rules):
    with pytest.raises(GalaxyError, match=r"t\.csv: row 2, column v: '7.0' is not a vote fraction"):
        read(tmp_path, rules, objid=[1, 2], v=[0.6, 7], w=[0, 0], n=[1, 1])


def test_the_split_is_read_only_where_it_is_needed(tmp_path):
    columns = {"objid": [1, 2, 3], "label": ["x", "", "y"]}
    rows = read(tmp_path, split=["train", "?", "Test"], **columns).rows
    assert rows["split"].fillna("none").tolist() == ["train", "none", "test"]
    with pytest.raises(GalaxyError, match=r"1 galaxies are in none of train, val, test .found: \?"):
        read(tmp_path, split=["train", "test", "?"], named=NamedColumns(split="split"), **columns)
