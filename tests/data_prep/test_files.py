import os

import pytest

from data_prep.errors import GalaxyError
from data_prep.files import new_file, new_folder, read_json, sha256, write_json


def test_a_file_that_fails_leaves_the_older_one(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("old")
    with pytest.raises(RuntimeError), new_file(path) as partial:
        partial.write_text("half")
        raise RuntimeError
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["table.csv"]


def test_a_folder_appears_whole_or_not_at_all(tmp_path):
    path = tmp_path / "arrays"
    with pytest.raises(RuntimeError), new_folder(path, holds=["m"]) as partial:
        (partial / "m").touch()
        raise RuntimeError
    assert os.listdir(tmp_path) == []
    with new_folder(path, holds=["m"]) as partial:
        (partial / "m").write_text("1")
        assert not path.exists()
    assert os.listdir(tmp_path) == ["arrays"]


def test_overwriting_needs_the_word_and_the_marker(tmp_path):
    home = tmp_path / "home"
    home.mkdir()
    (home / "thesis.tex").touch()
    with pytest.raises(GalaxyError, match="add --overwrite"), new_folder(home, holds=["m"]):
        pass
    with (
        pytest.raises(GalaxyError, match="not all of it was made by this command"),
        new_folder(home, overwrite=True, holds=["m"]),
    ):
        pass
    assert (home / "thesis.tex").exists()
    (home / "m").touch()
    with (
        pytest.raises(GalaxyError, match=r"also holds thesis\.tex"),
        new_folder(home, overwrite=True, holds=["m"]),
    ):
        pass
    (home / "thesis.tex").unlink()
    with new_folder(home, overwrite=True, holds=["m"]) as partial:
        (partial / "new").touch()
    assert os.listdir(home) == ["new"]
    assert os.listdir(tmp_path) == ["home"]


def test_a_place_that_cannot_be_written_is_an_error_in_one_line(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(GalaxyError, match="cannot be written"), new_file(tmp_path / "file" / "below.csv"):
        pass
    with (
        pytest.raises(GalaxyError, match="cannot be written"),
        new_folder(tmp_path / "file" / "b", holds=["m"]),
    ):
        pass


def test_json_round_trip_and_damage(tmp_path):
    path = tmp_path / "dataset.json"
    write_json(path, {"galaxies": 3})
    assert read_json(path) == {"galaxies": 3}
    for text in ("{", "[1]", "\x00"):
        path.write_text(text)
        with pytest.raises(GalaxyError, match="JSON"):
            read_json(path)
    with pytest.raises(GalaxyError, match="missing"):
        read_json(tmp_path / "absent.json")


def test_sha256_is_the_standard_one(tmp_path):
    (tmp_path / "abc").write_bytes(b"abc")
    assert sha256(tmp_path / "abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_a_folder_that_somebody_else_makes_meanwhile_is_kept(tmp_path):
    path = tmp_path / "arrays"
    with pytest.raises(GalaxyError, match="already exists"), new_folder(path, holds=["m"]) as partial:
        (partial / "m").write_text("mine")
        path.mkdir()
        (path / "m").write_text("theirs")
    assert (path / "m").read_text() == "theirs"
    assert os.listdir(tmp_path) == ["arrays"]


def test_a_link_stays_a_link(tmp_path):
    (tmp_path / "there").mkdir()
    (tmp_path / "there/m").touch()
    (tmp_path / "link").symlink_to("there")
    with new_folder(tmp_path / "link", overwrite=True, holds=["m"]) as partial:
        (partial / "m").write_text("new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "there/m").read_text() == "new"
