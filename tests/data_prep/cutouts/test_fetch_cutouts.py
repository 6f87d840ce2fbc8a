"""The command as a whole, with a local service."""

import json
import os

from data_prep.cli import main
from data_prep.cutouts import services
from data_prep.images.image_files import find_images
from tests.data_prep.cutouts.image_server import BODIES, SIZE
from tests.data_prep.cutouts.runs import ID, no_litter, read, write_table


def test_the_result_and_the_summary(server, words, tmp_path, capsys):
    server.mood = lambda key, attempt: {"g3": "blank", "g5": 404, "g7": "page"}.get(key, "ok")
    main(words(ra=[*range(11), None], dec=range(12), note=range(12)))
    out = tmp_path / "out"
    saved, failed = read(out)
    assert list(saved) == ["id", "ra", "dec", "pixel_scale", "path"]
    assert saved["id"].tolist() == ["g0", "g1", "g2", "g4", "g6", "g8", "g9", "g10"]
    assert saved["path"].tolist() == [f"{name}.jpg" for name in saved["id"]]
    assert (saved["ra"].tolist(), saved["pixel_scale"].unique()) == ([0, 1, 2, 4, 6, 8, 9, 10], [0.4])
    assert all((out / path).read_bytes() == BODIES["ok"] for path in saved["path"])
    assert list(failed) == ["id", "ra", "dec", "pixel_scale", "row", "reason"]
    assert list(zip(failed["id"], failed["row"], strict=True)) == [
        ("g3", 4),
        ("g5", 6),
        ("g7", 8),
        ("g11", 12),
    ]
    assert failed["reason"].tolist()[:2] == [
        "blank image, as outside the survey",
        "HTTP status 404 Not Found",
    ]
    assert failed["reason"].tolist()[3] == "position missing"
    no_litter(out)
    written = capsys.readouterr().out.splitlines()
    assert written[-3] == f"Saved 8 cutouts to {out}; 4 not available, see {out}/cutouts_failed.csv"
    assert written[-2].startswith("not available: ")
    assert "blank image, as outside the survey (1); " in written[-2]
    assert written[-1].startswith(
        f"next: python -m galaxy_lightning predict --data.images {out} --out galaxies.csv"
    )
    found = find_images(out)
    assert (len(found.paths), found.skipped, found.ignored) == (8, {}, 4)
    settings = json.loads((out / "cutouts.json").read_text())
    assert settings["counts"].pop("reasons")["HTTP status 404 Not Found"] == 1
    assert settings["counts"] == {
        "rows": 12, "saved": 8, "fits": 0, "shared": 0, "duplicates": 0, "failed": 4,
    }  # fmt: skip
    assert (settings["survey"], settings["url"], settings["pixel_scale"]) == (None, server.template, "0.4")
    assert (settings["size"], settings["format"], settings["bands"]) == (SIZE, None, None)


def test_the_surveys_are_asked_as_documented(server, words, tmp_path, monkeypatch):
    monkeypatch.setattr(services, "SDSS_URL", f"{server.url}/sdss")
    monkeypatch.setattr(services, "LEGACY_URL", f"{server.url}/legacy")
    main(words("--survey", "sdss", objid=[ID], ra=[10.5], dec=[-1.25]))
    _, path, query = server.requests[-1]
    wanted = {"ra": "10.5", "dec": "-1.25", "scale": "0.4", "width": "64", "height": "64"}
    assert (path, query) == ("/sdss", wanted)
    server.mood = lambda key, attempt: "cube"
    options = ["--survey", "legacy", "--format", "fits", "--out", tmp_path / "fits"]
    main(words(*options, objid=[ID], ra=[10.5], dec=[-1.25]))
    _, path, query = server.requests[-1]
    wanted = {
        "ra": "10.5",
        "dec": "-1.25",
        "layer": "ls-dr9",
        "pixscale": "0.4",
        "size": "64",
        "bands": "grz",
    }
    assert (path, query) == ("/legacy.fits", wanted)
    settings = json.loads((tmp_path / "fits/cutouts.json").read_text())
    assert [settings[key] for key in ("survey", "layer", "format", "bands")] == [
        "legacy",
        "ls-dr9",
        "fits",
        ["g", "r", "z"],
    ]
    saved, failed = read(tmp_path / "fits")
    assert (saved["objid"].tolist(), saved["path"].tolist(), failed) == ([ID], [f"{ID}.fits"], None)


def test_fits_answers_of_the_legacy_surveys(server, words, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(services, "LEGACY_URL", f"{server.url}/legacy")
    moods = {"1": "cube", "2": "header", "3": "other bands", "4": 500, "5": "nan cube", "6": "ok"}
    server.mood = lambda key, attempt: moods[key]
    main(words("--survey", "legacy", "--format", "fits", objid=range(1, 7), ra=range(1, 7), dec=range(6)))
    _, failed = read(tmp_path / "out")
    assert failed["reason"].tolist() == [
        "no overlap with the survey's images",
        "bands gri, not grz",
        "HTTP status 500 Internal Server Error, as outside the survey",
        "blank image, as outside the survey",
        "image in the format jpg, not fits",
    ]
    written = capsys.readouterr().out
    assert f"next: python -m data_prep label --table TABLE --images {tmp_path / 'out'} --out" in written
    assert "galaxy_lightning predict" not in written


def test_a_second_run_requests_only_what_may_have_changed(server, words, tmp_path):
    moods = {"g1": "blank", "g2": "large", "g3": 503, "g4": "truncated"}
    server.mood = lambda key, attempt: moods.get(key, "ok")
    command = words()
    main(command)
    assert len(read(tmp_path / "out")[1]) == 4
    server.requests.clear()
    moods.clear()
    main(command)
    assert sorted(query["id"] for query in server.queries) == ["g3", "g4"]
    saved, failed = read(tmp_path / "out")
    assert failed["id"].tolist() == ["g1", "g2"]
    server.requests.clear()
    main([*command, "--retry-failed"])
    assert sorted(query["id"] for query in server.queries) == ["g1", "g2"]
    saved, failed = read(tmp_path / "out")
    assert (len(saved), failed) == (12, None)
    server.requests.clear()
    main(command)
    assert server.requests == []
    no_litter(tmp_path / "out")


def test_ids_of_any_kind_name_the_files(server, words, tmp_path):
    ids = ["a/b", "A/B", "con", "x" * 400, "NGC 1", "ü?", "..", "abc", "ABC"]
    main(words(id=ids))
    saved, _ = read(tmp_path / "out")
    assert saved["id"].tolist() == ids
    assert len({path.lower() for path in saved["path"]}) == len(ids)
    assert sorted(query["id"] for query in server.queries) == sorted(ids)
    no_litter(tmp_path / "out")


def test_duplicates_and_shared_positions(server, words, tmp_path, capsys):
    ra, dec = [10, 10, 20, 30, 20], [0, 0, 5, 5, 5]
    write_table(tmp_path / "t.csv", objid=[ID, ID, ID + 1, ID + 2, ID + 3], ra=ra, dec=dec)
    template = f"{server.url}/image?ra={{ra}}&dec={{dec}}"
    command = words("--url", template, table=tmp_path / "t.csv")
    main(command)
    assert sorted(query["ra"] for query in server.queries) == ["10", "20", "30"]
    saved, _ = read(tmp_path / "out")
    assert saved["objid"].tolist() == [ID, ID + 1, ID + 2, ID + 3]
    written = capsys.readouterr().out
    assert "rows that repeat a galaxy have no cutout of their own: 1" in written
    assert "galaxies that share the cutout of the same position: 1" in written
    (tmp_path / "out" / f"{ID + 3}.jpg").unlink()
    main(command)
    assert len(server.requests) == 3
    no_litter(tmp_path / "out")
    # If there is no image, none of the galaxies has one.
    server.mood = lambda key, attempt: "blank" if key == "20" else "ok"
    main([*command, "--out", str(tmp_path / "blank")])
    _, failed = read(tmp_path / "blank")
    assert failed["objid"].tolist() == [ID + 1, ID + 3]
    main([*command, "--out", str(tmp_path / "blank")])
    assert read(tmp_path / "blank")[1]["objid"].tolist() == [ID + 1, ID + 3]


def test_a_file_is_copied_where_links_are_not_supported(server, words, tmp_path, monkeypatch):
    def unsupported(*args):
        raise OSError

    monkeypatch.setattr(os, "link", unsupported)
    main(words("--url", f"{server.url}/image?ra={{ra}}&dec={{dec}}", ra=[1, 1], dec=[2, 2]))
    assert len(read(tmp_path / "out")[0]) == 2
    no_litter(tmp_path / "out")


def test_many_cutouts_are_in_subfolders(server, words, tmp_path, monkeypatch):
    monkeypatch.setattr("data_prep.cutouts.cutout_folder.FOLDER_SIZE", 5)
    command = words()
    main(command)
    saved, _ = read(tmp_path / "out")
    assert saved["path"].tolist() == [f"{number // 5:04d}/g{number}.jpg" for number in range(12)]
    assert len(find_images(tmp_path / "out").paths) == 12
    main(command)
    assert len(server.requests) == 12


def test_temporary_files_of_a_killed_process_are_removed(server, words, tmp_path, monkeypatch):
    monkeypatch.setattr("data_prep.cutouts.cutout_folder.FOLDER_SIZE", 5)
    command = words()
    main(command)
    for name in (".cutouts.partial-0123456789ab.csv", "0001/.g7.partial-0123456789ab.jpg", ".cutouts.lock"):
        (tmp_path / "out" / name).touch()
    main(command)
    no_litter(tmp_path / "out")
