from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from data_prep.arrays.format import open_arrays
from galaxy_lightning.report.galaxies import ReportGalaxies
from galaxy_lightning.report.summary import group_runs, summarise
from galaxy_lightning.runs.reader import Run


def run(model, predicted, folder="run", **about):
    probabilities = np.eye(3)[predicted]
    return Run(Path(folder), {"model": model, **about}, pd.DataFrame(), probabilities, np.array(predicted))


def names(*runs):
    return [model.name for model in group_runs(runs)]


def test_runs_of_one_model_and_settings_are_grouped():
    models = group_runs([run("a", [0], seed=0), run("b", [0]), run("a", [0], seed=1)])
    assert [(model.name, len(model.runs)) for model in models] == [("a", 2), ("b", 1)]


def test_models_with_one_name_are_distinguished_by_the_fewest_settings():
    slow, fast = {"lr": 0.1, "epochs": 40, "batch": 64}, {"lr": 0.01, "epochs": 5, "batch": 64}
    assert names(run("a", [0], hyperparameters=slow), run("a", [0], hyperparameters=fast), run("b", [0])) == [
        *("a (lr 0.1)", "a (lr 0.01)", "b"),
    ]
    both = {"lr": 0.1, "epochs": 5, "batch": 64}
    found = names(*(run("a", [0], hyperparameters=settings) for settings in (slow, fast, both)))
    assert found == ["a (lr 0.1, epochs 40)", "a (lr 0.01, epochs 5)", "a (lr 0.1, epochs 5)"]
    assert names(run("a", [0]), run("a", [0], hyperparameters=fast)) == ["a (lr unknown)", "a (lr 0.01)"]


def trained(seed=0, lr=0.1, **training):
    return run("a", [0], seed=seed, hyperparameters={"lr": lr}, training=training)


def test_models_with_different_trainer_settings_are_separate():
    one = trained(devices=1, accumulate_grad_batches=1)
    assert names(one, trained(devices=2, accumulate_grad_batches=1)) == ["a (devices 1)", "a (devices 2)"]
    assert names(one, trained(1, devices=1, accumulate_grad_batches=1, epochs_trained=3)) == ["a"]
    assert names(one, trained(lr=0.2, devices=2, accumulate_grad_batches=1)) == ["a (lr 0.1)", "a (lr 0.2)"]


def test_settings_missing_from_an_older_run_match_any_value():
    old = run("a", [0], seed=1, hyperparameters={"lr": 0.1})
    assert names(old, trained(devices=1)) == ["a"]
    found = group_runs([old, trained(devices=1), trained(devices=2)])
    assert [(model.name, len(model.runs)) for model in found] == [
        ("a (devices 1)", 2),
        ("a (devices 2)", 1),
    ]


@pytest.mark.parametrize(
    ("other", "repeats"),
    [
        (trained(devices=1, limit_train_batches="1 batch", epochs_trained=2), True),
        (trained(devices=2, limit_train_batches="1 batch", epochs_trained=2), False),
        (trained(devices=1, limit_train_batches=1.0, epochs_trained=2), False),
        (trained(devices=1, limit_train_batches="1 batch", epochs_trained=1), False),
        (trained(1, devices=1, limit_train_batches="1 batch", epochs_trained=2), False),
        (trained(), True),
    ],
)
def test_a_run_repeats_another_if_model_settings_and_seed_are_equal(other, repeats):
    one = trained(devices=1, limit_train_batches="1 batch", epochs_trained=2)
    assert one.repeats(other) is other.repeats(one) is repeats


def test_means_deviations_and_tests_are_over_runs(small_arrays):
    arrays = open_arrays(small_arrays)
    labels = arrays.labels[arrays.rows("test")]
    off_by_one, wrong = labels.copy(), (labels + 1) % 3
    off_by_one[0] = wrong[0]
    runs = [run("a", labels, seconds=10), run("a", off_by_one, seconds=14), run("b", wrong)]
    summary = summarise(ReportGalaxies.from_arrays(arrays), group_runs(runs))
    a, b = summary["models"]
    count = len(labels)
    assert a["mean"]["accuracy"] == pytest.approx(1 - 0.5 / count)
    assert a["sd"]["accuracy"] == pytest.approx(np.std([1, 1 - 1 / count], ddof=1))
    assert (a["mean"]["seconds"], b["mean"]["seconds"]) == (12, None)
    assert b["mean"]["accuracy"] == 0
    assert b["sd"]["accuracy"] is None
    low, high = a["accuracy_interval"]
    assert low <= a["mean"]["accuracy"] <= high
    (test,) = summary["mcnemar"]
    assert [(t["runs"], t["only_one_right"], t["only_other_right"]) for t in test["tests"]] == [
        ([0, 0], count, 0),
        ([1, 0], count - 1, 0),
    ]
    assert sum(summary["test_galaxies"].values()) == count
