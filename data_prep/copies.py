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
from tqdm import tqdm

SIDE: Final = 32
"""Side of the maps. Of 224 pixels, each place is 7 x 7: JPEG at quality 60 keeps what their mean is."""
NEIGHBOURHOOD: Final = 5
"""Side of a place's neighbourhood, in places of the map."""
FLOOR: Final = 0.5
"""Spread, in grey levels, to which an empty neighbourhood is raised: what stands out there is rounding."""
NEAR_COPY: Final = 0.7
"""Correlation of the maps of near-copies. On 1,000 real galaxies of 224 pixels, no two reach 0.38; each
reaches 0.85 with its own copy, turned, mirrored, a tenth brighter or darker, and JPEG at quality 60."""
CANDIDATE: Final = 0.55
"""Correlation of the chiral parts of two maps from which a pair is looked at: on those galaxies, one pair of
500,000 is, and copies reach 0.87."""
_BLOCK: Final = 256
_CELLS: Final = 1 << 24
"""Correlations held at a time: 64 MB."""


def same_pixels(images: npt.NDArray[np.uint8]) -> npt.NDArray[np.int64]:
    """Finds the images that have exactly the same pixels.

    Only those are read whole whose middle row is another's too.

    Args:
        images: ``[N, H, H, 3]``; read one after another, so that a memory map stays on the disk.

    Returns:
        ``[N]``, for each image the number of the first one with the same pixels: its own, if it is no copy.
    """
    numbers = np.arange(len(images))
    if not images.size:
        return numbers
    rows = tqdm(images[:, images.shape[1] // 2], desc="same pixels", unit=" images", delay=1)
    middle = np.fromiter((hash(row.tobytes()) for row in rows), dtype=np.int64, count=len(images))
    _, kind, count = np.unique(middle, return_inverse=True, return_counts=True)
    first: dict[bytes, int] = {}
    for number in np.flatnonzero(count[kind] > 1).tolist():
        digest = hashlib.sha256(np.ascontiguousarray(images[number]).data).digest()
        numbers[number] = first.setdefault(digest, number)
    return numbers


def join_copies(objids: npt.NDArray[np.int64], images: npt.NDArray[np.uint8]) -> npt.NDArray[np.int64]:
    """Says which images must stay in one split: those of one galaxy, and those of the same pixels.

    Args:
        objids: ``[N]`` galaxy of each image.
        images: ``[N, H, H, 3]``.

    Returns:
        ``[N]`` object ids; galaxies that have an image in common all have the smallest one's.
    """
    galaxies, galaxy_of = np.unique(objids, return_inverse=True)
    copy_of = same_pixels(images)
    links = coo_array((np.ones(len(objids)), (galaxy_of, galaxy_of[copy_of])), shape=2 * (len(galaxies),))
    _, group = connected_components(links, directed=False)
    _, first = np.unique(group, return_index=True)
    return np.asarray(galaxies[first][group][galaxy_of])


def near_copies(images: npt.NDArray[np.uint8]) -> npt.NDArray[np.int64]:
    """Finds pairs of images of which one is the other in quarter turns, mirrored, brightened or re-encoded.

    Maps are compared in all eight views of the square, but only those that may be alike: the chiral part of a
    map, the sum of its turns less that of its mirrored turns, changes at most its sign from view to view, so
    that one matrix product compares thousands. An image that is its own mirror image to the last pixel, as
    no real one is, is not found.

    Args:
        images: ``[N, H, H, 3]``; read a few at a time, and 3 KB kept of each.

    Returns:
        ``[M, 2]`` numbers of images, the smaller first. Images of the same pixels are among them; blank ones,
        which are nobody's, are not.
    """
    maps, chiral = _describe(images)
    found = [np.empty((0, 2), dtype=np.int64)]
    rows = max(1, _CELLS // max(1, len(images)))
    for start in tqdm(range(0, len(images), rows), desc="near-copies", unit=" blocks", delay=1):
        # Only with the block's own images and later ones: the earlier have met them.
        alike = np.abs(chiral[start : start + rows] @ chiral[start:].T) >= CANDIDATE
        pairs = np.argwhere(np.triu(alike, 1)) + start
        found += [_confirmed(maps, pairs[at : at + _BLOCK]) for at in range(0, len(pairs), _BLOCK)]
    return np.concatenate(found)


def _describe(images: npt.NDArray[np.uint8]) -> tuple[npt.NDArray[np.float16], npt.NDArray[np.float32]]:
    """Makes the map of each image, and its chiral part.

    Returns:
        ``[N, S, S]`` maps, and ``[N, Q]`` a quarter of the chiral part (the other three are its turns).
    """
    side = min(SIDE, images.shape[1])
    half = (side + 1) // 2
    maps = np.empty((len(images), side, side), dtype=np.float16)
    chiral = np.empty((len(images), half * half), dtype=np.float32)
    with tqdm(total=len(images), desc="looking for copies", unit=" images", delay=1) as bar:
        for start in range(0, len(images), _BLOCK):
            block = _make_maps(images[start : start + _BLOCK], side)
            views = list(_views(block))
            difference = np.sum(views[:4], axis=0) - np.sum(views[4:], axis=0)
            maps[start : start + _BLOCK] = block
            chiral[start : start + _BLOCK] = _unit(difference[:, :half, :half]).reshape(len(block), -1)
            bar.update(len(block))
    return maps, chiral


def _make_maps(images: npt.NDArray[np.uint8], side: int) -> npt.NDArray[np.float32]:
    """Makes maps of images: area means, less those of the neighbourhood, over their spread there."""
    means = _area_means(images.shape[1], side)
    across = np.repeat(means.T / 3, 3, axis=0)  # The three colours' mean with it.
    grey = np.empty((len(images), side, side), dtype=np.float32)
    for number, image in enumerate(images):  # One at a time, since floats take four times the room.
        grey[number] = means @ image.reshape(len(image), -1).astype(np.float32) @ across
    near = (0, NEIGHBOURHOOD, NEIGHBOURHOOD)
    apart = grey - uniform_filter(grey, near)
    apart /= np.sqrt(uniform_filter(apart * apart, near) + FLOOR**2)
    return _unit(apart - apart.mean(axis=(1, 2), keepdims=True))


def _area_means(width: int, side: int) -> npt.NDArray[np.float32]:
    """Returns ``[side, width]`` weights that average a line of pixels to ``side`` places, cutting pixels."""
    edges = np.linspace(0, width, side + 1)
    pixel = np.arange(width)
    overlap = np.minimum(edges[1:, None], pixel + 1) - np.maximum(edges[:-1, None], pixel)
    return (overlap.clip(0) * side / width).astype(np.float32)


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
    """Scales each map to length 1; one that is but rounding becomes zero, and so like nothing."""
    length = np.sqrt((maps * maps).sum(axis=(1, 2), keepdims=True))
    unit = np.zeros_like(maps)
    np.divide(maps, length, out=unit, where=length > 1e-3)
    return unit
