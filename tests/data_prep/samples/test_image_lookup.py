import unicodedata

import pytest

from data_prep.common.errors import GalaxyError
from data_prep.samples.image_lookup import check_bands, image_name, look_up_images
from tests.own_galaxies import write_band_files, write_images


@pytest.fixture
def lookup(tmp_path):
    names = ["a/1.JPG", "b/2.png", "b/1.png", "c/3.v2.jpg", "4"]
    return look_up_images(write_images(tmp_path / "images", names))


def test_images_are_found_by_name_in_any_subfolder_and_format(lookup):
    assert lookup.by_name(["1", "2", "3.v2", "4", "5", None]).tolist() == [
        "a/1.JPG", "b/2.png", "c/3.v2.jpg", "4.jpg", None, None,
    ]  # fmt: skip


def test_a_name_may_contain_the_subfolder(lookup):
    assert lookup.by_name(["b/1", "a/1", "b/2", "b/3", "4"]).tolist() == [
        "b/1.png", "a/1.JPG", "b/2.png", None, "4.jpg",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("a/1.JPG", "a/1.JPG"),
        ("./b/1.png", "b/1.png"),
        (r"C:\images\b\1.png", "b/1.png"),
        ("/elsewhere/images/b/2.png", "b/2.png"),
        ("//server/share/b/2.png", "b/2.png"),
        ("4.jpg", "4.jpg"),
        ("../../4.jpg", "4.jpg"),
        ("1.JPG", None),  # It is in a subfolder, which the path does not name.
        ("a/1.jpg", None),
        ("a", None),
        ("/", None),
        ("", None),
        (None, None),
    ],
)
def test_a_path_of_another_computer_is_found_by_its_end(lookup, path, found):
    assert lookup.by_path([path]).tolist() == [found]


def test_a_path_never_leads_out_of_the_folder(lookup, tmp_path):
    (tmp_path / "secret.jpg").write_text("secret")
    assert lookup.by_path(["../secret.jpg", str(tmp_path / "secret.jpg")]).tolist() == [None, None]


def test_a_path_that_names_no_image_is_not_found(tmp_path):
    folder = write_images(tmp_path / "images", ["1"])
    (folder / "notes.txt").write_text("no image")
    assert look_up_images(folder).by_path(["notes.txt"]).tolist() == [None]


def test_names_in_the_unicode_form_of_macos_are_found(tmp_path):
    folder = write_images(tmp_path / "images", [unicodedata.normalize("NFD", "é/ü.jpg")])
    lookup = look_up_images(folder)
    composed = unicodedata.normalize("NFC", "ü")
    (path,) = lookup.by_name([composed])
    assert (folder / path).is_file()
    assert lookup.by_path([unicodedata.normalize("NFC", "é/ü.jpg")]).tolist() == [path]


def test_unused_files_are_listed_with_the_reason(lookup):
    assert lookup.unused({"b/2.png", "4.jpg"}) == {
        "a/1.JPG": "not in the table",
        "b/1.png": "an image of the same name, a/1.JPG, is used",
        "c/3.v2.jpg": "not in the table",
    }


def test_links_are_followed(tmp_path):
    far = write_images(tmp_path / "far", ["7"])
    folder = write_images(tmp_path / "images", ["1"])
    (folder / "linked").symlink_to(far)
    assert look_up_images(folder).by_name(["7"]).tolist() == ["linked/7.jpg"]


def test_images_with_a_file_per_band_are_joined_in_the_order_of_the_bands(tmp_path):
    folder = write_band_files(tmp_path / "images", "gr", ["x", "y"], ["smooth", "ring"], side=8)
    (folder / "y_g.fits").unlink()
    lookup = look_up_images(folder, "{id}_{band}.fits", ["r", "g"])
    assert lookup.images == {"x": "x_r.fits|x_g.fits"}
    assert lookup.names(["x_r.fits|x_g.fits"]) == ["x"]
    assert lookup.unused(set(lookup.images.values())) == {"y_r.fits": "no file for the band g of y"}
    assert lookup.by_path(["y_r.fits", "x_r.fits"]).tolist() == [None, None]


def test_a_folder_without_complete_images_is_refused(tmp_path):
    folder = write_band_files(tmp_path / "images", "gr", ["x"], ["smooth"], side=8)
    with pytest.raises(GalaxyError, match=r"no image with a file for each band; x_g\.fits: no file for .* z"):
        look_up_images(folder, "{id}_{band}.fits", ["g", "z"])


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("fits/123.fits.gz", "123"),
        ("1.JPG", "1"),
        ("a.b.jpeg", "a.b"),
        ("x/y", "y"),
        ("g/1.fits|r/1.fits", "1"),
    ],
)
def test_the_name_of_an_image(path, name):
    assert image_name(path) == name


@pytest.mark.parametrize(
    ("pattern", "bands", "message"),
    [
        ("{id}_{band}", [], "add --bands"),
        ("{id}", ["g"], "once each"),
        ("../{id}_{band}", ["g"], "relative path"),
        (None, ["g|r"], "letters, digits"),
        (None, [""], "letters, digits"),
        (None, list("abcdefghi"), "1 to 8 names"),
    ],
)
def test_invalid_bands_and_patterns_are_refused(pattern, bands, message):
    with pytest.raises(GalaxyError, match=message):
        check_bands(pattern, bands)
    check_bands("{band}/{id}.fits", ["g", "r"])
    check_bands(None, [])
