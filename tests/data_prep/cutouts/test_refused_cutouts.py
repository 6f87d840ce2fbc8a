"""Mistakes, services and folders with which the command ends in one line."""

import pandas as pd
import pytest

from data_prep.cli import main
from data_prep.cutouts import cutout_folder, services
from tests.data_prep.cutouts.runs import no_litter, read
from tests.full_disk import refuse_within


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--size", "65"], "holds cutouts with another size (64, not 65): choose another folder"),
        (["--pixel-scale", "0.5"], "holds cutouts with another pixel scale (0.4, not 0.5)"),
        (["--survey", "sdss"], "holds cutouts with another survey (None, not sdss)"),
        (["--url", "http://a.org/{ra}/{dec}?key=1"], "holds cutouts with another URL: choose another folder"),
        (
            ["--id-column", "other"],
            "holds cutouts of another table (other ids, positions or pixel scales; new",
        ),
    ],
)
def test_a_folder_of_other_settings_is_refused(server, words, fails, more, message):
    main(words(other=range(12)))
    assert message in fails(words(*more, other=range(12)))
    assert len(server.requests) == 12


def test_a_folder_of_other_files_is_refused(server, words, fails, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "mine.txt").touch()
    assert "holds mine.txt, and no cutouts of this command" in fails(words())
    (out / "mine.txt").unlink()
    (out / ".DS_Store").touch()
    main(words())
    (out / "cutouts.json").write_text("{")
    error = fails(words())
    assert "cannot be read as JSON" in error
    assert "restore this file, or choose another folder" in error
    assert "File exists" in fails(words("--out", tmp_path / "t.csv"))


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--pixel-scale", "abc"], "--pixel-scale abc is neither a number nor a column"),
        (["--url", "http://a.org/{x}"], "{x} is not one of the fields"),
        (["--survey", "sdss", "--size", "10"], "64 to 2048 pixels"),
        (["--survey", "sdss", "--format", "fits"], "has JPEGs only"),
        (["--survey", "sdss", "--layer", "x"], "--layer applies to --survey legacy"),
        (["--id-column", "nothing"], "has no column nothing"),
        (["--table", "missing.csv"], "missing.csv is missing"),
        (["--rate", "0.0009"], "--rate 0.0009: choose 0.001 to 1000 requests per second"),
        (["--rate", "1001"], "--rate 1001: choose 0.001 to 1000 requests per second"),
        (["--connections", "65"], "--connections 65: choose 1 to 64"),
    ],
)
def test_mistakes_are_one_line_and_make_no_folder(server, words, fails, tmp_path, more, message):
    assert message in fails(words(*more))
    assert not (tmp_path / "out").exists()
    assert server.requests == []


def test_a_table_without_cutouts_is_an_error(server, words, fails, tmp_path):
    server.mood = lambda key, attempt: "blank" if key == "g0" else 404
    failed = tmp_path / "out/cutouts_failed.csv"
    message = "no cutout could be obtained: blank image, as outside the survey"
    assert f"{message}; see {failed}" in fails(words())
    assert len(pd.read_csv(failed)) == 12


def test_a_service_that_refuses_stops_everything(server, words, fails, monkeypatch, tmp_path):
    server.mood = lambda key, attempt: 403 if len(server.requests) > 20 else "ok"
    error = fails(words(id=[f"g{number}" for number in range(200)]))
    assert "the image service refuses requests: HTTP status 403 Forbidden for http://127.0.0.1" in error
    assert len(server.requests) < 60
    monkeypatch.setattr(services, "LEGACY_URL", f"{server.url}/legacy")
    server.mood = lambda key, attempt: "no layer"
    options = ["--survey", "legacy", "--layer", "ls-dr99", "--out", tmp_path / "other"]
    assert "--layer ls-dr99: the Legacy Surveys have no such layer" in fails(words(*options))


@pytest.mark.parametrize(
    ("mood", "reason"),
    [
        (503, "HTTP status 503"),
        ("large", "128 x 128"),
        (404, "HTTP status 404"),
        ("page", "web page instead"),
    ],
)
def test_a_service_that_does_not_work_is_given_up(server, words, fails, mood, reason):
    server.mood = lambda key, attempt: mood
    error = fails(words(id=[f"g{number}" for number in range(1000)]))
    assert "20 cutouts in a row could not be downloaded" in error
    assert reason in error
    assert "run the same command again to resume" in error
    assert len({query["id"] for query in server.queries}) < 40


def test_galaxies_outside_the_survey_are_no_reason_to_give_up(server, words, tmp_path):
    server.mood = lambda key, attempt: "ok" if key == "g59" else "blank"
    main(words(id=[f"g{number}" for number in range(60)]))
    saved, failed = read(tmp_path / "out")
    assert (len(saved), len(failed)) == (1, 59)


def test_without_a_connection_the_command_ends_soon(words, fails):
    error = fails(words("--url", "http://127.0.0.1:9/{ra}/{dec}", id=range(1000)))
    assert "the image service cannot be reached: no connection to the server: Connection refused" in error


def test_a_full_disk_and_a_folder_that_cannot_be_written(server, words, fails, tmp_path, monkeypatch):
    command = words()
    with monkeypatch.context() as patch:
        refuse_within(patch, cutout_folder.CutoutFolder, "save")
        assert ".jpg cannot be written: File too large" in fails([*command, "--connections", "1"])
    main(command)
    no_litter(tmp_path / "out")
    (tmp_path / "file").touch()
    assert "cannot be written" in fails(words("--out", tmp_path / "file/out"))
