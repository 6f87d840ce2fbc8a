import pickle

import fsspec
import pytest
import torch

from galaxy_lightning.checkpoints import WholeCheckpoints


def test_checkpoints_may_go_elsewhere_than_to_a_disk_of_ours():
    WholeCheckpoints().save_checkpoint({"weights": torch.arange(3)}, "memory://a/last.ckpt")
    with fsspec.open("memory://a/last.ckpt") as file:
        assert torch.load(file, weights_only=True)["weights"].tolist() == [0, 1, 2]


def test_a_checkpoint_that_cannot_be_made_leaves_the_older_one(tmp_path):
    path = tmp_path / "runs/last.ckpt"
    WholeCheckpoints().save_checkpoint({"epoch": 1}, path)
    with pytest.raises((AttributeError, TypeError, pickle.PicklingError)):
        WholeCheckpoints().save_checkpoint({"epoch": lambda: 2}, path)
    assert torch.load(path, weights_only=True) == {"epoch": 1}
    assert list(path.parent.iterdir()) == [path]
