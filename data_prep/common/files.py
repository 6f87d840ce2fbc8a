"""Files and folders that appear whole or not at all, and their checksums."""

import contextlib
import errno
import hashlib
import os
import shutil
import sys
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Final

from data_prep.common.errors import GalaxyError
from data_prep.common.litter import LITTER
from data_prep.common.locks import file_lock
from data_prep.common.progress import progress_bar
from data_prep.common.replacing import put_in_place, restore, token

CHUNK_BYTES: Final = 1 << 24
_NO_ROOM: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS)
"""Refusals that only writing meets, whichever file of a copy the system names."""


@contextlib.contextmanager
def new_file(path: Path) -> Iterator[Path]:
    """Gives a temporary path beside ``path``, renamed to ``path`` when the block ends well.

    A block that fails leaves no trace: an older file under that name stays as it was.

    Args:
        path: The file to make. Its folder is made when missing; an older file is replaced.

    Yields:
        The temporary path, with the same suffix, to write to.

    Raises:
        GalaxyError: The file cannot be made there.
    """
    with new_files(path) as (partial,):
        yield partial


@contextlib.contextmanager
def new_files(*paths: Path) -> Iterator[list[Path]]:
    """Like :func:`new_file`, with companion files, which the block need not make.

    No others ever lie beside a file that is not theirs: the older ones go just before the file is replaced,
    the new ones come just after.

    Args:
        paths: The file to make, and the others.

    Yields:
        Their temporary paths.

    Raises:
        GalaxyError: They cannot be made there.
    """
    path, *others = paths
    for each in paths:
        with writing(each):
            each.parent.mkdir(parents=True, exist_ok=True)
    name = f"partial-{token()}"
    # Absolute, so that no library takes a folder called ~ for the user's home.
    partials = [each.absolute().with_name(f".{each.stem}.{name}{each.suffix}") for each in paths]
    try:
        with writing(*paths, *partials):
            yield partials
            for other in others:
                other.unlink(missing_ok=True)
            for partial, each in zip(partials, paths, strict=True):
                if each is path or partial.exists():
                    partial.replace(each)
    finally:
        for partial in partials:
            with contextlib.suppress(OSError):  # As on a disk that has become read-only, which has been told.
                partial.unlink(missing_ok=True)


@contextlib.contextmanager
def new_folder(
    path: Path, *, overwrite: bool | None = None, holds: Collection[str], note: str | None = None
) -> Iterator[Path]:
    """Gives a temporary folder beside ``path``, renamed to ``path`` when the block ends well.

    Args:
        path: The folder to make. Its parents are made when missing.
        overwrite: Replace an older folder of that name, at the moment of renaming. None where the user
            has no such choice.
        holds: The files and folders that one of this kind holds. A folder that lacks one, or
            holds anything else, is never replaced, so that a slip in a path, or a file that the
            user has put there, costs nothing.
        note: For a block that resumes: the file in the folder in which it notes its progress. Whatever
            interrupts or stops the block, a folder with a note is kept, and the next call resumes in it. The
            finished folder has none.

    Yields:
        The temporary folder to write to; empty, unless the block resumes.

    Raises:
        GalaxyError: The folder exists and must not be replaced, is the current folder, cannot be made, or
            another process is making it.
    """
    with reading(path):
        path = _resolved(path)
    with writing(path):
        restore(path)
    refuse_existing(path, overwrite=overwrite, holds=holds)
    if _is_current(path):
        raise GalaxyError(
            f"{path} is the current folder, which cannot be replaced: name a new folder in it, or run the "
            "command from another folder"
        )
    partial = path.with_name(f".{path.name}.{'unfinished' if note else f'partial-{token()}'}")
    lock = partial.with_name(f"{partial.name}.lock")  # Beside it: NFS and Windows do not lock folders.
    with contextlib.ExitStack() as stack:
        with writing(path, partial, lock):
            partial.parent.mkdir(parents=True, exist_ok=True)
            if note:
                stack.enter_context(file_lock(lock, path, temporary=True))
            partial.mkdir(exist_ok=note is not None)
        if note:
            for cut_off in partial.glob(".*.partial-*"):  # A file in whose writing a process was killed.
                cut_off.unlink()
        try:
            with writing(path, partial):
                yield partial
                # Another process may have made it meanwhile.
                refuse_existing(path, overwrite=overwrite, holds=holds)
                put_in_place(partial, path, note)
        except BaseException:
            if note and (partial / note).exists():
                print(
                    f"\nThe work so far is in {partial}: run the same command again to resume",
                    file=sys.stderr,
                )
            else:
                shutil.rmtree(partial, ignore_errors=True)
            raise


def _resolved(path: Path) -> Path:
    """Returns the place that a path leads to through symbolic links."""
    try:
        return path.resolve()
    except RuntimeError as error:  # Python before 3.13 has no OSError for links that lead to each other.
        raise OSError(errno.ELOOP, "Too many levels of symbolic links") from error


def _is_current(path: Path) -> bool:
    """Says whether an existing folder is the one that the process is in, or holds it."""
    try:
        return Path.cwd().is_relative_to(path)
    except OSError:  # It has been removed.
        return False


def refuse_existing(path: Path, *, overwrite: bool | None, holds: Collection[str] | None = None) -> None:
    """Stops when ``path`` exists and the user has not said that it may be replaced.

    Args:
        path: A file or folder that is about to be made.
        overwrite: The user's word that it may be replaced; None where the command has no --overwrite.
        holds: For a folder, what one of ours holds.

    Raises:
        GalaxyError: It exists, and must not be replaced.
    """
    if not path.exists() or (path.is_dir() and not any(path.iterdir())):
        return
    if not overwrite:
        choice = "remove it yourself" if overwrite is None else "add --overwrite to replace it"
        raise GalaxyError(f"{path} already exists: name another place, or {choice}")
    if not (path.is_dir() if holds is not None else path.is_file()):  # Nor a device.
        kind = "a folder" if path.is_dir() else "no folder" if holds is not None else "no regular file"
        raise GalaxyError(f"{path} is {kind}, and is not replaced: name another place")
    if holds is None:
        return
    found = {entry.name for entry in path.iterdir()}.difference(LITTER)
    if found != set(holds):
        lacks, foreign = sorted(set(holds) - found), sorted(found - set(holds))
        wrong = f"lacks {lacks[0]}" if lacks else f"also holds {foreign[0]}"
        raise GalaxyError(
            f"{path} {wrong}, so not all of it was made by this command and it is not replaced: "
            "name another place, or remove it yourself"
        )


def link_or_copy(source: Path, target: Path) -> None:
    """Makes ``target`` the same file as ``source``; a copy only where the file system has no links.

    Args:
        source: An existing file.
        target: The name to give it too; there is none of that name.
    """
    try:
        os.link(source, target)
    except OSError:
        try:
            target.symlink_to(source.resolve())
        except OSError:
            shutil.copyfile(source, target)


def sha256(path: Path) -> str:
    """Returns a file's SHA-256 in hexadecimal, with a progress bar where it takes over a second.

    Raises:
        GalaxyError: The file cannot be read.
    """
    digest = hashlib.sha256()
    with (
        reading(path),
        path.open("rb") as file,
        progress_bar(
            total=path.stat().st_size, desc=f"checksum of {path.name}", unit="B", unit_scale=True
        ) as bar,
    ):
        while chunk := file.read(CHUNK_BYTES):
            digest.update(chunk)
            bar.update(len(chunk))
    return digest.hexdigest()


@contextlib.contextmanager
def writing(*places: Path) -> Iterator[None]:
    """Turns the system's refusals to write (disk full, no permission) into one clear error.

    Where the block cannot open another file, that one is named. A file that may fail while it is read needs
    :func:`reading`: the system does not say which one it was.

    Args:
        places: What is being written, for the message; then the temporary names under which it is.

    Raises:
        GalaxyError: The system refused.
    """
    try:
        yield
    except OSError as error:
        if (other := _other_file(error, places)) is not None:
            raise GalaxyError(f"{other} cannot be read: {error.strerror}") from error
        raise GalaxyError(f"{places[0]} cannot be written: {error.strerror or error}") from error


@contextlib.contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turns the system's refusals to read into one clear error; needed in blocks that also write.

    Args:
        path: What is being read, for the message.

    Raises:
        GalaxyError: The system refused.
    """
    try:
        yield
    except OSError as error:
        raise GalaxyError(f"{path} cannot be read: {error.strerror or error}") from error


def _other_file(error: OSError, places: Sequence[Path]) -> Path | None:
    """Returns the file that the system refused, where it is none of those that are being written."""
    if error.errno in _NO_ROOM or not isinstance(error.filename, str | os.PathLike):
        return None
    file = Path(error.filename)
    for place in places:
        inner, outer = file.absolute(), place.absolute()
        if inner.is_relative_to(outer) or outer.is_relative_to(inner):  # The latter, where it is to be made.
            return None
    return file
