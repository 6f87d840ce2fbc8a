import numpy as np
import pytest

from data_prep.common.errors import GalaxyError
from data_prep.schema import CLASSES, SPLIT_SHARES, SPLITS
from data_prep.splits.draw import deal, draw_folds, draw_split


def galaxies(n, seed=0):
    rng = np.random.default_rng(seed)
    return rng.permutation(n) + 587722981742084097, rng.choice(CLASSES, n, p=[0.24, 0.3, 0.46])


@pytest.mark.parametrize("n", [20, 100, 147, 1000, 5001])
def test_shares_are_correct_in_total_and_in_every_class(n):
    objids, labels = galaxies(n)
    split = draw_split(objids, labels)
    for name, share in zip(SPLITS, SPLIT_SHARES, strict=True):
        assert abs((split == name).sum() - share * n) < 1
        for label in CLASSES:
            assert abs(((split == name) & (labels == label)).sum() - share * (labels == label).sum()) <= 2


def test_a_thousand_galaxies_make_700_150_150():
    objids, labels = galaxies(1000)
    assert [int((draw_split(objids, labels) == name).sum()) for name in SPLITS] == [700, 150, 150]


def test_images_of_one_galaxy_stay_together():
    objids, labels = galaxies(300)
    split = draw_split(np.tile(objids, 3), np.tile(labels, 3))
    assert (split.reshape(3, -1) == split[:300]).all()


def test_the_split_depends_on_the_seed_and_not_on_the_order_of_rows():
    objids, labels = galaxies(500)
    split = draw_split(objids, labels, seed=1)
    assert not np.array_equal(split, draw_split(objids, labels, seed=2))
    order = np.random.default_rng(0).permutation(500)
    assert np.array_equal(draw_split(objids[order], labels[order], seed=1), split[order])


@pytest.mark.parametrize("shares", [(0.7, 0.15, 0.15), (0.5, 0.5), (0.8, 0.1, 0.1), (1.0,)])
def test_every_prefix_has_the_shares_of_the_splits(shares):
    dealt = deal(400, shares)
    for end in range(1, 401):
        for number, share in enumerate(shares):
            assert abs((dealt[:end] == number).sum() - share * end) < 1


@pytest.mark.parametrize("folds", [2, 5, 7])
def test_each_galaxy_is_tested_in_exactly_one_fold(folds):
    objids, labels = galaxies(1001)
    splits = np.array(draw_folds(objids, labels, folds))
    assert ((splits == "test").sum(axis=0) == 1).all()
    for split in splits:
        for name, share in zip(SPLITS, (1 - 1 / folds - 0.1, 0.1, 1 / folds), strict=True):
            assert abs((split == name).sum() - share * 1001) < 2
            for label in CLASSES:
                assert abs(((split == name) & (labels == label)).sum() - share * (labels == label).sum()) <= 2


def test_folds_are_grouped_by_galaxy_and_depend_on_the_seed():
    objids, labels = galaxies(300)
    splits = draw_folds(np.tile(objids, 3), np.tile(labels, 3), 5, seed=1)
    for split in splits:
        assert (split.reshape(3, -1) == split[:300]).all()
    assert not np.array_equal(splits, draw_folds(np.tile(objids, 3), np.tile(labels, 3), 5, seed=2))


@pytest.mark.parametrize("folds", [0, 1, 6, 1000])
def test_invalid_numbers_of_folds_are_refused(folds):
    objids, labels = galaxies(10)
    with pytest.raises(GalaxyError, match=f"10 galaxies cannot make {folds} folds"):
        draw_folds(objids, labels, folds)
