"""Broken, hostile or unusual images: they are read or raise ImageError, quickly and with little memory."""

import io
import os
import struct
import time
import zlib

import numpy as np
import PIL
import pytest
from PIL import Image, ImageFile

from data_prep.images import cutouts as images
from data_prep.images.cutouts import MAX_PIXELS, ImageError, read_cutout

CROP = 32


@pytest.fixture(autouse=True)
def in_time():
    """No test here may take longer than a few seconds."""
    start = time.process_time()
    yield
    assert time.process_time() - start < 20


def pixels(height=40, width=48):
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)


def encoded(image, kind, **options):
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def png(width, height, bits=8, kind=2, rows=b""):
    """A PNG with this declared size, whatever its content."""

    def chunk(name, content):
        return (
            struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))
        )

    header = struct.pack(">IIBBBBB", width, height, bits, kind, 0, 0, 0)
    chunks = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunks


def jpeg(width, height):
    """A JPEG with this declared size."""
    content = encoded(Image.fromarray(pixels()), "JPEG")
    frame = content.index(b"\xff\xc0") + 5
    return content[:frame] + struct.pack(">HH", height, width) + content[frame + 4 :]


def refusal(tmp_path, content):
    """Returns the reason why an image is refused."""
    path = tmp_path / "galaxy.jpg"
    path.write_bytes(content)
    with pytest.raises(ImageError) as caught:
        read_cutout(path, CROP)
    return str(caught.value)


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize("make", [png, jpeg])
@pytest.mark.parametrize("side", [30_000, 10_000, 8_193])
def test_decompression_bombs_are_refused_before_they_are_decoded(tmp_path, monkeypatch, make, side):
    monkeypatch.setattr(ImageFile.ImageFile, "load", lambda image: pytest.fail("it was decoded"))
    reason = refusal(tmp_path, make(side, side))
    assert "decompression bomb" in reason or f"{side} x {side} pixels, more than {MAX_PIXELS:,}" in reason


def test_a_jpeg_with_a_thousand_scans_is_refused_before_it_is_decoded(tmp_path):
    content = encoded(Image.new("RGB", (2_048, 2_048)), "JPEG", progressive=True)
    last = content[content.rindex(b"\xff\xda") : -2]
    assert refusal(tmp_path, content[:-2] + 1_000 * last + content[-2:]).startswith("a JPEG with more than")
    (tmp_path / "galaxy.jpg").write_bytes(content)
    assert not read_cutout(tmp_path / "galaxy.jpg", CROP).any()


def test_a_bomb_within_the_limit_is_decoded_in_time(tmp_path):
    path = tmp_path / "galaxy.png"
    path.write_bytes(png(4_096, 4_096, rows=bytes(4_096 * (1 + 3 * 4_096))))
    assert not read_cutout(path, CROP).any()


@pytest.mark.parametrize("size", [(30_000, 1), (1, 30_000), (1, 1), (CROP - 1, CROP), (0, 0)])
def test_images_smaller_than_the_crop_are_refused(tmp_path, size):
    reason = refusal(tmp_path, png(*size, rows=bytes(size[1] * (1 + 3 * size[0]))))
    assert "smaller than the crop" in reason or (size == (0, 0) and reason.startswith("cannot be decoded"))


RGB = Image.fromarray(pixels())
FRAMES = {"save_all": True, "append_images": [RGB.rotate(90)]}
SEEN = RGB.crop((8, 4, 40, 36))
"""What is cut out of it."""


def with_alpha(alpha, mode="RGBA"):
    image = RGB.convert(mode)
    image.putalpha(Image.fromarray(np.full((40, 48), alpha, dtype=np.uint8)))
    return image


def hole(x, y):
    """An image with one transparent pixel."""
    image = with_alpha(255)
    image.putpixel((x, y), (1, 2, 3, 0))
    return image


CONVERTED = {
    "grey.jpg": encoded(RGB.convert("L"), "JPEG", quality=100),
    "grey.png": encoded(RGB.convert("L"), "PNG"),
    "bits.png": encoded(RGB.convert("1"), "PNG"),
    "grey_alpha.png": encoded(with_alpha(255, "L"), "PNG"),
    "rgba.png": encoded(with_alpha(255), "PNG"),
    "rgba.tif": encoded(with_alpha(255), "TIFF"),
    "palette.png": encoded(RGB.convert("P"), "PNG"),
    "opaque_palette.png": encoded(RGB.convert("P"), "PNG", transparency=b"\xff" * 256),
    "animated.gif": encoded(RGB.convert("P"), "GIF", **FRAMES),
    "ycbcr.tif": encoded(RGB.convert("YCbCr"), "TIFF"),
    "hole_outside.png": encoded(hole(2, 2), "PNG"),
    "lossless.webp": encoded(RGB, "WEBP", lossless=True),
    "plain.ppm": encoded(RGB, "PPM"),
    "plain.bmp": encoded(RGB, "BMP"),
}


OLD_PILLOW = pytest.mark.skipif(
    int(PIL.__version__.partition(".")[0]) < 13, reason="Pillow before 13 cannot decode YCbCr in TIFF"
)


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=OLD_PILLOW if name == "ycbcr.tif" else ()) for name in CONVERTED]
)
def test_other_kinds_of_pixels_are_converted_to_rgb(tmp_path, name):
    (tmp_path / name).write_bytes(CONVERTED[name])
    found = read_cutout(tmp_path / name, CROP)
    assert found.dtype == np.uint8
    with Image.open(tmp_path / name) as image:
        assert np.array_equal(found, np.asarray(image.convert("RGBA").convert("RGB"))[4:36, 8:40])
    if name.startswith(("rgba", "hole", "lossless", "plain")):
        assert np.array_equal(found, np.asarray(SEEN))


REFUSED = {
    "transparent.png": (encoded(with_alpha(254), "PNG"), "partly transparent: put it on a background"),
    "hole.png": (encoded(hole(20, 20), "PNG"), "partly transparent"),
    "grey_alpha.png": (encoded(with_alpha(0, "L"), "PNG"), "partly transparent"),
    "key.png": (encoded(RGB, "PNG", transparency=RGB.getpixel((20, 20))), "partly transparent"),
    "palette.gif": (encoded(RGB.convert("P"), "GIF", transparency=0), "partly transparent"),
    "cmyk.jpg": (
        encoded(RGB.convert("CMYK"), "JPEG"),
        "CMYK, whose colours depend on a printer's profile: save",
    ),
    "integers.tif": (
        encoded(RGB.convert("I"), "TIFF"),
        "32-bit integers of unknown scale: save it",
    ),
    "float.tif": (
        encoded(RGB.convert("F"), "TIFF"),
        "floats of unknown scale: save it",
    ),
    "lab.tif": (encoded(Image.new("LAB", (48, 40)), "TIFF"), "pixels of mode LAB: save it as RGB"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_pixels_of_unknown_meaning_are_refused_with_a_remedy(tmp_path, name):
    content, reason = REFUSED[name]
    assert refusal(tmp_path, content).startswith(reason)


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_16_bit_grey_is_reduced_to_the_upper_8_bits(tmp_path, kind):
    values = np.random.default_rng(0).integers(0, 65_536, (CROP, CROP)).astype(np.uint16)
    (tmp_path / "galaxy").write_bytes(encoded(Image.fromarray(values), kind))
    found = read_cutout(tmp_path / "galaxy", CROP)
    assert np.array_equal(found, np.repeat((values >> 8)[..., None], 3, axis=2))
    assert found.dtype == np.uint8


def test_the_first_frame_of_an_animation_is_read(tmp_path):
    (tmp_path / "galaxy.png").write_bytes(encoded(RGB, "PNG", **FRAMES))
    assert np.array_equal(read_cutout(tmp_path / "galaxy.png", CROP), pixels()[4:36, 8:40])


def test_the_exif_orientation_is_ignored(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    for name, options in (("plain.jpg", {}), ("turned.jpg", {"exif": exif})):
        (tmp_path / name).write_bytes(encoded(RGB, "JPEG", **options))
    plain, turned = (read_cutout(tmp_path / name, CROP) for name in ("plain.jpg", "turned.jpg"))
    assert Image.open(tmp_path / "turned.jpg").getexif()[0x0112] == 6
    assert np.array_equal(plain, turned)


def test_16_bit_colour_is_reduced_to_8_bits(tmp_path):
    values = np.random.default_rng(0).integers(0, 65_536, (CROP, CROP, 3)).astype(">u2")
    rows = b"".join(b"\0" + row.tobytes() for row in values)
    (tmp_path / "galaxy.png").write_bytes(png(CROP, CROP, 16, 2, rows))
    assert np.array_equal(read_cutout(tmp_path / "galaxy.png", CROP), values >> 8)


@pytest.mark.parametrize(("kind", "options"), [("PNG", {}), ("JPEG", {}), ("JPEG", {"progressive": True})])
def test_images_truncated_at_every_tenth_are_refused(tmp_path, kind, options):
    content = encoded(RGB, kind, **options)
    for tenth in range(1, 10):
        reason = refusal(tmp_path, content[: len(content) * tenth // 10])
        assert reason.startswith("cannot be decoded"), tenth
        assert str(tmp_path) not in reason


def test_files_that_are_not_images_are_refused(tmp_path):
    assert refusal(tmp_path, b"") == "an empty file"
    for content in (b"no image", b"<svg/>", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", bytes(10_000), b"PK\3\4"):
        assert refusal(tmp_path, content).startswith("cannot be decoded")
    (tmp_path / "folder.jpg").mkdir()
    for path in (tmp_path / "folder.jpg", tmp_path / "a\0b.jpg", tmp_path / ("x" * 5_000)):
        with pytest.raises(ImageError, match="cannot be decoded"):
            read_cutout(path, CROP)
    (tmp_path / "dangling.jpg").symlink_to("nowhere")
    with pytest.raises(ImageError, match="missing"):
        read_cutout(tmp_path / "dangling.jpg", CROP)


def test_a_postscript_file_never_reaches_ghostscript(tmp_path, monkeypatch):
    from PIL import EpsImagePlugin

    monkeypatch.setattr(EpsImagePlugin, "Ghostscript", lambda *args, **options: pytest.fail("it was run"))
    assert refusal(tmp_path, encoded(RGB, "EPS")).startswith("cannot be decoded")
    assert "EPS" not in images.FORMATS


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_is_not_read(tmp_path):
    os.mkfifo(tmp_path / "pipe.jpg")
    with pytest.raises(ImageError, match="not a regular file"):
        read_cutout(tmp_path / "pipe.jpg", 8)
