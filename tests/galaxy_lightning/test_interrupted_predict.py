"""Interrupted predictions: they resume, and end with the same bytes."""

import json
import os
import shutil

import pandas as pd
import pytest

from data_prep.common import resumable_file
from data_prep.common.errors import GalaxyError
from galaxy_lightning.callbacks.prediction import PredictionWriter
from galaxy_lightning.callbacks.prediction_part import PredictionPart
from galaxy_lightning.cli.main import main
from galaxy_lightning.training.module import GalaxyClassifier
from tests.galaxy_lightning.made_runs import fit_reference_cnn

IMAGES = 80
BATCH = 8


@pytest.fixture(scope="module")
def run(small_arrays, tmp_path_factory):
    return fit_reference_cnn(small_arrays, tmp_path_factory.mktemp("runs"))


@pytest.fixture(scope="module")
def images(raw, tmp_path_factory):
    """A folder of images, some of which cannot be used."""
    folder = tmp_path_factory.mktemp("images") / "images"
    shutil.copytree(raw / "images_gz2/images", folder)
    for path in sorted(folder.iterdir())[3::9]:
        path.write_text("no image")
    return folder


@pytest.fixture(params=["images", "arrays"])
def words(request, run, images, small_arrays):
    source = [f"--data.images={images}"] if request.param == "images" else [f"--data.arrays={small_arrays}"]
    return predict(run, *source)


def predict(run, *more):
    return ["predict", f"--ckpt_path={run}", f"--data.batch_size={BATCH}", *more]


@pytest.fixture
def cut_off(monkeypatch):
    """Runs a prediction until it has finished this many batches."""

    def cut_off(words, batches):
        step, left = GalaxyClassifier.predict_step, [batches]

        def interrupted(module, batch, batch_idx):
            left[0] -= 1
            if left[0] < 0:
                raise KeyboardInterrupt
            return step(module, batch, batch_idx)

        with monkeypatch.context() as patch, pytest.raises(SystemExit, match="130"):
            patch.setattr(resumable_file, "SAVE_SECONDS", 0)
            patch.setattr(GalaxyClassifier, "predict_step", interrupted)
            main(words)

    return cut_off


@pytest.fixture
def go_on(monkeypatch):
    """Runs a prediction; returns the number of batches that it has computed."""

    def go_on(words):
        made, step = [], GalaxyClassifier.predict_step
        with monkeypatch.context() as patch:
            patch.setattr(GalaxyClassifier, "predict_step", lambda *args: (made.append(1), step(*args))[1])
            main(words)
        return len(made)

    return go_on


def full_disk(*args, **settings):
    raise OSError(28, "No space left")


def tables(folder):
    return {path.name.replace("whole", "p"): path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("batches", [1, 6, 9])
def test_it_resumes_where_it_was_interrupted(words, cut_off, go_on, tmp_path, batches, capsys):
    main([*words, f"--out={tmp_path}/whole/whole.csv"])
    there = [*words, f"--out={tmp_path}/cut/p.csv"]
    cut_off(there, batches)
    assert sorted(os.listdir(tmp_path / "cut")) == ["p.partial-0.csv", "p.partial-0.json"]
    assert "p.partial-0.csv: run the same command again to resume" in capsys.readouterr().err
    assert go_on(there) == IMAGES / BATCH - batches
    assert "Resuming after" in capsys.readouterr().out
    assert tables(tmp_path / "cut") == tables(tmp_path / "whole")


def test_it_can_be_interrupted_repeatedly(words, cut_off, go_on, tmp_path):
    main([*words, f"--out={tmp_path}/whole/whole.csv"])
    there = [*words, f"--out={tmp_path}/cut/p.csv"]
    for _ in range(4):
        cut_off(there, 2)
    assert go_on(there) == IMAGES / BATCH - 8
    assert tables(tmp_path / "cut") == tables(tmp_path / "whole")


@pytest.mark.parametrize("damage", ["a number", "short", "no part", "no json", "note", "longer"])
def test_damaged_partial_work_is_made_again(run, images, cut_off, go_on, tmp_path, damage):
    words = predict(run, f"--data.images={images}")
    main([*words, f"--out={tmp_path}/whole/whole.csv"])
    there = [*words, f"--out={tmp_path}/cut/p.csv"]
    cut_off(there, 5)
    part, note = (tmp_path / f"cut/p.partial-0.{kind}" for kind in ("csv", "json"))
    content = part.read_bytes()
    if damage == "a number":
        part.write_bytes(content[:-40] + b"7" + content[-39:])
    elif damage == "short":
        part.write_bytes(content[:-1])
    elif damage == "no part":
        part.unlink()
    elif damage == "no json":
        note.write_text("{")
    elif damage == "note":
        note.write_text(json.dumps(json.loads(note.read_text()) | {"done": "many"}))
    else:  # A batch that was not recorded any more.
        part.write_bytes(content + b"35,half a li")
    assert go_on(there) == (5 if damage == "longer" else 10)
    assert tables(tmp_path / "cut") == tables(tmp_path / "whole")


def test_partial_work_with_other_inputs_is_made_again(run, images, cut_off, go_on, tmp_path):
    words = predict(run, f"--data.images={images}", f"--out={tmp_path}/p.csv")
    cut_off(words, 5)
    assert go_on([*words, "--data.batch_size=16"]) == 5
    cut_off([*words, "--overwrite"], 5)
    (images / "later.jpg").write_text("no image")
    try:
        assert go_on([*words, "--overwrite"]) == 11
    finally:
        (images / "later.jpg").unlink()


def test_an_interruption_before_the_first_batch_leaves_nothing(run, images, cut_off, tmp_path, capsys):
    cut_off(predict(run, f"--data.images={images}", f"--out={tmp_path}/p.csv"), 0)
    assert list(tmp_path.iterdir()) == []
    assert "to resume" not in capsys.readouterr().err


def test_two_concurrent_commands_do_not_mix(run, images, tmp_path, capsys):
    words, table = predict(run, f"--data.images={images}", f"--out={tmp_path}/p.csv"), tmp_path / "p.csv"
    part = PredictionPart(tmp_path / "p.partial-0.csv", table, {})
    with pytest.raises(SystemExit):
        main(words)
    assert f"another process is making {table}" in capsys.readouterr().err
    part.close()
    with pytest.raises(GalaxyError, match="another process"):
        PredictionPart(tmp_path / "p.partial-0.csv", table, {})  # The part that is about to become the table.
    part.release()
    main(words)
    assert len(pd.read_csv(table)) == 71


def test_a_limited_prediction_does_not_resume_partial_work(run, images, cut_off, go_on, tmp_path, capsys):
    words = predict(run, f"--data.images={images}", f"--out={tmp_path}/p.csv")
    cut_off(words, 5)
    assert go_on([*words, "--trainer.limit_predict_batches=2"]) == 2
    said = capsys.readouterr().out
    assert "Incomplete: 64 of 80 galaxies are left out by trainer.limit_predict_batches" in said
    assert len(pd.read_csv(tmp_path / "p.csv")) < 2 * BATCH


def test_without_usable_images_no_older_table_remains(run, images, tmp_path, capsys):
    (tmp_path / "images").mkdir()
    (tmp_path / "images/x.jpg").write_text("no image")
    (tmp_path / "p.csv").write_text("older")
    words = predict(run, f"--data.images={tmp_path}/images", f"--out={tmp_path}/p.csv", "--overwrite")
    with pytest.raises(SystemExit, match="1"):
        main(words)
    assert "none of the 1 images is usable" in capsys.readouterr().err
    assert sorted(os.listdir(tmp_path)) == ["images", "p_skipped.csv"]


def test_resuming_without_usable_images_leaves_nothing_to_resume(run, cut_off, tmp_path, capsys):
    (tmp_path / "images").mkdir()
    for number in range(3 * BATCH):
        (tmp_path / f"images/{number}.jpg").write_text("no image")
    words = predict(run, f"--data.images={tmp_path}/images", f"--out={tmp_path}/p.csv")
    cut_off(words, 2)
    assert "p.partial-0.csv: run the same command again to resume" in capsys.readouterr().err
    with pytest.raises(SystemExit, match="1"):
        main(words)
    said = capsys.readouterr().err
    assert "none of the 24 images is usable" in said
    assert "to resume" not in said
    assert sorted(os.listdir(tmp_path)) == ["images", "p_skipped.csv"]


def test_without_usable_images_a_full_disk_keeps_the_older_table(run, tmp_path, monkeypatch, capsys):
    (tmp_path / "images").mkdir()
    (tmp_path / "images/x.jpg").write_text("no image")
    (tmp_path / "p.csv").write_text("older")
    words = predict(run, f"--data.images={tmp_path}/images", f"--out={tmp_path}/p.csv", "--overwrite")
    monkeypatch.setattr(pd.DataFrame, "to_csv", full_disk)
    with pytest.raises(SystemExit, match="1"):
        main(words)
    assert "No space left" in capsys.readouterr().err
    assert (tmp_path / "p.csv").read_text() == "older"


def test_other_files_in_the_folder_are_kept(run, images, tmp_path):
    for name in ("p.partial-mine.csv", "p.partial-2b.json", "q.partial-0.csv"):
        (tmp_path / name).write_text("precious")
    (tmp_path / "p.partial-3.csv").write_text("left by more processes")
    main(predict(run, f"--data.images={images}", f"--out={tmp_path}/p.csv"))
    assert sorted(os.listdir(tmp_path)) == [
        *("p.csv", "p.partial-2b.json", "p.partial-mine.csv", "p_skipped.csv", "q.partial-0.csv")
    ]


@pytest.fixture
def mixed(images, tmp_path):
    """A folder of images and other files, in which the table is written, too."""
    folder = shutil.copytree(images, tmp_path / "mixed")
    first, second = sorted(folder.iterdir())[:2]
    first.rename(folder / "nosuffix")
    for name in ("notes.txt", "z.csv", ".DS_Store", "Thumbs.db"):
        (folder / name).write_text("no image")
    (tmp_path / "elsewhere").mkdir()
    second.rename(tmp_path / "elsewhere/x.jpg")
    (folder / "elsewhere").symlink_to(tmp_path / "elsewhere")
    return folder


def test_other_files_in_the_folder_are_listed_and_reported(run, mixed, cut_off, go_on, capsys):
    words = predict(run, f"--data.images={mixed}", f"--out={mixed}/p.csv")
    cut_off(words, 5)
    (mixed / "later.txt").write_text("what is no image costs nothing")
    assert go_on(words) == 5
    assert "; 12 skipped, see" in (out := capsys.readouterr().out)
    assert "; 2 hidden or system files ignored" in out
    table, skipped = pd.read_csv(mixed / "p.csv"), pd.read_csv(mixed / "p_skipped.csv")
    assert len(table) == IMAGES - 9
    assert {"nosuffix", "elsewhere/x.jpg"} <= set(table["path"])
    reasons = dict(zip(skipped["path"], skipped["reason"], strict=True))
    assert {"later.txt", "notes.txt", "z.csv"} <= reasons.keys()
    assert reasons["z.csv"].startswith("not an image in a supported format")
    assert not any(path.startswith("p") for path in reasons)
    assert list(reasons) == sorted(reasons)
    first = (mixed / "p.csv").read_bytes(), (mixed / "p_skipped.csv").read_bytes()
    main([*words, "--overwrite"])
    assert first == ((mixed / "p.csv").read_bytes(), (mixed / "p_skipped.csv").read_bytes())


def test_a_full_disk_at_the_end_loses_no_work(run, images, go_on, tmp_path, monkeypatch, capsys):
    words = predict(run, f"--data.images={images}", f"--out={tmp_path}/p.csv")
    with monkeypatch.context() as patch, pytest.raises(SystemExit, match="1"):
        patch.setattr(resumable_file, "SAVE_SECONDS", 0)
        patch.setattr(PredictionWriter, "_merge", full_disk)
        main(words)
    assert "p.csv cannot be written: No space left" in capsys.readouterr().err
    assert go_on(words) == 1
    assert len(pd.read_csv(tmp_path / "p.csv")) == 71
