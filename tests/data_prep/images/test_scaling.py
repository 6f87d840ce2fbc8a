"""Scaling about the centre, against Pillow and against profiles that are known in closed form."""

import numpy as np
import pytest
from PIL import Image

from data_prep.images.cutouts import ImageError, read_cutout
from data_prep.images.scaling import cut_centre, cut_margins


def gaussian(side, sigma, step=1.0):
    """A Gaussian in the centre of an image; sigma is in the units of which a pixel covers ``step``."""
    x = (np.arange(side) + 0.5 - side / 2) * step
    return np.exp(-(x[:, None] ** 2 + x**2) / (2 * sigma**2)).astype(np.float32)[..., None]


@pytest.mark.parametrize("factor", [0.4, 0.9, 1.01, 1.3, 2.0, 3.7])
@pytest.mark.parametrize("side", [300, 301])
@pytest.mark.parametrize("crop", [64, 65])
def test_a_gaussian_stays_one_with_its_centre_in_the_centre(side, crop, factor):
    found = cut_centre(gaussian(side, 8.0), crop, factor)
    expected = gaussian(crop, 8.0, factor)
    assert np.abs(found - expected).max() < 0.012
    weights = found[..., 0].astype(float)
    x = np.arange(crop) + 0.5 - crop / 2
    assert abs((weights.sum(axis=0) * x).sum() / weights.sum()) < 1e-3
    assert abs((weights.sum(axis=1) * x).sum() / weights.sum()) < 1e-3


@pytest.mark.parametrize(("height", "width"), [(60, 60), (61, 60), (50, 75)])
@pytest.mark.parametrize(("crop", "factor"), [(20, 1.5), (21, 2.37), (30, 0.3), (33, 1.5), (49, 1.0002)])
def test_pixels_are_those_of_pillow(height, width, crop, factor):
    values = np.random.default_rng(0).normal(100, 30, (height, width, 1)).astype(np.float32)
    left, top = width / 2 - crop * factor / 2, height / 2 - crop * factor / 2
    box = (left, max(top, 0), left + crop * factor, min(top + crop * factor, height))
    for image in (values, values.clip(0, 255).astype(np.uint8)):
        expected = np.asarray(
            Image.fromarray(image[..., 0]).resize((crop, crop), Image.Resampling.BICUBIC, box)
        )
        found = cut_centre(image, crop, factor)[..., 0]
        assert found.dtype == image.dtype
        assert np.abs(found.astype(float) - expected).max() <= (1 if image.dtype == np.uint8 else 1e-3)


def test_surface_brightness_is_kept_and_bands_do_not_mix():
    image = np.stack([np.full((40, 50), 10 * band, dtype=np.float32) for band in range(5)], axis=-1)
    for factor in (0.3, 1.7, 2.0):
        found = cut_centre(image, 20, factor)
        np.testing.assert_allclose(found, np.broadcast_to(10 * np.arange(5), (20, 20, 5)), rtol=1e-5)


def test_fine_structure_leaves_no_aliases():
    stripes = np.zeros((200, 200, 1), dtype=np.float32)
    stripes[:, ::2] = 100
    assert np.abs(cut_centre(stripes, 60, 3.1) - 50).max() < 2


def test_sharp_edges_do_not_overflow_pixels():
    image = np.zeros((40, 40, 3), dtype=np.uint8)
    image[:, 20:] = 255
    found = cut_centre(image, 40, 0.5)
    assert np.all(np.diff(found[20, :, 0].astype(int))[15:25] >= 0)
    assert set(np.unique(found[:, :10])) == {0}
    assert set(np.unique(found[:, -10:])) == {255}


@pytest.mark.parametrize(("height", "width"), [(64, 64), (65, 64), (423, 424)])
@pytest.mark.parametrize("crop", [63, 64])
def test_without_scaling_the_crop_is_that_of_read_cutout(tmp_path, height, width, crop):
    image = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    Image.fromarray(image).save(tmp_path / "galaxy.png")
    expected = read_cutout(tmp_path / "galaxy.png", crop)
    for factor in (1.0, 1 + 9e-5, 1 - 9e-5):
        assert np.array_equal(cut_centre(image, crop, factor), expected)


@pytest.mark.parametrize("factor", [0.4, 1.0, 1.7])
@pytest.mark.parametrize("shape", [(200, 200), (201, 150), (90, 91)])
def test_margins_do_not_change_the_result(shape, factor):
    image = np.random.default_rng(0).normal(size=(*shape, 2)).astype(np.float32)
    inner = cut_margins(image, 50, factor)
    assert inner.size < image.size or factor == 1.7
    np.testing.assert_allclose(cut_centre(inner, 50, factor), cut_centre(image, 50, factor), atol=1e-5)


def test_images_that_are_too_small_are_refused():
    image = np.zeros((40, 50, 1), dtype=np.uint8)
    with pytest.raises(ImageError, match="^50 x 40 pixels, smaller than the crop of 41$"):
        cut_centre(image, 41)
    with pytest.raises(ImageError, match="smaller than the crop of 21 pixels, each of which covers 2 pixels"):
        cut_centre(image, 21, 2.0)
    assert cut_centre(image, 20, 2.0).shape == (20, 20, 1)
