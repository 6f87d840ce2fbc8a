import gc
import os
import pickle
import shutil
import threading
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader

from data_prep.arrays.format import open_arrays
from data_prep.cli import main as data_prep
from data_prep.common.errors import GalaxyError
from data_prep.images.cutouts import read_cutout
from data_prep.images.image_settings import ImageSettings
from galaxy_lightning.data.datasets import ArrayDataset, require_shared_memory
from galaxy_lightning.data.image_folders import ImageFolderDataset
from galaxy_lightning.data.loading import PrefetchingLoader, identity_collate
from galaxy_lightning.data.training_images import ImagesToPredict


def test_a_batch_holds_the_stored_pixels_labels_and_rows(small_arrays):
    arrays = open_arrays(small_arrays)
    dataset = ArrayDataset(arrays, np.array([5, 9, 70]))
    batch = dataset.__getitems__([2, 0])
    assert batch.images.dtype == torch.uint8
    assert batch.rows.tolist() == [70, 5]
    assert np.array_equal(batch.images.numpy(), arrays.images[[70, 5]])
    assert [arrays.classes[label] for label in batch.labels] == arrays.catalog["label"].iloc[[70, 5]].tolist()
    assert dataset[1].rows.tolist() == [9]


def test_no_pixels_are_sent_to_a_spawned_worker(arrays):
    dataset = ArrayDataset(open_arrays(arrays), np.arange(40))
    sent = pickle.dumps(dataset)
    assert len(sent) < 20_000
    assert len(pickle.dumps(open_arrays(arrays))) < 1000
    assert torch.equal(pickle.loads(sent).__getitems__([3, 1]).images, dataset.__getitems__([3, 1]).images)


@pytest.mark.parametrize("context", ["spawn", "forkserver"])
def test_workers_start_with_every_start_method(small_arrays, context):
    arrays = open_arrays(small_arrays)
    loader = DataLoader(
        ArrayDataset(arrays, np.arange(20)),
        batch_size=8,
        num_workers=1,
        multiprocessing_context=context,
        collate_fn=identity_collate,
    )
    batches = list(loader)
    assert [len(batch.rows) for batch in batches] == [8, 8, 4]
    assert np.array_equal(torch.cat([batch.images for batch in batches]).numpy(), arrays.images[:20])


def test_unusable_images_are_distinguished_from_usable_ones(raw, tmp_path):
    source = next(iter((raw / "images_gz2/images").iterdir()))
    (tmp_path / "1.jpg").write_bytes(source.read_bytes())
    (tmp_path / "2.jpg").touch()
    Image.new("RGB", (32, 32)).save(tmp_path / "3.jpg")
    batch = ImageFolderDataset(tmp_path, ImagesToPredict(ImageSettings(64))).__getitems__([0, 1, 2])
    assert batch.problems == {1: "an empty file", 2: "32 x 32 pixels, smaller than the crop of 64"}
    assert np.array_equal(batch.images[0].numpy(), read_cutout(tmp_path / "1.jpg", 64))
    assert not batch.images[1:].any()
    assert batch.labels.tolist() == [-1, -1, -1]


def test_a_worker_reads_a_folder_of_images(tmp_path):
    for number in range(6):
        Image.new("RGB", (70, 70), (number, 0, 0)).save(tmp_path / f"{number}.webp", lossless=True)
    (tmp_path / "notes.txt").write_text("no image")
    loader = DataLoader(
        ImageFolderDataset(tmp_path, ImagesToPredict(ImageSettings(64))),
        batch_size=4,
        num_workers=1,
        multiprocessing_context="spawn",
        collate_fn=identity_collate,
    )
    images = torch.cat([batch.images for batch in loader])
    assert images[:, 0, 0, 0].tolist() == list(range(6))


class Noted(ArrayDataset):
    """Records which batches are read, and by which threads."""

    def __init__(self, *words):
        super().__init__(*words)
        self.read, self.threads, self.three = [], set(), threading.Event()

    def __getitems__(self, indices):
        self.read.append(indices[0])
        self.threads.add(threading.current_thread())
        if len(self.read) == 3:
            self.three.set()
        return super().__getitems__(indices)


def test_a_loader_reads_ahead_by_two_batches_and_changes_nothing(small_arrays):
    dataset = Noted(open_arrays(small_arrays), np.arange(60))
    loader = PrefetchingLoader(dataset, batch_size=8, collate_fn=identity_collate)
    assert len(loader) == 8
    batches = iter(loader)
    first = next(batches)
    assert dataset.three.wait(600)
    assert dataset.read == [0, 8, 16]
    rows = torch.cat([first.rows, *(batch.rows for batch in batches)])
    assert rows.tolist() == list(range(60))
    assert [batch.rows.tolist() for batch in loader] == [
        batch.rows.tolist() for batch in DataLoader(dataset, batch_size=8, collate_fn=identity_collate)
    ]


def test_an_error_in_read_ahead_is_raised_at_its_batch(small_arrays):
    dataset = ArrayDataset(open_arrays(small_arrays), np.array([0, 1, 10**6]))
    batches = iter(PrefetchingLoader(dataset, batch_size=1, collate_fn=identity_collate))
    assert next(batches).rows.tolist() == [0]
    assert next(batches).rows.tolist() == [1]
    with pytest.raises(IndexError):
        next(batches)


def test_an_abandoned_iteration_leaves_no_thread(small_arrays):
    dataset = Noted(open_arrays(small_arrays), np.arange(60))
    for _ in PrefetchingLoader(dataset, batch_size=8, collate_fn=identity_collate):
        break
    gc.collect()
    assert dataset.threads
    assert not any(thread.is_alive() for thread in dataset.threads - {threading.current_thread()})


@pytest.fixture
def others(raw, sample, tmp_path):
    """Arrays of the same galaxies with another split and other hashes."""
    words = ["--sample", str(sample), "--raw", str(raw), "--crop", "64", "--seed", "5"]
    data_prep(["preprocess", *words, "--out", str(tmp_path / "others")])
    return tmp_path / "others"


def test_a_worker_does_not_open_replaced_arrays(small_arrays, others, tmp_path):
    folder = shutil.copytree(small_arrays, tmp_path / "arrays")
    loader = PrefetchingLoader(
        ArrayDataset(open_arrays(folder), np.arange(20)),
        batch_size=8,
        num_workers=1,
        multiprocessing_context="spawn",
        collate_fn=identity_collate,
    )
    shutil.rmtree(folder)
    others.rename(folder)
    with pytest.raises(GalaxyError) as caught:
        list(loader)
    assert str(caught.value).startswith(f"{folder} was changed or replaced while this command was using it")
    assert "Traceback" not in str(caught.value)


@pytest.mark.parametrize("change", ["overwritten", "replaced", "removed"])
def test_changed_arrays_are_detected(small_arrays, others, tmp_path, change):
    folder = shutil.copytree(small_arrays, tmp_path / "arrays")
    arrays = open_arrays(folder)
    arrays.require_unchanged()
    os.utime(folder / "images.npy")  # The same pixels.
    arrays.require_unchanged()
    if change == "overwritten":
        with (folder / "images.npy").open("r+b") as file:
            file.seek(5000)
            file.write(b"\xff\x00\xff")
    else:
        shutil.rmtree(folder)
        if change == "replaced":
            others.rename(folder)
    with pytest.raises(GalaxyError, match="was changed or replaced"):
        arrays.require_unchanged()


def test_workers_need_shared_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: SimpleNamespace(free=4_000_000))
    require_shared_memory(1_000_000, 0, tmp_path)
    require_shared_memory(1_000_000, 1, tmp_path)
    require_shared_memory(1_000_000, 9, tmp_path / "absent")
    with pytest.raises(GalaxyError, match=r"has 4 MB free, but 2 workers need 6 MB.*--data.num_workers 0"):
        require_shared_memory(1_000_000, 2, tmp_path)
