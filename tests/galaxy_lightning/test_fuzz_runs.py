"""The readers of run folders and configs, on broken files: they succeed, or report what is wrong.

``GALAXY_SOAK=1`` tries many others.
"""

import contextlib
import io
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_prep.arrays.format import open_arrays
from galaxy_lightning.cli.fit_settings import parse_fit_settings
from galaxy_lightning.runs.names import HISTORY, HISTORY_COLUMNS, IDENTITY_COLUMNS, PREDICTIONS, RUN
from galaxy_lightning.runs.reader import read_run
from galaxy_lightning.runs.writer import read_history, write_history, write_predictions
from tests.fuzzing import damaged, succeeds_or_explains, tries

pytestmark = pytest.mark.soak


@pytest.fixture(scope="module")
def arrays(small_arrays):
    return open_arrays(small_arrays)


@pytest.fixture(scope="module")
def whole(arrays, tmp_path_factory):
    """A run folder and the content of its files."""
    folder = tmp_path_factory.mktemp("run")
    held_out = arrays.catalog[IDENTITY_COLUMNS].iloc[arrays.rows("val", "test")]
    probabilities = np.random.default_rng(0).dirichlet([1, 1, 1], len(held_out)).round(6)
    write_predictions(folder / PREDICTIONS, held_out, probabilities, arrays.classes)
    epoch = dict.fromkeys(HISTORY_COLUMNS, 0.5)
    write_history(folder, [epoch | {"epoch": number} for number in range(3)])
    about = {"model": "mine", "arrays": {"sha256": arrays.dataset["sha256"]}, "seed": 0, "parameters": 3}
    (folder / RUN).write_text(json.dumps(about))
    return folder, {name: (folder / name).read_bytes() for name in (RUN, HISTORY, PREDICTIONS)}


def test_the_undamaged_run_is_valid(arrays, whole):
    folder, files = whole
    for name, content in files.items():
        (folder / name).write_bytes(content)
    assert read_run(folder, arrays).model == "mine"
    assert [row["epoch"] for row in read_history(folder)] == [0, 1, 2]


@tries(2_500, usual=90)
@given(st.data())
def test_damaged_runs(arrays, whole, data):
    folder, files = whole
    name = data.draw(st.sampled_from(list(files)))
    (folder / name).write_bytes(data.draw(damaged(files[name])))
    try:
        succeeds_or_explains(lambda: read_run(folder, arrays))
        succeeds_or_explains(lambda: read_history(folder))
    finally:
        (folder / name).write_bytes(files[name])


CONFIG = b"""
seed_everything: 3
trainer:
  max_epochs: 2
model: {network: reference_cnn, learning_rate: 1e-3}
data:
  arrays: null
  augment: any_view
"""
VALUES = st.sampled_from(
    ["-1", "nan", "1e999", "[]", "{}", "!!python/object/apply:os.system ['false']", "&a [*a]", "none", "''"]
)


@tries(300, usual=12)
@given(damaged(CONFIG) | VALUES.map(lambda value: CONFIG.replace(b"null", value.encode())))
def test_damaged_configs(tmp_path_factory, content):
    path = tmp_path_factory.getbasetemp() / "damaged.yaml"
    path.write_bytes(content)

    def read():
        said = io.StringIO()
        with contextlib.redirect_stderr(said), contextlib.suppress(SystemExit):
            parse_fit_settings(["--config", str(path)])
        assert "Traceback" not in said.getvalue()

    succeeds_or_explains(read)
