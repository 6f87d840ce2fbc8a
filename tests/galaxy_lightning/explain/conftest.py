"""Trained models for the explanations."""

import pytest

from data_prep.arrays.format import open_arrays
from galaxy_lightning.data.datamodule import GalaxyDataModule
from galaxy_lightning.evaluation.calibration import Calibration, Calibrations
from galaxy_lightning.explain.predictor import Predictor
from galaxy_lightning.shipped_models import DEFAULT_MODEL, SHIPPED
from galaxy_lightning.training.checkpoint_writer import write_checkpoint
from galaxy_lightning.training.checkpoints import load_model
from galaxy_lightning.training.module import GalaxyClassifier


@pytest.fixture(scope="session")
def shipped():
    """The trained model in the package."""
    return Predictor(load_model(SHIPPED[DEFAULT_MODEL]))


@pytest.fixture(scope="session")
def images(arrays):
    """The images of the simulated galaxies, 224 pixels a side."""
    return open_arrays(arrays).images


@pytest.fixture(scope="session")
def small_images(small_arrays):
    """The same, 64 pixels a side."""
    return open_arrays(small_arrays).images


@pytest.fixture(scope="session")
def make_checkpoint(tmp_path_factory):
    """Writes a calibrated checkpoint for galaxy arrays, without a training; returns its path."""

    def make(arrays, network="galaxy_cnn", **settings):
        opened = open_arrays(arrays)
        shape = {"image_size": opened.image_size, "bands": len(opened.bands)}
        model = GalaxyClassifier(network, classes=opened.classes, **shape, **settings)
        model.inference.calibrations = Calibrations(Calibration(temperature=1.7))
        path = tmp_path_factory.mktemp("run") / "best.ckpt"
        write_checkpoint(path, model, GalaxyDataModule(str(arrays)))
        return path

    return make
