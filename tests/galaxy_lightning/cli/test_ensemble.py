"""Several networks that classify galaxies together: predict with runs, or with a cross-validation."""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import galaxy_lightning as gl
from data_prep.arrays.format import open_arrays
from data_prep.common.errors import GalaxyError
from data_prep.schema import CLASSES
from galaxy_lightning.cli.main import main
from galaxy_lightning.evaluation.ensemble import calibrate_together
from galaxy_lightning.runs.predictions import read_predictions
from galaxy_lightning.training.checkpoints import load_checkpoint
from galaxy_lightning.training.ensemble import load_ensemble
from tests.in_process import trained_here

PROBABILITIES = [f"p_{name}" for name in CLASSES]
SPREADS = [f"{name}_std" for name in PROBABILITIES]
ADDED = ["networks", "entropy", "is_uncertain", "seen_in_training", "novelty"]


def train(command, arrays, *words):
    with trained_here():
        main(
            [
                command,
                f"--data.arrays={arrays}",
                "--model.network=reference_cnn",
                "--model.zooms=2",
                "--trainer.max_epochs=1",
                "--trainer.enable_progress_bar=false",
                "--trainer.precision=32-true",
                *words,
            ]
        )


@pytest.fixture(scope="module")
def crossval(small_arrays, tmp_path_factory):
    folder = tmp_path_factory.mktemp("ensemble") / "crossval"
    train("crossval", small_arrays, "--folds=3", f"--out={folder}")
    return folder


@pytest.fixture(scope="module")
def runs(small_arrays, tmp_path_factory):
    """Two runs with the same split and different seeds."""
    folder = tmp_path_factory.mktemp("runs")
    for seed in (0, 1):
        train("fit", small_arrays, f"--runs={folder}", "--name=a", f"--seed_everything={seed}")
    return [folder / "a/version_0", folder / "a/version_1"]


@pytest.fixture(scope="module")
def new_images(raw, tmp_path_factory):
    """Images that no network has seen: galaxies of the survey, upside down and darker, and a broken file."""
    folder = tmp_path_factory.mktemp("new")
    for number, path in enumerate(sorted((raw / "images_gz2/images").glob("*.jpg"))[:10]):
        image = Image.fromarray(np.asarray(Image.open(path))[::-1] // 2)
        image.save(folder / f"new{number}.jpg")
    (folder / "broken.jpg").write_bytes(b"no image")
    return folder


def predict(out, *words):
    main(["predict", *map(str, words), f"--out={out}", "--trainer.enable_progress_bar=false"])
    return pd.read_csv(out)


def test_new_galaxies_are_classified_by_the_mean_of_all_folds(crossval, new_images, tmp_path, capsys):
    table = predict(tmp_path / "p.csv", "--ckpt_path", crossval, f"--data.images={new_images}")
    written = capsys.readouterr().out
    assert list(table.columns) == ["id", "path", *PROBABILITIES, "predicted", *SPREADS, *ADDED]
    assert len(table) == 10
    assert (table["networks"] == 3).all()
    assert (table["seen_in_training"] == 0).all()
    assert table["is_uncertain"].isin([0, 1]).all()
    assert table["novelty"].between(0, 100).all()
    assert "Mean of 3 networks:" in written
    assert ("unlike the training galaxies" in written) == bool((table["novelty"] >= 99).any())
    singles = [
        predict(
            tmp_path / f"{n}.csv",
            "--ckpt_path",
            crossval / f"fold_{n}/version_0",
            f"--data.images={new_images}",
        )
        for n in range(3)
    ]
    values = np.stack([single[PROBABILITIES] for single in singles])
    np.testing.assert_allclose(table[SPREADS], values.std(axis=0, ddof=1), atol=2e-6)
    folders = [crossval / f"fold_{n}/version_0" for n in range(3)]
    tables = [read_predictions(folder / "predictions.csv", CLASSES) for folder in folders]
    temperature = calibrate_together(tables, CLASSES, 0.9).temperature
    mean = values.mean(axis=0) ** (1 / temperature)
    np.testing.assert_allclose(table[PROBABILITIES], mean / mean.sum(axis=1, keepdims=True), atol=1e-5)
    np.testing.assert_allclose(
        table["novelty"], np.mean([single["novelty"] for single in singles], axis=0), atol=0.02
    )


def test_each_galaxy_of_the_training_is_answered_by_the_network_that_left_it_out(
    crossval, small_arrays, tmp_path
):
    table = predict(tmp_path / "p.csv", "--ckpt_path", crossval, f"--data.arrays={small_arrays}")
    left_out = pd.read_csv(crossval / "predictions.csv").set_index("objid").loc[table["objid"]]
    assert (table["networks"] == 1).all()
    assert table[SPREADS].isna().all(axis=None)
    assert (table["seen_in_training"] == 0).all()
    assert (table["predicted"].to_numpy() == left_out["predicted"].to_numpy()).all()


def test_a_config_may_list_the_runs(runs, new_images, tmp_path, capsys):
    config = tmp_path / "ensemble.yaml"
    config.write_text(f"ckpt_path:\n- {runs[0]}\n- {runs[1]}\ndata:\n  images: {new_images}\n")
    table = predict(tmp_path / "p.csv", f"--config={config}")
    expected = predict(tmp_path / "q.csv", "--ckpt_path", *runs, f"--data.images={new_images}")
    pd.testing.assert_frame_equal(table, expected)
    with pytest.raises(SystemExit):
        main(["test", f"--config={config}"])
    assert "test takes one checkpoint, not 2" in capsys.readouterr().err
    config.write_text("ckpt_path: [3]\n")
    with pytest.raises(SystemExit):
        main(["predict", f"--config={config}"])
    assert "ckpt_path is neither a path nor a list of paths" in capsys.readouterr().err


def test_runs_with_the_same_split(runs, small_arrays, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    main(["predict", "--ckpt_path", *map(str, runs), f"--data.arrays={small_arrays}"])
    table = pd.read_csv(f"predictions_{small_arrays.name}.csv")
    arrays = open_arrays(small_arrays)
    by_split = table["seen_in_training"].groupby(table["split"]).agg(["min", "max"])
    assert by_split.loc["test"].tolist() == [0, 0]
    assert by_split.loc["train"].tolist() == [1, 1]
    assert (table["networks"] == 2).all()
    assert len(table) == len(arrays.catalog)


def test_python_gives_the_same_table(crossval, new_images, tmp_path):
    table = predict(tmp_path / "p.csv", "--ckpt_path", crossval, f"--data.images={new_images}")
    classifier = gl.load(crossval)
    assert "of 3 networks" in repr(classifier)
    assert len(classifier.paths) == 3
    ours = classifier.predict(new_images)
    ours = ours[ours["problem"].isna()].reset_index(drop=True)
    np.testing.assert_allclose(ours[[*PROBABILITIES, *SPREADS]], table[[*PROBABILITIES, *SPREADS]], atol=1e-5)
    assert (ours["is_uncertain"].astype(int) == table["is_uncertain"]).all()
    assert (ours["networks"] == 3).all()


def test_other_zooms_are_not_calibrated_together(crossval, new_images, tmp_path, capsys):
    table = predict(tmp_path / "p.csv", "--ckpt_path", crossval, f"--data.images={new_images}", "--zooms=1")
    assert table["is_uncertain"].isna().all()
    assert table["novelty"].isna().all()
    written = capsys.readouterr().out
    assert "not calibrated together" in written
    assert "10 without a novelty: it is known for 2 zooms only" in written
    assert gl.load(crossval).predict(new_images, zooms=1)["is_uncertain"].isna().all()


def test_a_network_named_twice_is_refused(runs, tmp_path, capsys):
    copy = shutil.copy(runs[0] / "best.ckpt", tmp_path / "copy.ckpt")
    for second, message in ((runs[0], "is named twice"), (Path(copy), "are the same")):
        with pytest.raises(SystemExit):
            main(["predict", "--ckpt_path", str(runs[0]), str(second), f"--data.images={tmp_path}"])
        assert message in capsys.readouterr().err


def test_two_checkpoints_of_one_fit_and_a_cross_validation_for_one_model_are_refused(runs, crossval, capsys):
    with pytest.raises(SystemExit):
        main(["predict", *(f"--ckpt_path={runs[0] / name}.ckpt" for name in ("best", "last"))])
    assert "two checkpoints of the fit in" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["test", f"--ckpt_path={crossval}"])
    assert "is a cross-validation: name one of its runs, such as" in capsys.readouterr().err


def test_networks_that_do_not_fit_together_are_refused(runs, crossval, tmp_path):
    with pytest.raises(GalaxyError, match=r"differ in the size of the images \(64 and 224\)"):
        load_ensemble([runs[0] / "best.ckpt", find_shipped()])


def find_shipped():
    from galaxy_lightning.shipped_models import DEFAULT_MODEL, SHIPPED

    return SHIPPED[DEFAULT_MODEL]


def test_an_incomplete_cross_validation_is_refused(crossval, tmp_path, capsys):
    (tmp_path / "begun").mkdir()
    shutil.copy(crossval / "crossval.json", tmp_path / "begun")
    with pytest.raises(SystemExit):
        main(["predict", f"--ckpt_path={tmp_path / 'begun'}", f"--data.images={tmp_path}"])
    assert "is not complete: run crossval again" in capsys.readouterr().err
    shutil.copy(crossval / "summary.json", tmp_path / "begun")
    with pytest.raises(SystemExit):
        main(["predict", f"--ckpt_path={tmp_path / 'begun'}", f"--data.images={tmp_path}"])
    assert "fold_0 holds no complete run" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["fit", "test", "validate"])
def test_other_commands_take_one_checkpoint(runs, command, capsys):
    with pytest.raises(SystemExit):
        main([command, "--ckpt_path", *map(str, runs)])
    assert f"{command} takes one checkpoint, not 2" in capsys.readouterr().err


def test_a_fit_ends_with_the_novelty_of_its_model(runs, small_arrays, tmp_path, capsys):
    model, trained = load_checkpoint(runs[0] / "best.ckpt")
    assert trained.novelty is not None
    assert model.inference.novelty is not None
    arrays = open_arrays(small_arrays)
    assert len(trained.novelty.space.training) == len(arrays.rows("train"))
    table = predict(tmp_path / "p.csv", "--ckpt_path", runs[0], f"--data.arrays={small_arrays}")
    validation = table.loc[table["split"] == "val", "novelty"]
    assert validation.min() == pytest.approx(0, abs=1)
    assert validation.max() == pytest.approx(100, abs=1)


def test_the_final_model_of_a_cross_validation_has_a_novelty(small_arrays, crossval, tmp_path, new_images):
    folder = tmp_path / "crossval"
    shutil.copytree(crossval, folder)
    final = tmp_path / "final.ckpt"
    train("crossval", small_arrays, "--folds=3", f"--out={folder}", f"--final={final}")
    novelty = load_checkpoint(final)[1].novelty
    assert novelty is not None
    assert len(novelty.space.training) == len(open_arrays(small_arrays).catalog)
    assert novelty.zooms == 2
    table = predict(tmp_path / "p.csv", f"--ckpt_path={final}", f"--data.images={new_images}")
    assert table["novelty"].notna().all()
