"""Locks between processes: one holder at a time, whatever becomes of it, and nothing left behind."""

import contextlib
import errno
import os
import subprocess
import sys

import pytest

from data_prep.common import locks
from data_prep.common.errors import GalaxyError
from data_prep.common.files import new_folder
from data_prep.common.locks import file_lock, wait_for_lock

HOLDER = """
import sys
from pathlib import Path
from data_prep.common.locks import file_lock

with file_lock(Path(sys.argv[1]), Path("out"), temporary=sys.argv[2] == "temporary"):
    print("locked", flush=True)
    sys.stdin.read()
"""
COUNTER = """
import sys
from pathlib import Path
from data_prep.common import locks

locks._POLL_INTERVAL = 0.001
counter = Path(sys.argv[1])
for _ in range(100):
    with locks.wait_for_lock(counter.with_name(".lock"), ""):
        counter.write_text(str(int(counter.read_text()) + 1))
"""
CONTENT = b"model: galaxy_cnn\n"


def start(script, *words):
    command = [sys.executable, "-c", script, *map(str, words)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


@pytest.fixture(params=["content", "temporary"])
def kind(request):
    return request.param


@pytest.fixture
def file(tmp_path, kind):
    """A file with content, or the name of a temporary one."""
    file = tmp_path / ("config.yaml" if kind == "content" else ".out.lock")
    if kind == "content":
        file.write_bytes(CONTENT)
    return file


@pytest.fixture
def lock(file, kind):
    return lambda: file_lock(file, "out", temporary=kind == "temporary")


def left(file):
    """Returns what is in the file's folder; checks that its content has not changed."""
    if file.exists() and file.name == "config.yaml":
        assert file.read_bytes() == CONTENT
    return [path.name for path in file.parent.iterdir()]


@pytest.mark.parametrize("end", ["released", "killed"])
def test_a_second_process_is_refused_until_the_first_has_ended(file, lock, kind, end):
    before = left(file)
    with start(HOLDER, file, kind) as holder:
        assert holder.stdout.readline() == b"locked\n"
        with (
            pytest.raises(
                GalaxyError, match=r"^another process is making out: wait until it has ended[^\n]*$"
            ),
            lock(),
        ):
            pass
        assert left(file) == [file.name]
        if end == "released":
            holder.stdin.close()
            assert holder.wait() == 0
            assert left(file) == before
        else:
            holder.kill()
            holder.wait()
        with lock():
            pass
    assert left(file) == before


def test_a_block_that_fails_releases_the_lock(file, lock):
    before = left(file)
    with pytest.raises(ZeroDivisionError), lock():
        raise ZeroDivisionError
    assert left(file) == before
    with lock():
        pass


def test_processes_wait_for_each_other(tmp_path):
    counter = tmp_path / "counter"
    counter.write_text("0")
    processes = [start(COUNTER, counter) for _ in range(3)]
    for process in processes:
        assert process.communicate()[1].strip() == b""
        assert process.returncode == 0
    assert counter.read_text() == "300"
    assert list(tmp_path.iterdir()) == [counter]


def test_a_killed_process_is_not_waited_for(tmp_path, capsys):
    file = tmp_path / ".lock"
    with start(HOLDER, file, "temporary") as holder:
        assert holder.stdout.readline() == b"locked\n"
        holder.kill()
        holder.wait()
    assert file.exists()
    with wait_for_lock(file, "waiting") as waited:
        assert not waited
    assert capsys.readouterr().err == ""
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("refusal", [errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP])
def test_where_there_are_no_locks_the_work_goes_on(file, lock, monkeypatch, refusal):
    def refused(descriptor, **options):
        raise OSError(refusal, os.strerror(refusal))

    monkeypatch.setattr(locks, "lock_descriptor", refused)
    monkeypatch.setattr(locks, "unlock_descriptor", refused)
    before = left(file)
    with lock(), lock():
        assert left(file) == [file.name]
    assert left(file) == before
    with wait_for_lock(file.with_name(".other"), "") as waited:
        assert not waited
    assert left(file) == before


@pytest.mark.parametrize("change", ["removed", "replaced"])
def test_a_lock_on_a_file_that_was_removed_meanwhile_is_none(file, lock, monkeypatch, change):
    def changing(descriptor, *, blocking):
        file.unlink()
        if change == "replaced":
            file.write_bytes(CONTENT)
        return True

    monkeypatch.setattr(locks, "lock_descriptor", changing)
    with pytest.raises(GalaxyError, match="another process"), lock():
        pass


def test_a_read_only_file_is_locked(tmp_path, monkeypatch):
    file = tmp_path / "config.yaml"
    file.write_bytes(CONTENT)
    file.chmod(0o400)
    monkeypatch.setattr(os, "access", lambda *args: False)  # Root may write it.
    with file_lock(file, "out"), pytest.raises(GalaxyError), file_lock(file, "out"):
        pass


def test_on_windows_content_stays_readable(tmp_path, monkeypatch):
    """There a lock on the file itself keeps readers off."""
    monkeypatch.setattr(locks, "_WINDOWS", True)
    file = tmp_path / "config.yaml"
    file.write_bytes(CONTENT)
    with file_lock(file, "out"):
        assert sorted(left(file)) == [".config.yaml.lock", "config.yaml"]
        with pytest.raises(GalaxyError, match="another process"), file_lock(file, "out"):
            pass
    assert left(file) == ["config.yaml"]


@pytest.mark.parametrize("end", ["finished", "interrupted", "failed"])
def test_a_folder_that_can_be_resumed_is_made_by_one_process(tmp_path, end):
    out = tmp_path / "out"
    error = {"finished": None, "interrupted": KeyboardInterrupt, "failed": RuntimeError}[end]
    with (
        pytest.raises(error) if error else contextlib.nullcontext(),
        new_folder(out, contents=["data"], progress_file="note") as folder,
    ):
        if end != "failed":
            (folder / "note").touch()
        with (
            pytest.raises(GalaxyError, match=f"another process is making {out}"),
            new_folder(out, contents=["data"], progress_file="note"),
        ):
            pass
        if error:
            raise error
        (folder / "data").touch()
    assert [path.name for path in tmp_path.iterdir()] == {
        "finished": ["out"], "interrupted": [".out.unfinished"], "failed": [],
    }[end]  # fmt: skip
    if end == "finished":
        assert [path.name for path in out.iterdir()] == ["data"]


def test_a_lock_is_kept_by_a_child_that_inherits_it(tmp_path):
    file = tmp_path / ".lock"
    lock = locks.try_lock(file)
    assert locks.try_lock(file) is None
    child = subprocess.Popen(
        [sys.executable, "-c", "input()"], stdin=subprocess.PIPE, pass_fds=[lock.descriptor]
    )
    os.close(lock.descriptor)  # As if this process was killed.
    assert locks.try_lock(file) is None
    child.communicate(b"\n")
    lock = locks.try_lock(file)
    lock.release()
    assert not file.exists()
