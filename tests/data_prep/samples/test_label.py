"""The command ``label`` with tables of any kind: what it finds, counts, lists and refuses."""

import json
import os
import re

import numpy as np
import pandas as pd
import pytest
from astropy.io import fits
from astropy.table import Table

from data_prep.cli import main
from data_prep.samples import sample_file
from data_prep.samples.label import label
from data_prep.samples.table_columns import NamedColumns
from tests.own_galaxies import (
    files_of,
    read_excluded,
    read_sample,
    refuse,
    run,
    write_images,
    write_table,
)

FIRST = 587722981742084097
IDS = [str(FIRST + 7 * number) for number in range(9)]
LABELS = ["spiral", "elliptical", "merger"] * 3


@pytest.fixture
def images(tmp_path):
    return write_images(tmp_path / "images", IDS)


@pytest.fixture
def words(tmp_path, images):
    """Returns the words of a command that labels a table with these columns."""

    def words(*more, table="table.csv", out="sample.csv", **columns):
        path = tmp_path / table
        if columns or not path.exists():
            write_table(path, **(columns or {"objid": IDS, "label": LABELS}))
        return ["label", "--table", path, "--images", images, "--out", tmp_path / out, *more]

    return words


def test_a_table_of_ids_and_labels_becomes_a_sample(words, tmp_path):
    status, out, _ = run(*words())
    assert status == 0
    assert "9 of 9 eligible galaxies: 3 elliptical, 3 merger, 3 spiral" in out
    assert "excluded: none" in out
    assert "id column: objid (guessed; --id-column names another)" in out
    assert f"next: python -m data_prep preprocess --sample {tmp_path / 'sample.csv'} --images" in out
    sample = read_sample(tmp_path / "sample.csv")
    assert list(sample) == ["objid", "asset_id", "label", "path"]
    assert sample["objid"].tolist() == sample["asset_id"].tolist() == IDS
    assert sample["label"].tolist() == LABELS
    assert sample["path"].tolist() == [f"{name}.jpg" for name in IDS]
    summary = json.loads((tmp_path / "sample.json").read_text())
    assert summary["classes"] == {"elliptical": 3, "merger": 3, "spiral": 3}
    assert summary["columns"] == {"id": "objid", "label": "label"}
    assert not (tmp_path / "sample_excluded.csv").exists()


@pytest.mark.parametrize("name", ["t.fits", "t.vot", "t.ecsv", "t.parquet", "t.csv.gz", "t.tsv"])
def test_every_format_gives_the_same_sample(words, tmp_path, name):
    table = Table({"OBJID": np.array(IDS, dtype=np.int64), "Label": LABELS})
    if name == "t.tsv":
        table.write(tmp_path / name, format="ascii.tab")
    elif name == "t.csv.gz":
        table.to_pandas().to_csv(tmp_path / name, index=False)
    else:
        table.write(tmp_path / name, **({"format": "votable"} if name == "t.vot" else {}))
    run(*words(out="plain.csv"))
    assert run(*words(table=name))[0] == 0
    assert (tmp_path / "sample.csv").read_bytes() == (tmp_path / "plain.csv").read_bytes()


def test_the_seed_determines_the_draw(words, tmp_path):
    for out, seed in (("a.csv", 1), ("b.csv", 1), ("c.csv", 2)):
        run(*words("--n", "6", "--seed", seed, out=out))
    a, b, c = ((tmp_path / name).read_bytes() for name in ("a.csv", "b.csv", "c.csv"))
    assert a == b != c


def test_repeated_ids_are_counted_and_listed(words, tmp_path):
    table = {"objid": [*IDS, IDS[0], IDS[1]], "label": [*LABELS, "spiral", "merger"]}
    _, out, _ = run(*words(**table))
    assert "excluded: 2 id repeated with another label, 1 id repeated" in out
    assert read_excluded(tmp_path / "sample.csv") == [
        ("2", IDS[1], f"{IDS[1]}.jpg", "id repeated with another label"),
        ("10", IDS[0], f"{IDS[0]}.jpg", "id repeated"),
        ("11", IDS[1], f"{IDS[1]}.jpg", "id repeated with another label"),
    ]
    assert read_sample(tmp_path / "sample.csv")["objid"].tolist() == [IDS[0], *IDS[2:]]


def test_an_image_of_several_ids_is_used_for_none(words, tmp_path, images):
    paths = [f"{name}.jpg" for name in (IDS[0], IDS[0], *IDS[2:])]
    _, out, _ = run(*words(id=IDS, path=paths, label=LABELS))
    assert "2 image of several ids" in out
    assert [row[:2] for row in read_excluded(tmp_path / "sample.csv")[:2]] == [("1", IDS[0]), ("2", IDS[1])]


def test_several_images_of_a_galaxy_are_kept(words, tmp_path):
    paths = [f"{name}.jpg" for name in IDS[:6]]
    run(*words(id=["a", "a", "b", "b", "c", "c"], path=paths, label=["x", "x", "y", "y", "x", "x"]))
    sample = read_sample(tmp_path / "sample.csv")
    assert sample["id"].tolist() == ["a", "a", "b", "b", "c", "c"]
    assert sample["path"].tolist() == paths


def test_labels_without_images_and_images_without_labels_are_counted_and_listed(words, tmp_path, images):
    (images / "notes.txt").write_text("no image")
    (images / ".DS_Store").write_text("hidden")
    _, out, _ = run(*words(objid=[*IDS[:6], "5", "", IDS[6]], label=[*LABELS[:8], ""]))
    assert (
        "excluded: 1 no image, 1 id missing, 1 no label, 2 images not in the table, 1 other files, "
        "1 hidden or system files" in out
    )
    *listed, notes = read_excluded(tmp_path / "sample.csv")
    assert listed == [
        ("7", "5", "", "no image"),
        ("8", "", "", "id missing"),
        ("9", IDS[6], f"{IDS[6]}.jpg", "no label"),
        ("", "", f"{IDS[7]}.jpg", "not in the table"),
        ("", "", f"{IDS[8]}.jpg", "not in the table"),
    ]
    assert notes[2] == "notes.txt"
    assert notes[3].startswith("not an image in a supported format")


def test_a_class_with_fewer_galaxies_than_splits_is_noted(words):
    _, out, _ = run(*words(objid=IDS, label=["a"] * 5 + ["b"] * 2 + ["c"] * 2))
    assert "note: 2 classes have too few galaxies to be in all three splits: 'b' (2), 'c' (2)" in out


@pytest.mark.parametrize(
    ("columns", "more", "message"),
    [
        ({}, ["--label-column", "lable"], "has no column lable; did you mean label?"),
        ({}, ["--id-column", "objjd"], "has no column objjd; did you mean objid?"),
        ({}, ["--id-column", "id"], "has no column id; its 2 columns are: objid, label"),
        ({}, ["--keep", "magnitude"], "has no column magnitude; its 2 columns are"),
        ({}, ["--split-column", "set"], "has no column set"),
        ({}, ["--label-column", "objid", "--id-column", "objid"], "name the same column, objid"),
        ({}, ["--ra-column", "label"], "--ra-column and --dec-column are used together"),
        (
            {"number": IDS, "what": LABELS},
            [],
            "no column is named like a label .* --label-column, .* its columns are: number, what",
        ),
        (
            {"number": IDS, "what": LABELS},
            ["--label-column", "what"],
            "no column is named like an id .* --id-column, .* --path-column; its columns are: number, what",
        ),
        ({"id": IDS, "label": LABELS, "Class": LABELS}, [], "label or Class.* --label-column"),
        ({"objid": IDS, "GalaxyID": IDS, "label": LABELS}, [], "objid or GalaxyID.* --id-column"),
        ({"objid": IDS, "label": ["x"] * 9}, [], "each of the 9 galaxies is labelled 'x' .column label."),
        ({}, ["--n", "1"], "at least two classes: draw more with --n"),
        ({}, ["--n", "10"], "10 galaxies requested, but 9 are eligible .* from 1 to 9, or --n all"),
        ({"objid": IDS, "label": ["Spiral", "spiral", "x"] * 3}, [], "'Spiral' and 'spiral' differ only"),
        ({"objid": IDS, "label": ["a\nb", "c", "d"] * 3}, [], "invalid class name 'a.nb': it contains"),
        ({"objid": IDS, "label": [""] * 9}, [], "no galaxies are eligible .excluded: 9 no label"),
        ({"objid": ["1"] * 9, "label": LABELS}, [], r"names such as 1\.jpg, found 58.*--path-column"),
        ({"objid": [f"{float(i):.6e}" for i in IDS], "label": LABELS}, [], "converted to floats"),
        ({}, ["--threshold", "0.5"], "--threshold is a parameter of label rules: name them with --rules"),
        ({}, ["--rules", "gz2_thre"], "unknown label rules 'gz2_thre' .did you mean gz2_three"),
        ({}, ["--rules", "gz2_three"], r"lacks columns that .*gz2_three\.yaml reads: t01_smooth"),
        ({}, ["--rules", "r.yaml"], r"r\.yaml: no such file"),
        ({}, ["--rules", "gz2_three", "--label-column", "label"], "--label-column and --rules exclude"),
        ({}, ["--pattern", "{id}_{band}.fits"], "--pattern needs the names of the bands: add --bands"),
        ({}, ["--pattern", "{id}.fits", "--bands", "g"], "must contain {id} and {band} once each"),
        ({}, ["--bands", "g", "g"], "two bands have the same name: g, g"),
        ({}, ["--bands", *"abcdefghi"], "bands must be a list of 1 to 8 names"),
        ({}, ["--pattern", "{id}_{band}.fits", "--bands", "g", "r"], "no image with a file for each"),
        ({}, ["--mapping", "nowhere.csv"], r"nowhere\.csv is missing"),
    ],
)  # fmt: skip
def test_a_mistake_is_one_clear_line_and_leaves_nothing(words, tmp_path, columns, more, message):
    command = words(*more, **columns)
    before = files_of(tmp_path)
    assert re.search(message, refuse(*command))
    assert files_of(tmp_path) == before


def test_a_column_of_ids_taken_for_labels_is_refused(words, tmp_path):
    ids = [str(number) for number in range(101)]
    write_images(tmp_path / "images", ids)
    message = refuse(*words(objid=ids, label=[f"g{number}" for number in ids]))
    assert "101 classes (column label: 'g0', 'g1', " in message
    assert "at most 100: name the column of the classes with --label-column" in message


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("--table", "nowhere.csv", "nowhere.csv is missing"),
        ("--table", "images", "images is not a file: name the table itself"),
        ("--table", "image.fits", "image.fits is a FITS file without a table"),
        ("--table", "galaxy.jpg", "galaxy.jpg is a JPEG image, not a table"),
        ("--images", "nowhere", "there is no folder .*nowhere: give a folder of image files"),
        ("--images", "table.csv", "is a file: give the folder that contains it"),
        ("--images", "empty", "contains no image files .*: it is empty"),
        ("--out", "sample", "the sample is a CSV file: use a name that ends in .csv"),
    ],
)
def test_files_of_another_kind_are_refused(words, tmp_path, option, value, message):
    fits.PrimaryHDU(np.zeros((5, 5), dtype=np.float32)).writeto(tmp_path / "image.fits")
    write_images(tmp_path, ["galaxy.jpg"])
    (tmp_path / "empty").mkdir()
    command = words()
    command[command.index(option) + 1] = tmp_path / value
    before = files_of(tmp_path)
    assert re.search(message, refuse(*command))
    assert files_of(tmp_path) == before


@pytest.mark.parametrize("given", [[], ["--table", "t.csv"], ["--images", "i"]])
def test_the_options_that_are_missing_are_named(tmp_path, given):
    message = refuse("label", "--out", tmp_path / "s.csv", *given)
    assert message == "name a table and the folder of its images (--table, --images), or --folders"


def test_an_existing_result_is_refused_before_anything_is_read(tmp_path):
    for name in ("s.csv", "s.json", "s_excluded.csv"):
        (tmp_path / name).write_text("precious")
        message = refuse("label", "--table", "nowhere", "--images", "nowhere", "--out", tmp_path / "s.csv")
        assert f"{name} already exists" in message
        (tmp_path / name).unlink()


def test_overwriting_removes_an_older_list_of_exclusions(words, tmp_path):
    run(*words(objid=[*IDS[:8], "1"], label=LABELS))
    assert (tmp_path / "sample_excluded.csv").exists()
    assert run(*words("--overwrite", objid=IDS, label=LABELS))[0] == 0
    assert not (tmp_path / "sample_excluded.csv").exists()


@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError, OSError(28, "No space left on device")])
def test_an_interruption_leaves_nothing(words, tmp_path, monkeypatch, error, capsys):
    command = [str(word) for word in words(objid=[*IDS[:8], "1"], label=LABELS)]
    before = files_of(tmp_path)

    def fail(content):
        raise error

    monkeypatch.setattr(sample_file, "json_text", fail)
    with pytest.raises(SystemExit) as caught:
        main(command)
    assert caught.value.code == (130 if error is KeyboardInterrupt else 1)
    assert files_of(tmp_path) == before


def test_ids_keep_their_leading_zeros_and_their_letters(words, tmp_path):
    ids = ["00000007", "NGC 1300", "星系1", "x.y", "J0+1", "é"]
    write_images(tmp_path / "images", [f"{name}.png" for name in ids])
    run(*words(name=ids, type=["a", "b"] * 3))
    sample = read_sample(tmp_path / "sample.csv").sort_values("id", ignore_index=True)
    assert sample["id"].tolist() == sample["asset_id"].tolist() == sorted(ids)
    assert sample["path"].tolist() == [f"{name}.png" for name in sorted(ids)]
    assert sample["objid"].astype(int).gt(0).all()
    assert sample["objid"].is_unique


def test_an_image_whose_name_is_not_valid_text_is_listed(words, tmp_path, images):
    (images / os.fsdecode(b"\xff.jpg")).write_bytes((images / f"{IDS[0]}.jpg").read_bytes())
    (images / os.fsdecode(b"\xfe.txt")).write_bytes(b"text")
    assert run(*words())[0] == 0
    listed = {row[2]: row[3] for row in read_excluded(tmp_path / "sample.csv")}
    assert listed[r"\udcff.jpg"] == "a name that is not valid UTF-8: rename it"
    assert r"\udcfe.txt" in listed


def test_positions_are_kept_in_degrees(words, tmp_path):
    run(*words(objid=IDS, label=LABELS, RA=["10:00:00"] * 9, Dec=["-00:30:00"] * 9))
    sample = read_sample(tmp_path / "sample.csv")
    assert set(sample["ra"].astype(float)) == {150.0}
    assert set(sample["dec"].astype(float)) == {-0.5}


def test_unreadable_positions_are_an_error_only_if_named(words, tmp_path):
    columns = {"objid": IDS, "label": LABELS, "ra": ["1"] * 8 + ["400"], "dec": ["1"] * 9}
    status, out, _ = run(*words(**columns))
    assert status == 0
    assert "note: no positions: " in out
    assert "line 10, column ra: 400 is not a right ascension" in out
    assert "ra" not in read_sample(tmp_path / "sample.csv")
    message = refuse(*words("--ra-column", "ra", "--dec-column", "dec", out="other.csv"))
    assert "line 10, column ra: 400 is not a right ascension" in message


def test_a_given_split_is_kept(words, tmp_path):
    run(*words(objid=IDS, label=LABELS, split=["Training", "valid", "TEST"] * 3))
    assert read_sample(tmp_path / "sample.csv")["split"].tolist() == ["train", "val", "test"] * 3


def test_unknown_names_of_splits_are_an_error_only_if_the_column_is_named(words, tmp_path):
    status, out, _ = run(*words(objid=IDS, label=LABELS, set=["a", "b", "c"] * 3))
    assert status == 0
    assert "note: the column set is not used as the split" in out
    assert "split" not in read_sample(tmp_path / "sample.csv")
    message = refuse(*words("--split-column", "set", out="other.csv"))
    assert "9 galaxies are in none of train, val, test (found: a, b, c)" in message


def test_the_split_of_rows_without_label_does_not_matter(words, tmp_path):
    columns = {"objid": IDS, "label": [*LABELS[:8], ""], "fold": ["train", "test"] * 4 + [""]}
    assert run(*words("--split-column", "fold", **columns))[0] == 0
    assert set(read_sample(tmp_path / "sample.csv")["split"]) == {"train", "test"}


def test_further_columns_are_kept(words, tmp_path):
    columns = {"objid": IDS, "label": LABELS, "Mag": range(9), "path": [f"{name}.jpg" for name in IDS]}
    _, out, _ = run(*words("--keep", "mag", "path", **columns))
    assert read_sample(tmp_path / "sample.csv")["mag"].tolist() == list(map(str, range(9)))
    assert "the column path is not kept, since samples have a column of that name" in out


def test_rules_label_by_votes(words, tmp_path):
    (tmp_path / "rules.yaml").write_text(
        "description: discs\nclasses: {disc: has a disc, other: undecided}\nparameters: {limit: 0.5}\n"
        "rules:\n  - {exclude: star, where: {star: '> 0.9'}}\n  - {label: disc, where: {disk: '>= limit'}}\n"
        "otherwise: other\n"
    )
    columns = {"objid": IDS, "disk": [0.9, 0.1, 0.5] * 3, "star": [0, 0, 0, 0, 0, 0, 0, 1, 0]}
    _, out, _ = run(*words("--rules", tmp_path / "rules.yaml", **columns))
    assert "8 of 8 eligible galaxies: 6 disc, 2 other" in out
    assert "disc:  has a disc" in out
    assert "excluded: 1 star" in out
    summary = json.loads((tmp_path / "sample.json").read_text())
    assert summary["label_rule"] == "rules"
    assert list(summary["classes"]) == ["disc", "other"]


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        ("rules:\n  - {label: a, where: {v: '> 2'}}\n  - {label: b, where: {v: '> 3'}}\n", "no rule matches"),
        ("rules: !!python/object/apply:os.system ['touch owned']\n", r"line 1: tags \(!\) are not allowed"),
        ("rules:\n  - {label: a, where: {v: '__import__(1)'}}\n", "'__import__.1.' is not a condition"),
        ("rules:\n  - {label: a, where: {w: '> 2'}}\n  - {label: b, where: {v: '> 3'}}\n", "reads: w"),
        ("rules:\n  - {label: a, where: {v: '> 0'}}\n  - {label: b, where: {v: '> 3'}}\n", "is labelled 'a'"),
    ],
)
def test_rules_that_cannot_label_are_refused(words, tmp_path, monkeypatch, rules, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "r.yaml").write_text(rules)
    command = words("--rules", "r.yaml", objid=IDS, v=[0.5] * 9)
    before = files_of(tmp_path)
    assert re.search(message, refuse(*command))
    assert files_of(tmp_path) == before


def test_an_invalid_vote_is_located(words, tmp_path):
    (tmp_path / "r.yaml").write_text(
        "rules:\n  - {label: a, where: {v: '> 0.5'}}\notherwise: b\nvotes: {fractions: {a: v}, rest: b}\n"
    )
    message = refuse(*words("--rules", tmp_path / "r.yaml", objid=IDS, v=[0.5, 1.7, *[0.1] * 7]))
    assert re.search(r"table\.csv: row 2, column v: '1.7' is not a vote fraction", message)


def test_the_home_directory_in_paths_is_expanded(words, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "r.yaml").write_text("rules:\n  - {label: a, where: {v: '> 0.5'}}\notherwise: b\n")
    words(objid=IDS, v=[0.1, 0.9, 0.2] * 3)
    paths = ["--table=~/table.csv", "--images=~/images", "--rules=~/r.yaml", "--out=~/sample.csv"]
    assert run("label", *paths)[0] == 0
    assert (tmp_path / "sample.csv").exists()


def test_the_function_takes_named_columns(words, tmp_path, images):
    words(star=IDS, kind=LABELS)
    columns = NamedColumns(id="STAR", label="kind")
    summary = label(tmp_path / "table.csv", images, tmp_path / "s.csv", columns=columns)
    assert summary["columns"] == {"id": "star", "label": "kind"}
    assert summary["notes"] == []


def test_classes_with_numbers_are_in_the_order_of_the_numbers(words, tmp_path):
    run(*words(objid=IDS, label=["10", "9", "2"] * 3))
    assert list(json.loads((tmp_path / "sample.json").read_text())["classes"]) == ["2", "9", "10"]


def test_a_thousand_rows_are_labelled_as_pandas_would(tmp_path):
    generator = np.random.default_rng(0)
    ids = generator.permutation(2000)[:1000]
    (tmp_path / "images").mkdir()
    for name in range(0, 2000, 2):
        (tmp_path / f"images/{name}.jpg").touch()
    table = pd.DataFrame({"objid": ids, "label": generator.choice(["a", "b", None], 1000)})
    table.to_csv(tmp_path / "t.csv", index=False)
    summary = label(tmp_path / "t.csv", tmp_path / "images", tmp_path / "s.csv")
    expected = table[table["label"].notna() & (table["objid"] % 2 == 0)]
    made = pd.read_csv(tmp_path / "s.csv").sort_values("objid")
    assert made["objid"].tolist() == sorted(expected["objid"])
    assert made["label"].tolist() == expected.sort_values("objid")["label"].tolist()
    assert summary["excluded"]["no label"] == int(table["label"].isna().sum())
    assert summary["excluded"]["images not in the table"] == 1000 - int((ids % 2 == 0).sum())
