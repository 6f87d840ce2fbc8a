"""The galaxies that a model has seen."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

from data_prep.arrays.format import open_arrays
from data_prep.common.errors import GalaxyError
from galaxy_lightning.data.checks import require_unseen
from galaxy_lightning.data.seen_galaxies import SeenFlags, SeenGalaxies, parse_objids
from galaxy_lightning.shipped_models import SIMULATED
from galaxy_lightning.training.checkpoints import read_trained_on


@pytest.fixture(scope="module")
def opened(small_arrays):
    return open_arrays(small_arrays)


def renamed(arrays):
    """Returns arrays with the same images under other object ids."""
    objids = np.arange(len(arrays.catalog), dtype=np.int64)
    return replace(arrays, catalog=arrays.catalog.assign(objid=objids))


def test_galaxies_are_found_by_object_id_or_by_their_pixels(opened):
    seen = SeenGalaxies.from_arrays(opened, "train")
    assert seen.count(opened, "train") == len(opened.rows("train"))
    assert seen.count(opened, "test") == 0
    assert seen.count(renamed(opened), "train") == len(opened.rows("train"))
    without_pixels = SeenGalaxies(seen.objids)
    assert without_pixels.count(opened, "train") == len(opened.rows("train"))
    assert without_pixels.count(renamed(opened), "train") == 0


def test_renamed_galaxies_are_refused_as_held_out_galaxies(opened):
    seen = SeenGalaxies.from_arrays(opened, "test")
    require_unseen(opened, "val", seen)
    for arrays in (opened, renamed(opened)):
        with pytest.raises(GalaxyError, match="were trained on 12 of the 12 test galaxies"):
            require_unseen(arrays, "test", seen)


def test_the_entries_of_a_checkpoint_are_read_back(opened):
    seen = SeenGalaxies.from_arrays(opened, "val")
    again = SeenGalaxies.from_state(seen.state("val"), "val")
    assert again.objids.tolist() == seen.objids.tolist()
    assert again.pixels.tolist() == seen.pixels.tolist()
    older = SeenGalaxies.from_state({"val_objids": torch.arange(3)}, "val")
    assert (older.objids.tolist(), older.pixels.tolist()) == ([0, 1, 2], [])
    with pytest.raises(KeyError):
        SeenGalaxies.from_state({}, "val")
    for wrong in ([1], torch.zeros(2), None):
        with pytest.raises(TypeError):
            SeenGalaxies.from_state({"val_objids": torch.arange(3), "val_pixels": wrong}, "val")


def test_the_galaxies_of_both_are_joined(opened):
    both = SeenGalaxies.from_arrays(opened, "train") | SeenGalaxies.from_arrays(opened, "val")
    assert both.count(opened, "train") + both.count(opened, "val") == len(opened.rows("train", "val"))


def test_only_object_ids_of_sdss_are_ids():
    names = ["587722981750865959", 1237648720693755918, " 587722981750865959\n", "1", "ngc1300", "9" * 19]
    expected = [587722981750865959, 1237648720693755918, 587722981750865959, -1, -1, -1]
    assert parse_objids(names).tolist() == expected
    assert parse_objids([None, float("nan"), 5.8e17]).tolist() == [-1, -1, -1]


def test_names_that_are_not_object_ids_are_looked_up_by_pixels_only(opened):
    seen, images, rows = SeenGalaxies.from_arrays(opened, "train"), opened.images[:3], np.arange(3)
    expected = [split == "train" for split in opened.catalog["split"].iloc[:3]]
    objids = np.array([-1, -1, opened.catalog["objid"].iloc[2]])
    assert SeenFlags(seen, objids).find(images, rows).tolist() == expected
    only_ids = replace(seen, pixels=np.empty(0, dtype=np.int64), has_all_pixels=False)
    assert SeenFlags(only_ids, objids).find(images, rows).tolist() == [pd.NA, pd.NA, expected[2]]
    assert SeenFlags(only_ids, objids).may_be_missing
    assert not SeenFlags(seen, objids).may_be_missing


def test_hashes_are_incomplete_if_those_of_the_initial_weights_are(opened):
    older = SeenGalaxies.from_state({"train_objids": torch.arange(3)}, "train")
    assert not older.has_all_pixels
    both = SeenGalaxies.from_arrays(opened, "train") | older
    assert not both.has_all_pixels
    assert not SeenGalaxies.from_state(both.state("train"), "train").has_all_pixels
    assert read_trained_on(SIMULATED).has_all_pixels  # No survey of a user contains its galaxies.
