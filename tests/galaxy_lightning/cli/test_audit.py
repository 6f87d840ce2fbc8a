"""The command ``audit``."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest

from data_prep.arrays.format import open_arrays
from galaxy_lightning.cli.main import main
from tests.in_process import trained_here
from tests.many_classes import make_arrays

CLASSES = ["elliptical", "irregular", "spiral"]


def train(arrays, runs, name="run", *options):
    """Trains a small model for one step, and returns its run folder."""
    words = [f"--data.arrays={arrays}", f"--runs={runs}", f"--name={name}", "--trainer.max_epochs=1"]
    main(["fit", *words, "--model.network=reference_cnn", "--trainer.limit_train_batches=1", *options])
    return runs / name / "version_0"


@pytest.fixture(scope="module")
def trained(small_arrays, tmp_path_factory):
    return train(small_arrays, tmp_path_factory.mktemp("runs"))


@pytest.fixture
def run(trained, tmp_path):
    """A copy of the run, which tests may change."""
    return shutil.copytree(trained, tmp_path / "run")


def error(capsys, *words):
    """Runs a command that must fail; returns its error, which is a single line."""
    with pytest.raises(SystemExit):
        main([*words])
    (line,) = [each for each in capsys.readouterr().err.splitlines() if "error:" in each]
    return line


def test_an_audit_writes_its_figures_and_says_the_main_results(run, small_arrays, capsys):
    main(["audit", f"--run={run}"])
    printed = capsys.readouterr().out
    arrays = open_arrays(small_arrays)
    rows = arrays.rows("test")
    summary = json.loads((run / "audit/audit.json").read_text())
    table = pd.read_csv(run / "audit/galaxies.csv", dtype={"asset_id": "str"})
    predictions = pd.read_csv(run / "predictions.csv").query("split == 'test'").reset_index(drop=True)
    assert table["objid"].tolist() == arrays.catalog["objid"].iloc[rows].tolist()
    for name in CLASSES:
        np.testing.assert_allclose(table[f"p_{name}"], predictions[f"p_{name}"], atol=2e-3)
    assert summary["galaxies"] == len(rows)
    assert summary["accuracy"] == pytest.approx((table["predicted"] == table["label"]).mean())
    assert summary["colour"]["colour_reliance"] == pytest.approx(table["colour_reliance"].mean(), abs=1e-5)
    assert f"reliance {summary['colour']['colour_reliance']:.3f}" in printed
    assert 0.5 < summary["label_limit"]["accuracy_limit"] <= 1
    assert summary["label_limit"]["repeated"] <= summary["label_limit"]["accuracy_limit"]
    assert {path.name for path in (run / "audit/figures").glob("*.png")} >= {
        "colour.png",
        "recall.png",
        "map.png",
    }
    nearest = pd.read_csv(run / "audit/nearest.csv")
    training = arrays.catalog["objid"].iloc[arrays.rows("train")]
    assert set(nearest["nearest_objid"]) <= set(training)
    # The report shows it, and a second audit replaces the first.
    main(["report", f"--run={run}"])
    assert 'id="audit"' in (run / "report.html").read_text()
    main(["audit", f"--run={run}", "--galaxies=1", "--explained=1"])
    assert len(pd.read_csv(run / "audit/galaxies.csv")) == 1


def test_a_cross_validation_is_audited_with_all_its_galaxies(small_arrays, tmp_path, capsys, monkeypatch):
    # UMAP compiles for ten seconds, and has tests of its own.
    monkeypatch.setattr("galaxy_lightning.explain.audit_run.map_galaxies", lambda features: features[:, :2])
    out = tmp_path / "crossval"
    words = ["--folds=2", f"--data.arrays={small_arrays}", f"--out={out}", "--trainer.max_epochs=1"]
    with trained_here():
        main(["crossval", *words, "--model.network=reference_cnn", "--trainer.limit_train_batches=1"])
    main(["audit", f"--run={out}", "--explained=4"])
    table = pd.read_csv(out / "audit/galaxies.csv")
    assert sorted(table["objid"]) == sorted(open_arrays(small_arrays).catalog["objid"])
    # The features of different models cannot be compared: the map is of the first fold.
    assert table["map_x"].notna().sum() == (pd.read_csv(out / "predictions.csv")["fold"] == 0).sum()
    main(["report", f"--run={out}"])
    assert 'id="audit"' in (out / "report.html").read_text()
    assert "left-out galaxies" in capsys.readouterr().out
    # A sample may hold galaxies of one fold only.
    main(["audit", f"--run={out}", "--galaxies=1"])
    assert len(pd.read_csv(out / "audit/galaxies.csv")) == 1


@pytest.mark.parametrize("bands", [1, 5])
def test_colour_does_not_apply_to_images_of_other_bands(tmp_path, bands, capsys):
    arrays = make_arrays(tmp_path / "arrays", CLASSES, 8, size=64, channels=bands)
    run = train(arrays.folder, tmp_path)
    capsys.readouterr()
    main(["audit", f"--run={run}"])
    printed = capsys.readouterr().out
    assert (
        f"does not apply: the images have {bands} band{'s' if bands > 1 else ''}, not red, green" in printed
    )
    assert "cannot be computed" in printed
    table = pd.read_csv(run / "audit/galaxies.csv")
    assert "colour" not in table or table["colour"].isna().all()


def test_a_model_on_grey_images_does_not_rely_on_colour(small_arrays, tmp_path):
    run = train(small_arrays, tmp_path, "run", "--model.grey=true")
    main(["audit", f"--run={run}"])
    assert json.loads((run / "audit/audit.json").read_text())["colour"]["colour_reliance"] < 0.01


def test_a_class_without_test_galaxies_and_a_single_galaxy(tmp_path):
    arrays = make_arrays(tmp_path / "arrays", CLASSES, 8, size=64)
    table = arrays.catalog
    tests = table.index[table["split"] == "test"]
    table.loc[tests[1:], "split"] = "train"
    table.to_csv(arrays.folder / "catalog.csv", index=False)
    dataset = json.loads((arrays.folder / "dataset.json").read_text())
    from data_prep.common.files import sha256

    dataset["sha256"]["catalog.csv"] = sha256(arrays.folder / "catalog.csv")
    counts = table.groupby("split")["label"].value_counts()
    dataset["counts"] = {split: counts[split].to_dict() for split in ("train", "val", "test")}
    (arrays.folder / "dataset.json").write_text(json.dumps(dataset))
    run = train(arrays.folder, tmp_path)
    main(["audit", f"--run={run}"])
    summary = json.loads((run / "audit/audit.json").read_text())
    assert summary["galaxies"] == 1
    assert summary["wrong_labels"]["reason"] == "cannot be found: all galaxies have the same label"


def test_a_run_that_cannot_be_audited_says_what_to_do(run, small_arrays, tmp_path, capsys):
    assert "does not exist" in error(capsys, "audit", f"--run={tmp_path / 'none'}")
    assert "is not a folder" in error(capsys, "audit", f"--run={run / 'best.ckpt'}")
    other = shutil.copytree(small_arrays, tmp_path / "other")
    images = np.load(other / "images.npy")
    np.save(other / "images.npy", 255 - images)
    assert "images.npy" in error(capsys, "audit", f"--run={run}", f"--data.arrays={other}")
    (run / "model.keras").touch()
    (run / "best.ckpt").unlink()
    assert "python -m baselines to-torch" in error(capsys, "audit", f"--run={run}")
    assert not (run / "audit").exists()


@pytest.mark.parametrize("number", ["0", "-1", "many"])
def test_the_number_of_galaxies_is_at_least_one(run, number, capsys):
    with pytest.raises(SystemExit):
        main(["audit", f"--run={run}", f"--galaxies={number}"])
    assert "argument --galaxies: must be an integer of at least 1" in capsys.readouterr().err


def test_colour_does_not_apply_if_the_stretch_changes_the_ratios_of_the_bands(small_arrays, tmp_path, capsys):
    arrays = shutil.copytree(small_arrays, tmp_path / "arrays")
    dataset = json.loads((arrays / "dataset.json").read_text())
    dataset["images"]["stretch"] = {
        "name": "asinh",
        "a": 0.1,
        "minimum": [0.0] * 3,
        "maximum": [1.0] * 3,
    }
    (arrays / "dataset.json").write_text(json.dumps(dataset))
    run = train(arrays, tmp_path)
    main(["audit", f"--run={run}", "--explained=1"])
    assert "the stretch asinh does not keep the ratios of the bands" in capsys.readouterr().out


def test_arrays_that_are_gone_are_named(small_arrays, tmp_path, capsys):
    arrays = shutil.copytree(small_arrays, tmp_path / "arrays")
    run = train(arrays, tmp_path)
    shutil.rmtree(arrays)
    line = error(capsys, "audit", f"--run={run}")
    assert str(arrays) in line
    assert "--data.arrays" in line
    main(["audit", f"--run={run.parent}", f"--data.arrays={small_arrays}"])
    assert (run / "audit/audit.json").is_file()


def test_a_missing_library_is_named(run, monkeypatch, capsys):
    monkeypatch.setattr("data_prep.common.libraries.find_spec", lambda name: None if name == "umap" else 1)
    line = error(capsys, "audit", f"--run={run}")
    assert "missing libraries: umap-learn: " in line
    assert "galaxy-lightning[explain]" in line
