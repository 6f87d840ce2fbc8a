"""Combining the probabilities of several networks."""

import numpy as np
import pandas as pd
import pytest
from scipy.special import log_softmax, softmax

from galaxy_lightning.evaluation.ensemble import calibrate_together, combine

CLASSES = ["elliptical", "irregular", "spiral"]


def draw(networks=4, number=6, seed=0):
    return np.random.default_rng(seed).dirichlet([1, 1, 1], (networks, number))


def test_the_mean_and_the_standard_deviation_of_all_networks():
    probabilities = draw()
    found = combine(probabilities, np.zeros((4, 6), dtype=bool))
    np.testing.assert_allclose(found.probabilities, probabilities.mean(axis=0))
    np.testing.assert_allclose(found.spread, probabilities.std(axis=0, ddof=1))
    assert found.networks.tolist() == [4] * 6
    assert np.isnan(found.novelty).all()


def test_a_galaxy_is_answered_by_the_networks_that_have_not_seen_it():
    probabilities, novelty = draw(), np.arange(24.0).reshape(4, 6)
    seen = np.zeros((4, 6), dtype=bool)
    seen[1:3, 0] = True
    seen[:3, 1] = True
    seen[:, 2] = True
    found = combine(probabilities, seen, novelty=novelty)
    assert found.networks.tolist() == [2, 1, 4, 4, 4, 4]
    np.testing.assert_allclose(found.probabilities[0], probabilities[[0, 3], 0].mean(axis=0))
    np.testing.assert_allclose(found.spread[0], probabilities[[0, 3], 0].std(axis=0, ddof=1))
    np.testing.assert_allclose(found.probabilities[1], probabilities[3, 1])
    assert np.isnan(found.spread[1]).all()
    np.testing.assert_allclose(found.probabilities[2], probabilities[:, 2].mean(axis=0))
    assert found.novelty.tolist() == [9, 19, *novelty[:, 2:].mean(axis=0)]


def test_the_temperature_is_that_of_the_logarithm_of_the_mean():
    probabilities = draw()
    found = combine(probabilities, np.zeros((4, 6), dtype=bool), temperature=0.5)
    expected = softmax(np.log(probabilities.mean(axis=0)) / 0.5, axis=1)
    np.testing.assert_allclose(found.probabilities, expected)


def test_a_single_network_keeps_its_probabilities_and_an_unknown_novelty_is_left_out():
    probabilities, novelty = draw(), np.full((4, 6), 50.0)
    novelty[0], novelty[:, 5] = np.nan, np.nan
    seen = np.zeros((4, 6), dtype=bool)
    seen[1:, 0] = True
    found = combine(probabilities, seen, temperature=0.5, novelty=novelty)
    np.testing.assert_allclose(found.probabilities[0], probabilities[0, 0])
    assert np.isnan(found.novelty[[0, 5]]).all()
    assert found.novelty[1:5].tolist() == [50] * 4


def make_tables(split, networks=5, number=600, seed=0):
    """Returns predictions of calibrated networks with independent noise, for galaxies of the given splits."""
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, 3, number)
    truth = 2 * np.eye(3)[labels] + generator.normal(size=(number, 3))
    tables = []
    for network in range(networks):
        values = softmax(1.2 * (truth + generator.normal(size=truth.shape)), axis=1)
        table = pd.DataFrame({"objid": np.arange(number), "asset_id": [str(each) for each in range(number)]})
        table["split"], table["label"] = split(network, number), np.array(CLASSES)[labels]
        for at, name in enumerate(CLASSES):
            table[f"p_{name}"] = values[:, at]
        table["predicted"] = np.array(CLASSES)[values.argmax(axis=1)]
        tables.append(table[table["split"] != "train"])
    return tables, labels


def log_loss(logits, labels):
    return -log_softmax(logits, axis=1)[np.arange(len(labels)), labels].mean()


def test_networks_with_the_same_split_are_calibrated_on_its_validation_galaxies():
    tables, labels = make_tables(lambda _, number: np.where(np.arange(number) < 400, "val", "test"))
    found = calibrate_together(tables, CLASSES, 0.9)
    values = np.stack([table[[f"p_{name}" for name in CLASSES]] for table in tables])
    mean = np.log(values.mean(axis=0))
    losses = {
        temperature: log_loss(mean[:400] / temperature, labels[:400])
        for temperature in np.logspace(-1, 1, 201)
    }
    assert found.temperature == pytest.approx(min(losses, key=losses.get), rel=0.03)
    assert found.temperature < 0.95  # The mean of several networks is too cautious.
    assert found.is_fitted
    shuffled = [table.sample(frac=1, random_state=number) for number, table in enumerate(tables)]
    assert calibrate_together(shuffled, CLASSES, 0.9).temperature == pytest.approx(found.temperature)


def test_in_a_cross_validation_each_galaxy_is_answered_by_the_networks_that_left_it_out():
    def split(network, number):
        fold = np.arange(number) % 5
        return np.select([fold == network, fold == (network + 1) % 5], ["test", "val"], "train")

    tables, labels = make_tables(split)
    found = calibrate_together(tables, CLASSES, 0.9)
    values = np.full((5, 600, 3), np.nan)
    for network, table in enumerate(tables):
        values[network, table["objid"]] = table[[f"p_{name}" for name in CLASSES]]
    mean = np.log(np.nanmean(values, axis=0))
    assert log_loss(mean / found.temperature, labels) <= log_loss(mean, labels)
    assert found.coverage < 1


def test_without_validation_galaxies_there_is_no_calibration():
    tables, _ = make_tables(lambda _, number: np.full(number, "test"))
    assert not calibrate_together(tables, CLASSES, 0.8).is_fitted
    assert calibrate_together(tables, CLASSES, 0.8).target_accuracy == 0.8
