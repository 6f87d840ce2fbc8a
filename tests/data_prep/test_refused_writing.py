"""preprocess without space or permission: one clear line, no broken file, and it works later."""

import re

import pandas as pd
import pytest

from data_prep.arrays import image_writer
from data_prep.arrays import preprocess as module
from data_prep.arrays.format import CATALOG, DATASET, IMAGES
from data_prep.arrays.image_writer import PROGRESS
from data_prep.cli import main
from data_prep.common import resumable_file
from tests.full_disk import PAGE, contents, filled, mounted, read_only, refuse_within, refused

CROP = 64
PAGES = -(-(128 + 80 * 3 * CROP**2) // PAGE)
"""What the pixels of the 80 galaxies take."""

both = pytest.mark.parametrize("older", [False, True], ids=["new", "older"])
"""In a new place, and where older arrays are to be replaced."""


def make(raw, sample, out, *more):
    return ["preprocess", f"--sample={sample}", f"--raw={raw}", f"--out={out}", f"--crop={CROP}", *more]


@pytest.fixture
def words(raw, sample):
    return lambda out, *more: make(raw, sample, out, "--overwrite", *more)


@pytest.fixture(scope="module")
def whole(raw, sample, tmp_path_factory):
    """The result if nothing is refused."""
    out = tmp_path_factory.mktemp("whole") / "out"
    main(make(raw, sample, out))
    return contents(out)


def succeeds(words, out, whole):
    main(words)
    assert contents(out) == whole
    assert [path.name for path in out.parent.iterdir()] == [out.name]


@pytest.mark.parametrize(
    ("file", "refusal"),
    [
        (IMAGES, (module, "write_images", 100)),
        (IMAGES, (module, "write_images", 500_000)),
        (CATALOG, (pd.DataFrame, "to_csv", 4000)),
        (DATASET, (module, "write_json", 100)),
    ],
)
@both
def test_a_file_that_does_not_fit_on_the_disk(
    words, whole, tmp_path, capsys, monkeypatch, file, refusal, older
):
    out = tmp_path / "out"
    if older:
        main(words(out, "--seed=1"))
    before = contents(tmp_path)
    with monkeypatch.context() as patch:
        refuse_within(patch, *refusal)
        line = refused(main, words(out), capsys)
    assert re.search(rf"{tmp_path}/(out|\.out\.unfinished/{file}) cannot be written: File too large$", line)
    left = contents(tmp_path)
    assert before.items() <= left.items()
    kept = {IMAGES, PROGRESS} if file != IMAGES else set()  # The pixels, once all are written.
    assert {f".out.unfinished/{name}" for name in kept} <= left.keys()
    assert bool(kept) == (tmp_path / ".out.unfinished").exists()
    succeeds(words(out), out, whole)


def test_a_progress_file_that_does_not_fit_on_the_disk(words, whole, tmp_path, capsys, monkeypatch):
    out = tmp_path / "out"
    with monkeypatch.context() as patch:
        patch.setattr(resumable_file, "SAVE_SECONDS", 0)
        refuse_within(patch, resumable_file, "write_json")
        line = refused(main, words(out), capsys)
    assert line.endswith(f"{image_writer.PROGRESS} cannot be written: File too large")
    assert not list(tmp_path.iterdir())
    succeeds(words(out), out, whole)


@pytest.mark.parametrize(
    ("free", "kept"),
    [(0, False), (100, False), (PAGES, False), (PAGES + 1, True)],
    ids=["no", "little", "but the note's", "but the catalogue's"],
)
@both
def test_a_full_disk(words, whole, tmp_path, capsys, free, kept, older):
    with mounted(tmp_path / "disk", 4 * PAGES * PAGE) as disk:
        out = disk / "out"
        if older:
            main(words(out, "--seed=1"))
        before = contents(disk)
        with filled(disk, free * PAGE):
            line = refused(main, words(out), capsys)
        assert re.search(rf"{disk}/(out|\S*/{PROGRESS}) cannot be written: No space left on device$", line)
        assert before.items() <= contents(disk).items()
        assert (disk / ".out.unfinished").exists() == kept
        succeeds(words(out), out, whole)


def test_a_read_only_disk(words, whole, tmp_path, capsys):
    with mounted(tmp_path / "disk", 4 * PAGES * PAGE) as disk:
        is_refused_and_then_succeeds(words, whole, disk, capsys, "Read-only file system")


def test_a_folder_without_permission(words, whole, tmp_path, capsys):
    (tmp_path / "closed").mkdir()
    is_refused_and_then_succeeds(words, whole, tmp_path / "closed", capsys, "Permission denied")


def is_refused_and_then_succeeds(words, whole, folder, capsys, why):
    out = folder / "out"
    main(words(out, "--seed=1"))
    before = contents(folder)
    with read_only(folder):
        for place in (out, folder / "new"):
            line = refused(main, words(place), capsys)
            assert line.endswith(f"{place} cannot be written: {why}")
    assert contents(folder) == before
    succeeds(words(out), out, whole)
