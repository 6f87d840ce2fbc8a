import errno
import gzip
import stat
import zipfile

import pytest

from data_prep.common.errors import GalaxyError
from data_prep.sources import unpack as module
from data_prep.sources.unpack import unpack_images, unpack_table


@pytest.fixture
def archive(tmp_path):
    def archive(**members):
        path = tmp_path / "images.zip"
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as content:
            for name, data in members.items():
                content.writestr(name, data)
        return path

    return archive


def refused(path, folder, match):
    with pytest.raises(GalaxyError, match=match):
        unpack_images(path, folder / "deep" / "images")
    left = {found.name for found in folder.rglob("*") if found.is_file()}
    assert left == {path.name}
    assert not (folder / "deep" / "images").exists()


def test_only_images_are_unpacked_and_in_one_folder(archive, tmp_path):
    path = archive(
        **{"images/1.jpg": b"1", "other/2.JPG": b"2", "images/._1.jpg": b"x", "read.me": b"x", "a/": b""}
    )
    assert unpack_images(path, tmp_path / "out") == 2
    assert {found.name: found.read_bytes() for found in (tmp_path / "out").iterdir()} == {
        "1.jpg": b"1",
        "2.JPG": b"2",
    }


@pytest.mark.parametrize(
    "name", ["../1.jpg", "images/../../1.jpg", "/etc/1.jpg", "..\\..\\1.jpg", "C:\\1.jpg", "\\\\host\\1.jpg"]
)
def test_paths_outside_the_folder_are_refused(archive, tmp_path, name):
    refused(archive(**{"images/0.jpg": b"0", name: b"1"}), tmp_path, "a path outside its folder")


def test_links_are_refused(tmp_path):
    path = tmp_path / "images.zip"
    member = zipfile.ZipInfo("images/1.jpg")
    member.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(path, "w") as content:
        content.writestr(member, "/etc/passwd")
    refused(path, tmp_path, "a link")


def test_two_images_with_one_name_are_refused(archive, tmp_path):
    refused(archive(**{"a/1.jpg": b"1", "b/1.jpg": b"2"}), tmp_path, "two images named 1.jpg")


def test_decompression_bombs_are_refused_by_their_declared_size(archive, tmp_path, monkeypatch):
    refused(archive(**{"1.jpg": bytes(module.MAX_IMAGE_BYTES + 1)}), tmp_path, "too large for a galaxy image")
    monkeypatch.setattr(module, "MAX_TOTAL_BYTES", 1000)
    refused(archive(**{f"{n}.jpg": bytes(600) for n in range(2)}), tmp_path, "more than 0 GiB")


@pytest.mark.parametrize("cut", [10, 60, -30])
def test_damaged_archives_are_refused(archive, tmp_path, cut):
    path = archive(**{f"{n}.jpg": bytes([n]) * 500 for n in range(9)})
    path.write_bytes(path.read_bytes()[:cut])
    refused(path, tmp_path, "cannot be unpacked")


def test_damaged_images_are_refused(archive, tmp_path):
    path = archive(**{"1.jpg": b"0123456789" * 50})
    content = bytearray(path.read_bytes())
    content[45] ^= 0xFF
    path.write_bytes(content)
    refused(path, tmp_path, "cannot be unpacked")


def test_a_table_is_unpacked_whole_or_not_at_all(tmp_path, monkeypatch):
    path, out = tmp_path / "table.csv.gz", tmp_path / "table.csv"
    packed = gzip.compress(b"a,b\n" * 10_000)
    path.write_bytes(packed)
    unpack_table(path, out)
    assert out.read_bytes() == b"a,b\n" * 10_000
    for content in (packed[:-20], b"no gzip", packed[:40] + b"\0" * 20 + packed[60:]):
        out.unlink(missing_ok=True)
        path.write_bytes(content)
        with pytest.raises(GalaxyError, match="cannot be unpacked"):
            unpack_table(path, out)
        assert [found.name for found in tmp_path.iterdir()] == [path.name]
    monkeypatch.setattr(module, "MAX_TABLE_BYTES", 1000)
    path.write_bytes(packed)
    with pytest.raises(GalaxyError, match="too large for a table of votes"):
        unpack_table(path, out)
    assert not out.exists()


@pytest.mark.parametrize("kind", ["zip", "gz"])
def test_an_archive_that_cannot_be_read_is_named(archive, tmp_path, monkeypatch, kind):
    def refused(*args):
        raise OSError(errno.EIO, "Input/output error")

    if kind == "zip":
        path, unpack, reader = archive(**{"1.jpg": b"1"}), unpack_images, zipfile.ZipFile
    else:
        path, unpack, reader = tmp_path / "table.csv.gz", unpack_table, gzip.GzipFile
        path.write_bytes(gzip.compress(b"a,b"))
    monkeypatch.setattr(reader, "read", refused)
    with pytest.raises(GalaxyError) as caught:
        unpack(path, tmp_path / "out")
    assert str(caught.value) == f"{path} cannot be read: Input/output error"
    assert [found.name for found in tmp_path.iterdir()] == [path.name]
    path.unlink()
    with pytest.raises(GalaxyError, match=f"{path} cannot be read: No such file"):
        unpack(path, tmp_path / "out")
