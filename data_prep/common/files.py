"""Atomic creation of files and folders, and their checksums."""

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
from data_prep.common.replacing import put_in_place, restore_replaced, unique_token

CHUNK_BYTES: Final = 1 << 24
_WRITE_ERRORS: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS)
"""Error numbers that only writing raises, even if the error of a copy names the source file."""


@contextlib.contextmanager
def new_file(path: Path) -> Iterator[Path]:
    """Creates a file atomically: yields a temporary path and renames it to ``path`` when the block succeeds.

    If the block fails, the temporary file is removed and an existing file at ``path`` is unchanged.

    Args:
        path: The file to create. Missing parent folders are created; an existing file is replaced.

    Yields:
        The temporary path to write to, in the same folder and with the same suffix.

    Raises:
        GalaxyError: The file cannot be written.
    """
    with new_files(path) as (partial,):
        yield partial


@contextlib.contextmanager
def new_files(*paths: Path) -> Iterator[list[Path]]:
    """Creates a file like :func:`new_file`, with companion files, which the block need not write.

    A companion never lies beside a file that it does not belong to: existing companions are removed just
    before the file is replaced, and the new ones are renamed just after.

    Args:
        paths: The file to create, followed by its companions.

    Yields:
        The temporary paths, in the same order.

    Raises:
        GalaxyError: The files cannot be written.
    """
    path, *companions = paths
    for each in paths:
        with explain_write_errors(each):
            each.parent.mkdir(parents=True, exist_ok=True)
    name = f"partial-{unique_token()}"
    # Absolute, so that no library expands a folder called ~ to the user's home.
    partials = [each.absolute().with_name(f".{each.stem}.{name}{each.suffix}") for each in paths]
    try:
        with explain_write_errors(*paths, *partials):
            yield partials
            for companion in companions:
                companion.unlink(missing_ok=True)
            for partial, each in zip(partials, paths, strict=True):
                if each is path or partial.exists():
                    partial.replace(each)
    finally:
        for partial in partials:
            with contextlib.suppress(OSError):  # On a read-only disk, say; the first error is already raised.
                partial.unlink(missing_ok=True)


@contextlib.contextmanager
def new_folder(
    path: Path,
    *,
    overwrite: bool | None = None,
    contents: Collection[str],
    optional: Collection[str] = (),
    progress_file: str | None = None,
) -> Iterator[Path]:
    """Creates a folder atomically: yields a temporary folder and renames it to ``path`` at the end.

    Args:
        path: The folder to create. Missing parent folders are created.
        overwrite: Whether to replace an existing folder, at the moment of renaming. None if the command has
            no ``--overwrite`` option.
        contents: The names of all files and folders in a folder of this kind. An existing folder that lacks
            one or holds anything else is never replaced, so that a mistyped path or a file that the user
            added does no harm.
        optional: Names that a folder of this kind may also hold, such as those that older versions lack.
        progress_file: For a block that can resume: the name of the file in which it records its progress. If
            the block is interrupted or fails, a folder with this file is kept, and the next call resumes in
            it. The finished folder does not contain the file.

    Yields:
        The temporary folder to write to; empty unless the block resumes.

    Raises:
        GalaxyError: The folder exists and must not be replaced, is the current folder, cannot be written, or
            is being made by another process.
    """
    with explain_read_errors(path):
        path = _resolve(path)
    with explain_write_errors(path):
        restore_replaced(path)
    refuse_existing(path, overwrite=overwrite, contents=contents, optional=optional)
    if _contains_current_folder(path):
        raise GalaxyError(
            f"{path} is the current folder, which cannot be replaced: name a new folder in it, or run the "
            "command from another folder"
        )
    suffix = "unfinished" if progress_file else f"partial-{unique_token()}"
    partial = path.with_name(f".{path.name}.{suffix}")
    lock = partial.with_name(f"{partial.name}.lock")  # Beside it: NFS and Windows do not lock folders.
    with contextlib.ExitStack() as stack:
        with explain_write_errors(path, partial, lock):
            partial.parent.mkdir(parents=True, exist_ok=True)
            if progress_file:
                stack.enter_context(file_lock(lock, path, temporary=True))
            partial.mkdir(exist_ok=progress_file is not None)
        if progress_file:
            remove_partial_files(partial)
        try:
            with explain_write_errors(path, partial):
                yield partial
                # Another process may have made the folder during the block.
                refuse_existing(path, overwrite=overwrite, contents=contents, optional=optional)
                put_in_place(partial, path, progress_file)
        except BaseException:
            if progress_file and (partial / progress_file).exists():
                print(
                    f"\nThe work so far is in {partial}: run the same command again to resume",
                    file=sys.stderr,
                )
            else:
                shutil.rmtree(partial, ignore_errors=True)
            raise


def _resolve(path: Path) -> Path:
    """Resolves symbolic links, with an ``OSError`` if they form a loop."""
    try:
        resolved = path.resolve()
    except RuntimeError as error:  # Raised by Python before 3.13.
        raise OSError(errno.ELOOP, "Too many levels of symbolic links") from error
    if any(folder.is_symlink() for folder in (resolved, *resolved.parents)):  # Python 3.13 and later.
        raise OSError(errno.ELOOP, "Too many levels of symbolic links")
    return resolved


def _contains_current_folder(path: Path) -> bool:
    """Returns whether a folder is the current folder or one of its parents."""
    try:
        return Path.cwd().is_relative_to(path)
    except OSError:  # The current folder has been removed.
        return False


def refuse_existing(
    path: Path,
    *,
    overwrite: bool | None,
    contents: Collection[str] | None = None,
    optional: Collection[str] = (),
) -> None:
    """Raises an error if ``path`` exists, unless the user allows replacing it.

    Args:
        path: A file or folder that is about to be made.
        overwrite: Whether the user allows replacing it; None if the command has no ``--overwrite`` option.
        contents: For a folder, the names of everything that the command writes into it.
        optional: Further names that the folder may hold.

    Raises:
        GalaxyError: ``path`` exists and must not be replaced.
    """
    if not path.exists() or (path.is_dir() and not any(path.iterdir())):
        return
    if not overwrite:
        choice = "remove it yourself" if overwrite is None else "add --overwrite to replace it"
        raise GalaxyError(f"{path} already exists: choose another path, or {choice}")
    if not (path.is_dir() if contents is not None else path.is_file()):  # A device is not replaced either.
        kind = "a folder" if path.is_dir() else "not a folder" if contents is not None else "not a file"
        raise GalaxyError(f"{path} is {kind}, and is not replaced: choose another path")
    if contents is None:
        return
    found = {entry.name for entry in path.iterdir()}.difference(LITTER)
    missing, foreign = sorted(set(contents) - found), sorted(found - {*contents, *optional})
    if missing or foreign:
        problem = f"lacks {missing[0]}" if missing else f"also holds {foreign[0]}"
        raise GalaxyError(
            f"{path} {problem}, so it was not made entirely by this command and is not replaced: "
            "choose another path, or remove it yourself"
        )


def remove_partial_files(folder: Path) -> None:
    """Removes the temporary files in a folder that a process left when it was killed while writing."""
    with explain_write_errors(folder):
        for leftover in folder.glob(".*.partial-*"):
            leftover.unlink(missing_ok=True)


def link_or_copy(source: Path, target: Path) -> None:
    """Makes ``target`` a link to ``source``, or a copy if the file system does not support links.

    Args:
        source: An existing file.
        target: The path of the link, which must not exist.
    """
    try:
        os.link(source, target)
    except OSError:
        try:
            target.symlink_to(source.resolve())
        except OSError:
            shutil.copyfile(source, target)


def sha256(path: Path) -> str:
    """Returns a file's SHA-256 in hexadecimal; shows a progress bar if this takes over a second.

    Raises:
        GalaxyError: The file cannot be read.
    """
    digest = hashlib.sha256()
    with (
        explain_read_errors(path),
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
def explain_write_errors(*paths: Path) -> Iterator[None]:
    """Turns an ``OSError`` of writing (disk full, no permission) into a ``GalaxyError`` that names the file.

    If the block cannot open another file, the message names that one. Files that the block also reads need
    :func:`explain_read_errors`, since an error during reading does not name the file.

    Args:
        paths: The path being written, which the message names, followed by its temporary paths.

    Raises:
        GalaxyError: Writing failed.
    """
    try:
        yield
    except OSError as error:
        if (other := _other_file(error, paths)) is not None:
            raise GalaxyError(f"{other} cannot be read: {error.strerror}") from error
        raise GalaxyError(f"{paths[0]} cannot be written: {error.strerror or error}") from error


@contextlib.contextmanager
def explain_read_errors(path: Path) -> Iterator[None]:
    """Turns an ``OSError`` of reading into a ``GalaxyError`` that names the file.

    Args:
        path: The file being read.

    Raises:
        GalaxyError: Reading failed.
    """
    try:
        yield
    except OSError as error:
        raise GalaxyError(f"{path} cannot be read: {error.strerror or error}") from error


def _other_file(error: OSError, paths: Sequence[Path]) -> Path | None:
    """Returns the file that an error names, unless it is one of the paths being written."""
    if error.errno in _WRITE_ERRORS or not isinstance(error.filename, str | os.PathLike):
        return None
    file = Path(error.filename)
    for path in paths:
        inner, outer = file.absolute(), path.absolute()
        if inner.is_relative_to(outer) or outer.is_relative_to(inner):  # The latter for a missing parent.
            return None
    return file
