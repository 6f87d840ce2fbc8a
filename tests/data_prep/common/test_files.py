import errno
import os
import shutil
import sys
from pathlib import Path

import pytest

from data_prep.common import files, replacing
from data_prep.common.errors import GalaxyError
from data_prep.common.files import (
    explain_read_errors,
    new_file,
    new_files,
    new_folder,
    refuse_existing,
    sha256,
)
from data_prep.common.json_files import read_json, write_json


def test_a_failed_write_keeps_the_older_file(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("old")
    with pytest.raises(RuntimeError), new_file(path) as partial:
        partial.write_text("half")
        raise RuntimeError
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["table.csv"]


def test_a_folder_appears_whole_or_not_at_all(tmp_path):
    path = tmp_path / "arrays"
    with pytest.raises(RuntimeError), new_folder(path, contents=["m"]) as partial:
        (partial / "m").touch()
        raise RuntimeError
    assert os.listdir(tmp_path) == []
    with new_folder(path, contents=["m"]) as partial:
        (partial / "m").write_text("1")
        assert not path.exists()
    assert os.listdir(tmp_path) == ["arrays"]


def test_overwriting_needs_the_option_and_a_folder_of_this_command(tmp_path):
    home = tmp_path / "home"
    home.mkdir()
    (home / "thesis.tex").touch()
    with pytest.raises(GalaxyError, match="remove it yourself"), new_folder(home, contents=["m"]):
        pass
    with (
        pytest.raises(GalaxyError, match="add --overwrite"),
        new_folder(home, overwrite=False, contents=["m"]),
    ):
        pass
    with (
        pytest.raises(GalaxyError, match="not made entirely by this command"),
        new_folder(home, overwrite=True, contents=["m"]),
    ):
        pass
    assert (home / "thesis.tex").exists()
    (home / "m").touch()
    with (
        pytest.raises(GalaxyError, match=r"also holds thesis\.tex"),
        new_folder(home, overwrite=True, contents=["m"]),
    ):
        pass
    (home / "thesis.tex").unlink()
    with new_folder(home, overwrite=True, contents=["m"]) as partial:
        (partial / "new").touch()
    assert os.listdir(home) == ["new"]
    assert os.listdir(tmp_path) == ["home"]


def test_a_folder_may_hold_optional_names(tmp_path):
    for names in (["m"], ["m", "o"]):
        with new_folder(tmp_path / "a", overwrite=True, contents=["m"], optional=["o"]) as partial:
            for name in names:
                (partial / name).touch()
    with new_folder(tmp_path / "a", overwrite=True, contents=["m"], optional=["o"]) as partial:
        (partial / "o").touch()
    with (
        pytest.raises(GalaxyError, match="lacks m"),
        new_folder(tmp_path / "a", overwrite=True, contents=["m"], optional=["o"]),
    ):
        pass


def test_a_folder_without_write_permission_is_a_one_line_error(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(GalaxyError, match="cannot be written"), new_file(tmp_path / "file" / "below.csv"):
        pass
    with (
        pytest.raises(GalaxyError, match="cannot be written"),
        new_folder(tmp_path / "file" / "b", contents=["m"]),
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


def test_sha256_equals_that_of_hashlib(tmp_path):
    (tmp_path / "abc").write_bytes(b"abc")
    assert sha256(tmp_path / "abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_a_folder_made_meanwhile_by_another_process_is_kept(tmp_path):
    path = tmp_path / "arrays"
    with pytest.raises(GalaxyError, match="already exists"), new_folder(path, contents=["m"]) as partial:
        (partial / "m").write_text("mine")
        path.mkdir()
        (path / "m").write_text("theirs")
    assert (path / "m").read_text() == "theirs"
    assert os.listdir(tmp_path) == ["arrays"]


def test_a_symbolic_link_is_kept(tmp_path):
    (tmp_path / "there").mkdir()
    (tmp_path / "there/m").touch()
    (tmp_path / "link").symlink_to("there")
    with new_folder(tmp_path / "link", overwrite=True, contents=["m"]) as partial:
        (partial / "m").write_text("new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "there/m").read_text() == "new"


def test_a_file_is_written_with_its_companion(tmp_path):
    table, note = tmp_path / "table.csv", tmp_path / "table.json"
    for content in ("old", "new"):
        with new_files(table, note) as partials:
            for partial in partials:
                partial.write_text(content)
        assert (table.read_text(), note.read_text()) == (content, content)
    with new_files(table, note) as (partial, _):
        partial.write_text("newer")
    assert (table.read_text(), os.listdir(tmp_path)) == ("newer", ["table.csv"])


def test_a_file_never_has_the_companion_of_another(tmp_path, monkeypatch):
    table, note = tmp_path / "table.csv", tmp_path / "table.json"
    replace = Path.replace

    def seen(partial, path):
        assert not note.exists() or note.read_text() == table.read_text()
        replace(partial, path)
        assert not note.exists() or note.read_text() == table.read_text()

    monkeypatch.setattr(Path, "replace", seen)
    for content in ("old", "new"):
        with new_files(table, note) as partials:
            for partial in partials:
                partial.write_text(content)


@pytest.fixture(params=["in one step", "in two"])
def exchange(request, monkeypatch):
    """Replaces folders by an atomic exchange, or by two renames."""
    if request.param == "in two":
        monkeypatch.setattr(replacing, "_exchange", lambda one, other: False)
    return request.param


def replace_folder(path, content="new"):
    with new_folder(path, overwrite=True, contents=["m"]) as partial:
        (partial / "m").write_text(content)


def test_a_folder_is_replaced(exchange, tmp_path):
    for content in ("old", "new"):
        replace_folder(tmp_path / "out", content)
        (tmp_path / "out/.DS_Store").touch()  # A file that the user's file manager has made.
        assert os.listdir(tmp_path) == ["out"]
        assert (tmp_path / "out/m").read_text() == content


@pytest.mark.skipif(sys.platform != "linux", reason="asks this system what it can")
def test_folders_are_exchanged_in_one_step(tmp_path, monkeypatch):
    replace_folder(tmp_path / "out", "old")
    monkeypatch.setattr(files, "restore_replaced", lambda path: None)
    monkeypatch.setattr(Path, "rename", lambda *paths: sys.exit(9))  # As if killed before the first rename.
    with pytest.raises(SystemExit):
        replace_folder(tmp_path / "out")
    assert (tmp_path / "out/m").read_text() == "new"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no forks")
@pytest.mark.parametrize("renames", [1, 2])
def test_the_next_call_repairs_a_kill_between_two_renames(tmp_path, monkeypatch, renames):
    replace_folder(tmp_path / "out", "old")
    rename, left = Path.rename, [renames]

    def killed(path, target):
        rename(path, target)
        left[0] -= 1
        if not left[0]:
            os._exit(9)

    child = os.fork()
    if not child:
        monkeypatch.setattr(replacing, "_exchange", lambda one, other: False)
        monkeypatch.setattr(Path, "rename", killed)
        try:
            replace_folder(tmp_path / "out")
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
    assert (tmp_path / "out").exists() == (renames == 2)
    with pytest.raises(GalaxyError, match="already exists"), new_folder(tmp_path / "out", contents=["m"]):
        pass
    assert (tmp_path / "out/m").read_text() == ("old" if renames == 1 else "new")
    assert not list(tmp_path.glob(".out.replaced-*"))


def test_a_failed_replacement_keeps_the_older_folder(tmp_path, monkeypatch):
    replace_folder(tmp_path / "out", "old")
    monkeypatch.setattr(replacing, "_exchange", lambda one, other: False)
    rename = Path.rename

    def refused(path, target):
        if target.name == "out" and ".partial-" in path.name:
            raise OSError(errno.EIO, "Input/output error")
        rename(path, target)

    monkeypatch.setattr(Path, "rename", refused)
    with pytest.raises(GalaxyError, match="Input/output error"):
        replace_folder(tmp_path / "out")
    assert (tmp_path / "out/m").read_text() == "old"
    assert os.listdir(tmp_path) == ["out"]


def test_a_file_that_cannot_be_read_is_not_called_unwritable(tmp_path):
    out, absent = tmp_path / "out", tmp_path / "absent.jpg"
    with pytest.raises(GalaxyError) as caught, new_folder(out, contents=["m"]):
        absent.read_bytes()
    assert str(caught.value) == f"{absent} cannot be read: No such file or directory"
    with pytest.raises(GalaxyError) as caught, new_file(tmp_path / "table.csv"):
        shutil.copyfile(absent, tmp_path / "table.csv")
    assert str(caught.value) == f"{absent} cannot be read: No such file or directory"
    with pytest.raises(GalaxyError) as caught, new_folder(out, contents=["m"]), explain_read_errors(absent):
        raise OSError(errno.EIO, "Input/output error")  # As of a file that is open: it has no name.
    assert str(caught.value) == f"{absent} cannot be read: Input/output error"
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("name", ["m", "deep/m"])
def test_a_file_that_cannot_be_written_is_called_unwritable(tmp_path, name):
    out = tmp_path / "out"
    with (
        pytest.raises(GalaxyError, match=f"^{out} cannot be written: No such file"),
        new_folder(out, contents=["m"]) as partial,
    ):
        (partial / name / "file").write_text("x")
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(tmp_path / "source"))  # In a copy.
    with pytest.raises(GalaxyError, match=f"^{out} cannot be written: No space"), new_file(out):
        raise full


def test_a_file_that_cannot_be_hashed_is_named(tmp_path):
    with pytest.raises(GalaxyError, match=r"absent cannot be read: No such file"):
        sha256(tmp_path / "absent")


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize("place", [".", "..", "../out", "inner/.."])
def test_the_current_folder_is_never_replaced(tmp_path, monkeypatch, place, overwrite):
    (tmp_path / "out/inner").mkdir(parents=True)
    if place != "inner/..":
        (tmp_path / "out/inner").rmdir()
    monkeypatch.chdir(tmp_path / "out")
    contents = ["inner"] if place == "inner/.." else ["out"] if place == ".." else []
    with (
        pytest.raises(GalaxyError) as caught,
        new_folder(Path(place), overwrite=overwrite, contents=contents),
    ):
        pass
    assert "is the current folder" in str(caught.value) or "already exists" in str(caught.value)
    assert Path.cwd() == tmp_path / "out"
    assert os.listdir(tmp_path) == ["out"]


def test_an_empty_folder_and_trailing_slashes_are_accepted(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for place in ("out/", "./out//", "new/../out", f"{tmp_path}/out/."):
        with new_folder(Path(place), overwrite=True, contents=["m"]) as partial:
            (partial / "m").write_text(place)
        assert (tmp_path / "out/m").read_text() == place
    (tmp_path / "empty").mkdir()
    with new_folder(Path("empty"), contents=["m"]) as partial:
        (partial / "m").touch()
    assert sorted(os.listdir(tmp_path)) == ["empty", "out"]


def test_circular_links_are_refused_and_dangling_ones_followed(tmp_path):
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    with pytest.raises(GalaxyError, match="Too many levels"), new_folder(tmp_path / "a", contents=["m"]):
        pass
    (tmp_path / "dangling").symlink_to("there")
    with new_folder(tmp_path / "dangling", contents=["m"]) as partial:
        (partial / "m").touch()
    assert os.listdir(tmp_path / "there") == ["m"]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_only_regular_files_are_replaced(tmp_path):
    os.mkfifo(tmp_path / "pipe.csv")
    with pytest.raises(GalaxyError, match="is not a file, and is not replaced"):
        refuse_existing(tmp_path / "pipe.csv", overwrite=True)
