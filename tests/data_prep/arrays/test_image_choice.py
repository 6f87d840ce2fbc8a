import numpy as np
import pytest
from astropy.io import fits

from data_prep.arrays.image_choice import (
    ImageOptions,
    choose_settings,
    find_scales,
    locate_images,
    measure_scale,
    parse_parameters,
)
from data_prep.common.errors import GalaxyError
from data_prep.images.image_settings import ImageSettings
from tests.own_galaxies import CLASSES, write_band_files, write_cubes, write_images


def cubes(folder, bands=5, **more):
    write_cubes(folder, ["1", "2", "3", "4"], CLASSES, bands, side=24, **more)
    return [(folder / f"{name}.fits",) for name in "1234"]


def jpegs(folder):
    write_images(folder, ["1", "2"])
    return [(folder / "1.jpg",), (folder / "2.jpg",)]


@pytest.mark.parametrize(
    ("options", "crop"),
    [({}, 224), ({"crop": 16}, 16), ({"size": 16}, 16), ({"size": 16, "crop": 8}, 8)],
)
def test_the_crop_is_by_default_the_size_or_that_of_galaxy_zoo(tmp_path, options, crop):
    settings = choose_settings(jpegs(tmp_path), ImageOptions(**options))
    assert (settings.crop, settings.bands, settings.stretch) == (crop, ("R", "G", "B"), None)


@pytest.mark.parametrize(("bands", "stretch"), [(1, "asinh"), (3, "lupton"), (5, "asinh")])
def test_bands_and_stretch_follow_from_the_first_fits_file(tmp_path, bands, stretch):
    settings = choose_settings(cubes(tmp_path, bands), ImageOptions(crop=16))
    assert settings.bands == tuple(f"band{number + 1}" for number in range(bands))
    assert settings.stretch.name == stretch
    assert settings.stretch.bands == bands


def test_given_parameters_of_the_stretch_are_used(tmp_path):
    options = ImageOptions(crop=16, bands="ugriz", stretch="linear", parameters={"minimum": -1, "maximum": 9})
    settings = choose_settings(cubes(tmp_path), options)
    assert settings.bands == tuple("ugriz")
    assert settings.stretch.minimum == (-1,) * 5
    assert settings.stretch.maximum == (9,) * 5


def test_names_of_extensions_are_the_bands(tmp_path):
    planes = [fits.ImageHDU(np.eye(24, dtype=np.float32), name=name) for name in ("g", "r")]
    fits.HDUList([fits.PrimaryHDU(), *planes]).writeto(tmp_path / "1.fits")
    assert choose_settings([(tmp_path / "1.fits",)], ImageOptions(crop=16)).bands == ("G", "R")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"crop": 0}, "the crop must be 1 to 8,192 pixels, not 0"),
        ({"size": 8, "crop": 16}, "the size of 8 pixels is smaller than the crop of 16"),
        ({"size": 16, "target_scale": 0.5}, "size and target scale exclude each other"),
        ({"stretch": "asinh"}, r"\.jpg has 8-bit pixels, which need no stretch: leave out --stretch"),
        ({"stretch": "linear", "parameters": {"minimum": 0, "maximum": 1}}, "8-bit .* leave out --stretch"),
        ({"parameters": {"Q": 8}}, "8-bit .* leave out --stretch"),
        ({"bands": ("g", "g", "r")}, "two bands have the same name"),
    ],
)
def test_options_that_do_not_fit_the_images_are_refused(tmp_path, options, message):
    with pytest.raises(GalaxyError, match=message):
        choose_settings(jpegs(tmp_path), ImageOptions(**options))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"crop": 64}, "24 x 24 pixels, smaller than the crop of 64"),
        ({"crop": 16, "bands": ("g", "r")}, "5 bands, not 2"),
        ({"crop": 16, "parameters": {"minimum": [0, 1]}}, "has 2 numbers; the images have 5 bands"),
        ({"crop": 16, "parameters": {"a": -1}}, "a of the stretch must be a positive number"),
        (
            {"crop": 16, "parameters": {"Q": 1}},
            "asinh has no parameter 'Q'; its parameters: minimum, maximum",
        ),
        ({"crop": 16, "parameters": {"minimum": 5, "maximum": 1}}, "is not above the minimum"),
    ],
)
def test_options_that_do_not_fit_fits_images_are_refused(tmp_path, options, message):
    with pytest.raises(GalaxyError, match=message):
        choose_settings(cubes(tmp_path), ImageOptions(**options))


def test_files_per_band_need_their_names(tmp_path):
    write_band_files(tmp_path, "gr", ["1"], ["smooth"], side=24)
    with pytest.raises(GalaxyError, match="the images have 2 files each: name their bands with --bands"):
        choose_settings([(tmp_path / "1_g.fits", tmp_path / "1_r.fits")], ImageOptions(crop=16))


def test_files_are_in_the_order_of_the_wanted_bands(tmp_path):
    paths = ["1_g.fits|1_r.fits|1_z.fits", "2.jpg"]

    def names(*wanted):
        located = locate_images(tmp_path, paths, ["g", "r", "z"], wanted)
        return [[path.name for path in files] for files in located]

    assert names() == [["1_g.fits", "1_r.fits", "1_z.fits"], ["2.jpg"]]
    assert names("z", "g")[0] == ["1_z.fits", "1_g.fits"]
    assert names("r")[0] == ["1_r.fits"]
    with pytest.raises(GalaxyError, match="--bands g i: .* no files for i, only for the bands g, r, z"):
        names("g", "i")


def test_a_bar_in_the_name_of_a_file_is_no_separator(tmp_path):
    write_images(tmp_path, ["a|b.jpg"])
    assert locate_images(tmp_path, ["a|b.jpg"], [], []) == [(tmp_path / "a|b.jpg",)]


def test_the_pixel_scale_is_that_of_the_files_if_it_is_the_same(tmp_path):
    same, other = cubes(tmp_path / "a", scale=0.4), cubes(tmp_path / "b", scale=0.2)
    none = cubes(tmp_path / "c")
    settings = choose_settings(same, ImageOptions(crop=16))
    assert find_scales(same, settings) == pytest.approx([0.4] * 4)
    assert measure_scale(same, settings)[0] == pytest.approx(0.4)
    assert measure_scale(none, settings) == (None, [])
    scale, (note,) = measure_scale(same + other, settings)
    assert scale is None
    assert note.startswith("the images have pixel scales of 0.2 to 0.4 arcsec per pixel; --target-scale")


def test_the_pixel_scale_of_a_field_below_an_arcsecond_is_found(tmp_path):
    images = cubes(tmp_path, scale=0.03)
    assert find_scales(images, choose_settings(images, ImageOptions(crop=16))) == pytest.approx([0.03] * 4)


def test_the_scale_of_resampled_and_scaled_images(tmp_path):
    images = cubes(tmp_path, scale=0.4)
    assert measure_scale(images, choose_settings(images, ImageOptions(crop=16, target_scale=0.5))) == (
        0.5,
        [],
    )
    assert measure_scale(images, choose_settings(images, ImageOptions(size=16))) == (None, [])
    assert measure_scale(jpegs(tmp_path), ImageSettings(16, pixel_scale=0.3)) == (0.3, [])


def test_parameters_are_parsed():
    words = ["Q=8", "minimum=0,-0.1,1e-3", "stretch=2"]
    assert parse_parameters(words) == {"Q": 8.0, "minimum": [0.0, -0.1, 0.001], "stretch": 2.0}


@pytest.mark.parametrize("word", ["Q", "Q=", "Q=x", "R=4", "=4", "minimum=1,,2", "Q=8=9"])
def test_an_invalid_parameter_is_refused(word):
    with pytest.raises(GalaxyError, match=f"--stretch-parameters {word}: write a parameter .Q, a, maximum"):
        parse_parameters([word])
