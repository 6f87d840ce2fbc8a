"""Broken and hostile FITS files: they are read or raise ImageError, quickly and with little memory."""

import gzip
import io
import resource
import subprocess
import sys
import threading
import time
import warnings
import zlib

import numpy as np
import pytest
from astropy.io import fits
from astropy.utils.exceptions import AstropyUserWarning
from hypothesis import given
from hypothesis import strategies as st

from data_prep.images import fits_images
from data_prep.images.cutouts import ImageError
from data_prep.images.fits_images import read_fits
from data_prep.images.image_reader import read_image
from data_prep.images.image_settings import ImageSettings
from data_prep.images.stretch import Stretch
from tests.fuzzing import damaged, succeeds_or_explains, tries

GRI = ("g", "r", "i")
LUPTON = Stretch("lupton", (0.0, 0.0, 0.0), stretch=30.0, Q=8.0)
SETTINGS = ImageSettings(crop=8, stretch=LUPTON)
RESAMPLED = ImageSettings(crop=8, stretch=LUPTON, target_scale=0.5)

pytestmark = pytest.mark.filterwarnings("ignore::astropy.utils.exceptions.AstropyWarning")


@pytest.fixture(autouse=True)
def in_time():
    """No test here may take longer than a few seconds."""
    start = time.process_time()
    yield
    assert time.process_time() - start < 30


def content(*hdus):
    file = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fits.HDUList(list(hdus)).writeto(file)
    return file.getvalue()


def sky_header():
    header = fits.Header()
    for name, value in (("CTYPE1", "RA---TAN"), ("CTYPE2", "DEC--TAN"), ("CDELT1", -1e-4), ("CDELT2", 1e-4)):
        header[name] = value
    return header


VALUES = np.random.default_rng(0).normal(100, 30, (3, 12, 12)).astype(np.float32)
INTEGERS = fits.PrimaryHDU(VALUES.astype(np.int16), sky_header())
INTEGERS.header["BLANK"] = 99
FILES = {
    "cube": content(fits.PrimaryHDU(VALUES, sky_header())),
    "integers": content(INTEGERS),
    "extensions": content(fits.PrimaryHDU(), *(fits.ImageHDU(plane, sky_header()) for plane in VALUES)),
    "rice": content(fits.PrimaryHDU(), fits.CompImageHDU(VALUES.astype(np.int16), sky_header())),
    "quantised": content(fits.PrimaryHDU(), fits.CompImageHDU(VALUES, sky_header(), quantize_level=4)),
    "packed": content(
        fits.PrimaryHDU(), fits.CompImageHDU(VALUES, compression_type="GZIP_2", quantize_level=0)
    ),
}
FILES["gzipped"] = gzip.compress(FILES["cube"])


def refusal(tmp_path, data, bands=GRI):
    path = tmp_path / "1.fits"
    path.write_bytes(data)
    with pytest.raises(ImageError) as caught:
        read_fits(path, bands)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400
    return str(caught.value)


def with_entry(data, name, value):
    """Replaces the value of an entry in the headers of a file."""
    at = data.index(f"{name:8}=".encode())
    return data[: at + 10] + f"{value:>20}".encode() + data[at + 30 :]


@pytest.mark.parametrize("kind", FILES)
def test_damaged_files_are_read_or_refused(tmp_path, kind):
    path = tmp_path / "1.fits"

    @tries(3_000)
    @given(data=damaged(FILES[kind]), settings=st.sampled_from((SETTINGS, RESAMPLED)))
    def read(data, settings):
        path.write_bytes(data)
        succeeds_or_explains(lambda: read_image(path, settings))

    read()


@pytest.mark.parametrize("kind", FILES)
def test_damaged_headers_are_read_or_refused(tmp_path, kind):
    path = tmp_path / "1.fits"
    data = FILES[kind]
    plain = gzip.decompress(data) if kind == "gzipped" else data
    starts = [at for at in range(0, len(plain), 80) if plain[at + 8 : at + 9] == b"="]
    values = ["T", "F", "-1", "0", "1", "2", "7", "65536", "2147483647", "9" * 19, "1E300", "NaN"]
    values += ["'x'", "''", "'", "(", ""]
    change = st.tuples(st.sampled_from(starts), st.sampled_from(values))

    @tries(3_000)
    @given(changes=st.lists(change, min_size=1, max_size=3), settings=st.sampled_from((SETTINGS, RESAMPLED)))
    def read(changes, settings):
        changed = bytearray(plain)
        for at, value in changes:
            changed[at + 10 : at + 80] = f"{value:>20}".ljust(70).encode()
        path.write_bytes(gzip.compress(changed) if kind == "gzipped" else changed)
        succeeds_or_explains(lambda: read_image(path, settings))

    read()


@pytest.mark.parametrize("kind", FILES)
def test_truncated_files_are_refused(tmp_path, kind):
    data = FILES[kind]
    for tenth in range(1, 10):
        cut = data[: len(data) * tenth // 10]
        try:
            reason = refusal(tmp_path, cut)
        except BaseException:
            # Only the padding of the last block is missing.
            assert len(cut) > len(data) - 2880 - 3 * 12 * 12 * 4
            continue
        assert str(tmp_path) not in reason


@pytest.mark.parametrize("side", [8_193, 100_000, 2_000_000_000])
def test_huge_declared_images_are_refused_before_they_are_read(tmp_path, side):
    data = FILES["cube"]
    for name in ("NAXIS1", "NAXIS2"):
        data = with_entry(data, name, side)
    assert "pixels in 3 bands, more than" in refusal(tmp_path, data)
    assert "not 3" in refusal(tmp_path, with_entry(data, "NAXIS3", side))


def test_a_gzip_bomb_is_refused_before_it_is_unpacked(tmp_path, monkeypatch):
    monkeypatch.setattr(fits_images, "MAX_BYTES", 2**20)
    bomb = gzip.compress(FILES["cube"] + bytes(2**24))
    assert refusal(tmp_path, bomb) == "more than 1,048,576 bytes uncompressed"
    assert refusal(tmp_path, FILES["cube"] + bytes(2**20)).endswith("bytes, more than 1,048,576")


def test_a_bomb_in_a_compressed_tile_is_refused(tmp_path):
    tile = zlib.compressobj(wbits=31)
    bomb = tile.compress(bytes(2**24)) + tile.flush()
    tiles = np.empty(1, dtype=object)
    tiles[0] = np.frombuffer(bomb, np.uint8)
    table = fits.BinTableHDU.from_columns([fits.Column("COMPRESSED_DATA", "1PB()", array=tiles)])
    for name, value in (
        ("ZIMAGE", True),
        ("ZBITPIX", -32),
        ("ZNAXIS", 2),
        ("ZNAXIS1", 12),
        ("ZNAXIS2", 12),
        ("ZTILE1", 12),
        ("ZTILE2", 12),
        ("ZCMPTYPE", "GZIP_1"),
    ):
        table.header[name] = value
    reason = refusal(tmp_path, content(fits.PrimaryHDU(), table), ["r"])
    assert reason == "compressed tiles that are larger than the image"


def test_a_file_of_very_many_parts_is_refused_in_time(tmp_path):
    parts = [fits.PrimaryHDU(), *(fits.ImageHDU(np.zeros((1, 1), np.float32)) for _ in range(300))]
    assert refusal(tmp_path, content(*parts)) == "63 bands, not 3"


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_an_image_without_finite_pixels_is_refused(tmp_path, value):
    path = tmp_path / "1.fits"
    path.write_bytes(content(fits.PrimaryHDU(np.full((3, 12, 12), value, np.float32))))
    with pytest.raises(ImageError, match="^all its pixels are blank$"):
        read_image(path, SETTINGS)


def test_values_beyond_single_precision_become_pixels_without_a_warning(tmp_path):
    values = VALUES.astype(np.float64)
    values[:, 3:9, 3:9] *= 1e300
    path = tmp_path / "1.fits"
    path.write_bytes(content(fits.PrimaryHDU(values)))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert read_image(path, SETTINGS).max() <= 255


def test_files_are_closed_and_threads_read_the_same(tmp_path):
    path = tmp_path / "1.fits"
    path.write_bytes(FILES["cube"])
    expected, results = read_image(path, SETTINGS), []

    def read():
        results.extend(read_image(path, SETTINGS) for _ in range(20))

    threads = [threading.Thread(target=read) for _ in range(8)]
    with warnings.catch_warnings():
        warnings.simplefilter("error", ResourceWarning)
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(results) == 160
    assert all(np.array_equal(result, expected) for result in results)


def test_damaged_headers_print_nothing(tmp_path):
    path = tmp_path / "1.fits"
    path.write_bytes(with_entry(FILES["rice"], "ZTENSION", "'x'"))
    with pytest.warns(AstropyUserWarning, match="ZTENSION"):
        fits.getdata(path)
    code = (
        "from pathlib import Path; from data_prep.images.fits_images import read_fits\n"
        f"print(read_fits(Path({str(path)!r}), 'gri').planes.shape)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("(12, 12, 3)\n", "")


@pytest.mark.skipif(sys.platform == "win32", reason="this system does not report its memory")
def test_reading_many_files_takes_no_more_memory_than_reading_few(tmp_path):
    path = tmp_path / "1.fits"
    path.write_bytes(content(fits.PrimaryHDU(np.ones((3, 256, 256), np.float32))))
    peaks = []
    for _ in range(3):
        for _ in range(30):
            read_image(path, SETTINGS)
        peaks.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
    assert peaks[2] <= peaks[0] * 1.05
