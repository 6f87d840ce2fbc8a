import numpy as np
import pandas as pd
import pytest

from data_prep.common.errors import GalaxyError
from data_prep.splits.given import complete_split, parse_split


def test_names_of_splits_are_recognised_in_any_case():
    names = pd.Series(["Train", " TRAINING ", "valid", "Validation", "dev", "val", "Test", "testing"])
    assert parse_split(names, "t.csv").tolist() == ["train"] * 2 + ["val"] * 4 + ["test"] * 2


@pytest.mark.parametrize("name", ["holdout", "", None])
def test_other_names_are_refused(name):
    with pytest.raises(GalaxyError, match="t.csv: 1 galaxies are in none of train, val, test"):
        parse_split(pd.Series(["train", name], dtype="object"), "t.csv")


def complete(split, galaxies=None, seed=0):
    n = len(split)
    galaxies = np.arange(n) if galaxies is None else np.asarray(galaxies)
    labels = np.resize(["a", "b"], n)
    return complete_split(np.asarray(split), galaxies, labels, [f"objid {k}" for k in galaxies], seed)


def test_a_complete_split_is_unchanged():
    split = ["train", "val", "test", "train"]
    assert complete(split).tolist() == split


def test_validation_galaxies_are_drawn_from_the_training_galaxies_by_class():
    split = np.array(["train"] * 170 + ["test"] * 30)
    completed = complete(split)
    assert (completed[170:] == "test").all()
    validation = np.flatnonzero(completed == "val")
    assert len(validation) == 30  # 15% of 85%.
    assert np.bincount(validation % 2).tolist() == [15, 15]
    assert (complete(split) == completed).all()
    assert (complete(split, seed=1) != completed).any()


def test_drawn_validation_galaxies_keep_the_images_of_a_galaxy_together():
    galaxies = np.repeat(np.arange(60), 2)
    completed = complete(np.array(["train"] * 100 + ["test"] * 20), galaxies)
    assert (completed[::2] == completed[1::2]).all()
    assert "val" in completed


def test_a_galaxy_in_two_splits_is_refused():
    with pytest.raises(GalaxyError, match=r"1 images .*objid 7 in train, objid 7 in test"):
        complete(["train", "val", "test"], [7, 8, 7])


@pytest.mark.parametrize(("split", "name"), [(["train", "val"], "test"), (["val", "test"], "train")])
def test_training_and_test_galaxies_are_required(split, name):
    with pytest.raises(GalaxyError, match=f"no {name} galaxies"):
        complete(split)
