"""Targets that cannot be written: files of limited size, a full disk, a read-only disk."""

import contextlib
import logging
import os
import re
import shutil
import subprocess

import pytest

resource = pytest.importorskip("resource", reason="this system has no limits")

PAGE = os.sysconf("SC_PAGE_SIZE")
NO_NEWS = re.compile(
    r"\d+%\||^The (work so far is|predictions so far are) in .*: run the same command again to resume$"
)
"""Progress bars, and what is no error."""


@contextlib.contextmanager
def largest_file(size):
    """Makes the system refuse writes beyond this size of a file."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def refuse_within(patch, owner, name, size=100):
    """Limits the size of files while a function runs."""
    function = getattr(owner, name)

    def refused(*args, **kwargs):
        with largest_file(size):
            return function(*args, **kwargs)

    patch.setattr(owner, name, refused)


@contextlib.contextmanager
def mounted(folder, size):
    """Mounts a disk of this many bytes, if the test has the permission."""
    folder.mkdir()
    if not shutil.which("mount") or run("mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder):
        pytest.skip("no disk can be mounted here")
    try:
        yield folder
    finally:
        run("umount", "--lazy", folder)


@contextlib.contextmanager
def filled(disk, free):
    """Leaves this many bytes of a disk free, in whole pages."""
    ballast = disk / "ballast"
    about = os.statvfs(disk)
    with ballast.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, about.f_bavail * about.f_frsize - free)
    try:
        yield
    finally:
        ballast.unlink()


@contextlib.contextmanager
def read_only(folder):
    """Makes a folder read-only: a mounted disk by remounting it, any other by its permissions."""
    if os.path.ismount(folder):
        assert run("mount", "-o", "remount,ro", folder) == 0
        undo = ["mount", "-o", "remount,rw", folder]
    elif os.geteuid():
        run("chmod", "-R", "a-w", folder)
        undo = ["chmod", "-R", "u+w", folder]
    else:
        pytest.skip("root may write everywhere")
    try:
        yield
    finally:
        run(*undo)


def run(*words):
    return subprocess.run(words, check=False, stderr=subprocess.DEVNULL).returncode


def refused(main, words, capsys, advice=""):
    """Runs a command to which the system refuses a write; returns its one-line error.

    Advice on how to resume is not an error and is printed on stdout.
    """
    capsys.readouterr()
    logging.disable(logging.INFO)  # pytest captures output in files, too.
    try:
        with pytest.raises(SystemExit) as ended:
            main(words)
    finally:
        logging.disable(logging.NOTSET)
    assert ended.value.code == 1
    out, said = capsys.readouterr()
    assert advice in out
    (line,) = (line for line in re.split(r"[\r\n]+", said) if line and not NO_NEWS.search(line))
    assert ": error: " in line
    return line


def contents(folder):
    """Returns all files in a folder and its subfolders, by their relative path."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
