"""Stretches against astropy, and their parameters found from a sample."""

import json
from dataclasses import replace

import numpy as np
import pytest
from astropy.stats import mad_std
from astropy.visualization import AsinhStretch, LinearStretch, ManualInterval, make_lupton_rgb
from hypothesis import given
from hypothesis import strategies as st

from data_prep.common.errors import GalaxyError
from data_prep.images.stretch import Stretch
from data_prep.images.stretch_fit import fit_stretch
from tests.fuzzing import tries

LUPTON = Stretch("lupton", (-0.5, 0.0, 0.25), stretch=5.0, Q=8.0)
ASINH = Stretch("asinh", (-1.0, -2.0), (50.0, 20.0), a=0.1)
LINEAR = Stretch("linear", (-1.0, -2.0), (50.0, 20.0))


def galaxy(bands=3, side=60, noise=1.0, seed=0):
    """A galaxy on a noisy sky of another level in each band; the core is far brighter than the noise."""
    random = np.random.default_rng(seed)
    y, x = np.indices((side, side)) - side / 2
    light = 3_000 * np.exp(-np.hypot(x, y) / 4)
    planes = [light * (band + 1) + 10 * band + random.normal(0, noise, light.shape) for band in range(bands)]
    return np.stack(planes, axis=-1).astype(np.float32)


@pytest.mark.parametrize("q", [0.1, 8.0, 100.0])
@pytest.mark.parametrize("scale", [0.01, 5.0, 3_000.0])
def test_lupton_is_that_of_astropy(scale, q):
    planes = galaxy()
    expected = make_lupton_rgb(*np.moveaxis(planes, -1, 0), minimum=[-0.5, 0.0, 0.25], stretch=scale, Q=q)
    found = replace(LUPTON, stretch=scale, Q=q).apply(planes)
    difference = np.abs(found.astype(int) - expected)
    assert difference.max() <= 1  # Where rounding errors of single precision cross an integer.
    assert (difference == 0).mean() > 0.99
    assert found.max() == expected.max()
    assert len(np.unique(found)) > 20


@pytest.mark.parametrize("bands", [1, 2, 5, 8])
def test_lupton_of_any_number_of_bands_stretches_the_mean_and_keeps_the_colours(bands):
    planes = galaxy(bands, noise=0) + 1
    stretch = Stretch("lupton", (0.0,) * bands, stretch=200.0, Q=8.0)
    found = stretch.apply(planes).astype(float)
    mean = planes.mean(axis=-1)
    three = make_lupton_rgb(mean, mean, mean, minimum=0, stretch=200, Q=8)[..., 0]
    unsaturated = found.max(axis=-1) < 250
    assert unsaturated.sum() > 1_000
    np.testing.assert_allclose(found.mean(axis=-1)[unsaturated], three[unsaturated], atol=1.01)
    mean_pixel = found.max(axis=-1, keepdims=True) / planes.max(axis=-1, keepdims=True) * planes
    assert (np.abs(found - mean_pixel) <= 1.01).all()


def test_asinh_and_linear_are_those_of_astropy():
    planes = galaxy(2)
    for stretch, curve in ((ASINH, AsinhStretch(0.1)), (LINEAR, LinearStretch())):
        found = stretch.apply(planes)
        for band in range(2):
            interval = ManualInterval(stretch.minimum[band], stretch.maximum[band])
            expected = 255 * curve(interval(planes[..., band].astype(float)))
            assert np.abs(found[..., band] - expected).max() < 0.51
        assert found.min() == 0
        assert found.max() == 255


def test_pixels_do_not_depend_on_the_layout_of_the_planes_in_memory():
    planes = galaxy()
    by_band = np.moveaxis(np.ascontiguousarray(np.moveaxis(planes, -1, 0)), 0, -1)
    found = LUPTON.apply(planes)
    assert found.flags.c_contiguous
    for other in (by_band, planes[::-1][::-1], planes.astype(">f4")):
        assert np.array_equal(LUPTON.apply(other), found)


@pytest.mark.parametrize("stretch", [LUPTON, ASINH, LINEAR])
def test_any_value_becomes_a_pixel_and_blank_ones_are_black(stretch):
    values = np.array([0, -1, np.nan, np.inf, -np.inf, 3e38, -3e38, 1e-45, 7], dtype=np.float32)
    planes = np.stack([values] * stretch.bands, axis=-1)[None]
    filled, blank = stretch.fill_blank(planes)
    assert blank == 3
    assert np.isfinite(filled).all()
    pixels = stretch.apply(filled)[0]
    assert pixels[2:5].max() == 0
    assert pixels[5].min() >= 254
    assert pixels[6].max() == 0
    assert stretch.apply(planes)[0, 2].max() == 0
    planes = galaxy(stretch.bands)
    assert stretch.fill_blank(planes)[0] is planes
    planes[3, 4, 0] = np.nan
    assert stretch.fill_blank(planes)[1] == 1
    assert np.isnan(planes[3, 4, 0])


@tries(2_000)
@given(
    values=st.lists(st.floats(width=32), min_size=3, max_size=12),
    minimum=st.floats(-9e29, 9e29),
    span=st.floats(1e-10, 1e29),  # The maximum may be at most 1e30.
    soft=st.floats(1e-30, 1e30),
)
def test_extreme_parameters_neither_fail_nor_warn(values, minimum, span, soft):
    planes = np.array(values, dtype=np.float32)[None, :, None]
    stretches = [Stretch("lupton", (minimum,), stretch=span, Q=soft)]
    if minimum < minimum + span <= 1e30:
        stretches += [
            Stretch("asinh", (minimum,), (minimum + span,), a=soft),
            Stretch("linear", (minimum,), (minimum + span,)),
        ]
    for stretch in stretches:
        filled, _ = stretch.fill_blank(planes)
        pixels = stretch.apply(filled)
        assert pixels.shape == planes.shape
        black = filled < np.float32(minimum)
        assert not pixels[black].any()


@pytest.mark.parametrize("stretch", [LUPTON, ASINH, LINEAR])
def test_a_stretch_survives_json(stretch):
    assert Stretch.from_json(json.loads(json.dumps(stretch.to_json()))) == stretch


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "stretch: expected a JSON object, found None"),
        ([], "expected a JSON object"),
        ({"name": "log", "minimum": [0]}, "unknown stretch 'log': give one of lupton, asinh, linear"),
        ({"name": ["lupton"], "minimum": [0]}, "unknown stretch"),
        ({"name": "linear", "maximum": [1]}, "the minimum of the stretch is missing"),
        ({"name": "linear", "minimum": [0]}, "the maximum of the stretch must be 1 to 8 numbers, not None"),
        ({"name": "linear", "minimum": [0], "maximum": [0]}, "the maximum of the stretch, 0, is not above"),
        ({"name": "linear", "minimum": [0], "maximum": [1, 2]}, "1 minima, but 2 maxima"),
        ({"name": "linear", "minimum": [], "maximum": []}, "1 to 8 numbers"),
        ({"name": "linear", "minimum": [0] * 9, "maximum": [1] * 9}, "1 to 8 numbers"),
        ({"name": "linear", "minimum": [True], "maximum": [2]}, "1 to 8 numbers"),
        ({"name": "linear", "minimum": ["0"], "maximum": [2]}, "1 to 8 numbers"),
        ({"name": "linear", "minimum": [float("nan")], "maximum": [2]}, "1 to 8 numbers"),
        ({"name": "linear", "minimum": [1e31], "maximum": [2]}, "1 to 8 numbers"),
        ({"name": "linear", "minimum": [10**400], "maximum": [2]}, "1 to 8 numbers"),
        ({"name": "linear", "minimum": [0], "maximum": [1], "Q": 8}, "linear has no parameter 'Q'"),
        ({"name": "lupton", "minimum": [0], "stretch": 0, "Q": 8}, "stretch of the stretch must be a pos"),
        ({"name": "lupton", "minimum": [0], "stretch": 1}, "Q of the stretch must be a positive number"),
        ({"name": "lupton", "minimum": [0], "stretch": 1, "Q": 8, "x": 1}, "unknown entry 'x'"),
    ],
)
def test_stretches_from_untrusted_json_are_checked(content, message):
    with pytest.raises(GalaxyError) as caught:
        Stretch.from_json(content)
    assert message in str(caught.value)


def test_defaults_come_from_the_sky_and_noise_of_the_sample():
    sample = [galaxy(2, noise=3.0, seed=seed, side=100) for seed in range(9)]
    skies = np.median([np.median(planes, axis=(0, 1)) for planes in sample], axis=0)
    noises = np.median([mad_std(planes, axis=(0, 1)) for planes in sample], axis=0)
    mean_noise = np.median([mad_std(planes.mean(axis=-1)) for planes in sample])
    lupton = fit_stretch("lupton", sample, bands=2)
    np.testing.assert_allclose(lupton.minimum, skies - noises, rtol=1e-5)
    np.testing.assert_allclose(lupton.stretch, 20 * mean_noise, rtol=1e-5)
    assert lupton.Q == 8
    asinh = fit_stretch("asinh", sample, bands=2)
    white = np.percentile(np.concatenate(sample).reshape(-1, 2), 99.9, axis=0)
    np.testing.assert_allclose(asinh.maximum, white, rtol=1e-5)
    np.testing.assert_allclose(asinh.a, np.median(10 * noises / (white - skies + noises)), rtol=1e-4)
    assert fit_stretch("linear", sample, bands=2) == replace(asinh, name="linear", a=None)
    pixels = lupton.apply(sample[0])
    sky = pixels[:20, :20].mean()
    assert 5 < sky < 40
    assert pixels[50, 50].max() > 200


def test_given_parameters_are_kept_and_fill_all_bands():
    sample = [galaxy()]
    stretch = fit_stretch("lupton", sample, {"minimum": 0.5, "Q": 10}, bands=3)
    assert (stretch.minimum, stretch.Q) == ((0.5, 0.5, 0.5), 10)
    stretch = fit_stretch("linear", [], {"minimum": [0, 1], "maximum": 5}, bands=2)
    assert (stretch.minimum, stretch.maximum) == ((0, 1), (5, 5))
    assert fit_stretch("lupton", [], {"minimum": 0, "stretch": 1}, bands=1).Q == 8


@pytest.mark.parametrize("name", ["lupton", "asinh", "linear"])
def test_images_without_noise_or_with_blank_pixels_give_a_stretch(name):
    sample = [galaxy(noise=0), galaxy()]
    sample[0][20:, 20:] = 0
    sample[1][:30] = np.nan
    sample.append(np.full_like(sample[0], np.inf))
    assert fit_stretch(name, sample, bands=3).apply(sample[1]).max() > 100


@pytest.mark.parametrize(
    ("name", "sample", "parameters", "message"),
    [
        ("log", [], {}, "unknown stretch 'log'"),
        ("linear", [], {"Q": 8}, "the stretch linear has no parameter 'Q'; its parameters: minimum, maximum"),
        ("linear", [], {}, "no image has finite pixels"),
        ("linear", [np.full((9, 9, 3), np.nan, np.float32)], {}, "no image has finite pixels"),
        ("linear", [np.ones((9, 9, 3), np.float32)], {}, "all pixels of the sampled images are equal"),
        ("linear", [], {"minimum": [0, 1], "maximum": 2}, "has 2 numbers; the images have 3 bands"),
        ("lupton", [], {"minimum": 0, "stretch": [1, 2]}, "stretch of the stretch must be one number"),
        ("linear", [], {"minimum": 2, "maximum": 1}, "is not above the minimum"),
    ],
)
def test_unusable_samples_and_parameters_are_refused(name, sample, parameters, message):
    with pytest.raises(GalaxyError) as caught:
        fit_stretch(name, sample, parameters, bands=3)
    assert message in str(caught.value)
