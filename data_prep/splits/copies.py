"""Finds identical images and near-copies.

Smooth ellipticals look alike; the noise and the faint stars around them distinguish two galaxies from two
images of one. Images are therefore compared by small brightness maps that are normalized locally: each cell
counts by its contrast with its neighbourhood.
"""

import hashlib
from collections.abc import Iterator
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.ndimage import uniform_filter
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from data_prep.common.progress import progress_bar

MAP_SIDE: Final = 32
"""Side of the maps in cells. At 224 pixels, a cell is 7 x 7 pixels; JPEG at quality 60 preserves the mean."""
NEIGHBOURHOOD: Final = 5
"""Side of a cell's neighbourhood, in cells."""
MIN_CONTRAST: Final = 0.5
"""Minimum standard deviation of a neighbourhood, in grey levels, since smaller contrasts may be rounding. An
image without a greater contrast is blank."""
MIN_CORRELATION: Final = 0.7
"""Minimum correlation of the maps of near-copies. Among 1,000 real galaxies of 224 pixels, no two reach 0.38,
whereas each reaches 0.85 with its copy that was turned, mirrored, made 10% brighter or darker, and saved as
JPEG at quality 60."""
MIN_CHIRAL_CORRELATION: Final = 0.55
"""Minimum correlation of the chiral parts of two maps for the pair to be tested. Among those galaxies, one
pair in 500,000 reaches it, and copies reach 0.87."""
MAX_PAIRS: Final = 1_000_000
"""Maximum number of pairs of near-copies to find, which bounds the memory."""
_BLOCK: Final = 256
_MAX_CORRELATIONS: Final = 1 << 24
"""Maximum number of correlations in memory: 64 MB."""


def find_identical_images(
    images: npt.NDArray[np.uint8], turns: npt.NDArray[np.int64] | None = None
) -> npt.NDArray[np.int64]:
    """Finds images with exactly the same pixels.

    An image is read completely only if another image has the same middle row.

    Args:
        images: ``[N, H, H, C]``. They are read one at a time, so that a memory map stays on disk.
        turns: ``[N]`` quarter turns (as in ``np.rot90``) by which the images were rotated before they were
            stored; they are compared unrotated. None if they were not rotated.

    Returns:
        ``[N]``: for each image, the index of the first image with the same pixels, which is its own index if
        it is not a copy.
    """
    numbers = np.arange(len(images))
    if not images.size:
        return numbers

    def unrotated(number: int) -> npt.NDArray[np.uint8]:
        return images[number] if turns is None else np.rot90(images[number], -turns[number])

    hashes = np.empty(len(images), dtype=np.int64)
    for number in progress_bar(range(len(images)), desc="identical images", unit=" images"):
        hashes[number] = hash(unrotated(number)[images.shape[1] // 2].tobytes())
    _, group, count = np.unique(hashes, return_inverse=True, return_counts=True)
    first: dict[bytes, int] = {}
    for number in np.flatnonzero(count[group] > 1).tolist():
        digest = hashlib.sha256(np.ascontiguousarray(unrotated(number)).data).digest()
        numbers[number] = first.setdefault(digest, number)
    return numbers


def group_copies(
    objids: npt.NDArray[np.int64],
    images: npt.NDArray[np.uint8],
    turns: npt.NDArray[np.int64] | None = None,
) -> npt.NDArray[np.int64]:
    """Groups images that must be in the same split: images of one galaxy, and identical images.

    Args:
        objids: ``[N]`` object id of each image.
        images: ``[N, H, H, C]``.
        turns: ``[N]`` quarter turns by which the images were rotated, as in :func:`find_identical_images`.

    Returns:
        ``[N]`` object ids; galaxies that share an image all get the smallest of their ids.
    """
    galaxies, galaxy_of = np.unique(objids, return_inverse=True)
    copy_of = find_identical_images(images, turns)
    links = coo_array((np.ones(len(objids)), (galaxy_of, galaxy_of[copy_of])), shape=2 * (len(galaxies),))
    _, group = connected_components(links, directed=False)
    _, first = np.unique(group, return_index=True)
    return np.asarray(galaxies[first][group][galaxy_of])


def find_near_copies(
    images: npt.NDArray[np.uint8], groups: npt.NDArray[np.int64] | None = None
) -> npt.NDArray[np.int64]:
    """Finds pairs of near-copies: images rotated by quarter turns, mirrored, brightened or re-encoded.

    Maps are compared in all eight views (four rotations, each also mirrored), but only for candidate pairs.
    Candidates have similar chiral parts. The chiral part of a map, the sum of its rotations minus the sum of
    its mirrored rotations, at most changes sign between views, so that one matrix product compares thousands
    of maps. An exactly mirror-symmetric image has no chiral part and is not found; no real image is.

    Among identical images, only the first is compared with others, so that time and memory do not grow
    quadratically with their number.

    Args:
        images: ``[N, H, H, C]``. They are read in small blocks; 3 KB per image are kept.
        groups: ``[N]`` group numbers; only pairs from different groups are returned. By default, each image
            is a group of its own.

    Returns:
        ``[M, 2]`` sorted pairs of image indices, the smaller index first; at most ``MAX_PAIRS``. Identical
        images are paired with the first of them. Blank images are not paired.
    """
    groups = np.arange(len(images)) if groups is None else groups
    first = find_identical_images(images)
    numbers = np.unique(first)
    maps, chiral = _describe_images(images, numbers)
    has_contrast = np.zeros(len(images), dtype=np.bool_)
    has_contrast[numbers] = maps.any(axis=(1, 2))
    is_copy = first != np.arange(len(images))
    copies = np.flatnonzero(is_copy & (groups != groups[first]) & has_contrast[first])
    found = [np.stack([first[copies], copies], axis=1)]
    for pairs in _candidate_pairs(chiral, groups[numbers]):
        if sum(map(len, found)) >= MAX_PAIRS:
            break
        found.append(numbers[_confirm_pairs(maps, pairs)])
    return np.unique(np.concatenate(found)[:MAX_PAIRS], axis=0)


def _candidate_pairs(
    chiral: npt.NDArray[np.float32], groups: npt.NDArray[np.int64]
) -> Iterator[npt.NDArray[np.int64]]:
    """Yields blocks ``[M, 2]`` of pairs from different groups whose chiral parts are similar."""
    rows = max(1, _MAX_CORRELATIONS // max(1, len(chiral)))
    for start in progress_bar(range(0, len(chiral), rows), desc="near-copies", unit=" blocks"):
        # Pairs with earlier images were already tested.
        block, rest = slice(start, start + rows), slice(start, None)
        similar = np.abs(chiral[block] @ chiral[rest].T) >= MIN_CHIRAL_CORRELATION
        similar &= groups[block, None] != groups[rest]
        cells = np.flatnonzero(np.triu(similar, 1))
        for at in range(0, len(cells), _BLOCK):
            yield np.stack(np.divmod(cells[at : at + _BLOCK], similar.shape[1]), axis=1) + start


def _describe_images(
    images: npt.NDArray[np.uint8], numbers: npt.NDArray[np.int64]
) -> tuple[npt.NDArray[np.float16], npt.NDArray[np.float32]]:
    """Computes the maps of the numbered images and their chiral parts.

    Returns:
        ``[N, S, S]`` maps, and ``[N, Q]`` one quadrant of each chiral part (the others are its rotations).
    """
    side = min(MAP_SIDE, images.shape[1])
    half = (side + 1) // 2
    maps = np.empty((len(numbers), side, side), dtype=np.float16)
    chiral = np.empty((len(numbers), half * half), dtype=np.float32)
    with progress_bar(total=len(numbers), desc="looking for copies", unit=" images") as bar:
        for start in range(0, len(numbers), _BLOCK):
            block = _make_maps(images[numbers[start : start + _BLOCK]], side)
            views = list(_eight_views(block))
            difference = np.sum(views[:4], axis=0) - np.sum(views[4:], axis=0)
            maps[start : start + _BLOCK] = block
            chiral[start : start + _BLOCK] = _normalize(difference[:, :half, :half]).reshape(len(block), -1)
            bar.update(len(block))
    return maps, chiral


def _make_maps(images: npt.NDArray[np.uint8], side: int) -> npt.NDArray[np.float32]:
    """Computes the maps of images: cell means minus their local mean, over the local standard deviation.

    The map of a blank image, without a contrast of ``MIN_CONTRAST`` grey levels, is zero, because its
    contrasts may be rounding.
    """
    width = images.shape[1]
    overlaps = _cell_overlaps(width, side)
    bands = images.shape[-1]
    columns = np.repeat(overlaps.T, bands, axis=0).astype(np.float64)  # Sums the bands too.
    grey = np.empty((len(images), side, side))
    for number, image in enumerate(images):  # One at a time, since floats need four times the memory.
        # All sums are integers that these floats represent exactly, so the order of summation is irrelevant.
        rows = overlaps.astype(np.float32) @ image.reshape(width, -1).astype(np.float32)
        grey[number] = rows.astype(np.float64) @ columns / (bands * width**2)
    size = (0, NEIGHBOURHOOD, NEIGHBOURHOOD)
    contrast = grey - uniform_filter(grey, size)
    contrast[np.abs(contrast).max(axis=(1, 2)) < MIN_CONTRAST] = 0
    contrast /= np.sqrt(uniform_filter(contrast * contrast, size) + MIN_CONTRAST**2)
    return _normalize((contrast - contrast.mean(axis=(1, 2), keepdims=True)).astype(np.float32))


def _cell_overlaps(width: int, side: int) -> npt.NDArray[np.int64]:
    """Returns ``[side, width]`` overlaps of map cells and pixels, in units of 1 / ``side`` pixel."""
    cell, pixel = np.arange(side)[:, None] * width, np.arange(width) * side
    return (np.minimum(cell + width, pixel + side) - np.maximum(cell, pixel)).clip(0)


def _confirm_pairs(maps: npt.NDArray[np.float16], pairs: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Returns the pairs whose maps correlate in one of the eight views."""
    one, other = (maps[numbers].astype(np.float32) for numbers in pairs.T)
    best = np.max([(one * view).sum(axis=(1, 2)) for view in _eight_views(other)], axis=0)
    return np.compress(best >= MIN_CORRELATION, pairs, axis=0)


def _eight_views(maps: npt.NDArray[np.float32]) -> Iterator[npt.NDArray[np.float32]]:
    """Yields the maps in four rotations, and then their mirror images in four rotations."""
    for mirrored in (maps, maps.transpose(0, 2, 1)):
        for turns in range(4):
            yield np.rot90(mirrored, turns, axes=(1, 2))


def _normalize(maps: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Scales each map to unit norm; a map of rounding errors, as of a symmetric image, becomes zero."""
    norm = np.sqrt((maps * maps).sum(axis=(1, 2), keepdims=True))
    normalized = np.zeros_like(maps)
    np.divide(maps, norm, out=normalized, where=norm > 1e-3)
    return normalized
