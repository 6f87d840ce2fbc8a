import numpy as np
import pytest
from PIL import Image

from data_prep.images.cutouts import ImageError, read_cutout


def pixels(height, width):
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)


@pytest.mark.parametrize(("size", "first"), [(424, 100), (423, 99), (224, 0), (225, 0)])
def test_the_crop_is_the_centre_without_resampling(tmp_path, size, first):
    stored = pixels(size, size)
    Image.fromarray(stored).save(tmp_path / "galaxy.png")
    cutout = read_cutout(tmp_path / "galaxy.png", 224)
    assert cutout.dtype == np.uint8
    assert np.array_equal(cutout, stored[first : first + 224, first : first + 224])


def test_the_crop_keeps_rows_and_columns(tmp_path):
    stored = pixels(300, 400)
    Image.fromarray(stored).save(tmp_path / "galaxy.png")
    assert np.array_equal(read_cutout(tmp_path / "galaxy.png", 224), stored[38:262, 88:312])


def test_each_kind_of_unusable_image_has_its_own_reason(tmp_path):
    good = tmp_path / "good.jpg"
    Image.fromarray(pixels(424, 424)).save(good)
    (tmp_path / "empty.jpg").touch()
    (tmp_path / "truncated.jpg").write_bytes(good.read_bytes()[:20_000])
    (tmp_path / "text.jpg").write_text("no image")
    (tmp_path / "page.jpg").write_text("\n<!DOCTYPE html><html><body>403 Forbidden</body></html>")
    (tmp_path / "pointer.jpg").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\n")
    Image.fromarray(pixels(424, 424)).convert("CMYK").save(tmp_path / "cmyk.jpg")
    Image.fromarray(pixels(100, 424)).save(tmp_path / "small.jpg")
    reasons = {
        "absent.jpg": "missing",
        "empty.jpg": "an empty file",
        "truncated.jpg": "cannot be decoded: image file is truncated",
        "text.jpg": "cannot be decoded: cannot identify image file 'text.jpg'",
        "page.jpg": "a web page, saved when the download failed: download the image again",
        "pointer.jpg": "a Git LFS pointer, not the image: run git lfs pull",
        "cmyk.jpg": "CMYK, whose colours depend on a printer's profile: save it as RGB",
        "small.jpg": "424 x 100 pixels, smaller than the crop of 224",
    }
    for name, reason in reasons.items():
        with pytest.raises(ImageError) as caught:
            read_cutout(tmp_path / name, 224)
        assert str(caught.value).startswith(reason), name


def test_only_the_first_picture_of_a_file_is_read(tmp_path):
    first, second = (Image.fromarray(pixels(64, 64)), Image.new("RGB", (64, 64)))
    first.save(tmp_path / "plain.jpg")
    first.save(tmp_path / "camera.jpg", format="MPO", save_all=True, append_images=[second])
    (tmp_path / "longer.jpg").write_bytes((tmp_path / "plain.jpg").read_bytes() + b"more" * 1000)
    first.save(tmp_path / "animated.png", save_all=True, append_images=[second])
    plain = read_cutout(tmp_path / "plain.jpg", 64)
    assert np.array_equal(read_cutout(tmp_path / "camera.jpg", 64), plain)
    assert np.array_equal(read_cutout(tmp_path / "longer.jpg", 64), plain)
    assert np.array_equal(read_cutout(tmp_path / "animated.png", 64), np.asarray(first))


def test_the_exif_orientation_is_ignored(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(pixels(64, 64)).save(tmp_path / "turned.png", exif=exif)
    assert np.array_equal(read_cutout(tmp_path / "turned.png", 64), pixels(64, 64))
