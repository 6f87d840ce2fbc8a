"""Hashes of pixels, which identify an image whatever its name."""

import hashlib
from collections.abc import Iterator
from typing import Final

import numpy as np
import numpy.typing as npt

from data_prep.common.progress import progress_bar
from data_prep.common.threads import cores, prefetch
from data_prep.images.cutouts import Cutout

_BLOCK: Final = 64
_LARGEST: Final = 2**63 - 1


def hash_pixels(image: Cutout) -> int:
    """Returns a hash of an image, from 0 to 2^63 - 1; equal only if shape and pixels are.

    It consists of the last 63 bits of the BLAKE2b digest of 8 bytes (RFC 7693), big-endian. Among a million
    images, two have the same hash with a probability of 5e-8.

    Args:
        image: uint8 ``[H, W, C]``.
    """
    digest = hashlib.blake2b(np.ascontiguousarray(image).data, digest_size=8, salt=_salt(image.shape))
    return int.from_bytes(digest.digest(), "big") & _LARGEST


def hash_images(
    images: npt.NDArray[np.uint8],
    rows: npt.NDArray[np.int64],
    turns: npt.NDArray[np.int64] | None = None,
) -> npt.NDArray[np.int64]:
    """Hashes images in threads, with a few in memory at a time; see :func:`hash_pixels`.

    Args:
        images: ``[N, H, W, C]``, possibly a memory map.
        rows: ``[M]`` numbers of the images to hash.
        turns: ``[N]`` quarter turns (as in ``np.rot90``) by which the images were rotated before they were
            stored; they are hashed unrotated. None if they were not rotated.

    Returns:
        ``[M]`` hashes.
    """

    def unrotated(row: int) -> Cutout:
        return images[row] if turns is None else np.rot90(images[row], -turns[row])

    def hash_block(start: int) -> list[int]:
        return [hash_pixels(unrotated(row)) for row in rows[start : start + _BLOCK].tolist()]

    starts = range(0, len(rows), _BLOCK)
    with (
        prefetch(hash_block, starts, cores(), 2 * cores()) as blocks,
        progress_bar(total=len(rows), desc="hashes of images", unit=" images") as bar,
    ):

        def hashes() -> Iterator[int]:
            for block in blocks:
                bar.update(len(block))
                yield from block

        return np.fromiter(hashes(), dtype=np.int64, count=len(rows))


def _salt(shape: tuple[int, ...]) -> bytes:
    """Returns a shape as a salt of BLAKE2b: the same bytes in another shape are another image."""
    return b"".join(side.to_bytes(5, "big") for side in shape)
