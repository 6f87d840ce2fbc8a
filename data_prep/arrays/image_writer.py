"""Writing the pixels of galaxy arrays: block by block, on all cores, and resumable."""

import contextlib
import io
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from data_prep.arrays.format import IMAGES
from data_prep.common.files import sha256
from data_prep.common.progress import progress_bar
from data_prep.common.resumable_file import ResumableFile
from data_prep.common.threads import prefetch
from data_prep.sources.images import Cutout, ImageError

PROGRESS: Final = "progress.json"
"""How far unfinished work is, beside its pixels."""

BLOCK: Final = 16
"""Images that a thread decodes at a time: 2.4 MB at 224 pixels, whatever the size of the sample."""


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
    path = folder / IMAGES

    def read_state(noted: dict[str, Any]) -> tuple[int, dict[int, str]]:
        return int(noted["done"]), {int(row): str(reason) for row, reason in noted["skipped"].items()}

    def read_block(start: int) -> tuple[npt.NDArray[np.uint8], dict[int, str]]:
        return _read_block(read, range(start, min(start + BLOCK, n)), crop)

    with contextlib.closing(
        ResumableFile(path, folder / PROGRESS, made_of, read_state, _header(n, crop))
    ) as file:
        done, skipped = file.state or (0, {})
        with (
            progress_bar(total=n, initial=done, unit=" images", desc="preprocess", shown=progress) as bar,
            prefetch(read_block, range(done, n, BLOCK), workers, 4 * workers) as blocks,
        ):
            for images, reasons in blocks:
                file.append(images.data)
                skipped |= reasons
                done += len(images) + len(reasons)
                bar.update(len(images) + len(reasons))
                if file.note_is_due or done == n:
                    file.write_note(done=done, skipped=skipped)
        if skipped:
            file.replace_header(_header(n - len(skipped), crop))
    return skipped, sha256(path) if skipped else file.sha256


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


def _header(n: int, crop: int) -> bytes:
    """Returns the ``.npy`` header of ``[n, crop, crop, 3]`` uint8."""
    header = io.BytesIO()
    shape = (n, crop, crop, 3)
    np.lib.format.write_array_header_1_0(header, {"descr": "|u1", "fortran_order": False, "shape": shape})
    return header.getvalue()
