"""A folder of cutouts that is completed, extended or begun again."""

import json

import pandas as pd
import pytest

from data_prep.cli import main
from tests.data_prep.cutouts.image_server import BODIES
from tests.data_prep.cutouts.runs import no_litter, read


def galaxies(first, last):
    return {"id": [f"g{n}" for n in range(first, last)], "ra": range(first, last), "dec": 0}


def asked(server):
    keys = {query["id"] for query in server.queries}
    server.requests.clear()
    return keys


def test_failures_that_persist_do_not_block_other_galaxies(server, words, fails, tmp_path):
    server.mood = lambda key, attempt: 503
    command = words(**galaxies(0, 60))
    assert "20 cutouts in a row could not be downloaded" in fails(command)
    assert len(asked(server)) < 40
    saved, failed = read(tmp_path / "out")
    assert (len(saved), len(failed)) == (0, 20)
    assert failed["reason"].unique() == ["HTTP status 503 Service Unavailable"]
    broken = set(failed["id"])
    server.mood = lambda key, attempt: 503 if key in broken else "ok"
    assert "40 are saved" in fails(command)  # Those that failed come last.
    saved, failed = read(tmp_path / "out")
    assert (len(saved), set(failed["id"])) == (40, broken)
    server.mood = lambda key, attempt: "ok"
    main(command)
    assert len(read(tmp_path / "out")[0]) == 60
    no_litter(tmp_path / "out")


@pytest.mark.parametrize("mood", [404, 418, "large"])
def test_wrong_answers_are_permanent_only_if_an_image_follows(server, words, fails, tmp_path, mood):
    server.mood = lambda key, attempt: mood
    command = [*words(**galaxies(0, 40)), "--connections", "1"]
    assert "20 cutouts in a row" in fails(command)
    first = asked(server)
    server.mood = lambda key, attempt: mood if key in ("g3", "g33") else "ok"
    main(command)
    assert asked(server) == {f"g{number}" for number in range(40)}
    assert first
    assert set(read(tmp_path / "out")[1]["id"]) == {"g3", "g33"}
    server.mood = lambda key, attempt: "ok"
    main(command)  # An image has followed on both.
    assert asked(server) == set()
    main([*command, "--retry-failed"])
    assert asked(server) == {"g3", "g33"}


def test_wrong_answers_at_the_end_are_requested_again(server, words, tmp_path):
    server.mood = lambda key, attempt: "ok" if len(server.requests) <= 3 else 404
    command = [*words(**galaxies(0, 6)), "--connections", "1"]
    main(command)
    missing = set(read(tmp_path / "out")[1]["id"])
    assert len(missing) == 3
    asked(server)
    server.mood = lambda key, attempt: "ok"
    main(command)
    assert asked(server) == missing


def test_an_outage_of_the_legacy_surveys_writes_nothing_off(server, words, fails, tmp_path, monkeypatch):
    monkeypatch.setattr("data_prep.cutouts.services.LEGACY_URL", f"{server.url}/legacy")
    server.mood = lambda key, attempt: 500
    command = words("--survey", "legacy", "--format", "fits", **galaxies(0, 40))
    assert "HTTP status 500 Internal Server Error, as outside the survey" in fails(command)
    server.mood = lambda key, attempt: "cube"
    main(command)
    assert len(read(tmp_path / "out")[0]) == 40


def test_a_run_of_galaxies_outside_the_survey_is_no_outage(server, words, tmp_path):
    server.mood = lambda key, attempt: 404 if int(key[1:]) < 60 else "ok"
    main(words(**galaxies(0, 120)))
    assert len(read(tmp_path / "out")[0]) == 60


def test_a_mistyped_option_does_not_lock_an_empty_folder(server, words, fails, tmp_path):
    server.mood = lambda key, attempt: "blank"
    fails(words("--pixel-scale", "4", **galaxies(0, 5)))
    asked(server)
    fails(words("--pixel-scale", "4", **galaxies(0, 5)))
    assert asked(server) == set()  # The same settings: what is known remains.
    server.mood = lambda key, attempt: "ok"
    main(words(**galaxies(0, 5)))
    assert len(asked(server)) == 5
    assert json.loads((tmp_path / "out/cutouts.json").read_text())["pixel_scale"] == "0.4"
    no_litter(tmp_path / "out")
    for path in (tmp_path / "out").glob("*.jpg"):
        path.unlink()
    (tmp_path / "out/cutouts.json").write_text("{")
    main(words(**galaxies(0, 5)))
    assert len(asked(server)) == 5


def test_rows_can_be_added_at_the_end(server, words, fails, tmp_path, monkeypatch):
    monkeypatch.setattr("data_prep.cutouts.cutout_folder.FOLDER_SIZE", 8)
    main(words(**galaxies(0, 5)))
    asked(server)
    command = words(**galaxies(0, 20))
    main(command)
    assert asked(server) == {f"g{number}" for number in range(5, 20)}
    assert read(tmp_path / "out")[0]["path"].tolist() == [f"g{number}.jpg" for number in range(20)]
    main(command)
    assert asked(server) == set()
    message = "new rows are accepted only after all others): choose another folder"
    for first, last in ((0, 19), (1, 25)):
        assert message in fails(words(**galaxies(first, last)))
    assert message in fails(words(id=["g0", "G0"], ra=[0, 1], dec=[0, 1]))
    assert asked(server) == set()


def test_the_subfolders_remain_those_of_the_first_run(server, words, tmp_path, monkeypatch):
    monkeypatch.setattr("data_prep.cutouts.cutout_folder.FOLDER_SIZE", 4)
    main(words(**galaxies(0, 6)))
    main(words(**galaxies(0, 10)))
    assert len(server.requests) == 10
    assert read(tmp_path / "out")[0]["path"].tolist() == [f"{n // 4:04d}/g{n}.jpg" for n in range(10)]


def test_only_files_with_content_count(server, words, tmp_path):
    command = words(**galaxies(0, 6))
    main(command)
    asked(server)
    out = tmp_path / "out"
    (out / "g0.jpg").write_bytes(b"")
    (out / "g1.jpg").unlink()
    (out / "g1.jpg").symlink_to(tmp_path / "nothing")
    (out / "g2.jpg").replace(tmp_path / "elsewhere.jpg")
    (out / "g2.jpg").symlink_to(tmp_path / "elsewhere.jpg")
    main(command)
    assert asked(server) == {"g0", "g1"}
    assert all((out / f"g{number}.jpg").read_bytes() == BODIES["ok"] for number in range(6))


def test_the_pixel_scale_is_compared_by_its_meaning(server, words, fails, tmp_path):
    def command(scale):
        return words("--pixel-scale", scale, **galaxies(0, 3), r=[1, 2, 3])

    main(command("0.3*r"))
    for scale in ("0.3 * r", ".3*R", "3e-1*r"):
        main(command(scale))
    assert len(server.requests) == 3
    assert json.loads((tmp_path / "out/cutouts.json").read_text())["pixel_scale"] == "0.3*r"
    assert "another pixel scale (0.3*r, not 0.4*r)" in fails(command("0.4*r"))


def test_an_id_with_a_carriage_return_is_one_row(server, words, tmp_path):
    pd.DataFrame({"id": ["a\rb", "c"], "ra": 1.5, "dec": 2.5}).to_parquet(tmp_path / "t.parquet")
    main(words(table=tmp_path / "t.parquet"))
    assert read(tmp_path / "out")[0]["id"].tolist() == ["a\\rb", "c"]


def test_damaged_lines_of_the_journal_hide_no_galaxy(server, words, tmp_path):
    command = words(**galaxies(0, 3))
    main(command)
    lines = [b'[7, "x", true]', b'[true, "x", true]', b"[-1]", b'[0, "\\ud800", true]', b"[" * 100_000]
    (tmp_path / "out/.cutouts_failed.jsonl").write_bytes(b"\n".join(lines))
    (tmp_path / "out/g0.jpg").unlink()
    main(command)
    saved, failed = read(tmp_path / "out")
    assert (len(saved), failed) == (3, None)
