"""The trained model in the package."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import galaxy_lightning as gl
from data_prep.arrays.preprocess import preprocess
from data_prep.samples.extract import extract
from data_prep.schema import CLASSES
from galaxy_lightning.cli.main import main
from galaxy_lightning.shipped_models import DEFAULT_MODEL, SHIPPED
from galaxy_lightning.training.checkpoints import read_checkpoint

PROBABILITIES = [f"p_{name}" for name in CLASSES]
DOCUMENT = Path(__file__).parents[2] / "docs/galaxy_zoo1.md"


@pytest.fixture(scope="module")
def trained():
    return read_checkpoint(SHIPPED[DEFAULT_MODEL])


def test_it_is_small_and_names_no_folder(trained):
    assert SHIPPED[DEFAULT_MODEL].stat().st_size < 5e6
    assert trained.arrays_folder is None
    assert not trained.resumable


def test_it_lists_all_galaxies_that_it_has_seen(trained):
    assert sum(trained.card.counts.values()) == 1_000
    assert len(trained.trained_on.pixels) == 1_000
    assert len(trained.trained_on.objids) > 1_000  # Those of its initial weights, too.
    assert not len(trained.calibrated_on.objids)


def test_it_is_calibrated_for_five_zooms_and_for_one(trained):
    assert trained.calibrations.for_zooms(5).is_fitted
    assert trained.calibrations.for_zooms(1).is_fitted


def test_its_card_has_the_figures_of_two_cross_validations(trained):
    figures = trained.card.cross_validations
    assert [(each["seed"], each["folds"], each["galaxies"]) for each in figures] == [
        (0, 5, 1_000),
        (1, 5, 1_000),
    ]
    assert all(0.75 < each["accuracy"] < 0.9 for each in figures)


def test_the_document_shows_the_card_as_the_command_prints_it(capsys):
    main(["model", "--about"])
    assert capsys.readouterr().out in DOCUMENT.read_text(encoding="utf-8")


def test_predict_uses_it_by_default_and_says_so(raw, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    images = raw / "images_gz2/images"
    main(["predict", f"--data.images={images}", "--zooms=1"])
    printed = capsys.readouterr().out
    assert "Model: galaxy_zoo1, elliptical, irregular (undecided votes) or spiral" in printed
    assert "About it: python -m galaxy_lightning model --about galaxy_zoo1" in printed
    assert "None recognised as a galaxy of the training" in printed
    table = pd.read_csv("predictions_images.csv")
    assert (table["seen_in_training"] == 0).all()
    assert list(Path().iterdir()) == [Path("predictions_images.csv")]
    main(["predict", "--ckpt_path=galaxy_zoo1", f"--data.images={images}", "--zooms=1", "--out=named.csv"])
    pd.testing.assert_frame_equal(pd.read_csv("named.csv"), table)
    from_python = gl.classify(images, zooms=1)
    np.testing.assert_allclose(from_python[PROBABILITIES], table[PROBABILITIES], atol=1e-5)


def test_its_name_is_never_that_of_a_file(tmp_path, monkeypatch, capsys):
    (tmp_path / "galaxy_zoo1").mkdir()
    monkeypatch.chdir(tmp_path)
    assert gl.load("galaxy_zoo1").path == gl.load().path == SHIPPED[DEFAULT_MODEL]
    with pytest.raises(SystemExit):
        main(["model", "./galaxy_zoo1"])
    assert "there is no checkpoint galaxy_zoo1" in capsys.readouterr().err


def test_fits_start_from_it(small_arrays, tmp_path):
    classifier = gl.fit(
        small_arrays,
        runs=tmp_path,
        model={"weights": "galaxy_zoo1"},
        trainer={"max_epochs": 1, "limit_train_batches": 1},
    )
    seen = read_checkpoint(classifier.path).trained_on
    shipped = read_checkpoint(SHIPPED[DEFAULT_MODEL]).trained_on
    assert set(shipped.objids) < set(seen.objids)
    assert set(shipped.pixels) < set(seen.pixels)


def test_other_networks_cannot_start_from_it():
    with pytest.raises(gl.GalaxyError, match="model.weights galaxy_zoo1 works with galaxy_cnn only"):
        gl.fit("ARRAYS", config="reference_cnn", model={"weights": "galaxy_zoo1", "image_size": 64})


@pytest.fixture(scope="module")
def real_arrays(real_sample, tmp_path_factory):
    folder = tmp_path_factory.mktemp("real")
    extract(real_sample, folder / "sample.csv", n=60, label_rule="flags")
    preprocess(folder / "sample.csv", real_sample, folder / "arrays", progress=False)
    return folder / "arrays"


@pytest.mark.real
def test_its_galaxies_are_refused_as_test_galaxies_and_marked(real_sample, real_arrays, tmp_path, capsys):
    for words in (["test", "--ckpt_path=galaxy_zoo1"], ["validate", "--ckpt_path=galaxy_zoo1"]):
        with pytest.raises(SystemExit):
            main([*words, f"--data.arrays={real_arrays}"])
        assert "was trained on 9 of the 9" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["fit", f"--data.arrays={real_arrays}", "--model.weights=galaxy_zoo1", f"--runs={tmp_path}"])
    assert "the initial weights were trained on 9 of the 9 val galaxies" in capsys.readouterr().err
    files = sorted((real_sample / "images_gz2/images").iterdir())[:10]
    assert gl.classify(files, zooms=1)["seen_in_training"].all()
