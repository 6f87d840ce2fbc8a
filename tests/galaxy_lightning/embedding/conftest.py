"""A small model with its arrays, a folder of images, and their tables of features."""

import shutil
from types import SimpleNamespace

import pytest
import torch

from galaxy_lightning.cli.main import main
from galaxy_lightning.data.datamodule import GalaxyDataModule
from galaxy_lightning.evaluation.calibration import Calibration, Calibrations
from galaxy_lightning.training.checkpoint_writer import write_checkpoint
from galaxy_lightning.training.module import GalaxyClassifier
from tests.galaxy_lightning.embedding.made_tables import CLASSES, write_galaxy
from tests.many_classes import make_arrays

SIDE = 64


@pytest.fixture(scope="session")
def survey(tmp_path_factory):
    """A checkpoint, the arrays of its training, a folder of other images, and the tables of both.

    The folder has 20 galaxies, a copy of the first under another id, a broken image and a text file.
    """
    folder = tmp_path_factory.mktemp("features")
    arrays = make_arrays(folder / "arrays", CLASSES, images_per_class=12, size=SIDE)
    checkpoint = make_model(folder / "best.ckpt", arrays.folder, CLASSES)
    images = folder / "images"
    for number in range(20):
        write_galaxy(images / f"sub{number % 2}" / f"{number:05d}.png", number)
    shutil.copy(images / "sub0" / "00000.png", images / "copy.png")
    (images / "broken.jpg").write_bytes(b"no image")
    (images / "notes.txt").write_text("notes")
    found = SimpleNamespace(
        folder=folder,
        arrays=arrays,
        checkpoint=checkpoint,
        images=images,
        of_arrays=folder / "arrays.parquet",
        of_images=folder / "images.parquet",
    )
    run = f"--run={checkpoint}"
    main(["embed", run, f"--data.arrays={arrays.folder}", f"--out={found.of_arrays}"])
    main(["embed", run, f"--data.images={images}", f"--out={found.of_images}"])
    return found


def make_model(path, arrays, classes, network="reference_cnn"):
    """Writes a checkpoint of random weights; returns its path."""
    torch.manual_seed(len(str(classes)))
    model = GalaxyClassifier(network, classes=classes, image_size=SIDE, bands=3)
    model.inference.calibrations = Calibrations(Calibration(temperature=0.05))
    write_checkpoint(path, model, GalaxyDataModule(str(arrays)))
    return path
