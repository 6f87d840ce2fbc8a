import errno
import os
from pathlib import Path

import numpy as np
import pytest

from data_prep.arrays.folds import make_folds
from data_prep.arrays.format import open_arrays


def test_folds_are_galaxy_arrays_of_the_same_pixels(small_arrays, tmp_path):
    arrays = open_arrays(small_arrays)
    folders = make_folds(arrays, tmp_path, 4, seed=3)
    folds = [open_arrays(folder) for folder in folders]
    for number, fold in enumerate(folds):
        fold.verify()
        assert np.array_equal(fold.images, arrays.images)
        assert fold.catalog.drop(columns="split").equals(arrays.catalog.drop(columns="split"))
        assert fold.dataset["cross_validation"]["fold"] == number
        for split, counts in fold.dataset["counts"].items():
            assert sum(counts.values()) == len(fold.rows(split))
    tested = np.concatenate([fold.rows("test") for fold in folds])
    assert sorted(tested) == list(range(len(arrays.catalog)))


def test_the_pixels_of_a_fold_take_no_disk_space(small_arrays, tmp_path):
    (folder, _) = make_folds(open_arrays(small_arrays), tmp_path, 2)
    assert (folder / "images.npy").samefile(small_arrays / "images.npy")


def test_existing_folds_are_kept(small_arrays, tmp_path):
    arrays = open_arrays(small_arrays)
    first = [(folder / "catalog.csv").stat().st_mtime_ns for folder in make_folds(arrays, tmp_path, 3)]
    again = [(folder / "catalog.csv").stat().st_mtime_ns for folder in make_folds(arrays, tmp_path, 3)]
    assert first == again


@pytest.mark.parametrize("also", [[], ["symlink_to"]])
def test_pixels_are_copied_on_a_file_system_without_links(small_arrays, tmp_path, monkeypatch, also):
    def refused(*args):
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", refused)
    for name in also:
        monkeypatch.setattr(Path, name, refused)
    (folder, _) = make_folds(open_arrays(small_arrays), tmp_path, 2)
    assert (folder / "images.npy").is_symlink() == (not also)
    open_arrays(folder).verify()
