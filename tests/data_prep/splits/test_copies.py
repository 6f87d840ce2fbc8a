import io
import os
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from data_prep.arrays.format import open_arrays
from data_prep.splits import copies
from data_prep.splits.copies import (
    _describe_images,
    _make_maps,
    find_identical_images,
    find_near_copies,
    group_copies,
)


@pytest.fixture(scope="module")
def images(arrays):
    return open_arrays(arrays).images


def jpeg(image, quality):
    file = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(image)).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file))


def brightened(image, factor):
    return (image * factor).round().clip(0, 255).astype(np.uint8)


VIEWS = {
    f"{'mirrored and ' * mirrored}turned {turns}": lambda image, mirrored=mirrored, turns=turns: np.rot90(
        image[:, ::-1] if mirrored else image, turns
    )
    for mirrored in (False, True)
    for turns in range(4)
}
COPIES = VIEWS | {
    "JPEG 95": lambda image: jpeg(image, 95),
    "JPEG 60": lambda image: jpeg(image, 60),
    "brighter": lambda image: brightened(image, 1.1),
    "darker": lambda image: brightened(image, 0.9),
    "all at once": lambda image: jpeg(brightened(np.rot90(image[:, ::-1]), 0.9), 60),
    "a pixel aside": lambda image: np.pad(image, ((1, 0), (1, 0), (0, 0)), "edge")[:-1, :-1],
}


def test_each_image_gets_the_number_of_the_first_identical_one(images):
    a, b, c = images[:3]
    almost = b.copy()
    almost[-1, -1, -1] ^= 1
    assert find_identical_images(np.stack([a, b, a, almost, c, b, a])).tolist() == [0, 1, 0, 3, 4, 1, 0]


def test_a_common_image_joins_galaxies(images):
    a, b, c, d = images[:4]
    shown = np.stack([a, b, b, c, d, c, a, d])
    galaxies = np.array([9, 9, 8, 7, 6, 5, 4, 3])
    # Galaxy 9 shares a with 4 and b with 8; 7 shares c with 5; 6 shares d with 3.
    assert group_copies(galaxies, shown).tolist() == [4, 4, 4, 5, 3, 5, 4, 3]


def test_galaxies_without_a_common_image_stay_separate(images):
    galaxies = np.arange(len(images))[::-1] // 2 * 10
    assert group_copies(galaxies, images).tolist() == galaxies.tolist()


def test_images_turned_by_rotate_once_are_turned_back_for_comparison(images):
    a, b, c = images[:3]
    upright, turns = [a, b, a, c, b, b], np.array([0, 3, 2, 1, 1, 0])
    stored = np.stack([np.rot90(image, turn) for image, turn in zip(upright, turns, strict=True)])
    assert find_identical_images(stored).tolist() == list(range(6))
    assert find_identical_images(stored, turns).tolist() == [0, 1, 0, 3, 1, 1]
    assert group_copies(np.arange(6) + 10, stored, turns).tolist() == [10, 11, 10, 13, 11, 11]


def test_a_common_middle_row_is_not_enough(images):
    other = images[:1].copy()
    other[0, 0] ^= 1
    assert find_identical_images(np.concatenate([images[:1], other])).tolist() == [0, 1]


def test_different_galaxies_are_not_copies(images):
    assert find_identical_images(images).tolist() == list(range(len(images)))
    assert find_near_copies(images).shape == (0, 2)


def test_different_small_galaxies_are_not_copies(small_arrays):
    assert find_near_copies(open_arrays(small_arrays).images).shape == (0, 2)


@pytest.mark.parametrize("kind", COPIES)
def test_every_copy_and_nothing_else_is_found(images, kind):
    n = len(images)
    changed = np.stack([COPIES[kind](image) for image in images])
    assert find_near_copies(np.concatenate([images, changed])).tolist() == [[i, i + n] for i in range(n)]


@pytest.mark.parametrize("side", [1, 2, 31, 33, 101])
def test_images_of_any_size_can_be_compared(side):
    noise = np.random.default_rng(side).integers(0, 256, size=(6, side, side, 3), dtype=np.uint8)
    pairs = find_near_copies(np.concatenate([noise, noise[:, ::-1]])).tolist()
    if side > 30:  # One of a pixel or four has nothing to know it by.
        assert pairs == [[i, i + 6] for i in range(6)]


def test_pairs_across_blocks_are_found_once(images, monkeypatch):
    few = np.concatenate([images[:10], images[:10]])
    monkeypatch.setattr("data_prep.splits.copies._MAX_CORRELATIONS", 60)  # Three rows at a time.
    monkeypatch.setattr("data_prep.splits.copies._BLOCK", 2)
    assert find_near_copies(few).tolist() == [[i, i + 10] for i in range(10)]


@pytest.mark.parametrize("side", [33, 64])
def test_blank_images_are_not_copies(side):
    blank = np.broadcast_to(np.arange(256, dtype=np.uint8)[:, None, None, None], (256, side, side, 3)).copy()
    assert not _make_maps(blank, 32).any()
    assert find_near_copies(np.concatenate([blank, blank[:3]])).shape == (0, 2)
    blank[::2, 5, 7, 1] ^= 1  # One grey level in one pixel.
    assert not _make_maps(blank, 32).any()


def test_a_symmetric_image_has_no_chiral_part():
    y, x = np.mgrid[:224, :224] - 111.5
    round_one = np.repeat((200 * np.exp(-np.hypot(x, y) / 20) + 5).astype(np.uint8)[..., None], 3, axis=2)
    gradient = np.broadcast_to(np.arange(224, dtype=np.uint8)[:, None], (224, 224, 3))
    maps, chiral = _describe_images(np.stack([round_one, gradient]), np.arange(2))
    assert maps.any(axis=(1, 2)).all()
    assert not chiral.any()


_MAPS = """
import hashlib, numpy as np
from data_prep.splits.copies import _make_maps
images = np.random.default_rng(0).integers(0, 256, (8, 224, 224, 3), dtype=np.uint8)
print(hashlib.sha256(_make_maps(images, 32).tobytes()).hexdigest())
"""


def test_maps_do_not_depend_on_processor_or_threads():
    kinds = [{"OPENBLAS_CORETYPE": core} for core in ("Haswell", "Nehalem")] + [{"OMP_NUM_THREADS": "3"}]
    printed = {
        subprocess.run(
            [sys.executable, "-c", _MAPS], env=os.environ | kind, capture_output=True, text=True, check=True
        ).stdout
        for kind in kinds
    }
    assert len(printed) == 1


def test_many_identical_images_are_compared_once(images, monkeypatch):
    described = []
    describe = copies._describe_images
    monkeypatch.setattr(
        copies,
        "_describe_images",
        lambda images, numbers: described.append(len(numbers)) or describe(images, numbers),
    )
    many = np.concatenate([images[:2], np.repeat(images[:1], 60, axis=0), images[:1, ::-1]])
    pairs = find_near_copies(many)
    assert described == [3]
    assert pairs.tolist() == [[0, number] for number in range(2, 63)]


def test_only_pairs_of_different_groups_are_compared(images):
    few = np.concatenate([images[:3], images[:3], images[:3, ::-1]])
    groups = np.array([0, 0, 0, 0, 1, 1, 0, 0, 1])
    assert find_near_copies(few, groups).tolist() == [[1, 4], [2, 5], [2, 8]]


def test_the_memory_does_not_grow_with_the_number_of_pairs(images, monkeypatch):
    monkeypatch.setattr(copies, "MAX_PAIRS", 100)
    alike = np.repeat(images[:1], 60, axis=0)
    alike[np.arange(60), 0, np.arange(60)] ^= 1
    pairs = find_near_copies(alike)
    assert pairs.shape == (100, 2)
    assert (pairs[:, 0] < pairs[:, 1]).all()


def test_no_images_have_no_copies(images):
    assert find_identical_images(images[:0]).shape == (0,)
    assert group_copies(np.empty(0, dtype=np.int64), images[:0]).shape == (0,)
    assert find_near_copies(images[:0]).shape == (0, 2)


@pytest.mark.real
def test_real_galaxies_are_distinguished_and_their_copies_found(real_sample):
    files = sorted((real_sample / "images_gz2" / "images").glob("*.jpg"))
    images = np.stack([np.asarray(Image.open(file).crop((99, 99, 323, 323))) for file in files])
    assert find_near_copies(images).shape == (0, 2)
    changed = np.stack([COPIES["all at once"](image) for image in images])
    n = len(images)
    assert find_near_copies(np.concatenate([images, changed])).tolist() == [[i, i + n] for i in range(n)]
