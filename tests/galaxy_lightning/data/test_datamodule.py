import contextlib
import shutil
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
import pytest
import torch

from data_prep.common.errors import GalaxyError
from data_prep.common.locks import wait_for_lock
from data_prep.schema import CLASSES
from galaxy_lightning.data.datamodule import GalaxyDataModule
from galaxy_lightning.data.datasets import ArrayDataset
from galaxy_lightning.data.vote_targets import vote_targets


def rows(loader):
    return torch.cat([batch.rows for batch in loader]).tolist()


def test_the_stored_split_is_read_without_overlap(small_arrays):
    data = GalaxyDataModule(str(small_arrays), batch_size=16)
    splits = {
        "train": set(rows(data.train_dataloader())),
        "val": set(rows(data.val_dataloader())),
        "test": set(rows(data.test_dataloader())),
    }
    catalog = data.arrays.catalog
    for name, found in splits.items():
        assert found == set(catalog.index[catalog["split"] == name])
    assert sum(map(len, splits.values())) == len(set.union(*splits.values())) == len(catalog)
    assert rows(data.predict_dataloader()) == list(range(len(catalog)))


def test_training_is_reshuffled_every_epoch_from_the_seed(small_arrays):
    def epochs(seed):
        loader = GalaxyDataModule(str(small_arrays), seed=seed).train_dataloader()
        orders = []
        for epoch in range(2):
            loader.sampler.set_epoch(epoch)
            orders.append(rows(loader))
        return orders

    first, second = epochs(0)
    assert first != second
    assert sorted(first) == sorted(second)
    assert epochs(0) == [first, second]
    assert epochs(1)[0] != first


def test_damaged_arrays_are_refused_unless_verification_is_off(small_arrays, tmp_path):
    copy = shutil.copytree(small_arrays, tmp_path / "arrays")
    with (copy / "images.npy").open("r+b") as file:
        file.seek(5000)
        file.write(b"\xff\x00\xff")
    with pytest.raises(GalaxyError, match="changed or damaged"):
        GalaxyDataModule(str(copy)).prepare_data()
    GalaxyDataModule(str(copy), verify=False).prepare_data()


def test_missing_arrays_are_simulated_only_on_request(tmp_path):
    with pytest.raises(GalaxyError, match="does not hold galaxy arrays"):
        GalaxyDataModule(str(tmp_path / "arrays")).prepare_data()
    with pytest.raises(GalaxyError, match=r"add --data.arrays"):
        GalaxyDataModule().prepare_data()
    data = GalaxyDataModule(str(tmp_path / "arrays"), simulate=20)
    data.prepare_data()
    assert len(data.arrays.catalog) == 20
    truth = pd.read_csv(tmp_path / "arrays_raw/truth.csv").set_index("objid")
    known = data.arrays.catalog.set_index("objid")
    assert known["sersic_n"].tolist() == truth.loc[known.index, "sersic_n"].tolist()
    # The survey is left as by "data_prep simulate", so that it can be replaced.
    shutil.rmtree(tmp_path / "arrays")
    GalaxyDataModule(str(tmp_path / "arrays"), simulate=10).prepare_data()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["arrays", "arrays_raw"]


@pytest.mark.parametrize("maker", ["makes them", "fails"])
def test_one_of_several_processes_simulates_and_the_others_wait(small_arrays, tmp_path, capsys, maker):
    place = tmp_path / "arrays"
    with ThreadPoolExecutor(1) as pool, contextlib.ExitStack() as made:
        made.enter_context(wait_for_lock(tmp_path / ".arrays.simulating", ""))
        data = GalaxyDataModule(str(place), simulate=20)
        waiting = pool.submit(data.prepare_data)
        while "Another process is simulating" not in capsys.readouterr().err:
            assert not waiting.done()
            time.sleep(0.05)
        if maker == "makes them":
            shutil.copytree(small_arrays, place)
        made.close()
        if maker == "fails":
            with pytest.raises(GalaxyError, match=f"simulating {place} has failed"):
                waiting.result(timeout=10)
        else:
            waiting.result(timeout=10)
            assert len(data.arrays.catalog) == 80
    assert list(tmp_path.iterdir()) == ([place] if maker == "makes them" else [])


def test_pixels_kept_on_the_device_equal_the_stored_ones(small_arrays):
    data = GalaxyDataModule(str(small_arrays), on_device=True)
    rows = np.array([7, 3, 50])
    batch = ArrayDataset(data.arrays, rows, read_images=False).__getitems__([0, 1, 2])
    assert not batch.images.numel()
    filled = data.on_after_batch_transfer(batch, 0)
    assert np.array_equal(filled.images.numpy(), data.arrays.images[rows])
    # On a CPU, pixels are read from the memory map.
    assert next(iter(data.val_dataloader())).images.numel()


def test_a_model_with_another_image_size_or_other_classes_is_refused(small_arrays):
    data = GalaxyDataModule(str(small_arrays))
    data.check_compatible(list(CLASSES), 64)
    with pytest.raises(GalaxyError, match="fit takes the size from the arrays"):
        data.check_compatible(list(CLASSES), 224)
    with pytest.raises(GalaxyError, match="has the classes elliptical, irregular, spiral"):
        data.check_compatible(["spiral", "elliptical"], 64)


@pytest.mark.parametrize("settings", [{"batch_size": 0}, {"num_workers": -1}])
def test_invalid_settings_are_refused(settings):
    with pytest.raises(GalaxyError, match="must be at least"):
        GalaxyDataModule("arrays", **settings)


def test_a_split_without_galaxies_is_named(small_arrays):
    data = GalaxyDataModule(str(small_arrays))
    data.arrays.catalog.loc[data.arrays.catalog["split"] == "test", "split"] = "train"
    with pytest.raises(GalaxyError, match="holds no test galaxies"):
        data.test_dataloader()


def test_vote_targets_match_their_galaxies_and_are_used_only_in_training(small_arrays):
    data = GalaxyDataModule(str(small_arrays), targets="votes", batch_size=16)
    batches = list(data.train_dataloader())
    for batch in batches:
        targets, _ = vote_targets(data.arrays, batch.rows.numpy())
        np.testing.assert_array_equal(batch.targets, targets)
    weights = torch.cat([batch.weights for batch in batches])
    assert weights.mean() == pytest.approx(1, abs=1e-5)
    assert weights.std() > 0.1
    for loader in (data.val_dataloader(), data.test_dataloader(), data.predict_dataloader()):
        assert next(iter(loader)).targets is None


def test_a_pixel_scale_needs_images_to_predict(small_arrays):
    with pytest.raises(GalaxyError, match="leave it out for galaxy arrays"):
        GalaxyDataModule(str(small_arrays), pixel_scale=0.4)
