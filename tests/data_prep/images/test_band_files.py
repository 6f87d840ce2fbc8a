"""Files per band, found by patterns."""

from pathlib import Path

import pytest

from data_prep.images.band_files import group_bands


def grouped(names, pattern, bands):
    found = group_bands(map(Path, names), pattern, bands)
    return (
        {name: [path.as_posix() for path in paths] for name, paths in found.images.items()},
        {path.as_posix(): reason for path, reason in found.skipped.items()},
    )


def test_files_are_grouped_in_the_order_of_the_bands():
    names = ["2_r.fits", "1_g.fits", "1_r.FITS", "a/2_g.fits", "1_i.fits", "a/2_i.fits"]
    images, skipped = grouped(names, "{id}_{band}.fits", ("g", "r", "i"))
    assert images == {
        "1": ["1_g.fits", "1_r.FITS", "1_i.fits"],
        "2": ["a/2_g.fits", "2_r.fits", "a/2_i.fits"],
    }
    assert list(images) == ["1", "2"]
    assert skipped == {}


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("{band}/{id}.fits", ["g/a.1.fits", "deep/r/a.1.fits"]),
        ("{id}/{band}.fits.gz", ["x/a.1/g.fits.gz", "x/a.1/r.fits.GZ"]),
        ("{id}_{band}", ["a.1_g.fits", "a.1_r.tif"]),
        ("{id}_{band}", ["a.1_g", "a.1_r.fits.fz"]),
        ("cut(1)_{band}_{id}+.fits", ["cut(1)_g_a.1+.fits", "cut(1)_r_a.1+.fits"]),
        ("{id}{band}.png", ["a.1g.png", "a.1r.png"]),
    ],
)
def test_patterns_with_folders_and_any_characters(pattern, names):
    assert grouped(names, pattern, ("g", "r")) == ({"a.1": names}, {})


def test_bands_whose_names_begin_alike_are_kept_apart():
    names = ["1_H.fits", "1_Ha.fits", "1_a_H.fits", "1_a_Ha.fits"]
    images, skipped = grouped(names, "{id}_{band}.fits", ("H", "Ha"))
    assert images == {"1": names[:2], "1_a": names[2:]}
    assert skipped == {}


def test_other_files_are_listed_with_the_reason():
    names = [
        "1_g.fits",
        "1_r.fits",
        "a/1_r.fits",
        "2_g.fits",
        "3_g.jpg",
        "3.fits",
        "4_u.fits",
        "5_G.fits",
        "_g.fits",
    ]
    images, skipped = grouped(names, "{id}_{band}.fits", ("g", "r", "i"))
    assert images == {}
    other = "its name is not {id}_{band}.fits with one of the bands g, r, i"
    assert skipped == {
        "1_g.fits": "no file for the band i of 1",
        "1_r.fits": "no file for the band i of 1",
        "2_g.fits": "no file for the bands r, i of 2",
        "a/1_r.fits": "another file for the band r of 1, 1_r.fits, is used",
    } | dict.fromkeys(["3_g.jpg", "3.fits", "4_u.fits", "5_G.fits", "_g.fits"], other)
    assert list(skipped) == sorted(skipped, key=Path)
