import warnings

import numpy as np
import pytest

from galaxy_lightning.audit.recolouring import SHIFTS, colour_slope, make_grey, shift_colours
from galaxy_lightning.audit.source_measures import GREEN_RED, measure_source, measure_sources
from tests.galaxy_lightning.audit.made_galaxies import SKY, make_galaxy

SLOPE = 0.5


@pytest.fixture(scope="module")
def galaxy():
    """A galaxy whose bands stay below 255 with all shifts."""
    return make_galaxy(peak=(110, 90, 60), noise=1)


@pytest.mark.parametrize("shift", [*SHIFTS, 0.0])
def test_a_colour_shift_is_measured_back(galaxy, shift):
    sky, before = measure_source(galaxy)
    (image,) = shift_colours(galaxy[None], sky[None], np.array([shift]), SLOPE)
    after = measure_source(image).measures
    assert after["colour"] - before["colour"] == pytest.approx(shift, abs=0.02)
    assert after[GREEN_RED] - before[GREEN_RED] == pytest.approx(SLOPE * shift, abs=0.02)
    # The luminosity, and with it brightness, size and shape, is unchanged.
    assert after["brightness"] == pytest.approx(before["brightness"], abs=0.01)
    assert after["size"] == pytest.approx(before["size"], rel=0.01)
    np.testing.assert_allclose(image.mean(axis=-1), galaxy.mean(axis=-1), atol=1)


def test_no_shift_and_no_light_leave_the_pixels_unchanged(galaxy):
    sky = np.array([SKY], dtype=float)
    np.testing.assert_array_equal(shift_colours(galaxy[None], sky, np.zeros(1), SLOPE)[0], galaxy)
    empty = np.full((1, 8, 8, 3), SKY, dtype=np.uint8)
    np.testing.assert_array_equal(shift_colours(empty, sky, np.full(1, 0.4), SLOPE), empty)


def test_each_galaxy_of_a_batch_has_its_own_shift(galaxy):
    sky = np.tile(measure_source(galaxy).sky, (3, 1))
    images = shift_colours(np.stack([galaxy] * 3), sky, np.array([-0.3, 0.0, 0.3]), 0.0)
    _, found = measure_sources(images)
    np.testing.assert_allclose(np.diff(found["colour"]), 0.3, atol=0.02)
    assert np.ptp(found[GREEN_RED]) < 0.02


def test_saturated_pixels_stay_between_0_and_255():
    bright = np.full((1, 4, 4, 3), 255, dtype=np.uint8)
    shifted = shift_colours(bright, np.zeros((1, 3)), np.full(1, 0.4), SLOPE)
    assert shifted.dtype == np.uint8
    assert shifted[..., 0].min() == 255
    assert shifted[..., 2].max() < 255


@pytest.mark.parametrize("bands", [1, 3, 5])
def test_a_grey_image_has_equal_bands_and_the_same_luminosity(bands):
    image = make_galaxy(peak=(120, 90, 60, 30, 10)[:bands], sky=(30, 20, 10, 25, 15))
    grey = make_grey(image[None], measure_source(image).sky[None])[0]
    assert grey.shape == image.shape
    assert (grey == grey[..., :1]).all()
    np.testing.assert_allclose(grey[..., 0], image.mean(axis=-1), atol=0.51)
    np.testing.assert_array_equal(make_grey(grey[None], np.zeros((1, bands)))[0], grey)


def test_the_slope_is_that_of_the_relation_between_the_colours():
    generator = np.random.default_rng(0)
    colours = generator.normal(0.6, 0.2, 200)
    for slope in (0.5, -0.8):
        assert colour_slope(colours, slope * colours + 0.1) == pytest.approx(slope)
    other = 0.5 * colours + generator.normal(0, 0.05, 200)
    assert colour_slope(colours, other) == pytest.approx(np.std(other) / np.std(colours))
    missing = np.where(np.arange(200) < 10, np.nan, 9)
    known = np.isnan(missing)
    with_missing = colour_slope(np.where(known, colours, np.nan), other)
    assert with_missing == pytest.approx(np.std(other[:10]) / np.std(colours[:10]))


@pytest.mark.parametrize(
    ("one", "other"),
    [([], []), ([0.5], [0.2]), ([0.5, 0.6], [0.2, 0.3]), ([0.5] * 4, range(4)), (range(4), [0.2] * 4)],
)
def test_there_is_no_slope_of_few_galaxies_or_equal_colours(one, other):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert colour_slope(np.array(one, dtype=float), np.array(other, dtype=float)) == 0
