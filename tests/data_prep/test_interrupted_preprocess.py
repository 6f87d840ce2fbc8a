"""preprocess interrupted by signals and failures: it resumes, and ends with the same bytes."""

import errno
import json
import os
import shutil
from pathlib import Path

import pytest

from data_prep.arrays import image_writer
from data_prep.arrays import preprocess as module
from data_prep.arrays.format import CATALOG, DATASET, IMAGES, open_arrays
from data_prep.arrays.image_writer import PROGRESS
from data_prep.arrays.preprocess import preprocess
from data_prep.common import resumable_file
from data_prep.common.errors import GalaxyError
from tests.killing import KILLS, command

CROP = 64


@pytest.fixture
def cut_off(raw, sample, tmp_path, monkeypatch):
    """Runs preprocess in blocks of 4 until it has read this many images; returns the partial folder."""

    def cut_off(images, error=KeyboardInterrupt):
        read, left = module.load_image, [images]

        def reading(*args):
            left[0] -= 1
            if left[0] < 0:
                raise error
            return read(*args)

        with monkeypatch.context() as patch, pytest.raises(error):
            patch.setattr(resumable_file, "SAVE_SECONDS", 0)
            patch.setattr(module, "load_image", reading)
            preprocess(sample, raw, tmp_path / "out", crop=CROP, workers=1, progress=False)
        return tmp_path / ".out.unfinished"

    monkeypatch.setattr(image_writer, "BLOCK", 4)
    return cut_off


@pytest.fixture
def go_on(raw, sample, tmp_path, monkeypatch):
    """Runs preprocess again; returns the number of images that it has read."""

    def go_on(**settings):
        count, read = [], module.load_image
        with monkeypatch.context() as patch:
            patch.setattr(module, "load_image", lambda *args: (count.append(1), read(*args))[1])
            preprocess(sample, raw, tmp_path / "out", crop=CROP, progress=False, **settings)
        return len(count)

    return go_on


def same(one, other):
    for name in (IMAGES, CATALOG, DATASET):
        assert (one / name).read_bytes() == (other / name).read_bytes(), name
    assert {path.name for path in one.iterdir()} == {IMAGES, CATALOG, DATASET}


@pytest.fixture(scope="module")
def whole(raw, sample, tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole") / "out"
    preprocess(sample, raw, folder, crop=CROP, progress=False)
    return folder


def test_it_resumes_where_it_was_interrupted(cut_off, go_on, whole, tmp_path):
    left = cut_off(30)
    assert not (tmp_path / "out").exists()
    done = json.loads((left / PROGRESS).read_text())["done"]
    assert 8 <= done <= 28
    assert go_on() == 80 - done
    same(tmp_path / "out", whole)
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_unusable_images_are_remembered(raw, sample, cut_off, go_on, tmp_path, monkeypatch):
    read = module.load_image

    def spoilt(files, settings):
        if int(files[0].stem) % 7 == 0:
            raise image_writer.ImageError("spoilt")
        return read(files, settings)

    monkeypatch.setattr(module, "load_image", spoilt)
    cut_off(50)
    go_on()
    skipped = open_arrays(tmp_path / "out").dataset["skipped"]
    assert len(skipped) > 5
    preprocess(sample, raw, tmp_path / "whole", crop=CROP, progress=False)
    same(tmp_path / "out", tmp_path / "whole")


@pytest.mark.parametrize("damage", ["pixels", "short", "note", "no json", "no pixels"])
def test_damaged_partial_work_is_made_again(cut_off, go_on, whole, tmp_path, damage):
    left = cut_off(40)
    images, note = left / IMAGES, left / PROGRESS
    content = bytearray(images.read_bytes())
    if damage == "pixels":
        content[200] ^= 1
        images.write_bytes(content)
    elif damage == "short":
        images.write_bytes(content[:5000])
    elif damage == "note":
        note.write_text(json.dumps(json.loads(note.read_text()) | {"done": "many"}))
    elif damage == "no json":
        note.write_text("{")
    else:
        images.unlink()
    assert go_on() == 80
    same(tmp_path / "out", whole)


def test_a_partial_progress_file_is_removed(cut_off, go_on, whole, tmp_path):
    left = cut_off(40)
    (left / f".{PROGRESS.replace('.', '.partial-0123456789ab.')}").write_text("{")
    go_on()
    same(tmp_path / "out", whole)


def test_partial_work_with_other_inputs_is_made_again(cut_off, go_on, tmp_path):
    cut_off(40)
    assert go_on(rotate_once=True) == 80


@pytest.mark.parametrize("error", [RuntimeError, MemoryError, SystemExit])
def test_any_interruption_keeps_the_finished_work(cut_off, go_on, whole, tmp_path, capsys, error):
    left = cut_off(30, error)
    assert f"The work so far is in {left}: run the same command again to resume" in capsys.readouterr().err
    assert 52 <= go_on() <= 72
    same(tmp_path / "out", whole)


def test_an_interruption_before_the_first_block_leaves_nothing(cut_off, tmp_path, capsys):
    cut_off(3)
    assert list(tmp_path.iterdir()) == []
    assert "to resume" not in capsys.readouterr().err


def made_meanwhile(patch, out):
    (out / "theirs").mkdir(parents=True)


def cannot_be_renamed(patch, out):
    rename = Path.rename

    def refused(path, target):
        if target == out:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        return rename(path, target)

    patch.setattr(Path, "rename", refused)


def interrupted(patch, out):
    raise KeyboardInterrupt


def broken(patch, out):
    raise RuntimeError("broken")


@pytest.mark.parametrize(
    ("fail", "message"),
    [
        (made_meanwhile, "already exists"),
        (cannot_be_renamed, "out cannot be written: No space left on device"),
        (interrupted, "^$"),
        (broken, "broken"),
    ],
)
def test_a_failure_after_the_last_image_loses_no_work(
    raw, sample, go_on, tmp_path, monkeypatch, fail, message
):
    out, read, group = tmp_path / "out", module.load_image, module.group_copies

    def spoilt(files, settings):
        if int(files[0].stem) % 7 == 0:  # The header must be written again at the end.
            raise image_writer.ImageError("spoilt")
        return read(files, settings)

    def failing(*args):
        fail(patch, out)
        return group(*args)

    monkeypatch.setattr(module, "load_image", spoilt)
    with monkeypatch.context() as patch, pytest.raises(BaseException, match=message):
        patch.setattr(module, "group_copies", failing)
        preprocess(sample, raw, out, crop=CROP, progress=False)
    shutil.rmtree(out, ignore_errors=True)
    assert [path.name for path in tmp_path.iterdir()] == [".out.unfinished"]
    assert go_on() == 0
    preprocess(sample, raw, tmp_path / "whole", crop=CROP, progress=False)
    same(out, tmp_path / "whole")


def test_two_concurrent_commands_do_not_mix(raw, sample, tmp_path, monkeypatch):
    said = []

    def second(*args):
        monkeypatch.setattr(module, "load_image", read)
        with pytest.raises(GalaxyError, match="another process is making"):
            preprocess(sample, raw, tmp_path / "out", crop=CROP, progress=False)
        said.append(True)
        return read(*args)

    read = module.load_image
    monkeypatch.setattr(module, "load_image", second)
    preprocess(sample, raw, tmp_path / "out", crop=CROP, workers=1, progress=False)
    assert said


@pytest.mark.soak
def test_a_killed_command_resumes_to_the_same_bytes(raw, sample, whole, tmp_path):
    """Kills the process repeatedly, and finally lets it finish."""
    words = ["preprocess", "--sample", sample, "--raw", raw, "--out", tmp_path / "out", "--overwrite"]
    words += ["--crop", CROP, "--workers", "1"]
    setup = (
        "import time\n"
        "from data_prep.arrays import image_writer, preprocess\n"
        "from data_prep.common import resumable_file\n"
        "image_writer.BLOCK, resumable_file.SAVE_SECONDS = 4, 0\n"
        "read = preprocess.load_image\n"
        "preprocess.load_image = lambda *a: (time.sleep(0.002), read(*a))[1]\n"
    )
    with command("data_prep.cli", setup) as killed:
        killed.run(*words)
        shutil.rmtree(tmp_path / "out")
        for _ in range(KILLS):
            killed.kill(*words)
            if (tmp_path / "out").exists():
                same(tmp_path / "out", whole)
        killed.run(*words)
    same(tmp_path / "out", whole)
