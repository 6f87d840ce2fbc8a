"""Training from Python."""

import json
import threading

import numpy as np
import pytest

import galaxy_lightning as gl


@pytest.fixture(scope="module")
def trained(small_arrays, tmp_path_factory):
    runs = tmp_path_factory.mktemp("fits") / "runs"
    return gl.fit(
        small_arrays,
        name="quick",
        runs=runs,
        seed=3,
        model={"weights": "none", "auxiliary": []},
        trainer={"max_epochs": 1, "precision": "32-true"},
        data={"batch_size": 32},
    )


def test_the_settings_are_those_of_the_command_line(trained):
    run = trained.path.parent
    about = json.loads((run / "run.json").read_text())
    assert run.parent.name == "quick"
    assert about["seed"] == 3
    assert about["epochs"] == 1
    assert about["hyperparameters"]["batch_size"] == 32
    assert about["hyperparameters"]["weights"] == "none"
    assert about["hyperparameters"]["optimizer"] == "adamw"


def test_the_best_weights_are_returned(trained, raw):
    assert trained.path.name == "best.ckpt"
    table = trained.predict(raw / "images_gz2/images", zooms=1)
    assert table["seen_in_training"].sum() == 68
    assert "unknown: the file holds no cross-validated figures" in trained.card


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"trainer": {"max_epoch": 1}}, r"unrecognized arguments: --trainer.max_epoch=1; did you mean"),
        ({"trainer": {"max_epochs": "many"}}, "trainer.max_epochs"),
        ({"model": {"learning_rate": -1}}, "learning_rate"),
        ({"config": "no_config"}, "no_config"),
        ({"trainer": {"fast_dev_run": True}}, "fast_dev_run saves no model"),
        ({"name": "../x"}, "is not a valid run name"),
        ({"data": {"arrays": "x"}}, "the galaxy arrays are named twice"),
        ({"model": "galaxy_cnn"}, "model: pass a dictionary of settings"),
        ({"trainer": {"callbacks": [object()]}}, "trainer.callbacks: the command line cannot express"),
        ({"trainer": {"max_epochs": {1, 2}}}, "trainer.max_epochs: the command line cannot express"),
    ],
)
def test_a_wrong_setting_raises_an_error(small_arrays, tmp_path, settings, message):
    with pytest.raises(gl.GalaxyError, match=message) as error:
        gl.fit(small_arrays, runs=tmp_path / "runs", **settings)
    assert "\n" not in str(error.value)
    assert not (tmp_path / "runs").exists()


def test_missing_arrays_raise_an_error(tmp_path):
    with pytest.raises(gl.GalaxyError, match="does not hold galaxy arrays"):
        gl.fit(tmp_path / "missing", runs=tmp_path / "runs")


def test_a_thread_can_train(small_arrays, tmp_path):
    found = []
    trainer = {"max_epochs": np.int64(1), "limit_train_batches": 1}
    settings = {"model": {"weights": "none"}, "trainer": trainer}
    thread = threading.Thread(
        target=lambda: found.append(gl.fit(small_arrays, runs=tmp_path / "runs", **settings))
    )
    thread.start()
    thread.join()
    assert found[0].path.is_file()
