"""Small test data, made once per test process by the real commands."""

import os
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from data_prep.cli import main as data_prep
from data_prep.simulate import add_truth
from galaxy_lightning.runtime.noise import quieten, without_tensorflow
from tests import fuzzing, killing

os.environ.setdefault("MPLBACKEND", "agg")
# For small networks, threads cost more than they gain, and the test processes share the cores. Without the
# second variable, UMAP's compiler sets the number of PyTorch's threads to that of the cores, too.
for variable in ("OMP_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ.setdefault(variable, "1")
quieten()
with without_tensorflow():
    # TensorBoard decides once per process whether it writes files through TensorFlow, with its errors.
    from tensorboard.compat import tf

    assert tf.io

GALAXIES = 80
SMALL = 64
"""Side of the small arrays' images in pixels: enough for every network, and fast."""


@pytest.fixture(autouse=True)
def count_attacks(record_property: Callable[[str, object], None]) -> Iterator[None]:
    """Records how many broken files a test has read, and how often it has killed a command."""
    before = fuzzing.tried, killing.kills
    yield
    for name, count in (
        ("broken files read", fuzzing.tried - before[0]),
        ("kills", killing.kills - before[1]),
    ):
        if count:
            record_property(name, count)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Starts with the tests of whole commands, so that none of the processes ends long after the others."""
    items.sort(key=lambda item: item.path.parent != Path(__file__).parent)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Reports the number of broken files and of kills."""
    survived: Counter[str] = Counter()
    for report in terminalreporter.getreports(""):
        if report.when == "teardown":
            survived.update(dict(report.user_properties))
    if survived:
        terminalreporter.section("survived")
        terminalreporter.write_line(", ".join(f"{name}: {count:,}" for name, count in survived.items()))


@pytest.fixture(scope="session")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A simulated survey in the raw Galaxy Zoo layout."""
    folder = tmp_path_factory.mktemp("survey") / "raw"
    data_prep(["simulate", "--out", str(folder), "--n", str(GALAXIES), "--seed", "8", "--workers", "1"])
    return folder


@pytest.fixture(scope="session")
def sample(raw: Path) -> Path:
    """A sample of all galaxies of the simulated survey."""
    path = raw.parent / "sample.csv"
    data_prep(["extract", "--raw", str(raw), "--out", str(path), "--n", "all"])
    return path


@pytest.fixture(scope="session")
def arrays(raw: Path, sample: Path) -> Path:
    """The galaxy arrays of the sample, 224 pixels a side."""
    folder = raw.parent / "arrays"
    data_prep(["preprocess", "--sample", str(sample), "--raw", str(raw), "--out", str(folder)])
    return folder


@pytest.fixture(scope="session")
def small_arrays(raw: Path, sample: Path) -> Path:
    """The galaxy arrays of the sample, ``SMALL`` pixels a side, with the true parameters of the galaxies."""
    folder, known = raw.parent / "small_arrays", raw.parent / "known.csv"
    for suffix in (".csv", ".json"):
        shutil.copy(sample.with_suffix(suffix), known.with_suffix(suffix))
    add_truth(known, raw)
    words = ["--sample", str(known), "--raw", str(raw), "--out", str(folder), "--crop", str(SMALL)]
    data_prep(["preprocess", *words])
    return folder


@pytest.fixture(scope="session")
def real_sample() -> Path:
    """The real galaxies with votes of Galaxy Zoo 1, if they are available."""
    return real_folder("GALAXY_REAL_SAMPLE")


@pytest.fixture(scope="session")
def gz2_sample() -> Path:
    """The real galaxies with votes of Galaxy Zoo 2, if they are available."""
    return real_folder("GALAXY_GZ2_SAMPLE")


@pytest.fixture(scope="session")
def leaf_sample() -> Path:
    """The real galaxies with a table of labels, if they are available."""
    return real_folder("GALAXY_LEAF_SAMPLE")


def real_folder(variable: str) -> Path:
    """Returns the folder of real galaxies that an environment variable names; skips the test without it."""
    folder = os.environ.get(variable)
    if not folder:
        pytest.skip(f"{variable} does not name a folder of real galaxies")
    return Path(folder)
