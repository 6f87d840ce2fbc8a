"""The real commands that write tables: predict, table and crossval in every format."""

import os
import shutil

import numpy as np
import pandas as pd
import pytest
from astropy.io import fits
from astropy.table import Table

from data_prep.arrays.format import open_arrays
from data_prep.common import resumable_file
from galaxy_lightning.cli.main import main
from galaxy_lightning.tables import writing
from galaxy_lightning.training.module import GalaxyClassifier
from tests.galaxy_lightning.made_runs import fit_reference_cnn
from tests.galaxy_lightning.tables.made_tables import SUFFIXES, by_astropy, by_stilts, stilts


@pytest.fixture(scope="module")
def run(small_arrays, tmp_path_factory):
    return fit_reference_cnn(small_arrays, tmp_path_factory.mktemp("runs"))


@pytest.fixture(scope="module")
def images(raw, tmp_path_factory):
    """Twelve images, one of which cannot be used; the first two are named 001 and 002."""
    folder = tmp_path_factory.mktemp("images") / "images"
    folder.mkdir()
    for number, path in enumerate(sorted((raw / "images_gz2/images").iterdir())[:12], 1):
        shutil.copy(path, folder / f"{number:03}.jpg")
    (folder / "012.jpg").write_text("no image")
    return folder


@pytest.fixture
def predict(run, images):
    def predict(out, *more, source=None):
        source = source or f"--data.images={images}"
        main(["predict", f"--ckpt_path={run}", source, f"--out={out}", *more])
        return out

    return predict


def refused(words, capsys):
    """Runs a command that must fail; returns its error, which must be one line."""
    capsys.readouterr()
    with pytest.raises(SystemExit) as end:
        main([str(word) for word in words])
    assert end.value.code == 1
    lines = [line for line in capsys.readouterr().err.splitlines() if "error:" in line]
    assert len(lines) == 1
    return lines[0]


def test_predict_writes_the_same_values_in_every_format(predict, tmp_path, run):
    csv = predict(tmp_path / "p.csv")
    expected = pd.read_csv(csv, dtype={"id": str})
    for suffix in SUFFIXES[1:]:
        columns = by_astropy(predict(tmp_path / f"p{suffix}", "--overwrite"))
        assert list(columns) == list(expected.columns)
        for name in ("id", "path", "predicted"):
            assert columns[name] == expected[name].tolist()
        for name in ("p_elliptical", "p_irregular", "p_spiral", "entropy"):
            assert columns[name] == expected[name].tolist()
        for name in ("is_uncertain", "seen_in_training"):
            assert columns[name] == [bool(flag) for flag in expected[name]]
        main(["table", str(csv), f"--out={tmp_path}/t{suffix}"])
        assert by_astropy(tmp_path / f"t{suffix}") == columns
        assert pd.read_csv(tmp_path / "p_skipped.csv", dtype=str)["id"].tolist() == ["012"]
    header = fits.getheader(tmp_path / "p.fits", 1)
    assert header["MODEL"] == "reference_cnn"
    assert len(header["CKPTSHA"]) == 64
    assert {"TEMPERAT", "THRESHLD", "TARGACC", "ZOOMS", "GLVERS"} <= set(header)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
        [
            "p_skipped.csv",
            *(f"{name}{suffix}" for name in "pt" for suffix in SUFFIXES if name + suffix != "t.csv"),
        ]
    )


def test_stilts_and_votlint_read_what_predict_writes(predict, tmp_path):
    table = predict(tmp_path / "p.vot")
    assert stilts("votlint", str(table)).stdout == ""
    rows = by_stilts(table)
    assert [row["id"] for row in rows] == [f"{number:03}" for number in range(1, 12)]
    assert {row["is_uncertain"] for row in rows} <= {"true", "false"}
    assert [row["id"] for row in by_stilts(predict(tmp_path / "q.fits"))] == [row["id"] for row in rows]


def test_arrays_with_positions_get_ra_and_dec_in_degrees(predict, small_arrays, tmp_path):
    table = Table.read(predict(tmp_path / "p.fits", source=f"--data.arrays={small_arrays}"))
    catalog = open_arrays(small_arrays).catalog
    assert table.colnames[:6] == ["objid", "asset_id", "split", "label", "ra", "dec"]
    hours, minutes, seconds = map(float, catalog["RA"][0].split(":"))
    assert table["ra"][0] == pytest.approx(15 * (hours + minutes / 60 + seconds / 3600))
    assert str(table["dec"].unit) == "deg"
    assert np.all(np.abs(table["dec"]) <= 90)


def test_predict_joins_a_catalogue(predict, images, tmp_path, capsys):
    catalogue = Table(
        {"name": [f"{number:03}" for number in (3, 2, 1, 99, 12)], "z": [0.1, 0.2, 0.3, 0.4, 0.5]}
    )
    catalogue["z"].description = "redshift"
    catalogue.write(tmp_path / "c.vot", format="votable", tabledata_format="binary")
    capsys.readouterr()
    out = predict(tmp_path / "p.vot", f"--catalogue={tmp_path}/c.vot")
    printed = capsys.readouterr().out
    table = Table.read(out)
    assert list(table["name"]) == ["003", "002", "001", "099", "012"]
    assert table["z"].description == "redshift"
    assert list(table["path"]) == ["003.jpg", "002.jpg", "001.jpg", "", ""]
    assert "id column: name (guessed" in printed
    assert "3 of its 5 rows have a prediction" in printed
    assert "8 images have no row in c.vot" in printed
    skipped = pd.read_csv(tmp_path / "p_skipped.csv", dtype=str)
    assert skipped["id"].tolist() == [f"{number:03}" for number in range(4, 13)]
    assert skipped["reason"].tolist()[0] == "not in the catalogue c.vot"
    assert f"Saved 5 rows to {out}, 2 without a usable image; 9 images or other files skipped" in printed
    predict(tmp_path / "all.csv")
    main(["table", f"{tmp_path}/all.csv", f"--out={tmp_path}/t.vot", f"--catalogue={tmp_path}/c.vot"])
    again = Table.read(tmp_path / "t.vot")
    assert list(again["p_spiral"].filled(-1)) == list(table["p_spiral"].filled(-1))
    left_out = pd.read_csv(tmp_path / "t_not_in_catalogue.csv", dtype=str)
    assert left_out["id"].tolist() == [f"{number:03}" for number in range(4, 12)]


def test_flags_are_counted_over_the_rows_of_the_catalogue(predict, tmp_path, capsys):
    every = pd.read_csv(predict(tmp_path / "all.csv"), dtype={"id": str})
    flags = {"is_uncertain": "flagged as uncertain", "seen_in_training": "seen in training"}
    ids = [name for flag in flags for name in every.loc[every[flag] == 1, "id"][:1]]
    Table({"id": [*ids, ids[-1], "099"]}).write(tmp_path / "c.fits")
    capsys.readouterr()
    table = pd.read_csv(predict(tmp_path / "p.csv", f"--catalogue={tmp_path}/c.fits"))
    printed = capsys.readouterr().out
    for flag, text in flags.items():
        assert 0 < (table[flag] == 1).sum() != (every[flag] == 1).sum()
        assert f"{(table[flag] == 1).sum()} {text}" in printed
    novel = (table["novelty"] >= 99).sum()
    assert f"{novel} of 3 are unlike" in printed or not novel


def test_table_2_is_joined_by_objid(predict, small_arrays, raw, tmp_path):
    path = raw / "GalaxyZoo1_DR_table2.csv"
    out = predict(tmp_path / "p.csv", f"--catalogue={path}", source=f"--data.arrays={small_arrays}")
    ours, theirs = (pd.read_csv(each, dtype=str, keep_default_na=False) for each in (out, path))
    pd.testing.assert_frame_equal(ours[theirs.columns], theirs)
    assert {"ra", "dec", "objid"}.isdisjoint(ours.columns)
    matched = ours[ours["predicted"] != ""].set_index("OBJID")
    catalog = open_arrays(small_arrays).catalog.astype({"objid": str}).set_index("objid")
    assert (matched["label"] == catalog.loc[matched.index, "label"]).all()
    assert len(matched) == len(catalog)


def test_mistakes_are_refused_in_one_line_before_the_prediction(run, images, tmp_path, monkeypatch, capsys):
    predict = ["predict", f"--ckpt_path={run}", f"--data.images={images}"]
    (tmp_path / "c.csv").write_text("id,a\n777,1\n")
    table = Table({"id": ["001"], "flux": [[1.0, 2.0]]})
    table.write(tmp_path / "arrays.fits")
    monkeypatch.setattr(GalaxyClassifier, "predict_step", lambda *_: pytest.fail("it predicts"))
    out = f"--out={tmp_path}/p"
    for words, message in (
        ([*predict, f"{out}.txt"], "ends in .csv, .fits, .vot, .xml, .ecsv or .parquet"),
        ([*predict, f"{out}.csv", "--samp"], "--samp sends FITS and VOTable only"),
        ([*predict, f"{out}.csv", "--id_column=id"], "add --catalogue TABLE"),
        ([*predict, f"{out}.csv", f"--catalogue={tmp_path}/no.csv"], "no.csv is missing"),
        ([*predict, f"{out}.csv", f"--catalogue={tmp_path}/c.csv"], "such as 777 in column id"),
        ([*predict, f"{out}.csv", f"--catalogue={tmp_path}/c.csv", "--id-column=b"], "has no column b"),
        ([*predict, f"{out}.csv", f"--catalogue={tmp_path}/arrays.fits"], "column flux holds arrays"),
        ([*predict, f"--out={images}/p.fits"], "would be taken for an image"),
        (["table", f"{tmp_path}/no"], "name the table to write with --out FILE"),
        (["table", f"{tmp_path}/no", "--out", f"{tmp_path}/x.vot"], "does not exist"),
        (["table", images, "--out", f"{tmp_path}/x.vot"], "neither a complete run nor a cross-validation"),
        (["table", f"{tmp_path}/c.csv", "--out", f"{tmp_path}/x.vot"], "is not a table of predictions"),
        (
            ["table", f"{tmp_path}/c.csv", "--out", f"{tmp_path}/x.csv", "--samp"],
            "--samp sends FITS and VOTable",
        ),
        (
            ["table", f"{tmp_path}/arrays.fits", "--out", f"{tmp_path}/x.vot"],
            "table converts the CSV that predict wrote: name it, or the run folder",
        ),
        (["table", f"{tmp_path}/no.vot", "--samp"], "no.vot is missing"),
        (["table", run, "--out", f"{tmp_path}/c.csv"], "already exists"),
    ):
        assert message in refused(words, capsys), words
    assert sorted(os.listdir(tmp_path)) == ["arrays.fits", "c.csv"]


def test_a_missing_library_is_named_before_the_prediction(run, images, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("galaxy_lightning.tables.formats.find_spec", lambda name: None)
    monkeypatch.setattr(GalaxyClassifier, "predict_step", lambda *_: pytest.fail("it predicts"))
    words = ["predict", f"--ckpt_path={run}", f"--data.images={images}", f"--out={tmp_path}/p.parquet"]
    assert "pip install 'galaxy-lightning[parquet]'" in refused(words, capsys)


@pytest.mark.parametrize("suffix", [".fits", ".vot", ".ecsv", ".parquet"])
def test_an_interrupted_conversion_is_resumed(predict, images, tmp_path, monkeypatch, suffix):
    monkeypatch.setattr(resumable_file, "SAVE_SECONDS", 0)
    whole = predict(tmp_path / f"whole/p{suffix}", "--data.batch_size=4").read_bytes()
    folder = tmp_path / "cut"
    with monkeypatch.context() as patch, pytest.raises(SystemExit):

        def interrupted(self, *others):
            raise KeyboardInterrupt

        patch.setattr(writing, "_open", interrupted)
        predict(folder / f"p{suffix}", "--data.batch_size=4")
    assert sorted(os.listdir(folder)) == ["p.partial-0.csv", "p.partial-0.json"]
    again = predict(folder / f"p{suffix}", "--data.batch_size=4").read_bytes()
    assert again == whole
    assert sorted(os.listdir(folder)) == [f"p{suffix}", "p_skipped.csv"]


def test_one_galaxy_and_no_usable_galaxy(run, images, tmp_path, capsys):
    folder = tmp_path / "one"
    folder.mkdir()
    shutil.copy(images / "001.jpg", folder)
    words = ["predict", f"--ckpt_path={run}", f"--data.images={folder}"]
    for suffix in SUFFIXES:
        main([*words, f"--out={tmp_path}/p{suffix}"])
        assert list(by_astropy(tmp_path / f"p{suffix}")["path"]) == ["001.jpg"]
    (folder / "001.jpg").write_text("no image")
    error = refused([*words, f"--out={tmp_path}/p.fits", "--overwrite"], capsys)
    assert "none of the 1 images is usable" in error
    assert not (tmp_path / "p.fits").exists()


def test_the_predictions_of_a_run_are_converted(run, tmp_path):
    for source in (run, run.parent):
        main(["table", str(source), f"--out={tmp_path}/t.vot", "--overwrite"])
        columns = by_astropy(tmp_path / "t.vot")
        expected = pd.read_csv(run / "predictions.csv")
        assert columns["objid"] == expected["objid"].tolist()
        assert columns["p_spiral"] == expected["p_spiral"].tolist()
    from astropy.io.votable import parse

    params = {param.name: param.value for param in parse(tmp_path / "t.vot").get_first_table().params}
    assert params["model"] == "reference_cnn"
    assert "temperature" in params


def test_without_a_hub_the_table_is_kept_and_can_be_sent_later(predict, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("SAMP_HUB", f"std-lockurl:{(tmp_path / 'none').as_uri()}")
    table = predict(tmp_path / "p.vot", "--samp")
    advice = f"Start TOPCAT or Aladin, then run: python -m galaxy_lightning table {table} --samp"
    assert advice in capsys.readouterr().out
    assert len(Table.read(table)) == 11
    main(["table", str(table), "--samp"])
    assert advice in capsys.readouterr().out
