import dataclasses
import gzip
import hashlib
import io
import shutil
import sys
import types
import zipfile

import pandas as pd
import pytest
import requests

from data_prep.cli import main
from data_prep.common.errors import GalaxyError
from data_prep.schema import IMAGES_FOLDER, MAPPING_FILE, TABLE2_FILE
from data_prep.sources import download as module
from tests.data_prep.published import Publisher


@pytest.fixture
def publisher(raw, monkeypatch):
    """The simulated survey, published like the real one by a local server that gets every request."""
    publisher = Publisher()
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as content:
        content.writestr("images/", b"")
        content.writestr("__MACOSX/images/._1.jpg", b"no image")
        for image in sorted((raw / IMAGES_FOLDER).iterdir()):
            content.write(image, f"images/{image.name}")
            content.writestr(f"images/._{image.name}", b"no image")
    publisher.files = {
        "images_gz2.zip": archive.getvalue(),
        MAPPING_FILE: (raw / MAPPING_FILE).read_bytes(),
        f"{TABLE2_FILE}.gz": gzip.compress((raw / TABLE2_FILE).read_bytes()),
    }

    def checksum(part):
        algorithm = part.checksum and part.checksum.partition(":")[0]
        return algorithm and f"{algorithm}:{hashlib.new(algorithm, publisher.files[part.file]).hexdigest()}"

    parts = [
        dataclasses.replace(
            part,
            checksum=checksum(part),
            size=len(publisher.files[part.file]),
            unpacked_size=part.unpacked_size and 1,
        )
        for part in module.PARTS
    ]
    monkeypatch.setattr(module, "PARTS", parts)
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    request = requests.Session.request

    def on_loopback(session, method, url, **more):
        return request(session, method, f"{publisher.url}/{url.split('/', 3)[3]}", **more)

    monkeypatch.setattr(requests.Session, "request", on_loopback)
    yield publisher
    publisher.close()


def same_survey(one, other):
    names = [
        MAPPING_FILE,
        TABLE2_FILE,
        *(f"{IMAGES_FOLDER}/{path.name}" for path in (one / IMAGES_FOLDER).iterdir()),
    ]
    assert all((one / name).read_bytes() == (other / name).read_bytes() for name in names)
    assert {path.name for path in other.iterdir()} == {MAPPING_FILE, TABLE2_FILE, "images_gz2"}
    assert len(list((other / IMAGES_FOLDER).iterdir())) == len(names) - 2


def test_a_download_is_a_raw_survey(publisher, raw, tmp_path, capsys):
    main(["download", "--out", str(tmp_path / "got")])
    assert "next: python -m data_prep extract" in capsys.readouterr().out
    same_survey(raw, tmp_path / "got")
    for folder in (raw, tmp_path / "got"):
        main(["extract", "--raw", str(folder), "--out", str(tmp_path / f"{folder.name}.csv"), "--n", "all"])
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "raw.csv"), pd.read_csv(tmp_path / "got.csv"))


def test_existing_files_are_not_downloaded_again(publisher, raw, tmp_path, capsys):
    main(["download", "--out", str(tmp_path / "got")])
    publisher.requests.clear()
    main(["download", "--out", str(tmp_path / "got")])
    assert publisher.requests == []
    assert "is already complete" in capsys.readouterr().out


def test_files_placed_by_hand_are_verified_and_unpacked(publisher, raw, tmp_path):
    for name in ("images_gz2.zip", f"{TABLE2_FILE}.gz"):
        (tmp_path / name).write_bytes(publisher.files[name])
    (tmp_path / MAPPING_FILE).write_bytes(publisher.files[MAPPING_FILE])
    main(["download", "--out", str(tmp_path), "--keep-archives"])
    assert publisher.requests == []
    assert (tmp_path / "images_gz2.zip").is_file()
    (tmp_path / "images_gz2.zip").unlink()
    (tmp_path / f"{TABLE2_FILE}.gz").unlink()
    same_survey(raw, tmp_path)


def test_an_interrupted_download_resumes(publisher, raw, tmp_path, capsys):
    publisher.moods["images_gz2.zip"] = [404, "cut", "ok"]
    with pytest.raises(SystemExit) as stopped:
        main(["download", "--out", str(tmp_path)])
    assert stopped.value.code == 1
    assert "404" in capsys.readouterr().err
    main(["download", "--out", str(tmp_path)])
    same_survey(raw, tmp_path)
    assert len(publisher.asked(f"{TABLE2_FILE}.gz")) == 1


def test_a_dry_run_lists_files_and_sizes_and_downloads_nothing(publisher, tmp_path, capsys):
    main(["download", "--out", str(tmp_path / "got"), "--dry-run"])
    said = capsys.readouterr().out
    for words in (
        "images_gz2.zip",
        "https://doi.org/10.5281/zenodo.3565489",
        "GB free",
        "By hand",
        MAPPING_FILE,
    ):
        assert words in said
    assert publisher.requests == []
    assert not (tmp_path / "got").exists()


def test_the_real_sizes_are_printed(tmp_path):
    assert any("3.40 GB" in line for line in module.describe_download(tmp_path))


def test_a_disk_that_is_too_small_is_refused_first(publisher, tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: types.SimpleNamespace(free=1000))
    with pytest.raises(GalaxyError, match="not enough disk space"):
        module.download(tmp_path)
    assert publisher.requests == []


def test_zenodo_out_of_reach_is_an_error(publisher, tmp_path, capsys):
    publisher.close()
    with pytest.raises(SystemExit):
        main(["download", "--out", str(tmp_path)])
    assert "Traceback" not in capsys.readouterr().err


def test_a_record_without_the_file_is_an_error(publisher, tmp_path):
    del publisher.files[MAPPING_FILE]
    with pytest.raises(GalaxyError, match=f"{MAPPING_FILE} of doi:.* could not be found on Zenodo"):
        module.download(tmp_path)


def test_the_copy_on_kaggle_is_used(publisher, raw, tmp_path, monkeypatch):
    hub = types.ModuleType("kagglehub")
    hub.dataset_download = lambda name: str(raw)
    monkeypatch.setitem(sys.modules, "kagglehub", hub)
    module.download(tmp_path / "got", from_kaggle=True)
    same_survey(raw, tmp_path / "got")
    assert {name for name, _ in publisher.requests} == {f"{TABLE2_FILE}.gz"}


def test_an_incomplete_copy_on_kaggle_is_an_error(publisher, tmp_path, monkeypatch):
    hub = types.ModuleType("kagglehub")
    hub.dataset_download = lambda name: str(tmp_path)
    monkeypatch.setitem(sys.modules, "kagglehub", hub)
    with pytest.raises(GalaxyError, match="lacks"):
        module.download(tmp_path / "got", from_kaggle=True)


def test_without_kagglehub_the_extra_is_named(publisher, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "kagglehub", None)
    with pytest.raises(GalaxyError, match=r"galaxy-lightning\[kaggle\]"):
        module.download(tmp_path / "got", from_kaggle=True)


@pytest.mark.parametrize("links", [True, False])
def test_files_placed_by_hand_are_kept_with_the_copy_on_kaggle(publisher, raw, tmp_path, monkeypatch, links):
    def refused(*args):
        raise OSError("no links here")

    if not links:
        monkeypatch.setattr("os.link", refused)
    hub = types.ModuleType("kagglehub")
    hub.dataset_download = lambda name: str(raw)
    monkeypatch.setitem(sys.modules, "kagglehub", hub)
    (tmp_path / "got").mkdir()
    (tmp_path / "got" / MAPPING_FILE).write_bytes((raw / MAPPING_FILE).read_bytes())
    before = (tmp_path / "got" / MAPPING_FILE).stat().st_mtime_ns
    module.download(tmp_path / "got", from_kaggle=True)
    same_survey(raw, tmp_path / "got")
    assert (tmp_path / "got" / MAPPING_FILE).stat().st_mtime_ns == before


def test_kaggle_out_of_reach_is_an_error(publisher, tmp_path, monkeypatch):
    def refused(name):
        raise RuntimeError("401: who are you?")

    hub = types.ModuleType("kagglehub")
    hub.dataset_download = refused
    monkeypatch.setitem(sys.modules, "kagglehub", hub)
    with pytest.raises(GalaxyError, match="could not be downloaded: 401"):
        module.download(tmp_path / "got", from_kaggle=True)


def test_a_complete_folder_needs_no_download(publisher, raw, tmp_path, capsys):
    module.download(tmp_path / "got")
    assert list(module.describe_download(tmp_path / "got")) == [
        f"{tmp_path / 'got'} is complete: nothing to download"
    ]
