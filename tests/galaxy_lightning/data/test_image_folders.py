import numpy as np
import pytest
import torch
from PIL import Image

from data_prep.arrays.image_choice import ImageOptions, choose_settings
from data_prep.common.errors import GalaxyError
from data_prep.images.image_reader import read_image
from data_prep.images.image_settings import ImageSettings
from galaxy_lightning.data.image_folders import ImageFolderDataset
from galaxy_lightning.data.training_images import ImagesToPredict, TrainingImages
from tests.own_galaxies import CLASSES, write_band_files, write_cubes, write_images

NAMES = ["1", "2", "3", "4"]


def cubes(folder, **more):
    """Writes cubes and returns the settings of their images."""
    write_cubes(folder, NAMES, CLASSES, side=48, **more)
    return choose_settings([(folder / f"{name}.fits",) for name in NAMES], ImageOptions(crop=16))


def test_images_are_read_like_those_of_the_training(tmp_path):
    settings = cubes(tmp_path)
    dataset = ImageFolderDataset(tmp_path, ImagesToPredict(settings))
    assert dataset.names == NAMES
    batch = dataset.__getitems__([2, 0])
    assert batch.images.shape == (2, 16, 16, 5)
    assert batch.images.dtype == torch.uint8
    assert batch.rows.tolist() == [2, 0]
    for image, name in zip(batch.images.numpy(), ("3", "1"), strict=True):
        np.testing.assert_array_equal(image, read_image(tmp_path / f"{name}.fits", settings))


def test_an_unusable_image_is_reported_with_its_row(tmp_path):
    settings = cubes(tmp_path)
    (tmp_path / "2.fits").write_bytes(b"SIMPLE  =")
    write_images(tmp_path, ["5.jpg"], side=32)
    batch = ImageFolderDataset(tmp_path, ImagesToPredict(settings)).__getitems__([0, 1, 4])
    assert batch.problems.keys() == {1, 4}
    assert batch.problems[4] == "3 bands, not 5"
    assert not batch.images[1:].any()


def test_files_per_band_are_grouped_and_incomplete_images_skipped(tmp_path):
    write_band_files(tmp_path, "gr", NAMES, CLASSES, side=24)
    (tmp_path / "3_r.fits").unlink()
    (tmp_path / "notes.txt").write_text("text")
    settings = choose_settings(
        [(tmp_path / "1_r.fits", tmp_path / "1_g.fits")],
        ImageOptions(crop=16, bands=("r", "g")),
        "{id}_{band}.fits",
    )
    dataset = ImageFolderDataset(tmp_path, ImagesToPredict(settings))
    assert dataset.names == ["1", "2", "4"]
    assert dataset.paths[0] == "1_r.fits|1_g.fits"
    assert [path.name for path in dataset.skipped] == ["3_g.fits", "notes.txt"]
    expected = read_image([tmp_path / "4_r.fits", tmp_path / "4_g.fits"], settings)
    np.testing.assert_array_equal(dataset[2].images[0].numpy(), expected)


def test_a_folder_without_complete_images_is_refused(tmp_path):
    write_band_files(tmp_path, "g", NAMES, CLASSES, side=24)
    settings = ImageSettings(16, bands=("g", "r"), pattern="{id}_{band}.fits")
    with pytest.raises(
        GalaxyError, match="no image with a file for each band; 1_g.fits: no file for the band r"
    ):
        ImageFolderDataset(tmp_path, ImagesToPredict(settings))


@pytest.mark.parametrize(
    ("scale", "said"),
    [
        (0.4, ["Images of 0.4 arcsec per pixel are resampled to the model's 0.5"]),
        (0.5, []),
        (0.502, []),
        (None, []),
    ],
)
def test_a_different_pixel_scale_is_described(tmp_path, scale, said):
    settings = cubes(tmp_path, scale=scale)
    images = TrainingImages(settings, 0.5).to_predict(16, None)
    assert images.settings.target_scale == 0.5
    assert list(ImageFolderDataset(tmp_path, images).describe()) == said


def test_a_range_of_pixel_scales_is_described(tmp_path):
    settings = cubes(tmp_path, scale=0.25)
    write_cubes(tmp_path, ["5"], ["ring"], scale=1.0)
    images = TrainingImages(settings, 0.5).to_predict(16, None)
    (line,) = ImageFolderDataset(tmp_path, images).describe()
    assert line == "Images of 0.25 to 1 arcsec per pixel are resampled to the model's 0.5"


def test_images_of_galaxy_zoo_are_cropped_and_not_resampled():
    assert TrainingImages().to_predict(64, None).settings == ImageSettings(64)
    settings = ImageSettings(64)
    assert TrainingImages(settings, 0.4).to_predict(64, None).settings is settings


def test_a_given_pixel_scale_needs_that_of_the_training_images(tmp_path):
    with pytest.raises(
        GalaxyError, match=r"data\.pixel_scale: the pixel scale of the model's training images is"
    ):
        TrainingImages(ImageSettings(64)).to_predict(64, 0.3)
    images = TrainingImages(ImageSettings(64), 0.4).to_predict(64, 0.2)
    assert (images.settings.pixel_scale, images.settings.target_scale) == (0.2, 0.4)
    Image.fromarray(np.zeros((130, 130, 3), dtype=np.uint8)).save(tmp_path / "1.png")
    dataset = ImageFolderDataset(tmp_path, images)
    assert dataset[0].problems == {}
    assert list(dataset.describe()) == ["Images of 0.2 arcsec per pixel are resampled to the model's 0.4"]


def test_cutouts_are_named_by_their_ids(tmp_path):
    write_images(tmp_path, ["0000/NGC 1%2fa.jpg", "0000/%41.jpg", "extra.jpg"])
    (tmp_path / "cutouts.json").write_text("{}")
    (tmp_path / "cutouts.csv").write_text("id,path\nNGC 1/a,0000/NGC 1%2fa.jpg\nA,0000/%41.jpg\n")
    dataset = ImageFolderDataset(tmp_path, ImagesToPredict(ImageSettings(16)))
    assert dataset.identifiers.to_dict("list") == {
        "id": ["A", "NGC 1/a", "extra"],
        "path": ["0000/%41.jpg", "0000/NGC 1%2fa.jpg", "extra.jpg"],
    }
