"""Hashes of pixels."""

import hashlib

import numpy as np

from data_prep.images.pixel_hash import hash_images, hash_pixels

IMAGES = np.random.default_rng(0).integers(0, 256, (300, 6, 6, 3), dtype=np.uint8)


def test_the_hash_is_the_documented_one():
    salt = b"".join(side.to_bytes(5, "big") for side in (6, 6, 3))
    digest = hashlib.blake2b(IMAGES[0].tobytes(), digest_size=8, salt=salt).digest()
    assert hash_pixels(IMAGES[0]) == int.from_bytes(digest, "big") % 2**63


def test_each_image_has_its_own_hash_whatever_its_layout_in_memory():
    rows = np.arange(len(IMAGES))
    hashes = hash_images(IMAGES, rows)
    assert hashes.dtype == np.int64
    assert (hashes >= 0).all()
    assert len(np.unique(hashes)) == len(IMAGES)
    assert hashes.tolist() == [hash_pixels(np.asfortranarray(image)) for image in IMAGES]
    some = rows[::-7]
    assert hash_images(IMAGES, some).tolist() == hashes[some].tolist()
    assert not len(hash_images(IMAGES, rows[:0]))


def test_one_changed_pixel_or_another_shape_changes_the_hash():
    other = IMAGES[0].copy()
    other[3, 3, 0] ^= 1
    assert hash_pixels(other) != hash_pixels(IMAGES[0])
    assert hash_pixels(IMAGES[0].reshape(3, 12, 3)) != hash_pixels(IMAGES[0])


def test_rotated_images_are_hashed_unrotated():
    turns = np.arange(len(IMAGES)) % 4
    rotated = np.stack([np.rot90(image, turn) for image, turn in zip(IMAGES, turns, strict=True)])
    rows = np.arange(len(IMAGES))
    assert hash_images(rotated, rows, turns).tolist() == hash_images(IMAGES, rows).tolist()
