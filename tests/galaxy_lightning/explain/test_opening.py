"""Opening models with their galaxy arrays, and finding galaxies."""

import json
import re
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

import galaxy_lightning as gl
from data_prep.arrays.format import open_arrays
from data_prep.common.errors import GalaxyError
from data_prep.common.files import sha256
from data_prep.images.image_settings import ImageSettings
from data_prep.schema import CLASSES
from galaxy_lightning.data.training_images import TrainingImages
from galaxy_lightning.explain.opening import find_galaxies, open_model
from galaxy_lightning.shipped_models import DEFAULT_MODEL, SHIPPED
from tests.many_classes import make_arrays


@pytest.fixture(scope="module")
def checkpoint(small_arrays, make_checkpoint):
    return make_checkpoint(small_arrays)


@pytest.fixture(scope="module")
def opened(checkpoint):
    return open_model(checkpoint)


@pytest.fixture(scope="module")
def own(tmp_path_factory, make_checkpoint):
    """A model of the user's own galaxies, which have ids of their own."""
    folder = tmp_path_factory.mktemp("own") / "arrays"
    ids = [f"NGC {number}" for number in range(700, 716)]
    make_arrays(folder, ["disc", "ring"], size=32, id=lambda number: ids[:number])
    return open_model(make_checkpoint(folder, weights="none"))


def change(arrays, folder, pixels=False, **settings):
    """Copies galaxy arrays with other pixels or settings, but consistent."""
    shutil.copytree(arrays, folder)
    path = folder / "dataset.json"
    dataset = json.loads(path.read_text()) | settings
    if pixels:
        images = np.load(folder / "images.npy")
        images[0] += 1
        np.save(folder / "images.npy", images)
        dataset["sha256"]["images.npy"] = sha256(folder / "images.npy")
    path.write_text(json.dumps(dataset))
    return folder


def test_the_arrays_of_the_training_are_opened(opened, small_arrays):
    assert opened.arrays.folder == small_arrays
    assert opened.note == ""
    assert not opened.predictor.model.training
    assert opened.predictor.model.inference.calibration.temperature == 1.7


def test_a_model_without_arrays_says_so():
    opened = open_model(SHIPPED[DEFAULT_MODEL])
    assert opened.arrays is None
    assert opened.note == "the model names no galaxy arrays"
    with pytest.raises(GalaxyError, match="587722981742084097 is no image file, .*names no galaxy arrays"):
        find_galaxies(["587722981742084097"], opened)


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("gone", "does not hold galaxy arrays"),
        ("other pixels", "are not those of the training"),
        ("damaged", "has been changed or damaged since it was made"),
    ],
)
def test_changed_arrays_are_not_used(kind, message, small_arrays, make_checkpoint, tmp_path):
    folder = shutil.copytree(small_arrays, tmp_path / "arrays")
    checkpoint = make_checkpoint(folder, "reference_cnn")
    if kind == "damaged":
        images = np.load(folder / "images.npy")
        images[5, 3, 3] ^= 1
        np.save(folder / "images.npy", images)
    else:
        shutil.rmtree(folder)
    if kind == "other pixels":
        change(small_arrays, folder, pixels=True)
    opened = open_model(checkpoint)
    assert opened.arrays is None
    assert re.search(message, opened.note)
    # If the user has named them, they are refused.
    with pytest.raises(GalaxyError, match=message):
        open_model(checkpoint, arrays=folder)


def test_arrays_of_other_classes_are_refused(small_arrays, checkpoint, tmp_path, make_checkpoint):
    names = ["irregular", "elliptical", "spiral"]
    folder = change(small_arrays, tmp_path / "arrays", classes=names)
    assert open_arrays(folder).dataset["sha256"] == open_arrays(small_arrays).dataset["sha256"]
    with pytest.raises(GalaxyError, match="have other classes or images than the model"):
        open_model(checkpoint, arrays=folder)
    colours = make_arrays(tmp_path / "colours", ["disc", "ring"], size=32).folder
    with pytest.raises(GalaxyError, match="are not those of the training"):
        open_model(checkpoint, arrays=colours)
    # Older checkpoints do not identify their arrays.
    content = torch.load(checkpoint, weights_only=True)
    del content["GalaxyDataModule"]["settings"]["arrays"]
    torch.save(content, tmp_path / "older.ckpt")
    assert open_model(tmp_path / "older.ckpt").arrays is not None
    for bands, size in ((3, 32), (1, 64)):
        others = make_arrays(tmp_path / f"{bands}", CLASSES, size=size, channels=bands).folder
        with pytest.raises(GalaxyError, match="have other classes or images than the model"):
            open_model(tmp_path / "older.ckpt", arrays=others)


def test_galaxies_are_found_by_any_id(opened, own):
    catalogue = opened.arrays.catalog
    names = [str(catalogue["objid"].iloc[3]), str(catalogue["asset_id"].iloc[7])]
    found = find_galaxies(names, opened)
    assert [galaxy.row for galaxy in found] == [3, 7]
    assert [galaxy.name for galaxy in found] == catalogue["objid"].iloc[[3, 7]].astype(str).tolist()
    assert [galaxy.label for galaxy in found] == opened.arrays.labels[[3, 7]].tolist()
    assert np.array_equal(found[1].image, opened.arrays.images[7])
    objid = str(own.arrays.catalog["objid"].iloc[9])
    assert [(galaxy.name, galaxy.row) for galaxy in find_galaxies(["NGC 705", objid, "2"], own)] == [
        ("NGC 705", 5),
        ("NGC 709", 9),
        ("NGC 702", 2),
    ]


def test_the_nearest_ids_are_named_for_an_unknown_one(opened, own):
    ids = opened.arrays.catalog["objid"].to_numpy()
    near = np.sort(ids)[20] + 1
    assert near not in ids
    expected = ids[np.argsort(np.abs(ids - near), kind="stable")[:3]]
    with pytest.raises(GalaxyError, match=f"{near} is neither .*: {', '.join(map(str, expected))}$"):
        find_galaxies([str(near)], opened)
    with pytest.raises(GalaxyError, match="NGC 7055 is neither an image file nor .*similar ids: NGC 705, "):
        find_galaxies(["NGC 7055"], own)
    with pytest.raises(GalaxyError, match="similar ids: .*NGC 7"):
        find_galaxies(["星系"], own)
    with pytest.raises(GalaxyError, match="x is neither an image file nor"):
        find_galaxies(["x" * 300], own)  # Too long for the name of a file.


def test_image_files_become_the_pixels_of_a_prediction(shipped, raw, arrays, tmp_path):
    opened, known = open_model(SHIPPED[DEFAULT_MODEL]), open_arrays(arrays)
    paths = [raw / "images_gz2/images" / f"{name}.jpg" for name in known.catalog["asset_id"][:2]]
    found = find_galaxies([str(path) for path in paths], opened)
    assert [galaxy.name for galaxy in found] == [path.stem for path in paths]
    assert [(galaxy.label, galaxy.row) for galaxy in found] == [(None, None)] * 2
    images = np.stack([galaxy.image for galaxy in found])
    assert np.array_equal(images, known.images[:2])
    predicted = gl.classify(paths)[[f"p_{name}" for name in known.classes]]
    np.testing.assert_allclose(shipped.probabilities(images), predicted, atol=1e-5)
    Image.new("RGB", (50, 50)).save(tmp_path / "small.png")
    with pytest.raises(GalaxyError, match="small.png: .*50"):
        find_galaxies([str(paths[0]), str(tmp_path / "small.png")], opened)


def test_files_of_single_bands_are_refused(opened, tmp_path):
    settings = ImageSettings(64, bands=("g", "r", "i"), pattern="{id}_{band}.fits")
    of_bands = opened._replace(trained=replace(opened.trained, images=TrainingImages(settings)))
    (tmp_path / "a_g.fits").write_bytes(b"")
    with pytest.raises(GalaxyError, match="needs one file per band .* name the ids"):
        find_galaxies([str(tmp_path / "a_g.fits")], of_bands)
    objid = str(opened.arrays.catalog["objid"].iloc[0])
    assert find_galaxies([objid], of_bands)[0].row == 0
