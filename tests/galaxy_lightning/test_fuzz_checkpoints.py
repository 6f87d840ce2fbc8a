"""The readers of checkpoints and weights, on broken files: they succeed, or report what is wrong.

``GALAXY_SOAK=1`` tries many others.
"""

import io
import warnings
import zipfile

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from galaxy_lightning.networks.adaptation import Adaptation
from galaxy_lightning.networks.weight_files import load_weights_file
from galaxy_lightning.training.checkpoints import read_checkpoint, read_trained_on
from tests.fuzzing import damaged, succeeds_or_explains, tries

pytestmark = pytest.mark.soak


def content():
    return {
        "state_dict": dict(torch.nn.Linear(3, 2).state_dict()),
        "hyper_parameters": {"network": "reference_cnn", "image_size": 64},
        "calibration": {"temperature": 1.5, "precision": 0.9, "threshold": 0.5, "coverage": 0.8},
        "GalaxyDataModule": {"settings": {"seed": 0}, "train_objids": torch.arange(3)},
        "optimizer_states": [],
    }


def saved(**options):
    file = io.BytesIO()
    torch.save(content(), file, **options)
    return file.getvalue()


def with_pickle(checkpoint, pickled):
    """Puts another pickle into a checkpoint and corrects the checksums."""
    file = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(checkpoint)) as old, zipfile.ZipFile(file, "w") as new:
        for name in old.namelist():
            new.writestr(name, pickled if name.endswith("data.pkl") else old.read(name))
    return file.getvalue()


ZIPPED, LEGACY = saved(), saved(_use_new_zipfile_serialization=False)
with zipfile.ZipFile(io.BytesIO(ZIPPED)) as archive:
    PICKLED = archive.read(next(name for name in archive.namelist() if name.endswith("data.pkl")))
FILES = st.one_of(
    damaged(ZIPPED),
    damaged(LEGACY),
    damaged(PICKLED).map(lambda pickled: with_pickle(ZIPPED, pickled)),
    st.binary(max_size=200),
)

LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4)
VALUES = st.recursive(
    LEAVES | st.sampled_from([torch.zeros(2), torch.zeros(2, requires_grad=True), torch.zeros(0)]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(LEAVES, inner, max_size=3),
    max_leaves=6,
)
WRONG = st.dictionaries(st.sampled_from(list(content())), VALUES, min_size=1, max_size=2)


def read_all(path):
    """Reads a file in every way in which the package reads one."""
    model = torch.nn.Linear(3, 2)
    for read in (
        lambda: read_checkpoint(path),
        lambda: read_trained_on(str(path)),
        lambda: load_weights_file(model, Adaptation(("head.",)), str(path), "linear"),
    ):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch may warn of the content of the file.
            succeeds_or_explains(read)


def test_the_undamaged_files_are_valid(tmp_path):
    for file in (ZIPPED, LEGACY, with_pickle(ZIPPED, PICKLED)):
        (tmp_path / "whole.ckpt").write_bytes(file)
        assert read_checkpoint(tmp_path / "whole.ckpt").resumable
        assert read_trained_on(str(tmp_path / "whole.ckpt")).objids.tolist() == [0, 1, 2]
        load_weights_file(
            torch.nn.Linear(3, 2), Adaptation(("head.",)), str(tmp_path / "whole.ckpt"), "linear"
        )


@tries(1_500)
@given(FILES)
def test_damaged_checkpoints(tmp_path_factory, file):
    path = tmp_path_factory.getbasetemp() / "damaged.ckpt"
    path.write_bytes(file)
    read_all(path)


@tries(500)
@given(WRONG)
def test_checkpoints_with_other_content(tmp_path_factory, wrong):
    path = tmp_path_factory.getbasetemp() / "wrong.ckpt"
    torch.save(content() | wrong, path)
    read_all(path)


@tries(500, usual=30)
@given(st.data())
def test_damaged_safetensors(tmp_path_factory, data):
    safetensors = pytest.importorskip("safetensors.torch")
    path = tmp_path_factory.getbasetemp() / "damaged.safetensors"
    path.write_bytes(data.draw(damaged(safetensors.save(torch.nn.Linear(3, 2).state_dict()))))
    read_all(path)
