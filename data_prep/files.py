"""Files and folders that appear whole or not at all, and their checksums."""

import contextlib
import ctypes
import glob
import hashlib
import json
import math
import os
import shutil
import sys
import uuid
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any, Final

from tqdm import tqdm

from data_prep.errors import GalaxyError, Terminated
from data_prep.unfinished import alone

CHUNK_BYTES: Final = 1 << 24
LITTER: Final = (".DS_Store", "Thumbs.db", "desktop.ini")
"""What operating systems leave in folders that are looked at."""


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
    """Does the same for a file and others beside it that tell of it; the block need not make those.

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
    token = _token()
    partials = [each.with_name(f".{each.stem}.partial-{token}{each.suffix}") for each in paths]
    try:
        with writing(path):
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
    path: Path, *, overwrite: bool = False, holds: Collection[str], resumes: bool = False
) -> Iterator[Path]:
    """Gives a temporary folder beside ``path``, renamed to ``path`` when the block ends well.

    Args:
        path: The folder to make. Its parents are made when missing.
        overwrite: Replace an older folder of that name, at the moment of renaming.
        holds: The files and folders that one of this kind holds. A folder that lacks one, or
            holds anything else, is never replaced, so that a slip in a path, or a file that the
            user has put there, costs nothing.
        resumes: The block goes on with what an interruption, even by a power cut, has left in the folder.

    Yields:
        The temporary folder to write to; empty, but where the block resumes.

    Raises:
        GalaxyError: The folder exists and must not be replaced, cannot be made, or another process is
            making it.
    """
    path = path.resolve()
    with writing(path):
        _tidy(path)
    refuse_existing(path, overwrite=overwrite, holds=holds)
    partial = path.with_name(f".{path.name}.{'unfinished' if resumes else f'partial-{_token()}'}")
    with contextlib.ExitStack() as stack:
        with writing(path):
            partial.mkdir(parents=True, exist_ok=resumes)
        if resumes:
            stack.enter_context(alone(partial, path))
            for cut_off in partial.glob(".*.partial-*"):  # A file in whose writing a process was killed.
                cut_off.unlink()
        try:
            with writing(path):
                yield partial
                # Somebody may have made it meanwhile.
                refuse_existing(path, overwrite=overwrite, holds=holds)
                _put_in_place(partial, path)
        except BaseException as error:
            if resumes and isinstance(error, KeyboardInterrupt | Terminated):
                print(
                    f"\nwhat there is stays in {partial}; the same command goes on with it", file=sys.stderr
                )
            else:
                shutil.rmtree(partial, ignore_errors=True)
            raise


def _put_in_place(partial: Path, path: Path) -> None:
    """Renames ``partial`` to ``path``; an older folder of that name is exchanged in the same instant."""
    replaced = path.with_name(f".{path.name}.replaced-{_token()}")
    if not path.exists():
        partial.rename(path)
    elif _exchange(partial, path):
        partial.rename(replaced)
    else:
        path.rename(replaced)
        try:
            partial.rename(path)
        except BaseException:
            replaced.rename(path)
            raise
    shutil.rmtree(replaced, ignore_errors=True)


def _exchange(one: Path, other: Path) -> bool:
    """Exchanges two folders in one step; returns False where the system, or the file system, has none."""
    if sys.platform == "win32":
        return False
    paths = os.fsencode(one), os.fsencode(other)
    here, swap = -100, 2  # AT_FDCWD; RENAME_EXCHANGE, which macOS calls RENAME_SWAP.
    with contextlib.suppress(AttributeError):  # An older C library.
        libc = ctypes.CDLL(None)
        if sys.platform == "darwin":
            failed = libc.renamex_np(*paths, swap)
        else:
            failed = libc.renameat2(here, paths[0], here, paths[1], swap)
        return bool(failed == 0)
    return False


def _tidy(path: Path) -> None:
    """Clears away what a process that was killed while it replaced a folder has left, or puts it back."""
    for replaced in path.parent.glob(f".{glob.escape(path.name)}.replaced-*"):
        if path.exists():
            shutil.rmtree(replaced, ignore_errors=True)
        else:
            replaced.rename(path)


def _token() -> str:
    return uuid.uuid4().hex[:12]


def refuse_existing(path: Path, *, overwrite: bool, holds: Collection[str] | None = None) -> None:
    """Stops when ``path`` exists and the user has not said that it may be replaced.

    Args:
        path: A file or folder that is about to be made.
        overwrite: The user's word that it may be replaced.
        holds: For a folder, what one of ours holds.

    Raises:
        GalaxyError: It exists, and must not be replaced.
    """
    if not path.exists() or (path.is_dir() and not any(path.iterdir())):
        return
    if not overwrite:
        raise GalaxyError(f"{path} already exists: name another place, or add --overwrite to replace it")
    if path.is_dir() != (holds is not None):
        raise GalaxyError(
            f"{path} is {'a' if path.is_dir() else 'no'} folder, and is not replaced: name another place"
        )
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


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Writes ``content`` as indented JSON, whole or not at all."""
    with new_file(path) as partial:
        partial.write_text(json_text(content), encoding="utf-8")


def json_text(content: dict[str, Any]) -> str:
    """Returns ``content`` as indented JSON."""
    return json.dumps(content, indent=2, allow_nan=False) + "\n"


def read_json(path: Path) -> dict[str, Any]:
    """Reads a JSON object.

    Raises:
        GalaxyError: The file is missing or holds no JSON object.
    """
    try:
        content = json.loads(
            path.read_text(encoding="utf-8-sig"), parse_constant=_no_number, parse_float=_finite
        )
    except FileNotFoundError:
        raise GalaxyError(f"{path} is missing") from None
    except (OSError, ValueError, RecursionError) as error:
        raise GalaxyError(f"{path} cannot be read as JSON: {error}") from None
    if not isinstance(content, dict):
        raise GalaxyError(f"{path} holds no JSON object")
    return content


def _finite(text: str) -> float:
    """Refuses numbers that are too large for a float."""
    number = float(text)
    if not math.isfinite(number):
        _no_number(text)
    return number


def _no_number(text: str) -> None:
    """Refuses NaN and infinities, which JSON does not have."""
    raise ValueError(f"{text} is no JSON")


def sha256(path: Path) -> str:
    """Returns a file's SHA-256 in hexadecimal, with a progress bar where it takes over a second."""
    digest = hashlib.sha256()
    with (
        path.open("rb") as file,
        tqdm(
            total=path.stat().st_size, desc=f"checksum of {path.name}", unit="B", unit_scale=True, delay=1
        ) as bar,
    ):
        while chunk := file.read(CHUNK_BYTES):
            digest.update(chunk)
            bar.update(len(chunk))
    return digest.hexdigest()


@contextlib.contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turns the system's refusals to write (disk full, no permission) into one clear error.

    Args:
        path: What is being written, for the message.

    Raises:
        GalaxyError: The system refused.
    """
    try:
        yield
    except OSError as error:
        raise GalaxyError(f"{path} cannot be written: {error.strerror or error}") from error
