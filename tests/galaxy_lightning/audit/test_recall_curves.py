import warnings

import numpy as np
import pandas as pd
import pytest

from galaxy_lightning.audit.recall_curves import BINS, recall_curves


def wilson(found, number, z=1.959964):
    centre = (found + z**2 / 2) / (number + z**2)
    half = z / (number + z**2) * np.sqrt(found * (number - found) / number + z**2 / 4)
    return centre - half, centre + half


def test_each_bin_has_the_recall_and_the_wilson_interval_of_its_galaxies():
    generator = np.random.default_rng(0)
    values, labels = generator.normal(size=503), generator.integers(0, 2, 503)
    correct = generator.random(503) < 0.8
    table = recall_curves(pd.DataFrame({"size": values}), labels, correct, ["a", "b", "never"])
    assert len(table) == 2 * BINS
    assert table["galaxies"].sum() == 503
    assert table.groupby("low")["galaxies"].sum().between(100, 101).all()
    for row in table.itertuples():
        inside = (values >= row.low) & (
            (values < row.high) | (values == values.max()) & (row.high == values.max())
        )
        chosen = inside & (labels == "ab".index(row[5]))
        assert row.galaxies == chosen.sum()
        assert row.median == pytest.approx(np.median(values[inside]))
        assert row.recall == pytest.approx(correct[chosen].mean())
        interval = wilson(correct[chosen].sum(), chosen.sum())
        assert (row.recall_low, row.recall_high) == pytest.approx(interval, abs=1e-6)


def test_missing_values_are_left_out():
    values = [1.0, 2.0, np.nan, 3.0, np.inf]
    table = recall_curves(pd.DataFrame({"size": values}), np.zeros(5, int), np.ones(5, bool), ["a"])
    assert table["galaxies"].sum() == 3
    assert table["recall"].eq(1).all()


def test_many_equal_values_give_fewer_bins():
    counts = np.array([0] * 70 + [1] * 20 + [4] * 10)
    table = recall_curves(pd.DataFrame({"neighbours": counts}), np.zeros(100, int), counts == 0, ["a"])
    assert table["galaxies"].sum() == 100
    assert table["low"].tolist() == [0, 1]
    assert table["recall"].tolist() == [1, 0]


@pytest.mark.parametrize("values", [[], [2.0], [2.0, 2.0], [np.nan] * 3])
def test_a_measure_without_two_values_has_no_bins(values):
    number = len(values)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        table = recall_curves(
            pd.DataFrame({"size": values}, dtype=float), np.zeros(number, int), np.ones(number, bool), ["a"]
        )
    assert len(table) == 0
    assert "recall_low" in table
