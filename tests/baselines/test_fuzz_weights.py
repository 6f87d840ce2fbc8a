"""Broken files of Keras weights: they are read, or refused with the reason.

``GALAXY_SOAK=1`` tries many others.
"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from baselines.keras_cnn.network import make_keras_cnn
from baselines.keras_cnn.weights import checkpoint_from_keras
from data_prep.arrays.format import open_arrays
from tests.fuzzing import damaged, succeeds_or_explains, tries

pytestmark = pytest.mark.soak


@pytest.fixture(scope="module")
def files(small_arrays, tmp_path_factory):
    folder = tmp_path_factory.mktemp("keras")
    model = make_keras_cnn(3, 64)
    for name in ("whole.weights.h5", "whole.keras"):
        (model.save_weights if name.endswith("h5") else model.save)(folder / name)
    return folder


@tries(300, usual=15)
@given(st.data())
def test_damaged_weights(files, small_arrays, data):
    whole = data.draw(st.sampled_from(sorted(files.glob("whole.*")))).read_bytes()
    suffix = ".keras" if whole.startswith(b"PK") else ".weights.h5"
    # The index of the weights is at the ends of the file; damage in between only changes weights.
    head, rest = (whole[:8192], whole[8192:]) if suffix == ".weights.h5" else (whole[-4096:], whole[:-4096])
    changed = data.draw(damaged(head))
    path = files / f"damaged{suffix}"
    path.write_bytes(changed + rest if suffix == ".weights.h5" else rest + changed)
    succeeds_or_explains(lambda: checkpoint_from_keras(path, open_arrays(small_arrays), files / "made.ckpt"))
