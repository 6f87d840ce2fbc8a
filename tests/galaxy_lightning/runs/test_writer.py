import subprocess
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from astropy.table import Table

from galaxy_lightning.runs.names import HISTORY_COLUMNS
from galaxy_lightning.runs.writer import (
    claim_run_folder,
    describe_cpu,
    describe_environment,
    prediction_table,
    read_history,
    write_history,
    write_predictions,
)
from tests.many_classes import NUMBERS, class_names


def test_a_cpu_is_described_by_its_number_of_threads():
    assert [describe_cpu(threads) for threads in (1, 2)] == ["1 CPU thread", "2 CPU threads"]


def test_concurrent_runs_get_separate_folders(tmp_path):
    with ThreadPoolExecutor(16) as pool:
        folders = list(pool.map(lambda _: claim_run_folder(tmp_path, "spirals"), range(32)))
    assert sorted(folder.name for folder in folders) == sorted(f"version_{number}" for number in range(32))


def test_numbering_continues_after_the_highest(tmp_path):
    for name in ("version_2", "version_10", "version_x"):
        (tmp_path / "run" / name).mkdir(parents=True)
    assert claim_run_folder(tmp_path, "run").name == "version_11"


def test_a_prediction_table_has_identifiers_probabilities_and_class():
    galaxies = pd.DataFrame({"objid": [587722981742084097, 587722981742084098]}, index=[4, 9])
    probabilities = np.array([[0.2, 0.7, 0.1], [0.5, 0.1, 0.4]], np.float32)
    table = prediction_table(galaxies, probabilities, ["elliptical", "irregular", "spiral"])
    assert list(table.columns) == ["objid", "p_elliptical", "p_irregular", "p_spiral", "predicted"]
    assert table["objid"].tolist() == [587722981742084097, 587722981742084098]
    assert table["predicted"].tolist() == ["irregular", "elliptical"]


@pytest.mark.parametrize("number", NUMBERS)
def test_a_prediction_table_of_any_classes_is_a_valid_table(number, tmp_path):
    classes = class_names(number)
    probabilities = np.random.default_rng(0).dirichlet(np.ones(number), 5).astype(np.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        write_predictions(tmp_path / "table.csv", pd.DataFrame({"objid": range(5)}), probabilities, classes)
    expected = [f"p_{name}" for name in classes]
    for table in (pd.read_csv(tmp_path / "table.csv"), Table.read(tmp_path / "table.csv")):
        assert list(table.columns) == ["objid", *expected, "predicted"]
        np.testing.assert_allclose(np.array([table[name] for name in expected]).T, probabilities, rtol=1e-5)
        assert list(table["predicted"]) == [classes[index] for index in probabilities.argmax(axis=1)]
    assert len({name.lower() for name in expected}) == number


def test_history_round_trip(tmp_path):
    assert read_history(tmp_path) == []
    epochs = [dict.fromkeys(HISTORY_COLUMNS, 0.5) | {"epoch": epoch} for epoch in range(3)]
    write_history(tmp_path, epochs)
    assert read_history(tmp_path) == epochs
    write_history(tmp_path, [])
    assert list(pd.read_csv(tmp_path / "history.csv").columns) == list(HISTORY_COLUMNS)


def test_the_environment_is_recorded():
    found = describe_environment("torch", "no-such-package")
    assert {"python", "numpy", "torch", "galaxy-lightning"} == set(found["versions"])


def test_run_folders_need_no_torch():
    code = "import sys, galaxy_lightning.runs.writer; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_the_environment_is_recorded_on_other_systems(monkeypatch):
    here = describe_environment()
    monkeypatch.setattr(Path, "is_file", lambda path: False)
    assert describe_environment().keys() == here.keys()
