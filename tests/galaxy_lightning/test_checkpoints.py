import pickle

import fsspec
import pytest
import torch

from data_prep.errors import GalaxyError
from galaxy_lightning.checkpoints import WholeCheckpoints, read_checkpoint
from galaxy_lightning.networks.weight_files import load_file


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


def test_a_number_that_has_changed_is_noticed(tmp_path):
    path = tmp_path / "best.ckpt"
    torch.save({"state_dict": {"weight": torch.full((1000,), 0.5)}}, path)
    content = bytearray(path.read_bytes())
    content[content.index(torch.full((9,), 0.5).numpy().tobytes()) + 400] ^= 1
    path.write_bytes(content)
    assert torch.load(path, weights_only=True)["state_dict"]["weight"].shape == (1000,)
    for read in (read_checkpoint, lambda path: load_file(torch.nn.Linear(1, 1), (), str(path), "linear")):
        with pytest.raises(GalaxyError, match="the checksum of .*data/0 is wrong"):
            read(path)
