import pickle
from dataclasses import replace
from pathlib import Path

import fsspec
import numpy as np
import pytest
import torch

from data_prep.arrays.preprocess import preprocess
from data_prep.common.errors import GalaxyError
from data_prep.samples.extract import extract
from data_prep.simulate import simulate_survey
from data_prep.simulate.identity import PRETRAINING_SEED, object_ids
from galaxy_lightning import networks
from galaxy_lightning.cli.main import main
from galaxy_lightning.data.datamodule import GalaxyDataModule
from galaxy_lightning.networks.adaptation import Adaptation
from galaxy_lightning.networks.weight_files import load_weights_file
from galaxy_lightning.shipped_models import SHIPPED, SIMULATED
from galaxy_lightning.training.checkpoint_writer import AtomicCheckpointIO, export_weights, write_checkpoint
from galaxy_lightning.training.checkpoints import read_checkpoint, read_trained_on
from galaxy_lightning.training.module import GalaxyClassifier


def test_checkpoints_may_be_saved_to_other_file_systems():
    AtomicCheckpointIO().save_checkpoint({"weights": torch.arange(3)}, "memory://a/last.ckpt")
    with fsspec.open("memory://a/last.ckpt") as file:
        assert torch.load(file, weights_only=True)["weights"].tolist() == [0, 1, 2]


def test_a_failed_checkpoint_keeps_the_older_one(tmp_path):
    path = tmp_path / "runs/last.ckpt"
    AtomicCheckpointIO().save_checkpoint({"epoch": 1}, path)
    with pytest.raises((AttributeError, TypeError, pickle.PicklingError)):
        AtomicCheckpointIO().save_checkpoint({"epoch": lambda: 2}, path)
    assert torch.load(path, weights_only=True) == {"epoch": 1}
    assert list(path.parent.iterdir()) == [path]


def test_a_changed_number_is_detected(tmp_path):
    path = tmp_path / "best.ckpt"
    torch.save({"state_dict": {"weight": torch.full((1000,), 0.5)}}, path)
    content = bytearray(path.read_bytes())
    content[content.index(torch.full((9,), 0.5).numpy().tobytes()) + 400] ^= 1
    path.write_bytes(content)
    assert torch.load(path, weights_only=True)["state_dict"]["weight"].shape == (1000,)
    for read in (
        read_checkpoint,
        lambda path: load_weights_file(torch.nn.Linear(1, 1), Adaptation(()), str(path), "linear"),
    ):
        with pytest.raises(GalaxyError, match="the checksum of .*data/0 is wrong"):
            read(path)


@pytest.mark.parametrize("weights", SHIPPED)
def test_shipped_weights_were_trained_on_no_galaxy_of_a_survey(weights):
    seen = read_trained_on(weights).objids
    assert len(seen)
    for seed in range(20):
        assert not np.isin(object_ids(seed, 2_000), seen).any()


def test_every_shipped_weights_file_is_registered():
    folder = Path(networks.__file__).parent
    assert {*folder.glob("*.pt"), *folder.glob("*.ckpt")} == set(SHIPPED.values())


@pytest.mark.parametrize("weights", [SIMULATED])
def test_shipped_weights_are_not_measured_on_their_training_galaxies(weights, tmp_path, capsys):
    raw, sample, arrays = tmp_path / "raw", tmp_path / "sample.csv", tmp_path / "arrays"
    simulate_survey(raw, 40, PRETRAINING_SEED, workers=1, progress=False)
    extract(raw, sample, n="all")
    preprocess(sample, raw, arrays, crop=64, progress=False)
    config = Path(__file__).parents[3] / "configs/galaxy_cnn.yaml"
    words = [f"--config={config}", f"--data.arrays={arrays}", "--model.image_size=64", f"--runs={tmp_path}"]
    with pytest.raises(SystemExit):
        main(["fit", *words, f"--model.weights={weights}"])
    assert "were trained on 6 of the 6 val galaxies" in capsys.readouterr().err
    assert not (tmp_path / "galaxy_cnn").exists()


def test_exported_weights_list_their_classes_and_training_galaxies(small_arrays, tmp_path):
    data = GalaxyDataModule(str(small_arrays))
    write_checkpoint(tmp_path / "best.ckpt", GalaxyClassifier("galaxy_cnn", image_size=64), data)
    export_weights(tmp_path / "best.ckpt", tmp_path / "weights.pt")
    trained = read_checkpoint(tmp_path / "best.ckpt")
    assert read_trained_on(str(tmp_path / "weights.pt")).objids.tolist() == trained.trained_on.objids.tolist()
    assert (tmp_path / "weights.pt").stat().st_size < (tmp_path / "best.ckpt").stat().st_size
    weights = str(tmp_path / "weights.pt")
    assert not GalaxyClassifier("galaxy_cnn", image_size=64, weights=weights).network.notes
    other = GalaxyClassifier("galaxy_cnn", image_size=64, weights=weights, classes=["bar", "disc", "ring"])
    assert other.network.notes[0].startswith("New head for the classes bar, disc, ring: the weights have")


def test_a_model_is_not_tested_on_its_calibration_galaxies(small_arrays, tmp_path):
    data = GalaxyDataModule(str(small_arrays))
    write_checkpoint(tmp_path / "best.ckpt", GalaxyClassifier(image_size=64), data)
    trained, arrays = read_checkpoint(tmp_path / "best.ckpt"), data.arrays
    trained.require_unseen(arrays, "val")
    trained.require_unseen(arrays, "test")
    swapped = arrays.catalog["split"].replace({"val": "test", "test": "val"})
    other = replace(arrays, catalog=arrays.catalog.assign(split=swapped))
    trained.require_unseen(other, "val")
    with pytest.raises(GalaxyError, match="was calibrated on 12 of the 12 test galaxies"):
        trained.require_unseen(other, "test")
