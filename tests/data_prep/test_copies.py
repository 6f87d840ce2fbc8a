import io

import numpy as np
import pytest
from PIL import Image

from data_prep.arrays import open_arrays
from data_prep.copies import join_copies, near_copies, same_pixels


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


def test_each_image_is_named_by_the_first_with_its_pixels(images):
    a, b, c = images[:3]
    almost = b.copy()
    almost[-1, -1, -1] ^= 1
    assert same_pixels(np.stack([a, b, a, almost, c, b, a])).tolist() == [0, 1, 0, 3, 4, 1, 0]


def test_an_image_in_common_joins_galaxies(images):
    a, b, c, d = images[:4]
    shown = np.stack([a, b, b, c, d, c, a, d])
    galaxies = np.array([9, 9, 8, 7, 6, 5, 4, 3])
    # 9 shares a with 4 and b with 8; 7 shares c with 5; 6 shares d with 3.
    assert join_copies(galaxies, shown).tolist() == [4, 4, 4, 5, 3, 5, 4, 3]


def test_galaxies_without_an_image_in_common_stay_what_they_are(images):
    galaxies = np.arange(len(images))[::-1] // 2 * 10
    assert join_copies(galaxies, images).tolist() == galaxies.tolist()


def test_only_the_middle_row_in_common_is_not_enough(images):
    other = images[:1].copy()
    other[0, 0] ^= 1
    assert same_pixels(np.concatenate([images[:1], other])).tolist() == [0, 1]


def test_different_galaxies_are_no_copies(images):
    assert same_pixels(images).tolist() == list(range(len(images)))
    assert near_copies(images).shape == (0, 2)


def test_different_small_galaxies_are_no_copies(small_arrays):
    assert near_copies(open_arrays(small_arrays).images).shape == (0, 2)


@pytest.mark.parametrize("kind", COPIES)
def test_every_copy_is_found_and_nothing_else(images, kind):
    n = len(images)
    copies = np.stack([COPIES[kind](image) for image in images])
    assert near_copies(np.concatenate([images, copies])).tolist() == [[i, i + n] for i in range(n)]


@pytest.mark.parametrize("side", [1, 2, 31, 33, 101])
def test_images_of_any_side_can_be_compared(side):
    noise = np.random.default_rng(side).integers(0, 256, size=(6, side, side, 3), dtype=np.uint8)
    pairs = near_copies(np.concatenate([noise, noise[:, ::-1]])).tolist()
    if side > 30:  # One of a pixel or four has nothing to know it by.
        assert pairs == [[i, i + 6] for i in range(6)]


def test_pairs_across_blocks_are_found_once(images, monkeypatch):
    few = np.concatenate([images[:10], images[:10]])
    monkeypatch.setattr("data_prep.copies._CELLS", 60)  # Three rows at a time.
    monkeypatch.setattr("data_prep.copies._BLOCK", 2)
    assert near_copies(few).tolist() == [[i, i + 10] for i in range(10)]


def test_blank_images_are_copies_of_nothing(images):
    blank = np.zeros_like(images[:2])
    assert near_copies(np.concatenate([blank, blank + 200, images[:2]])).shape == (0, 2)


def test_no_images_have_no_copies(images):
    assert same_pixels(images[:0]).shape == (0,)
    assert join_copies(np.empty(0, dtype=np.int64), images[:0]).shape == (0,)
    assert near_copies(images[:0]).shape == (0, 2)


@pytest.mark.real
def test_real_galaxies_are_told_apart_and_their_copies_found(real_sample):
    files = sorted((real_sample / "images_gz2" / "images").glob("*.jpg"))
    images = np.stack([np.asarray(Image.open(file).crop((99, 99, 323, 323))) for file in files])
    assert near_copies(images).shape == (0, 2)
    copies = np.stack([COPIES["all at once"](image) for image in images])
    n = len(images)
    assert near_copies(np.concatenate([images, copies])).tolist() == [[i, i + n] for i in range(n)]
