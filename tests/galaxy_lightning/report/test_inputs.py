"""What a report reads: runs with and without their arrays, several runs, and cross-validations."""

import json
import re
import shutil

import numpy as np
import pandas as pd
import pytest

from data_prep.arrays.folds import make_folds
from data_prep.arrays.format import open_arrays
from data_prep.common.errors import GalaxyError
from galaxy_lightning.cli.main import main
from galaxy_lightning.evaluation.calibration import Calibration
from galaxy_lightning.evaluation.crossval import summarise
from galaxy_lightning.report.content import Report
from galaxy_lightning.report.inputs import read_inputs
from galaxy_lightning.runs.reader import read_run
from tests.many_classes import class_names, make_arrays, make_run


@pytest.fixture
def survey(tmp_path):
    """Arrays and two runs."""
    arrays = make_arrays(tmp_path / "arrays", class_names(3))
    return arrays, [
        make_run(tmp_path / name, arrays, name, skill=skill) for name, skill in (("a", 1), ("b", 0.2))
    ]


def test_a_run_without_its_arrays_has_the_same_results(survey, tmp_path):
    arrays, runs = survey
    galaxies, (model,) = read_inputs(runs[:1])
    shutil.move(arrays.folder, tmp_path / "moved")
    alone, (again,) = read_inputs(runs[:1])
    assert galaxies.classes == alone.classes == arrays.classes
    assert galaxies.ids == alone.ids
    assert galaxies.labels.tolist() == alone.labels.tolist()
    assert np.array_equal(model.runs[0].probabilities, again.runs[0].probabilities)
    assert (galaxies.note, galaxies.arrays is None) == ("", False)
    assert "are missing or damaged" in alone.note
    assert alone.positions() is None
    assert alone.votes().empty
    assert read_inputs(runs[:1], tmp_path / "moved")[0].arrays is not None


def test_changed_arrays_are_not_shown(survey):
    arrays, runs = survey
    content = json.loads((arrays.folder / "dataset.json").read_text())
    content["sha256"]["images.npy"] = "0" * 64
    (arrays.folder / "dataset.json").write_text(json.dumps(content))
    assert "have changed after the training" in read_inputs(runs[:1])[0].note
    with pytest.raises(GalaxyError, match="has been changed or damaged"):
        read_inputs(runs[:1], arrays.folder)


def test_a_run_that_repeats_another_is_refused(survey, tmp_path):
    _, runs = survey
    copy = shutil.copytree(runs[0], tmp_path / "copy")
    with pytest.raises(GalaxyError, match="it has the same model, settings and seed; leave one out"):
        read_inputs([*runs, copy])


def test_damaged_arrays_are_not_shown(survey):
    arrays, runs = survey
    np.save(arrays.folder / "images.npy", np.zeros_like(arrays.images))
    assert "are missing or damaged" in read_inputs(runs[:1])[0].note
    with pytest.raises(GalaxyError, match="has been changed or damaged"):
        read_inputs(runs[:1], arrays.folder)


def test_runs_without_their_arrays_are_compared_in_the_same_order(survey, tmp_path):
    arrays, runs = survey
    _, expected = read_inputs(runs)
    table = pd.read_csv(runs[1] / "predictions.csv")
    table.sample(frac=1, random_state=0).to_csv(runs[1] / "predictions.csv", index=False)
    shutil.move(arrays.folder, tmp_path / "moved")
    galaxies, found = read_inputs(runs)
    for one, other in zip(expected, found, strict=True):
        assert one.name == other.name
        assert np.allclose(one.runs[0].probabilities, other.runs[0].probabilities)
    assert len(galaxies.labels) == 6


def test_runs_on_other_arrays_are_refused(survey, tmp_path):
    arrays, runs = survey
    other = make_arrays(tmp_path / "other", class_names(3), images_per_class=12)
    stranger = make_run(tmp_path / "stranger", other, "c")
    with pytest.raises(GalaxyError, match="was not made on the galaxy arrays"):
        read_inputs([runs[0], stranger])
    for folder in (arrays.folder, other.folder):
        shutil.rmtree(folder)
    with pytest.raises(GalaxyError, match="different galaxy arrays"):
        read_inputs([runs[0], stranger])


def test_text_ids_are_read_as_they_are(tmp_path):
    ids = ["007", "1e5", "0x1F", "a b", "12.50", "NGC 1"]
    arrays = make_arrays(tmp_path / "arrays", class_names(3), id=lambda number: (ids * number)[:number])
    run = make_run(tmp_path / "run", arrays, "a")
    table = pd.read_csv(run / "predictions.csv").merge(
        arrays.catalog[["objid", "id"]].astype({"objid": "int64"}), on="objid", validate="one_to_one"
    )
    table.to_csv(run / "predictions.csv", index=False)
    expected = read_inputs([run])[0].ids
    shutil.move(arrays.folder, tmp_path / "moved")
    assert read_inputs([run])[0].ids == expected
    assert set(expected) <= set(ids)


@pytest.fixture
def crossval(tmp_path):
    """A cross-validation of two folds, made without training."""
    arrays, out = make_arrays(tmp_path / "arrays", class_names(3)), tmp_path / "crossval"
    folds = [open_arrays(folder) for folder in make_folds(arrays, out / "arrays", 2)]
    calibration = {"calibration": Calibration().state()}
    runs = [
        read_run(make_run(out / fold.folder.name / "version_0", fold, "a", skill=0.4, **calibration), fold)
        for fold in folds
    ]
    summarise(runs, folds, out)
    return out


def test_the_page_of_a_cross_validation_is_of_all_galaxies(crossval, capsys):
    galaxies, (model,) = read_inputs([crossval])
    summary = json.loads((crossval / "summary.json").read_text())
    report = Report(galaxies, [model])
    assert (len(galaxies.labels), len(model.fits), galaxies.note) == (24, 2, "")
    assert report.title == "Cross-validation of a"
    assert "2 folds: each of the 24 galaxies" in report.about
    (measured,) = report.summary["models"]
    assert measured["mean"]["accuracy"] == pytest.approx(summary["pooled"]["accuracy"])
    assert measured["runs"][0]["confusion"] == summary["confusion"]
    assert measured["mean"]["seconds"] == 3.0  # 1.5 s of each fold.
    rows = galaxies.arrays.catalog.iloc[galaxies.rows]
    assert rows["objid"].tolist() == galaxies.objids.tolist()
    main(["report", "--run", str(crossval)])
    assert "24 left-out galaxies" in capsys.readouterr().out
    assert (crossval / "report.html").is_file()


def test_parts_of_a_cross_validation_may_be_missing(crossval):
    shutil.rmtree(crossval / "fold_1")
    shutil.rmtree(crossval / "arrays")
    galaxies, (model,) = read_inputs([crossval])
    report = Report(galaxies, [model])
    assert "2 folds" in report.about
    assert len(model.fits) == 1
    assert report.summary["models"][0]["mean"]["seconds"] is None
    assert "has no images, votes or positions" in galaxies.note
    assert "learning curves lack fold_1" in galaxies.note


def test_a_damaged_cross_validation_is_an_error_in_one_line(crossval, tmp_path, capsys):
    other = make_arrays(tmp_path / "other", class_names(3), images_per_class=4)
    summary = crossval / "summary.json"
    content = json.loads(summary.read_text())
    for words, changed, message in (
        ([], content | {"model": None}, "does not name the model"),
        ([], content | {"folds": 2}, "does not list the folds"),
        ([], content | {"galaxies": 25}, "holds 24 galaxies, unlike summary.json"),
        (["--data.arrays", str(other.folder)], content, "does not hold all galaxies"),
        ([str(crossval)], content, "cannot be compared with other runs"),
    ):
        summary.write_text(json.dumps(changed))
        with pytest.raises(SystemExit):
            main(["report", "--run", str(crossval), *words, "--out", str(tmp_path / "page.html")])
        error = capsys.readouterr().err
        assert message in error
        assert len(error.splitlines()) == 1
    assert not (tmp_path / "page.html").exists()


@pytest.mark.parametrize("path", [None, 7, "/nowhere"])
def test_a_run_that_names_no_arrays_is_read_alone(survey, path):
    _, runs = survey
    about = json.loads((runs[0] / "run.json").read_text())
    about["arrays"]["path"] = path
    (runs[0] / "run.json").write_text(json.dumps(about))
    assert read_inputs(runs[:1])[0].note


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("predictions.csv", lambda text: text.replace("p_smooth, completely round", "x"), "is not one of"),
        (
            "predictions.csv",
            lambda text: "\n".join([*text.splitlines(), text.splitlines()[1]]),
            "listed twice",
        ),
        ("predictions.csv", lambda text: text.splitlines()[0], "holds no predictions|no rows"),
        ("run.json", lambda _: "{", "run.json"),
        ("history.csv", lambda text: text.replace("0.5", "x"), "history.csv"),
    ],
)
def test_a_damaged_run_is_an_error_in_one_line(survey, capsys, name, change, message):
    arrays, runs = survey
    shutil.rmtree(arrays.folder)
    path = runs[0] / name
    path.write_text(change(path.read_text()))
    with pytest.raises(SystemExit):
        main(["report", "--run", str(runs[0])])
    error = capsys.readouterr().err
    assert len(error.splitlines()) == 1
    assert re.search(message, error)
    assert not (runs[0] / "report.html").exists()


def test_wrong_options_are_errors_in_one_line(survey, tmp_path, capsys):
    _, (one, other) = survey
    (tmp_path / "page.html").write_text("mine")
    for words, message in (
        (["--run", one, other], "name the page of several runs with --out"),
        (["--run", tmp_path / "nothing"], "does not exist"),
        (["--run", tmp_path], "holds no complete run"),
        (["--run", tmp_path / "page.html"], "is not a folder"),
        (["--run", one, "--run", one, "--out", tmp_path / "new.html"], "is named twice"),
        (["--run", one, "--out", tmp_path / "page.html"], "--overwrite"),
        (["--run", one, "--out", tmp_path / "page.txt"], "ends in .html"),
        (["--run", one, "--data.arrays", tmp_path], "does not hold galaxy arrays"),
    ):
        with pytest.raises(SystemExit):
            main(["report", *map(str, words)])
        error = capsys.readouterr().err
        assert message in error
        assert len(error.splitlines()) == 1
    assert (tmp_path / "page.html").read_text() == "mine"
    main(["report", "--run", str(one), str(other), "--out", str(tmp_path / "page.html"), "--overwrite"])
    assert "Saved to" in capsys.readouterr().out
    assert (tmp_path / "page.html").read_text().startswith("<!DOCTYPE html>")
