import json
import shutil

import numpy as np
import pandas as pd
import pytest
import torch

from baselines.cli import main
from baselines.keras_cnn.network import fit_keras, import_keras, make_keras_cnn
from baselines.keras_cnn.weights import (
    checkpoint_from_keras,
    keras_from_checkpoint,
    keras_from_torch,
    layer_table,
    torch_from_keras,
)
from data_prep.arrays.format import open_arrays
from data_prep.common.errors import GalaxyError
from data_prep.common.files import sha256
from galaxy_lightning.cli.main import main as galaxy_lightning
from galaxy_lightning.data.datamodule import GalaxyDataModule
from galaxy_lightning.networks.reference_cnn import ReferenceCNN
from galaxy_lightning.training.checkpoint_writer import write_checkpoint
from galaxy_lightning.training.checkpoints import load_model
from galaxy_lightning.training.module import GalaxyClassifier


@pytest.fixture(scope="module")
def keras_run(small_arrays, tmp_path_factory):
    folder = tmp_path_factory.mktemp("keras") / "run"
    main(["fit", "keras", "--data", str(small_arrays), "--out", str(folder), "--epochs", "1"])
    return folder


@pytest.fixture(scope="module")
def images(arrays):
    """64 galaxies of 224 pixels."""
    return np.array(open_arrays(arrays).images[:64])


def test_keras_to_pytorch_gives_the_same_outputs(images):
    keras, model = make_keras_cnn(), GalaxyClassifier().eval()
    model.network.load_state_dict(torch_from_keras(keras.get_weights()))
    with torch.no_grad():
        ours = model(torch.from_numpy(images)).softmax(dim=1).numpy()
    np.testing.assert_allclose(ours, keras.predict(images / np.float32(255), verbose=0), atol=1e-5, rtol=0)


def test_pytorch_to_keras_gives_the_same_outputs(images):
    keras, model = make_keras_cnn(), GalaxyClassifier().eval()
    keras.set_weights(keras_from_torch(model.network.state_dict()))
    with torch.no_grad():
        ours = model(torch.from_numpy(images)).softmax(dim=1).numpy()
    np.testing.assert_allclose(keras.predict(images / np.float32(255), verbose=0), ours, atol=1e-5, rtol=0)


def test_weights_survive_a_round_trip_bit_for_bit():
    state = ReferenceCNN(4, 64).state_dict()
    back = torch_from_keras(keras_from_torch(state))
    assert list(back) == list(state)
    assert all(torch.equal(back[name], state[name]) for name in state)


def test_a_converted_keras_run_has_the_same_test_results(keras_run, small_arrays, tmp_path, capsys):
    checkpoint = tmp_path / "from_keras.ckpt"
    words = ["to-torch", "--weights", str(keras_run / "model.keras"), "--data", str(small_arrays)]
    main([*words, "--out", str(checkpoint)])
    assert f"test --ckpt_path {checkpoint}" in capsys.readouterr().out
    galaxy_lightning(["test", "--ckpt_path", str(checkpoint)])  # The checkpoint records its galaxy arrays.
    found = json.loads((tmp_path / "test/metrics.json").read_text())["metrics"]["accuracy"]
    table = pd.read_csv(keras_run / "predictions.csv")
    table = table[table["split"] == "test"]
    assert found == pytest.approx((table["label"] == table["predicted"]).mean(), abs=1e-6)
    with pytest.raises(SystemExit):
        words_of_fit = ["--ckpt_path", str(checkpoint), "--data.arrays", str(small_arrays)]
        galaxy_lightning(["fit", *words_of_fit, "--model.image_size", "64"])
    assert "contains no optimiser state" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main([*words, "--out", str(checkpoint)])
    assert "add --overwrite" in capsys.readouterr().err


@pytest.mark.parametrize(("bands", "classes"), [(1, 2), (5, 37)])
def test_runs_with_other_bands_and_classes_are_converted_and_back(bands, classes, make_arrays, tmp_path):
    arrays = make_arrays(bands, classes)
    fit_keras(arrays, tmp_path / "run", epochs=1)
    checkpoint_from_keras(tmp_path / "run", arrays, tmp_path / "a.ckpt")
    model = load_model(tmp_path / "a.ckpt").eval()
    images = arrays.images[arrays.rows("test")]
    with torch.no_grad():
        found = model(torch.from_numpy(np.array(images))).softmax(dim=1).numpy()
    keras = import_keras().saving.load_model(tmp_path / "run/model.keras")
    np.testing.assert_allclose(found, keras.predict(images / np.float32(255), verbose=0), atol=1e-5, rtol=0)
    keras_from_checkpoint(tmp_path / "a.ckpt", tmp_path / "b.keras")
    again = import_keras().saving.load_model(tmp_path / "b.keras")
    for one, other in zip(keras.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    with pytest.raises(GalaxyError, match=f"images of 64 pixels, {3 - bands // 5} bands? and"):
        checkpoint_from_keras(tmp_path / "b.keras", make_arrays(3 - bands // 5, classes), tmp_path / "c.ckpt")


def test_a_checkpoint_is_converted_to_keras_and_back(keras_run, small_arrays, tmp_path):
    words = ["--data", str(small_arrays), "--out", str(tmp_path / "a.ckpt")]
    main(["to-torch", "--weights", str(keras_run / "model.keras"), *words])
    main(["to-keras", "--ckpt-path", str(tmp_path / "a.ckpt"), "--out", str(tmp_path / "b.keras")])
    keras = import_keras()
    first, again = (
        keras.saving.load_model(path) for path in (keras_run / "model.keras", tmp_path / "b.keras")
    )
    for one, other in zip(first.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_weights_that_cannot_be_converted_are_refused(keras_run, arrays, small_arrays, tmp_path, capsys):
    damaged = tmp_path / "damaged.keras"
    damaged.write_bytes(b"no zip")
    alone = tmp_path / "alone.keras"
    shutil.copyfile(keras_run / "model.keras", alone)
    for weights, data, message in (
        (tmp_path / "none.keras", small_arrays, "there is no file"),
        (damaged, small_arrays, "does not hold the weights of a Keras CNN"),
        (alone, arrays, "for images of 224 pixels"),
    ):
        with pytest.raises(SystemExit):
            words = ["--weights", str(weights), "--data", str(data), "--out", str(tmp_path / "out.ckpt")]
            main(["to-torch", *words])
        assert message in capsys.readouterr().err
        assert not (tmp_path / "out.ckpt").exists()
    other = tmp_path / "other"
    shutil.copytree(small_arrays, other)
    dataset = json.loads((other / "dataset.json").read_text())
    (other / "catalog.csv").write_text((other / "catalog.csv").read_text() + "\n")
    dataset["sha256"]["catalog.csv"] = sha256(other / "catalog.csv")
    (other / "dataset.json").write_text(json.dumps(dataset))
    with pytest.raises(SystemExit):
        words = ["--weights", str(keras_run / "model.keras"), "--data", str(other)]
        main(["to-torch", *words, "--out", str(tmp_path / "out.ckpt")])
    assert "was not made on the galaxy arrays" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["to-keras", "--ckpt-path", str(damaged), "--out", str(tmp_path / "out.keras")])
    assert "is not a checkpoint" in capsys.readouterr().err
    with pytest.raises(GalaxyError, match="12 arrays of weights, not 3"):
        torch_from_keras([np.zeros(3)] * 3)
    with pytest.raises(GalaxyError, match="hidden.weight"):
        keras_from_torch({name: w for name, w in ReferenceCNN().state_dict().items() if "hidden" not in name})


def test_the_layer_table_shows_both_networks():
    table = layer_table(make_keras_cnn(), GalaxyClassifier())
    assert [line.split()[-2:] for line in table[1:]] == [
        [count, count] for count in ("448", "4,640", "18,496", "73,856", "589,856", "99", "687,395")
    ]
    assert "3 x 3 x 64 x 128" in table[4]
    assert "128 x 64 x 3 x 3" in table[4]


def test_only_the_reference_cnn_can_be_converted(tmp_path):
    with pytest.raises(GalaxyError, match="ends in .keras"):
        keras_from_checkpoint(tmp_path / "best.ckpt", tmp_path / "model.h5")
    model = GalaxyClassifier("galaxy_cnn", weights="none", image_size=64)
    data = GalaxyDataModule()
    data.state_dict = lambda: {"settings": {}, "train_objids": torch.arange(3)}
    write_checkpoint(tmp_path / "best.ckpt", model, data)
    with pytest.raises(GalaxyError, match="the network 'galaxy_cnn': only reference_cnn can be converted"):
        keras_from_checkpoint(tmp_path, tmp_path / "model.keras")


def test_a_network_of_grey_images_cannot_be_converted(tmp_path):
    model = GalaxyClassifier(image_size=64, grey=True)
    data = GalaxyDataModule()
    data.state_dict = lambda: {"settings": {}, "train_objids": torch.arange(3)}
    write_checkpoint(tmp_path / "best.ckpt", model, data)
    with pytest.raises(GalaxyError, match=r"averages the bands \(model.grey\)"):
        keras_from_checkpoint(tmp_path, tmp_path / "model.keras")
