"""Writing the pixels of galaxy arrays: block by block, on all cores, and resumable."""

import contextlib
import hashlib
import io
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from data_prep.arrays.format import IMAGES
from data_prep.common.files import sha256
from data_prep.common.json_files import write_json
from data_prep.common.progress import progress_bar
from data_prep.common.threads import prefetch
from data_prep.common.unfinished import read_progress
from data_prep.sources.images import Cutout, ImageError

PROGRESS: Final = "progress.json"
"""How far unfinished work is, beside its pixels."""

BLOCK: Final = 16
"""Images that a thread decodes at a time: 2.4 MB at 224 pixels, whatever the size of the sample."""

_NOTE_EVERY: Final = 1.0
"""Seconds after which progress is noted: what an interruption costs at most, and the blocks being read."""


class _Begun(NamedTuple):
    """How far it is: images looked at, those that cannot be used, and the hash of what is written."""

    done: int
    skipped: dict[int, str]
    digest: "hashlib._Hash"


def write_images(
    folder: Path,
    read: Callable[[int], Cutout],
    n: int,
    crop: int,
    *,
    made_of: Mapping[str, Any],
    workers: int,
    progress: bool,
) -> tuple[dict[int, str], str]:
    """Writes ``n`` images, those that can be read, as one ``.npy``, a few blocks in memory at a time.

    How many can be read is known at the end, so the header is written twice; NumPy pads it to the
    same length.

    Args:
        folder: The folder to write to. Work that an interruption has left there is verified and resumed. The
            note of that, ``PROGRESS``, stays when all is written, for what may fail after it.
        read: Returns the image of a number, ``[crop, crop, 3]`` uint8, or raises an ``ImageError``.
        n: How many there are.
        crop: Their side in pixels.
        made_of: What the pixels come from, as JSON; unfinished work of anything else is discarded.
        workers: Threads that read.
        progress: Show a progress bar.

    Returns:
        Why an image cannot be used, by its number, and the SHA-256 of the file.
    """
    path, header = folder / IMAGES, _header(n, crop)
    done, skipped, digest = _begun(folder, header, made_of) or _Begun(0, {}, hashlib.sha256(header))
    if not done:
        (folder / PROGRESS).unlink(missing_ok=True)  # Of other images, which are now lost.

    def read_block(start: int) -> tuple[npt.NDArray[np.uint8], dict[int, str]]:
        return _read_block(read, range(start, min(start + BLOCK, n)), crop)

    def note(size: int) -> None:
        noted = {"made_of": made_of, "done": done, "skipped": skipped}
        write_json(folder / PROGRESS, noted | {"size": size, "sha256": digest.hexdigest()})

    with (
        path.open("r+b" if done else "wb") as file,
        progress_bar(total=n, initial=done, unit=" images", desc="preprocess", shown=progress) as bar,
        prefetch(read_block, range(done, n, BLOCK), workers, 4 * workers) as blocks,
    ):
        file.write(header)
        file.seek(file.truncate(_size(header, done - len(skipped), crop)))
        noted_at = time.monotonic()
        for images, reasons in blocks:
            file.write(images.data)
            digest.update(images.data)  # While they are at hand: reading them again would take long.
            skipped |= reasons
            done += len(images) + len(reasons)
            bar.update(len(images) + len(reasons))
            if time.monotonic() - noted_at >= _NOTE_EVERY or done == n:
                file.flush()
                note(file.tell())
                noted_at = time.monotonic()
        if skipped:
            file.seek(0)
            file.write(_header(n - len(skipped), crop))
    return skipped, sha256(path) if skipped else digest.hexdigest()


def _begun(folder: Path, header: bytes, made_of: Mapping[str, Any]) -> _Begun | None:
    """Returns how far an interruption has left it; None where there is nothing to go on with."""

    def read(noted: dict[str, Any]) -> tuple[int, dict[int, str]]:
        return int(noted["done"]), {int(row): str(reason) for row, reason in noted["skipped"].items()}

    with contextlib.suppress(OSError), (folder / IMAGES).open("r+b") as file:
        file.write(header)  # It was noted with this one, and may have got its last one since.
    found = read_progress(folder / PROGRESS, folder / IMAGES, made_of, read)
    return _Begun(*found[0], found[1]) if found else None


def _read_block(
    read: Callable[[int], Cutout], rows: range, crop: int
) -> tuple[npt.NDArray[np.uint8], dict[int, str]]:
    """Reads the images of some rows; returns those that can be used, and why the others cannot."""
    images = np.empty((len(rows), crop, crop, 3), dtype=np.uint8)
    reasons: dict[int, str] = {}
    for row in rows:
        try:
            images[row - rows.start - len(reasons)] = read(row)
        except ImageError as error:
            reasons[row] = str(error)
    return images[: len(rows) - len(reasons)], reasons


def _size(header: bytes, images: int, crop: int) -> int:
    return len(header) + images * 3 * crop**2


def _header(n: int, crop: int) -> bytes:
    """Returns the ``.npy`` header of ``[n, crop, crop, 3]`` uint8."""
    header = io.BytesIO()
    shape = (n, crop, crop, 3)
    np.lib.format.write_array_header_1_0(header, {"descr": "|u1", "fortran_order": False, "shape": shape})
    return header.getvalue()
