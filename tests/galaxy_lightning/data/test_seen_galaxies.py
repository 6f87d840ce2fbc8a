"""The galaxies that a model has seen."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

from data_prep.arrays.format import open_arrays
from data_prep.common.errors import GalaxyError
from galaxy_lightning.data.checks import require_unseen
from galaxy_lightning.data.seen_galaxies import SeenFlags, SeenGalaxies


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


def test_names_that_are_not_object_ids_are_looked_up_by_pixels_only(opened):
    seen = SeenGalaxies.from_arrays(opened, "train")
    images = opened.images[:3]
    names = pd.DataFrame({"objid": ["9" * 19, "x", str(opened.catalog["objid"].iloc[2])]})
    expected = [split == "train" for split in opened.catalog["split"].iloc[:3]]
    assert SeenFlags(seen, names).find(images, np.arange(3)).tolist() == expected
    by_name = SeenFlags(SeenGalaxies(seen.objids), names)
    assert by_name.find(images, np.arange(3)).tolist() == [False, False, expected[2]]
    unknown = SeenFlags(SeenGalaxies(seen.objids), pd.DataFrame({"id": ["1"]}))
    assert not unknown.are_known
    assert unknown.find(images, np.arange(1)) is None
