import pytest

from baselines.cli import main
from baselines.keras_cnn.network import import_keras
from baselines.keras_cnn.parity import measure_parity
from data_prep.arrays.format import open_arrays


def test_fifty_training_steps_agree(small_arrays):
    keras = import_keras()
    before = keras.config.floatx(), keras.config.dtype_policy().name
    parity = measure_parity(open_arrays(small_arrays), galaxies=64, steps=50, batch_size=32)
    assert parity.outputs < 1e-12
    assert parity.outputs_back == 0
    # Keras keeps its running loss in float32.
    assert parity.losses < 1e-6
    assert parity.trained_outputs < 1e-6
    assert parity.same_class == 1
    assert (keras.config.floatx(), keras.config.dtype_policy().name) == before


@pytest.mark.parametrize(("bands", "classes"), [(1, 2), (5, 37)])
def test_networks_with_other_bands_and_classes_agree(bands, classes, make_arrays):
    parity = measure_parity(make_arrays(bands, classes), galaxies=16, steps=5, batch_size=8)
    assert parity.outputs < 1e-12
    assert parity.outputs_back == 0
    assert parity.losses < 1e-6
    assert parity.trained_outputs < 1e-6


def test_the_first_float32_steps_agree(small_arrays):
    parity = measure_parity(open_arrays(small_arrays), galaxies=64, steps=3, precision="float32")
    assert parity.outputs < 1e-5
    assert parity.losses < 1e-3


def test_the_command_shows_layers_outputs_and_training(small_arrays, capsys):
    main(["parity", "--data", str(small_arrays), "--steps", "2", "--galaxies", "8", "--batch-size", "8"])
    shown = capsys.readouterr().out
    assert "convolution 128 3 x 3 x 64 x 128" in shown
    assert "Keras -> PyTorch -> Keras   0.0e+00" in shown
    assert "After 2 training steps" in shown
    assert shown.rstrip().endswith("100.0%")


def test_zero_steps_are_refused(small_arrays, capsys):
    with pytest.raises(SystemExit):
        main(["parity", "--data", str(small_arrays), "--steps", "0"])
    assert "steps" in capsys.readouterr().err
