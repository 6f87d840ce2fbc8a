import json
import sys

import numpy as np
import pandas as pd
import pytest

from baselines.cli import main
from baselines.keras_cnn.epochs import validation_loss
from baselines.keras_cnn.network import (
    _batches,
    fit_keras,
    import_keras,
    make_keras_cnn,
    use_dtype_policy,
)
from data_prep.arrays.format import open_arrays
from data_prep.common.errors import GalaxyError
from galaxy_lightning.runs.reader import read_run


def fit(arrays, out, *more):
    main(
        [
            "fit",
            "keras",
            "--data",
            str(arrays),
            "--out",
            str(out),
            "--epochs",
            "2",
            "--batch-size",
            "16",
            *more,
        ]
    )


@pytest.fixture(scope="session")
def keras_run(small_arrays, tmp_path_factory):
    folder = tmp_path_factory.mktemp("keras") / "run"
    fit(small_arrays, folder)
    return folder


def test_the_network_has_the_specified_layers():
    network = make_keras_cnn()
    kinds = [(type(layer).__name__, layer.output.shape[1:]) for layer in network.layers]
    assert kinds == [
        *(("Conv2D", (222, 222, 16)), ("MaxPooling2D", (111, 111, 16))),
        *(("Conv2D", (109, 109, 32)), ("MaxPooling2D", (54, 54, 32))),
        *(("Conv2D", (52, 52, 64)), ("MaxPooling2D", (26, 26, 64))),
        *(("Conv2D", (24, 24, 128)), ("MaxPooling2D", (12, 12, 128))),
        *(
            ("Dropout", (12, 12, 128)),
            ("Flatten", (18432,)),
            ("Dense", (32,)),
            ("Dropout", (32,)),
            ("Dense", (3,)),
        ),
    ]
    assert network.count_params() == 687_395
    layers = network.layers
    assert [layers[place].rate for place in (8, 11)] == [0.2, 0.3]
    activations = [layers[place].activation.__name__ for place in (0, 2, 4, 6, 10, 12)]
    assert activations == ["relu"] * 5 + ["softmax"]
    assert float(layers[10].kernel_regularizer.l2) == 0.005
    for layer in (layer for layer in layers if layer.weights):
        assert type(layer.kernel_initializer).__name__ == "GlorotUniform"
        assert not np.asarray(layer.bias).any()
        assert layer is layers[10] or layer.kernel_regularizer is None
    adam = network.optimizer.get_config()
    assert type(network.optimizer).__name__ == "Adam"
    settings = ("learning_rate", "beta_1", "beta_2", "epsilon", "weight_decay", "amsgrad")
    assert [adam[name] for name in settings] == [pytest.approx(0.001), 0.9, 0.999, 1e-7, None, False]
    assert network.loss == "sparse_categorical_crossentropy"


def test_the_softmax_stays_in_float32_under_mixed_float16():
    keras = import_keras()
    with use_dtype_policy(keras, "mixed_float16"):
        network = make_keras_cnn(3, 64)
    assert {layer.compute_dtype for layer in network.layers[:-1]} == {"float16"}
    assert network.layers[-1].compute_dtype == "float32"
    assert type(network.optimizer).__name__ == "LossScaleOptimizer"
    assert keras.config.dtype_policy().name == "float32"
    images = np.random.default_rng(0).random((4, 64, 64, 3), dtype=np.float32)
    history = network.fit(images, np.array([0, 1, 2, 0]), verbose=0)
    assert np.isfinite(history.history["loss"]).all()


def test_a_fit_writes_a_run_folder(keras_run, small_arrays):
    arrays = open_arrays(small_arrays)
    run = read_run(keras_run, arrays)
    assert {path.name for path in keras_run.iterdir()} == {
        "events.out.tfevents",
        "history.csv",
        "predictions.csv",
        "run.json",
        "model.keras",
        "figures",
    }
    assert (run.model, run.about["epochs"]) == ("keras", 2)
    assert run.number("parameters") == make_keras_cnn(3, 64).count_params()
    assert run.about["precision"] == "float32"
    assert run.history["epoch"].tolist() == [0, 1]
    keras = import_keras()
    model = keras.saving.load_model(keras_run / "model.keras")
    images = arrays.images[arrays.rows("test")].astype(np.float32) / 255
    np.testing.assert_allclose(model.predict(images, verbose=0), run.probabilities, atol=1e-5)


def test_the_weights_of_the_lowest_validation_loss_are_kept(keras_run, small_arrays):
    history = pd.read_csv(keras_run / "history.csv")
    best = history["val_loss"].idxmin()
    assert json.loads((keras_run / "run.json").read_text())["best_epoch"] == best
    table = pd.read_csv(keras_run / "predictions.csv")
    val = table[table["split"] == "val"]
    assert (val["label"] == val["predicted"]).mean() == pytest.approx(history["val_accuracy"][best])


@pytest.mark.parametrize("policy", ["float32", "float64"])
def test_the_validation_loss_is_that_of_keras(small_arrays, policy):
    keras, arrays = import_keras(), open_arrays(small_arrays)
    with use_dtype_policy(keras, policy):
        network = make_keras_cnn(3, 64, learning_rate=0.01)
    rows = arrays.rows("train")
    images, labels = arrays.images[rows].astype(policy) / 255, arrays.labels[rows]
    network.fit(images, labels, epochs=3, verbose=0)
    expected = network.evaluate(images, labels, batch_size=16, verbose=0, return_dict=True)
    probabilities = network.predict(images, batch_size=16, verbose=0)
    assert validation_loss(network, probabilities, labels) == pytest.approx(expected["loss"], rel=1e-6)
    assert (probabilities.argmax(axis=1) == labels).mean() == pytest.approx(expected["accuracy"])


def test_the_same_seed_gives_the_same_run(keras_run, small_arrays, tmp_path):
    fit(small_arrays, tmp_path / "again")
    fit(small_arrays, tmp_path / "other", "--seed", "1")
    first, again, other = (
        pd.read_csv(folder / "predictions.csv")["p_spiral"]
        for folder in (keras_run, tmp_path / "again", tmp_path / "other")
    )
    np.testing.assert_allclose(first, again, atol=1e-6)
    assert np.abs(first - other).max() > 1e-3


def test_batches_are_read_on_demand_and_reshuffled_every_epoch(small_arrays):
    arrays = open_arrays(small_arrays)
    rows = arrays.rows("train")
    shuffled = _batches(arrays, rows, 16, shuffle_seed=0)
    epochs = []
    for _ in range(2):
        images, labels = zip(
            *((np.asarray(images), np.asarray(labels)) for images, labels in shuffled), strict=True
        )
        assert all(len(batch) <= 16 and batch.dtype == np.float32 for batch in images)
        epochs.append((np.concatenate(images), np.concatenate(labels)))
    assert not np.array_equal(epochs[0][0], epochs[1][0])
    expected = arrays.images[rows].astype(np.float32) / 255
    for images, labels in epochs:
        assert np.bincount(labels).tolist() == np.bincount(arrays.labels[rows]).tolist()
        np.testing.assert_allclose(
            np.sort(images.sum(axis=(1, 2, 3))), np.sort(expected.sum(axis=(1, 2, 3))), rtol=1e-6
        )


@pytest.mark.parametrize(("bands", "classes"), [(1, 2), (5, 4), (2, 37)])
def test_it_takes_any_number_of_bands_and_classes(bands, classes, make_arrays, tmp_path):
    arrays = make_arrays(bands, classes)
    epochs = {2: 15, 4: 25, 37: 1}[classes]
    fit_keras(arrays, tmp_path / "run", epochs=epochs, batch_size=8, learning_rate=0.003)
    run = read_run(tmp_path / "run", arrays)
    assert run.probabilities.shape == (classes, classes)
    if classes < 37:  # The classes differ in the last band only.
        assert (run.predicted == arrays.labels[arrays.rows("test")]).mean() > 1.5 / classes


def test_without_tensorflow_the_pip_command_is_shown(small_arrays, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "tensorflow", None)
    with pytest.raises(SystemExit, match="1"):
        fit(small_arrays, tmp_path / "run")
    error = capsys.readouterr().err
    assert "tensorflow is not installed: install it with pip install 'tensorflow>=2.19'" in error
    assert not (tmp_path / "run").exists()


def test_images_that_are_too_small_are_refused():
    with pytest.raises(GalaxyError, match="at least 46 pixels, not 45"):
        make_keras_cnn(3, 45)
