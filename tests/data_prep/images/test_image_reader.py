"""Images of every kind as 8-bit pixels."""

import json
from dataclasses import replace

import numpy as np
import pytest
from astropy.io import fits
from PIL import Image

from data_prep.common.errors import GalaxyError
from data_prep.images.cutouts import ImageError, read_cutout
from data_prep.images.image_reader import find_stretch, load_image, read_image
from data_prep.images.image_settings import ImageSettings
from data_prep.images.stretch import Stretch
from data_prep.images.stretch_fit import fit_stretch
from tests.data_prep.images.test_fits_images import GRI, SKY, cube, upright, write

PLAIN = ImageSettings(crop=32)
LUPTON = Stretch("lupton", (50.0, 60.0, 70.0), stretch=30.0, Q=8.0)
STRETCHED = ImageSettings(crop=32, bands=GRI, stretch=LUPTON)
LINEAR = ImageSettings(crop=32, bands=("r",), stretch=Stretch("linear", (0.0,), (200.0,)))


def colour(height=40, width=48):
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)


def save(path, values):
    Image.fromarray(values).save(path)
    return path


def sky(scale, values):
    return fits.PrimaryHDU(values, fits.Header(SKY | {"CDELT1": -scale / 3600, "CDELT2": scale / 3600}))


@pytest.mark.parametrize("suffix", ["jpg", "png", "tif", "webp", "bmp"])
def test_colour_images_are_those_of_read_cutout(tmp_path, suffix):
    path = save(tmp_path / f"1.{suffix}", colour())
    expected = read_cutout(path, 32)
    for files in (path, [path]):
        assert np.array_equal(read_image(files, PLAIN), expected)
    with pytest.raises(ImageError, match="^8-bit pixels, unlike the other images"):
        read_image(path, STRETCHED)
    path.rename(tmp_path / "galaxy.fits")
    assert np.array_equal(read_image(tmp_path / "galaxy.fits", PLAIN), expected)


def test_grey_images_have_one_or_three_bands(tmp_path):
    grey = colour()[..., 0]
    path = save(tmp_path / "1.png", grey)
    one = replace(PLAIN, bands=("L",))
    assert np.array_equal(read_image(path, one), grey[4:36, 8:40, None])
    assert np.array_equal(read_image(path, PLAIN), np.repeat(grey[4:36, 8:40, None], 3, axis=2))
    alpha = Image.fromarray(grey).convert("LA")
    alpha.save(tmp_path / "2.png")
    assert np.array_equal(read_image(tmp_path / "2.png", one), grey[4:36, 8:40, None])
    save(tmp_path / "3.png", colour())
    with pytest.raises(ImageError, match="^a colour image with 3 bands, not 1: save it as greyscale$"):
        read_image(tmp_path / "3.png", one)
    with pytest.raises(ImageError, match="^3 bands, not 5$"):
        read_image(tmp_path / "3.png", replace(PLAIN, bands=tuple("ugriz")))


@pytest.mark.parametrize("dtype", [np.uint16, np.int32, np.float32])
def test_deep_grey_images_are_stretched(tmp_path, dtype):
    values = cube(1, dtype=np.float32)[0].astype(dtype)
    path = save(tmp_path / "1.tif", values)
    expected = LINEAR.stretch.apply(values[4:36, 8:40, None].astype(np.float32))
    assert np.array_equal(read_image(path, LINEAR), expected)
    with pytest.raises(ImageError, match="^1 band, not 3$"):
        read_image(path, STRETCHED)
    unstretched = replace(LINEAR, stretch=None)
    if dtype == np.uint16:
        assert np.array_equal(read_image(path, unstretched)[..., 0], values[4:36, 8:40] >> 8)
    else:
        with pytest.raises(ImageError, match="of unknown scale"):
            read_image(path, unstretched)


def test_fits_are_cut_and_stretched(tmp_path):
    path = write(tmp_path / "1.fits", sky(0.4, cube()))
    image = load_image(path, STRETCHED)
    assert np.array_equal(image.pixels, STRETCHED.stretch.apply(upright(cube())[4:36, 8:40]))
    assert (image.blank, image.scale) == (0, None)
    assert image.pixels.flags.c_contiguous
    for settings in (PLAIN, replace(PLAIN, bands=GRI[:2])):
        with pytest.raises(ImageError, match="^a FITS image, unlike the other images"):
            read_image(path, settings)


def test_blank_pixels_are_black_and_counted(tmp_path):
    values = cube()
    values[1, 20, 24], values[0, 21, 24], values[2, 0, 0] = np.nan, np.inf, np.nan
    path = write(tmp_path / "1.fits", sky(0.4, values))
    image = load_image(path, STRETCHED)
    assert image.blank == 2
    assert image.pixels[15, 16, 1] == 0
    assert image.pixels[15, 16, 0] > 0
    assert image.pixels[14, 16, 0] == 0
    resampled = load_image(path, replace(STRETCHED, crop=10, target_scale=0.5))
    assert resampled.blank == 2
    whole = np.where(np.isfinite(upright(values)), upright(values), STRETCHED.stretch.minimum)
    filled = write(tmp_path / "2.fits", sky(0.4, np.moveaxis(whole[::-1], -1, 0).astype(np.float32)))
    expected = load_image(filled, replace(STRETCHED, crop=10, target_scale=0.5))
    assert np.array_equal(resampled.pixels, expected.pixels)


def gaussian(side, sigma, step):
    x = (np.arange(side) + 0.5 - side / 2) * step
    return (200 * np.exp(-(x[:, None] ** 2 + x**2) / (2 * sigma**2))).astype(np.float32)


@pytest.mark.parametrize("side", [100, 101])
@pytest.mark.parametrize("target", [0.2, 0.396, 0.7])
def test_the_target_scale_is_reached_with_the_galaxy_in_the_centre(tmp_path, side, target):
    path = write(tmp_path / "1.fits", sky(0.4, gaussian(side, 4.0, 0.4)))
    image = load_image(path, replace(LINEAR, target_scale=target))
    expected = LINEAR.stretch.apply(gaussian(32, 4.0, target)[..., None])
    assert np.abs(image.pixels.astype(int) - expected).max() <= 2
    assert image.scale == pytest.approx(0.4)
    save(tmp_path / "1.png", gaussian(side, 4.0, 0.4).round().astype(np.uint8))
    found = read_image(
        tmp_path / "1.png", replace(LINEAR, stretch=None, pixel_scale=0.4, target_scale=target)
    )
    assert np.abs(found - gaussian(32, 4.0, target)[..., None]).max() <= 2


def test_the_wcs_is_preferred_to_the_pixel_scale(tmp_path):
    path = write(tmp_path / "1.fits", sky(0.4, cube()))
    settings = replace(STRETCHED, crop=16, target_scale=0.6)
    assert np.array_equal(read_image(path, replace(settings, pixel_scale=9.0)), read_image(path, settings))
    plain = write(tmp_path / "2.fits", fits.PrimaryHDU(cube()))
    image = load_image(plain, replace(settings, pixel_scale=0.4))
    assert image.scale == 0.4
    assert np.abs(image.pixels.astype(int) - read_image(path, settings)).max() <= 1
    with pytest.raises(ImageError, match=r"^no celestial coordinates \(WCS\) that tell the pixel scale"):
        read_image(plain, settings)


def test_equal_scales_do_not_resample(tmp_path):
    path = write(tmp_path / "1.fits", sky(0.4, cube()))
    assert np.array_equal(read_image(path, replace(STRETCHED, target_scale=0.4)), read_image(path, STRETCHED))
    save(tmp_path / "1.png", colour(40, 40))
    assert np.array_equal(
        read_image(tmp_path / "1.png", replace(PLAIN, size=40)), read_cutout(tmp_path / "1.png", 32)
    )


@pytest.mark.parametrize("shape", [(80, 80), (81, 120), (20, 20)])
def test_size_scales_the_central_square_of_any_image(tmp_path, shape):
    image = colour(*shape)
    save(tmp_path / "1.png", image)
    found = read_image(tmp_path / "1.png", replace(PLAIN, size=40))
    side = min(shape)
    top, left = ((length - side) / 2 for length in shape)
    for band in range(3):
        plane = Image.fromarray(image[..., band].astype(np.float32))
        box = (left, top, left + side, top + side)
        expected = np.asarray(plane.resize((40, 40), Image.Resampling.BICUBIC, box=box)).clip(0, 255)
        assert np.abs(found[..., band] - expected[4:36, 4:36]).max() <= 0.501


def test_images_that_are_too_small_are_refused_with_the_numbers(tmp_path):
    path = write(tmp_path / "1.fits", sky(0.4, cube()))
    with pytest.raises(
        ImageError, match="^covers 16 arcsec, smaller than the crop of 32 pixels x 0.6 arcsec$"
    ):
        read_image(path, replace(STRETCHED, target_scale=0.6))
    with pytest.raises(ImageError, match="^48 x 40 pixels, smaller than the crop of 41$"):
        read_image(path, replace(STRETCHED, crop=41))


@pytest.mark.parametrize("bands", [1, 2, 5, 8])
def test_any_number_of_bands(tmp_path, bands):
    stretch = Stretch("asinh", (0.0,) * bands, (200.0,) * bands, a=0.1)
    settings = ImageSettings(32, bands=tuple("ugrizyJH"[:bands]), stretch=stretch)
    one = write(tmp_path / "1.fits", fits.PrimaryHDU(cube(bands)))
    files = [
        write(tmp_path / f"1_{band}.fits", fits.PrimaryHDU(plane))
        for band, plane in zip(settings.bands, cube(bands), strict=True)
    ]
    assert np.array_equal(read_image(one, settings), stretch.apply(upright(cube(bands))[4:36, 8:40]))
    assert np.array_equal(read_image(files, settings), read_image(one, settings))
    scaled = replace(settings, size=36)
    assert np.array_equal(read_image(files, scaled), read_image(one, scaled))


def test_a_grey_file_per_band(tmp_path):
    image = colour()
    files = [save(tmp_path / f"{band}.png", image[..., band]) for band in range(3)]
    assert np.array_equal(read_image(files, PLAIN), image[4:36, 8:40])


def test_files_that_do_not_belong_together_are_refused(tmp_path):
    r = write(tmp_path / "r.fits", sky(0.4, cube(1)))
    i = write(tmp_path / "i.fits", sky(0.4, cube(1, 41)))
    z = write(tmp_path / "z.fits", sky(0.5, cube(1)))
    grey = save(tmp_path / "grey.png", colour()[..., 0])
    with pytest.raises(ImageError, match="^i.fits: 48 x 41 pixels, but r.fits has 48 x 40$"):
        read_image([r, r, i], STRETCHED)
    with pytest.raises(ImageError, match="^z.fits and r.fits: pixel scales of 0.5 arcsec and 0.4 arcsec$"):
        read_image([r, r, z], replace(STRETCHED, crop=8, target_scale=0.5))
    with pytest.raises(ImageError, match="^grey.png and r.fits: only one of them has 8-bit pixels$"):
        read_image([r, r, grey], STRETCHED)
    with pytest.raises(ImageError, match="^2 files, not one for each of the 3 bands$"):
        read_image([r, i], STRETCHED)
    with pytest.raises(ImageError, match="^none.fits: missing$"):
        read_image([r, r, tmp_path / "none.fits"], STRETCHED)
    with pytest.raises(ImageError, match="^missing$"):
        read_image(tmp_path / "none.fits", STRETCHED)


@pytest.fixture
def files(tmp_path):
    """A hundred FITS files with different skies, one of them broken, and a JPEG."""
    paths = [
        write(tmp_path / f"{n:03}.fits", fits.PrimaryHDU(cube(height=8, width=8) + n)) for n in range(100)
    ]
    paths[50].write_bytes(b"SIMPLE  =")
    return [*paths, save(tmp_path / "100.jpg", colour())]


def test_a_stretch_is_found_from_a_reproducible_sample(files):
    small = replace(PLAIN, crop=8)
    stretch = find_stretch(files, small, "lupton")
    assert find_stretch(files, replace(small, stretch=LUPTON), "lupton") == stretch
    assert find_stretch(files, small, "lupton", seed=1) != stretch
    drawn = np.random.default_rng(0).permutation(101)
    readable = [row for row in drawn if row not in (50, 100)][:64]
    sample = [upright(cube(height=8, width=8)) + np.float32(row) for row in readable]
    expected = fit_stretch("lupton", sample, bands=3)
    np.testing.assert_allclose(stretch.minimum, expected.minimum, rtol=1e-4)
    settings = small.with_stretch(stretch)
    again = ImageSettings.from_json(json.loads(json.dumps(settings.to_json())))
    assert np.array_equal(read_image(files[3], settings), read_image(files[3], again))
    assert find_stretch(files, PLAIN, "lupton", {"minimum": 1, "stretch": 2}).minimum == (1, 1, 1)


def test_a_stretch_that_cannot_be_found_is_explained(files):
    with pytest.raises(GalaxyError, match="lupton can be found: .*100.jpg has 8-bit pixels, which need no"):
        find_stretch(files[-1:], PLAIN, "lupton")
    with pytest.raises(GalaxyError, match="050.fits: cannot be read as FITS"):
        find_stretch([files[50]], PLAIN, "asinh")
    with pytest.raises(GalaxyError, match="there are no images"):
        find_stretch([], PLAIN, "asinh")
    with pytest.raises(GalaxyError, match="unknown stretch 'log'"):
        find_stretch(files, PLAIN, "log")
