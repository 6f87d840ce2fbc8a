import gzip
import os
import re
import shutil
from pathlib import Path

import pytest
from PIL import Image

from data_prep.common.errors import GalaxyError
from data_prep.images import image_files
from data_prep.images.image_files import find_images, index_by_stem, split_suffix

OTHER = "not an image in a supported format (JPEG, PNG, TIFF, WEBP, BMP, GIF, PPM, FITS)"


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "images").mkdir()
    return tmp_path / "images"


def put(folder, *names, kind="PNG"):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (70, 70)).save(folder / name, format=kind)


def found(folder):
    images = find_images(folder)
    skipped = {str(path): reason for path, reason in images.skipped.items()}
    return [str(path) for path in images.paths], skipped, images.ignored


def test_a_folder_is_searched_recursively_and_in_order(folder):
    put(folder, "z.jpg", "a.PNG", "b/c.jpeg")
    assert found(folder) == (["a.PNG", "b/c.jpeg", "z.jpg"], {}, 0)


def test_every_suffix_of_a_supported_format_is_accepted_in_any_case(folder):
    names = [
        f"x.{suffix}" for suffix in ("tif", "TIFF", "webp", "bmp", "gif", "jfif", "jpe", "Jpg", "ppm", "pgm")
    ]
    for name in names:
        (folder / name).write_text("no file is opened to know it")
    assert found(folder) == (sorted(names), {}, 0)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP", "BMP", "GIF", "PPM"])
def test_an_image_with_another_suffix_is_recognised_by_its_first_bytes(folder, kind):
    put(folder, "nosuffix", "galaxy.dat", "galaxy.v1.2", kind=kind)
    assert found(folder) == (["galaxy.dat", "galaxy.v1.2", "nosuffix"], {}, 0)


def test_other_files_are_listed_with_the_reason(folder):
    put(folder, "a.jpg")
    for name in ("notes.txt", "b/data.csv", "none", "table.csv.gz"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text("no image")
    (folder / "other.gz").write_bytes(gzip.compress(b"no image"))
    (folder / "away.txt").symlink_to("nowhere")
    paths, skipped, ignored = found(folder)
    assert (paths, ignored) == (["a.jpg"], 0)
    others = ["b/data.csv", "none", "notes.txt", "table.csv.gz", "other.gz"]
    assert skipped == dict.fromkeys(others, OTHER) | {"away.txt": "a broken link"}
    assert list(skipped) == sorted(skipped, key=Path)


def test_fits_files_are_found_by_suffix_or_content(folder):
    names = ["a.fits", "b/A.FIT", "c.fits.fz", "c.fits.gz", "d.FTS", "e.fz"]
    for name in names:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text("no file is opened to know it")
    (folder / "plain").write_bytes(b"SIMPLE  =                    T")
    (folder / "packed.gz").write_bytes(gzip.compress(b"SIMPLE  =                    T"))
    (folder / "cut.gz").write_bytes(gzip.compress(b"SIMPLE  =")[:8])
    (folder / "damaged.gz").write_bytes(b"\x1f\x8b" + bytes(30))
    paths, skipped, _ = found(folder)
    assert paths == sorted([*names, "plain", "packed.gz"], key=Path)
    assert skipped == {"cut.gz": OTHER, "damaged.gz": OTHER}


def test_images_are_found_by_stem_and_the_most_common_format_is_preferred():
    names = [
        "b/1.jpg",
        "a/1.JPG",
        "1.fits.gz",
        "2.PNG",
        "2.fits",
        "3.fits.FZ",
        "4.Fit",
        "J1+2.5",
        "a.b.c.tif",
    ]
    chosen, unused = index_by_stem(map(Path, names))
    assert {stem: str(path) for stem, path in chosen.items()} == {
        "1": "b/1.jpg",
        "2": "2.PNG",
        "3": "3.fits.FZ",
        "4": "4.Fit",
        "J1+2.5": "J1+2.5",
        "a.b.c": "a.b.c.tif",
    }
    assert {str(path): reason for path, reason in unused.items()} == {
        "1.fits.gz": "an image of the same name, b/1.jpg, is used",
        "2.fits": "an image of the same name, 2.PNG, is used",
        "a/1.JPG": "an image of the same name, b/1.jpg, is used",
    }
    assert index_by_stem(map(Path, names[::-1])) == (chosen, unused)
    assert split_suffix("x.csv.gz") == ("x.csv.gz", "")


def test_system_files_are_counted_and_not_searched(folder):
    put(folder, "a.jpg", "._a.jpg", ".hidden/b.jpg", "@eaDir/a.jpg", ".AppleDouble/a.jpg", "__MACOSX/._a.jpg")
    for name in ("Thumbs.db", ".DS_Store", "Desktop.ini"):
        (folder / name).write_text("litter")
    assert found(folder) == (["a.jpg"], {}, 8)


def test_links_to_folders_are_followed_but_no_folder_is_searched_twice(folder, tmp_path):
    put(tmp_path, "big/spiral/1.jpg", "big/spiral/deep/2.jpg")
    put(folder, "elliptical/3.jpg")
    (folder / "spiral").symlink_to(tmp_path / "big/spiral")
    (folder / "again").symlink_to("elliptical")
    (folder / "loop").symlink_to(".")
    (folder / "up").symlink_to("..")
    (folder / "elliptical/loop").symlink_to("../elliptical")
    (tmp_path / "big/spiral/back").symlink_to(folder)
    (folder / "zdeep").symlink_to(tmp_path / "big/spiral/deep")
    (folder / "ring").symlink_to("ring")
    (folder / "one.jpg").symlink_to(tmp_path / "big/spiral/1.jpg")
    paths, skipped, _ = found(folder)
    assert paths == ["elliptical/3.jpg", "one.jpg", "spiral/1.jpg", "spiral/deep/2.jpg"]
    assert skipped.pop("ring").startswith(("a broken link", "cannot be read: Too many levels"))
    assert skipped == {
        "again": "the same folder as elliptical, which is searched",
        "elliptical/loop": "the same folder as elliptical, which is searched",
        "loop": "the same folder as ., which is searched",
        "spiral/back": "the same folder as ., which is searched",
        "up": "a link to a parent of the searched folder",
        "zdeep": "the same folder as spiral/deep, which is searched",
    }


def test_folders_that_cannot_be_read_are_listed(folder, monkeypatch):
    put(folder, "a.jpg", "closed/b.jpg")
    scandir = os.scandir

    def refused(path):
        if Path(path).name == closed:
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(image_files.os, "scandir", refused)
    closed = "closed"
    assert found(folder) == (["a.jpg"], {"closed": "cannot be read: Permission denied"}, 0)
    closed = "images"
    with pytest.raises(GalaxyError, match=f"^{folder} cannot be read: Permission denied$"):
        find_images(folder)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_is_not_opened(folder):
    put(folder, "a.jpg")
    os.mkfifo(folder / "pipe")
    assert found(folder) == (["a.jpg"], {"pipe": "not a regular file"}, 0)


def test_a_folder_without_images_is_refused_and_its_content_is_reported(folder):
    said = rf"^{folder} contains no image files \(JPEG, PNG, TIFF, WEBP, BMP, GIF, PPM, FITS\)"
    with pytest.raises(GalaxyError, match=f"{said}: it is empty$"):
        find_images(folder)
    (folder / ".DS_Store").touch()
    with pytest.raises(GalaxyError, match=f"{said}; hidden or system files: 1$"):
        find_images(folder)
    (folder / "b.txt").touch()
    (folder / "a.csv").touch()
    listed = re.escape(f"; other files and folders: 2, the first a.csv ({OTHER}); hidden or system files: 1")
    with pytest.raises(GalaxyError, match=f"{said}{listed}$"):
        find_images(folder)
    with pytest.raises(GalaxyError, match="b.txt is a file: give the folder that contains it$"):
        find_images(folder / "b.txt")
    shutil.rmtree(folder)
    with pytest.raises(GalaxyError, match="there is no folder"):
        find_images(folder)


def test_the_tables_of_downloaded_cutouts_are_ignored(folder):
    put(folder, "a.jpg", "0000/b.jpg")
    for name in ("cutouts.csv", "cutouts_failed.csv", "0000/cutouts.csv"):
        (folder / name).touch()
    assert found(folder)[1].keys() == {"cutouts.csv", "cutouts_failed.csv", "0000/cutouts.csv"}
    for name in ("cutouts.json", ".cutouts_failed.jsonl"):
        (folder / name).touch()
    assert found(folder) == (["0000/b.jpg", "a.jpg"], {"0000/cutouts.csv": OTHER}, 4)
