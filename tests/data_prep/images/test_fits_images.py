"""FITS images of every layout, against what astropy wrote."""

import gzip
import os

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table

from data_prep.images.cutouts import ImageError
from data_prep.images.fits_images import read_fits
from tests.data_prep.images.test_pixel_scale import SKY

GRI = ("g", "r", "i")


def cube(bands=3, height=40, width=48, dtype=np.float32):
    return np.random.default_rng(0).normal(100, 30, (bands, height, width)).astype(dtype)


def write(path, *hdus):
    primary = [] if isinstance(hdus[0], fits.PrimaryHDU) else [fits.PrimaryHDU()]
    fits.HDUList([*primary, *hdus]).writeto(path)
    return path


def upright(values):
    """Returns a cube as [H, W, C] with the last row, which FITS shows at the top, first."""
    return np.moveaxis(values, 0, -1)[::-1].astype(np.float32)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int16, np.int32, np.uint8, np.uint16, np.int64])
def test_cubes_of_any_type_are_read(tmp_path, dtype):
    values = cube(dtype=dtype)
    found = read_fits(write(tmp_path / "1.fits", fits.PrimaryHDU(values)), GRI)
    assert found.planes.dtype == np.dtype(np.float32)
    assert found.scale is None
    assert np.array_equal(found.planes, upright(values))


def test_the_top_row_comes_first(tmp_path):
    values = np.arange(12.0).reshape(3, 4)
    found = read_fits(write(tmp_path / "1.fits", fits.PrimaryHDU(values)), ["r"]).planes[..., 0]
    assert found[0].tolist() == [8, 9, 10, 11]


@pytest.mark.parametrize(
    "hdus",
    [
        [fits.PrimaryHDU(cube(1)[0])],
        [fits.PrimaryHDU(cube(1))],
        [fits.PrimaryHDU(cube(1)[None])],
        [fits.ImageHDU(cube(1)[0])],
        [fits.ImageHDU(cube(1)[0], name="SCI"), fits.ImageHDU(cube(1)[0] * 0, name="WHT")],
        [fits.ImageHDU(cube(1)[0] * 0, name="WHT"), fits.ImageHDU(cube(1)[0], name="R")],
        [fits.BinTableHDU(Table({"a": [1, 2]})), fits.ImageHDU(cube(1)[0])],
        [fits.ImageHDU(np.zeros(9, np.float32)), fits.ImageHDU(cube(1)[0])],
        [fits.CompImageHDU(cube(1)[0], compression_type="GZIP_1", quantize_level=0)],
        [fits.CompImageHDU(cube(1)[0], compression_type="GZIP_2", quantize_level=0)],
    ],
)
def test_a_plane_is_found_wherever_it_is(tmp_path, hdus):
    assert np.array_equal(read_fits(write(tmp_path / "1.fits", *hdus), ["r"]).planes, upright(cube(1)))


def test_bands_are_extensions_in_order_or_by_name(tmp_path):
    values = cube()
    in_order = write(tmp_path / "1.fits", *map(fits.ImageHDU, values))
    named = [fits.ImageHDU(values[GRI.index(band)], name=band.upper()) for band in ("i", "g", "r")]
    by_name = write(tmp_path / "2.fits", fits.PrimaryHDU(values[0] * 0), *named, fits.ImageHDU(values[0] * 0))
    packed = write(
        tmp_path / "3.fits",
        *(fits.CompImageHDU(plane, quantize_level=0, compression_type="GZIP_1") for plane in values),
    )
    for path in (in_order, by_name, packed):
        assert np.array_equal(read_fits(path, GRI).planes, upright(values))


@pytest.mark.parametrize("dtype", [np.int16, np.int32])
def test_rice_compressed_integers_are_exact(tmp_path, dtype):
    values = cube(dtype=dtype)
    path = write(tmp_path / "1.fits.fz", fits.CompImageHDU(values, compression_type="RICE_1"))
    assert np.array_equal(read_fits(path, GRI).planes, upright(values))


def test_quantised_floats_are_those_of_astropy(tmp_path):
    path = write(tmp_path / "1.fits.fz", fits.CompImageHDU(cube(), quantize_level=8))
    assert np.array_equal(read_fits(path, GRI).planes, upright(fits.getdata(path)))
    assert np.abs(read_fits(path, GRI).planes - upright(cube())).max() < 10


@pytest.mark.parametrize("name", ["1.fits.gz", "1.fits", "galaxy"])
def test_gzipped_files_are_recognised_by_content(tmp_path, name):
    plain = write(tmp_path / "plain.fits", fits.PrimaryHDU(cube()))
    (tmp_path / name).write_bytes(gzip.compress(plain.read_bytes()))
    assert np.array_equal(read_fits(tmp_path / name, GRI).planes, upright(cube()))


def test_scaled_integers_and_blank_pixels(tmp_path):
    hdu = fits.PrimaryHDU(np.array([[1, 2], [-99, 4]], dtype=np.int16))
    hdu.header["BLANK"], hdu.header["BSCALE"], hdu.header["BZERO"] = -99, 0.5, 10.0
    stored = np.array([[1, 2], [-99, 4]], dtype=">i2").tobytes().ljust(2880, b"\0")
    (tmp_path / "1.fits").write_bytes(hdu.header.tostring().encode() + stored)
    np.testing.assert_array_equal(fits.getdata(tmp_path / "1.fits"), [[10.5, 11], [np.nan, 12]])
    found = read_fits(tmp_path / "1.fits", ["r"]).planes[..., 0]
    np.testing.assert_array_equal(found, [[np.nan, 12], [10.5, 11]])


@pytest.mark.parametrize(("height", "width"), [(40, 48), (41, 47)])
def test_the_centre_is_that_of_read_cutout(tmp_path, height, width):
    values = cube(height=height, width=width)
    path = write(tmp_path / "1.fits", fits.PrimaryHDU(values))
    top, left = (height - 32) // 2, (width - 32) // 2
    assert np.array_equal(read_fits(path, GRI, 32).planes, upright(values)[top : top + 32, left : left + 32])
    with pytest.raises(ImageError, match=f"^{width} x {height} pixels, smaller than the crop of 42$"):
        read_fits(path, GRI, 42)


def test_the_pixel_scale_comes_from_the_wcs(tmp_path):
    header = fits.Header(SKY | {"CDELT1": -1.1e-4, "CDELT2": 1.1e-4})
    path = write(tmp_path / "1.fits", fits.PrimaryHDU(cube(), header))
    assert read_fits(path, GRI).scale == pytest.approx(0.396)
    assert read_fits(path, GRI, with_scale=False).scale is None
    header["CDELT1"] = -1.105e-4
    path = write(tmp_path / "2.fits", fits.PrimaryHDU(cube(), header))
    assert read_fits(path, GRI).scale == pytest.approx(0.396 * np.sqrt(1.105 / 1.1))
    header["CDELT1"] = -1.2e-4
    path = write(tmp_path / "3.fits.fz", fits.CompImageHDU(cube(), header))
    with pytest.raises(ImageError, match="^pixels that are not square: 0.432 x 0.396 arcsec$"):
        read_fits(path, GRI)
    assert read_fits(path, GRI, with_scale=False).planes.shape == (40, 48, 3)


REFUSED = {
    "2 bands, not 3": [fits.PrimaryHDU(cube(2))],
    "1 band, not 3": [fits.PrimaryHDU(cube(1))],
    "4 bands, not 3": list(map(fits.ImageHDU, cube(4))),
    "bands of different sizes: 48 x 40 and 48 x 41 pixels": [
        *map(fits.ImageHDU, cube(2)),
        fits.ImageHDU(cube(1, 41)[0]),
    ],
    "an image with 4 axes: expected a plane, or a cube of bands": [
        fits.PrimaryHDU(cube()[None] + cube(2)[:, None, :1, :1])
    ],
    "a FITS file without images": [fits.BinTableHDU(Table({"a": [1, 2]})), fits.ImageHDU()],
    "compressed by HCOMPRESS_1, which is not supported: use fpack -r": [
        fits.CompImageHDU(cube().astype(np.int16), compression_type="HCOMPRESS_1")
    ],
    "compressed by PLIO_1, which is not supported: use fpack -r": [
        fits.CompImageHDU(cube(dtype=np.uint8).astype(np.int16), compression_type="PLIO_1")
    ],
}


@pytest.mark.parametrize("reason", REFUSED)
def test_images_that_do_not_fit_are_refused_with_what_was_found(tmp_path, reason):
    path = write(tmp_path / "1.fits", *REFUSED[reason])
    with pytest.raises(ImageError) as caught:
        read_fits(path, GRI)
    assert str(caught.value) == reason


def test_files_that_are_not_fits_are_refused(tmp_path):
    for content, reason in (
        (b"", "an empty file"),
        (b"\xff\xd8\xff", "not a FITS file"),
        (b"\x1f\x8b..", "cannot be read as FITS"),
    ):
        (tmp_path / "1.fits").write_bytes(content)
        with pytest.raises(ImageError, match=f"^{reason}"):
            read_fits(tmp_path / "1.fits", GRI)
    with pytest.raises(ImageError, match="^missing$"):
        read_fits(tmp_path / "2.fits", GRI)
    with pytest.raises(ImageError, match="not a regular file"):
        read_fits(tmp_path, GRI)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_is_not_read(tmp_path):
    os.mkfifo(tmp_path / "pipe.fits")
    with pytest.raises(ImageError, match="not a regular file"):
        read_fits(tmp_path / "pipe.fits", GRI)
