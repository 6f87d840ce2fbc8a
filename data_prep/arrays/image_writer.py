"""Writes the images of galaxy arrays block by block, on all cores; interrupted work can be resumed."""

import contextlib
import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from data_prep.arrays.format import IMAGES
from data_prep.common.files import sha256
from data_prep.common.progress import progress_bar
from data_prep.common.resumable_file import ResumableFile
from data_prep.common.threads import prefetch
from data_prep.images.cutouts import ImageError
from data_prep.images.image_reader import LoadedImage

PROGRESS: Final = "progress.json"
"""The file in an unfinished folder that records the progress."""

BLOCK: Final = 16
"""Number of images that a thread decodes at a time: 2.4 MB at 224 pixels, whatever the size of the sample."""


@dataclass(frozen=True)
class WrittenImages:
    """What was written.

    Attributes:
        skipped: The reason for each skipped image, by its row.
        blank: The number of images with blank pixels, which are black.
        sha256: The SHA-256 of the file.
    """

    skipped: dict[int, str]
    blank: int
    sha256: str


def write_images(
    folder: Path,
    read: Callable[[int], LoadedImage],
    n: int,
    shape: tuple[int, int, int],
    *,
    made_of: Mapping[str, Any],
    workers: int,
    progress: bool,
) -> WrittenImages:
    """Writes ``n`` images as one ``.npy`` file, with only a few blocks in memory, and skips unusable images.

    The number of usable images is known only at the end, so the header is then written again; NumPy pads it
    to the same length.

    Args:
        folder: The folder to write to. Interrupted work in it is verified and resumed. The file ``PROGRESS``
            remains after all images are written, in case a later step fails.
        read: A function that returns the image of a row, or raises ``ImageError``.
        n: The number of images.
        shape: The shape of an image: height, width, bands.
        made_of: Everything that the pixels depend on, as JSON; work with other values is discarded.
        workers: The number of threads that read images.
        progress: Whether to show a progress bar.

    Returns:
        What was written.

    Raises:
        GalaxyError: The file cannot be written.
    """
    path = folder / IMAGES

    def read_state(state: dict[str, Any]) -> tuple[int, dict[int, str], int]:
        skipped = {int(row): str(reason) for row, reason in state["skipped"].items()}
        return int(state["done"]), skipped, int(state["blank"])

    def read_block(start: int) -> tuple[npt.NDArray[np.uint8], dict[int, str], int]:
        return _read_block(read, range(start, min(start + BLOCK, n)), shape)

    with contextlib.closing(
        ResumableFile(path, folder / PROGRESS, made_of, read_state, _header(n, shape))
    ) as file:
        done, skipped, blank = file.state or (0, {}, 0)
        with (
            progress_bar(total=n, initial=done, unit=" images", desc="preprocess", shown=progress) as bar,
            prefetch(read_block, range(done, n, BLOCK), workers, 4 * workers) as blocks,
        ):
            for images, reasons, with_blanks in blocks:
                file.append(images.data)
                skipped |= reasons
                blank += with_blanks
                done += len(images) + len(reasons)
                bar.update(len(images) + len(reasons))
                if file.progress_is_due or done == n:
                    file.write_progress(done=done, skipped=skipped, blank=blank)
        if skipped:
            file.replace_header(_header(n - len(skipped), shape))
    return WrittenImages(skipped, blank, sha256(path) if skipped else file.sha256)


def _read_block(
    read: Callable[[int], LoadedImage], rows: range, shape: tuple[int, int, int]
) -> tuple[npt.NDArray[np.uint8], dict[int, str], int]:
    """Reads the images of some rows.

    Returns:
        The usable images, the reason for each skipped row, and the number of images with blank pixels.
    """
    images = np.empty((len(rows), *shape), dtype=np.uint8)
    reasons: dict[int, str] = {}
    blank = 0
    for row in rows:
        try:
            image = read(row)
            images[row - rows.start - len(reasons)] = image.pixels
            blank += image.blank > 0
        except ImageError as error:
            reasons[row] = str(error)
    return images[: len(rows) - len(reasons)], reasons, blank


def _header(n: int, shape: tuple[int, int, int]) -> bytes:
    """Returns the ``.npy`` header of ``[n, *shape]`` uint8."""
    header = io.BytesIO()
    description = {"descr": "|u1", "fortran_order": False, "shape": (n, *shape)}
    np.lib.format.write_array_header_1_0(header, description)
    return header.getvalue()
