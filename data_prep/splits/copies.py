"""Copies among images: those of exactly the same pixels, and those that only nearly have them.

One smooth elliptical looks like the next. What tells two images of one galaxy from images of two galaxies is
the noise and the faint stars around it. So images are compared by small maps of their luminosity in which
each place counts by how far it stands out from its neighbourhood.
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

SIDE: Final = 32
"""Side of the maps. Of 224 pixels, each place is 7 x 7: JPEG at quality 60 keeps what their mean is."""
NEIGHBOURHOOD: Final = 5
"""Side of a place's neighbourhood, in places of the map."""
FLOOR: Final = 0.5
"""Spread, in grey levels, to which an empty neighbourhood is raised: what stands out there is rounding. Where
nothing in an image stands out as far, the image is blank."""
NEAR_COPY: Final = 0.7
"""Correlation of the maps of near-copies. On 1,000 real galaxies of 224 pixels, no two reach 0.38; each
reaches 0.85 with its own copy, turned, mirrored, a tenth brighter or darker, and JPEG at quality 60."""
CANDIDATE: Final = 0.55
"""Correlation of the chiral parts of two maps from which a pair is looked at: on those galaxies, one pair of
500,000 is, and copies reach 0.87."""
MOST_PAIRS: Final = 1_000_000
"""Pairs of near-copies that are sought: more only repeat what is wrong with the images, and take memory."""
_BLOCK: Final = 256
_CELLS: Final = 1 << 24
"""Correlations held at a time: 64 MB."""


def same_pixels(
    images: npt.NDArray[np.uint8], turns: npt.NDArray[np.int64] | None = None
) -> npt.NDArray[np.int64]:
    """Finds the images that have exactly the same pixels.

    Only those are read whole whose middle row is another's too.

    Args:
        images: ``[N, H, H, 3]``; read one after another, so that a memory map stays on the disk.
        turns: ``[N]`` quarter turns, as of ``np.rot90``, by which each image was turned before it was stored:
            the images are compared as they were before. None where they were not turned.

    Returns:
        ``[N]``, for each image the number of the first one with the same pixels: its own, if it is no copy.
    """
    numbers = np.arange(len(images))
    if not images.size:
        return numbers

    def upright(number: int) -> npt.NDArray[np.uint8]:
        return images[number] if turns is None else np.rot90(images[number], -turns[number])

    middle = np.empty(len(images), dtype=np.int64)
    for number in progress_bar(range(len(images)), desc="same pixels", unit=" images"):
        middle[number] = hash(upright(number)[images.shape[1] // 2].tobytes())
    _, kind, count = np.unique(middle, return_inverse=True, return_counts=True)
    first: dict[bytes, int] = {}
    for number in np.flatnonzero(count[kind] > 1).tolist():
        digest = hashlib.sha256(np.ascontiguousarray(upright(number)).data).digest()
        numbers[number] = first.setdefault(digest, number)
    return numbers


def group_copies(
    objids: npt.NDArray[np.int64],
    images: npt.NDArray[np.uint8],
    turns: npt.NDArray[np.int64] | None = None,
) -> npt.NDArray[np.int64]:
    """Says which images must stay in one split: those of one galaxy, and those of the same pixels.

    Args:
        objids: ``[N]`` galaxy of each image.
        images: ``[N, H, H, 3]``.
        turns: ``[N]`` quarter turns by which each image was turned before it was stored, as in
            :func:`same_pixels`.

    Returns:
        ``[N]`` object ids; galaxies that have an image in common all have the smallest one's.
    """
    galaxies, galaxy_of = np.unique(objids, return_inverse=True)
    copy_of = same_pixels(images, turns)
    links = coo_array((np.ones(len(objids)), (galaxy_of, galaxy_of[copy_of])), shape=2 * (len(galaxies),))
    _, group = connected_components(links, directed=False)
    _, first = np.unique(group, return_index=True)
    return np.asarray(galaxies[first][group][galaxy_of])


def near_copies(
    images: npt.NDArray[np.uint8], groups: npt.NDArray[np.int64] | None = None
) -> npt.NDArray[np.int64]:
    """Finds pairs of images of which one is the other in quarter turns, mirrored, brightened or re-encoded.

    Maps are compared in all eight views of the square, but only those that may be alike: the chiral part of a
    map, the sum of its turns less that of its mirrored turns, changes at most its sign from view to view, so
    that one matrix product compares thousands. An image that is its own mirror image to the last pixel, as
    no real one is, is not found.

    Of images that have exactly the same pixels only the first is compared with others. So the time and the
    memory that it takes do not grow with the square of their number.

    Args:
        images: ``[N, H, H, 3]``; read a few at a time, and 3 KB kept of each.
        groups: ``[N]`` a number for each image; only pairs of different numbers are sought. None seeks all.

    Returns:
        ``[M, 2]`` numbers of images, the smaller first, in order; at most ``MOST_PAIRS``. Images of the same
        pixels form pairs with the first of them. Blank ones, which are nobody's, form none.
    """
    groups = np.arange(len(images)) if groups is None else groups
    first = same_pixels(images)
    numbers = np.unique(first)
    maps, chiral = _describe(images, numbers)
    visible = np.zeros(len(images), dtype=np.bool_)
    visible[numbers] = maps.any(axis=(1, 2))
    copies = np.flatnonzero((first != np.arange(len(images))) & (groups != groups[first]) & visible[first])
    found = [np.stack([first[copies], copies], axis=1)]
    for pairs in _candidates(chiral, groups[numbers]):
        if sum(map(len, found)) >= MOST_PAIRS:
            break
        found.append(numbers[_confirmed(maps, pairs)])
    return np.unique(np.concatenate(found)[:MOST_PAIRS], axis=0)


def _candidates(
    chiral: npt.NDArray[np.float32], groups: npt.NDArray[np.int64]
) -> Iterator[npt.NDArray[np.int64]]:
    """Yields the pairs of two groups whose chiral parts are alike, a few at a time, as ``[M, 2]``."""
    rows = max(1, _CELLS // max(1, len(chiral)))
    for start in progress_bar(range(0, len(chiral), rows), desc="near-copies", unit=" blocks"):
        # Only with the block's own images and later ones: the earlier have met them.
        block, rest = slice(start, start + rows), slice(start, None)
        alike = np.abs(chiral[block] @ chiral[rest].T) >= CANDIDATE
        alike &= groups[block, None] != groups[rest]
        cells = np.flatnonzero(np.triu(alike, 1))
        for at in range(0, len(cells), _BLOCK):
            yield np.stack(np.divmod(cells[at : at + _BLOCK], alike.shape[1]), axis=1) + start


def _describe(
    images: npt.NDArray[np.uint8], numbers: npt.NDArray[np.int64]
) -> tuple[npt.NDArray[np.float16], npt.NDArray[np.float32]]:
    """Makes the maps of some images, and their chiral parts.

    Returns:
        ``[N, S, S]`` maps, and ``[N, Q]`` a quarter of the chiral part (the other three are its turns).
    """
    side = min(SIDE, images.shape[1])
    half = (side + 1) // 2
    maps = np.empty((len(numbers), side, side), dtype=np.float16)
    chiral = np.empty((len(numbers), half * half), dtype=np.float32)
    with progress_bar(total=len(numbers), desc="looking for copies", unit=" images") as bar:
        for start in range(0, len(numbers), _BLOCK):
            block = _make_maps(images[numbers[start : start + _BLOCK]], side)
            views = list(_views(block))
            difference = np.sum(views[:4], axis=0) - np.sum(views[4:], axis=0)
            maps[start : start + _BLOCK] = block
            chiral[start : start + _BLOCK] = _unit(difference[:, :half, :half]).reshape(len(block), -1)
            bar.update(len(block))
    return maps, chiral


def _make_maps(images: npt.NDArray[np.uint8], side: int) -> npt.NDArray[np.float32]:
    """Makes maps of images: area means, less those of the neighbourhood, over their spread there.

    The map of an image in which nothing stands out by ``FLOOR`` grey levels, as of a constant one, is zero:
    what there is of it may be rounding.
    """
    width = images.shape[1]
    parts = _parts(width, side)
    across = np.repeat(parts.T, 3, axis=0).astype(np.float64)  # The three colours' sum with it.
    grey = np.empty((len(images), side, side))
    for number, image in enumerate(images):  # One at a time, since floats take four times the room.
        # All sums are of whole numbers, which these floats hold: so they are exact, in whatever order.
        lines = parts.astype(np.float32) @ image.reshape(width, -1).astype(np.float32)
        grey[number] = lines.astype(np.float64) @ across / (3 * width**2)
    near = (0, NEIGHBOURHOOD, NEIGHBOURHOOD)
    apart = grey - uniform_filter(grey, near)
    apart[np.abs(apart).max(axis=(1, 2)) < FLOOR] = 0
    apart /= np.sqrt(uniform_filter(apart * apart, near) + FLOOR**2)
    return _unit((apart - apart.mean(axis=(1, 2), keepdims=True)).astype(np.float32))


def _parts(width: int, side: int) -> npt.NDArray[np.int64]:
    """Returns ``[side, width]`` how many of a pixel's ``side`` parts lie in each place of the map."""
    place, pixel = np.arange(side)[:, None] * width, np.arange(width) * side
    return (np.minimum(place + width, pixel + side) - np.maximum(place, pixel)).clip(0)


def _confirmed(maps: npt.NDArray[np.float16], pairs: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Returns those of the pairs whose maps correlate in one of the eight views."""
    one, other = (maps[numbers].astype(np.float32) for numbers in pairs.T)
    best = np.max([(one * view).sum(axis=(1, 2)) for view in _views(other)], axis=0)
    return np.compress(best >= NEAR_COPY, pairs, axis=0)


def _views(maps: npt.NDArray[np.float32]) -> Iterator[npt.NDArray[np.float32]]:
    """Yields maps in the eight views of the square: four quarter turns, then those of the mirror image."""
    for mirrored in (maps, maps.transpose(0, 2, 1)):
        for turns in range(4):
            yield np.rot90(mirrored, turns, axes=(1, 2))


def _unit(maps: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Scales each map to length 1; one that is only rounding, as of a symmetric image, becomes zero."""
    length = np.sqrt((maps * maps).sum(axis=(1, 2), keepdims=True))
    unit = np.zeros_like(maps)
    np.divide(maps, length, out=unit, where=length > 1e-3)
    return unit
