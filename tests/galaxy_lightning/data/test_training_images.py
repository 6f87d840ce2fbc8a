"""Images of another survey or scale than those of the training."""

import json

import numpy as np
import pytest
from PIL import Image

from data_prep.common.errors import GalaxyError
from data_prep.images.image_settings import ImageSettings
from data_prep.images.relative_scale import RelativeScale
from data_prep.images.stretch import Stretch
from galaxy_lightning.data.image_folders import ImageFolderDataset
from galaxy_lightning.data.training_images import TrainingImages

GALAXY_ZOO = TrainingImages(ImageSettings(16), None, "sdss", RelativeScale(0.02, "petroR90_r"))


def described(folder, training=GALAXY_ZOO, **cutouts):
    """Returns the dataset of a folder of cutouts made with some settings, and its description."""
    Image.fromarray(np.zeros((40, 40, 3), dtype=np.uint8)).save(folder / "1.png")
    (folder / "cutouts.json").write_text(json.dumps(cutouts))
    dataset = ImageFolderDataset(folder, training.to_predict(16, None, folder))
    return dataset, list(dataset.describe())


def test_cutouts_like_those_of_the_training_are_used_as_they_are(tmp_path):
    dataset, lines = described(tmp_path, survey="sdss", pixel_scale="0.02*petroR90_r")
    assert lines == []
    assert dataset.settings == ImageSettings(16)


def test_cutouts_of_the_same_kind_of_scale_are_resampled(tmp_path):
    dataset, lines = described(tmp_path, survey="sdss", pixel_scale="0.03*petroR90_r")
    assert lines == ["Images of 0.03 petroR90_r per pixel are resampled to the model's 0.02"]
    assert (dataset.settings.pixel_scale, dataset.settings.target_scale) == (0.03, 0.02)
    assert dataset[0].problems == {}
    too_small, _ = described(tmp_path, survey="sdss", pixel_scale="0.005*petroR90_r")
    assert "smaller than the crop" in too_small[0].problems[0]


@pytest.mark.parametrize("scale", [0.396, "0.5*modelrad"])
def test_cutouts_at_another_kind_of_scale_are_said_to_be_unreliable(tmp_path, scale):
    dataset, (line,) = described(tmp_path, survey="sdss", pixel_scale=scale)
    assert line.startswith(f"The images have {scale} arcsec per pixel, but the model's training images have")
    assert "--pixel-scale '0.02*petroR90_r' makes such images" in line
    assert dataset.settings == ImageSettings(16)


def test_another_survey_is_said(tmp_path):
    _, (line,) = described(tmp_path, survey="legacy", pixel_scale="0.02*petroR90_r")
    assert line.startswith("The images are of the survey 'legacy', but the model was trained on 'sdss'")
    _, lines = described(tmp_path, survey=None, pixel_scale=None)
    assert lines == []


def test_nothing_is_said_about_a_model_whose_images_are_unknown(tmp_path):
    _, lines = described(tmp_path, TrainingImages(ImageSettings(16)), survey="legacy", pixel_scale=0.3)
    assert lines == []


def test_a_scale_in_arcsec_cannot_be_compared_with_one_that_depends_on_the_galaxy():
    with pytest.raises(GalaxyError, match=r"the model's training images have 0\.02\*petroR90_r arcsec"):
        GALAXY_ZOO.to_predict(16, 0.4)


def test_a_damaged_file_of_settings_is_reported(tmp_path):
    (tmp_path / "cutouts.json").write_text("{")
    with pytest.raises(GalaxyError, match=r"cutouts\.json cannot be read"):
        GALAXY_ZOO.to_predict(16, None, tmp_path)


def test_a_number_on_the_card_is_the_pixel_scale_of_the_training():
    stated = TrainingImages(ImageSettings(16)).with_scale(RelativeScale(0.4))
    assert stated.to_predict(16, 0.2).settings.target_scale == 0.4
    assert TrainingImages(None, 0.3).with_scale(RelativeScale(0.4)).pixel_scale == 0.3
    assert GALAXY_ZOO.with_scale(None) is GALAXY_ZOO
    for scale in (0, -1, float("nan")):
        with pytest.raises(GalaxyError, match="the pixel scale must be positive"):
            stated.to_predict(16, scale)


def test_the_case_of_survey_and_column_does_not_matter(tmp_path):
    _, lines = described(tmp_path, survey="SDSS", pixel_scale="0.02*PETROR90_R")
    assert lines == []


def test_cutouts_are_resampled_to_a_scale_in_arcsec(tmp_path):
    training = TrainingImages(ImageSettings(16), 0.4, "sdss")
    dataset, lines = described(tmp_path, training, survey="sdss", pixel_scale="0.2")
    assert lines == ["Images of 0.2 arcsec per pixel are resampled to the model's 0.4"]
    assert dataset[0].problems == {}
    _, lines = described(tmp_path, training, survey="sdss", pixel_scale="0.4")
    assert lines == []
    dataset, (line,) = described(tmp_path, training, survey="sdss", pixel_scale="0.02*petroR90_r")
    assert line.startswith(
        "The images have 0.02*petroR90_r arcsec per pixel, but the model's training images"
    )
    assert "--pixel-scale '0.4' makes such images" in line
    assert dataset.settings == ImageSettings(16)


def test_fits_cutouts_are_not_resampled_by_the_size_of_a_galaxy(tmp_path):
    settings = ImageSettings(16, stretch=Stretch("linear", (0.0,) * 3, (1.0,) * 3))
    training = GALAXY_ZOO._replace(settings=settings)
    for scale, notes in (("0.02*petroR90_r", 0), ("0.04*petroR90_r", 1)):
        (tmp_path / "cutouts.json").write_text(json.dumps({"survey": "sdss", "pixel_scale": scale}))
        images = training.to_predict(16, None, tmp_path)
        assert images.settings is settings
        assert len(images.notes) == notes
