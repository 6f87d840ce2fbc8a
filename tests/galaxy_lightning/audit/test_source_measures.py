import warnings

import numpy as np
import pytest

from galaxy_lightning.audit.source_measures import GREEN_RED, MEASURES, measure_source, measure_sources
from tests.galaxy_lightning.audit.made_galaxies import PEAK, SKY, magnitudes, make_galaxy

ALL = [*MEASURES, GREEN_RED]


@pytest.mark.parametrize("side", [112, 224, 250])
def test_size_shape_and_colour_are_those_of_the_made_galaxy(side):
    sigma = side / 14
    sky, found = measure_source(make_galaxy(side, sigma, 0.6))
    red, green, blue = PEAK
    np.testing.assert_allclose(sky, SKY, atol=0.5)
    # Half of the light of a round Gaussian lies within sigma * sqrt(2 ln 2).
    assert found["size"] == pytest.approx(sigma * np.sqrt(0.6 * 2 * np.log(2)), rel=0.06)
    assert found["axis_ratio"] == pytest.approx(0.6, abs=0.04)
    assert found["colour"] == pytest.approx(magnitudes(blue, green), abs=0.03)
    assert found[GREEN_RED] == pytest.approx(magnitudes(green, red), abs=0.03)


def test_a_galaxy_twice_as_bright_is_brighter_by_0_75_magnitudes():
    bright, faint = (
        measure_source(make_galaxy(peak=np.array(PEAK) / part, noise=0.5)).measures for part in (1, 2)
    )
    assert faint["brightness"] - bright["brightness"] == pytest.approx(2.5 * np.log10(2), abs=0.05)
    assert faint["noise"] > 1.5 * bright["noise"]


def test_the_noise_is_that_of_the_sky_relative_to_the_galaxy():
    once, twice = (measure_source(make_galaxy(noise=noise)).measures["noise"] for noise in (2, 4))
    assert twice / once == pytest.approx(2, rel=0.25)


@pytest.mark.parametrize("places", [(), [(38, 30)], [(38, 30), (-36, 34), (30, -38)], [(20, 12)]])
def test_other_galaxies_are_counted_and_do_not_change_the_measures(places):
    alone = measure_source(make_galaxy(noise=0)).measures
    found = measure_source(make_galaxy(noise=0, neighbours=places)).measures
    assert found["neighbours"] == len(places)
    assert found["size"] == pytest.approx(alone["size"], rel=0.1)
    assert found["colour"] == pytest.approx(alone["colour"], abs=0.02)


@pytest.mark.parametrize("image", [np.zeros, np.ones, lambda shape: np.full(shape, 255)])
@pytest.mark.parametrize("shape", [(64, 64, 3), (16, 16, 1), (32, 32, 5), (1, 1, 3)])
def test_an_image_without_a_source_has_no_measures(image, shape):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        sky, found = measure_source(image(shape).astype(np.uint8))
    assert sky.shape == shape[2:]
    assert found.pop("neighbours") == 0
    assert np.isnan(list(found.values())).all()


def test_noise_alone_has_no_galaxy_in_the_centre_and_no_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for side in (2, 5, 16, 112):
            noise = np.random.default_rng(0).integers(0, 256, (side, side, 3), dtype=np.uint8)
            assert np.isnan(measure_source(noise).measures["size"])


def test_a_galaxy_that_is_not_in_the_centre_is_only_a_neighbour():
    image = np.roll(make_galaxy(sigma=4, noise=0), 30, axis=1)
    found = measure_source(image).measures
    assert found.pop("neighbours") == 1
    assert np.isnan(list(found.values())).all()


@pytest.mark.parametrize("bands", [1, 5])
def test_a_galaxy_without_three_bands_has_all_measures_but_the_colour(bands):
    found = measure_source(make_galaxy(peak=(90,) * bands, sky=(20,) * bands)).measures
    assert {name for name in ALL if np.isnan(found[name])} == {"colour", GREEN_RED}
    assert found["axis_ratio"] == pytest.approx(0.6, abs=0.04)


def test_one_or_several_images_give_a_row_each():
    images = [make_galaxy(64, 5), np.zeros((64, 64, 3), dtype=np.uint8)]
    for number in (1, 2):
        sky, table = measure_sources(iter(images[:number]))
        assert sky.shape == (number, 3)
        assert set(table) == set(ALL)
        assert table["size"].notna().tolist() == [True, False][:number]
