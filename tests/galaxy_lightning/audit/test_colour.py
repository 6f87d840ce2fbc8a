import json

import numpy as np
import pandas as pd
import pytest

from galaxy_lightning.audit.colour import (
    BLUE,
    GREY,
    ORIGINAL,
    RED,
    ColourAudit,
    moved_probability,
    plan_changes,
)
from galaxy_lightning.audit.recolouring import SHIFTS, make_grey
from galaxy_lightning.audit.source_measures import GREEN_RED
from tests.galaxy_lightning.audit.made_galaxies import make_galaxy

CLASSES = ["elliptical", "irregular", "spiral"]


def measures(colours):
    colours = np.array(colours, dtype=float)
    return pd.DataFrame({"colour": colours, GREEN_RED: 0.5 * colours})


def test_the_moved_probability_is_what_one_class_loses_to_others():
    one = np.array([[0.7, 0.2, 0.1], [1, 0, 0], [0.2, 0.3, 0.5]])
    other = np.array([[0.4, 0.4, 0.2], [0, 0, 1], [0.2, 0.3, 0.5]])
    np.testing.assert_allclose(moved_probability(one, other), [0.3, 1, 0])
    gained = [sum(max(b - a, 0) for a, b in zip(*pair, strict=True)) for pair in zip(one, other, strict=True)]
    np.testing.assert_allclose(moved_probability(one, other), gained)


def test_the_changes_lead_to_the_typical_colours_and_the_means_of_the_classes():
    colours = np.append(np.linspace(0, 1, 11), np.nan)
    labels = np.array([0] * 5 + [2] * 7)
    plan = plan_changes(measures(colours), labels, CLASSES)
    assert (plan.blue, plan.red, plan.slope) == pytest.approx((0.1, 0.9, 0.5))
    reached = {name: colours + shift for name, shift in plan.shifts.items()}
    np.testing.assert_allclose(reached[BLUE][:-1], 0.1)
    np.testing.assert_allclose(reached[RED][:-1], 0.9)
    np.testing.assert_allclose(reached["mean colour of elliptical"][:-1], 0.2)
    np.testing.assert_allclose(reached["mean colour of spiral"][:-1], 0.75)
    assert "mean colour of irregular" not in plan.names
    assert plan.names[:4] == [ORIGINAL, GREY, BLUE, RED]
    for shift in SHIFTS:
        np.testing.assert_array_equal(plan.shifts[f"{shift:+.1f} mag"], shift)
    assert np.isnan(plan.shifts[BLUE][-1])


def test_the_images_are_changed_by_the_shifts_of_their_galaxies():
    plan = plan_changes(measures([0.2, 0.5, 0.8, np.nan]), np.zeros(4, dtype=int), CLASSES)
    images = np.stack([make_galaxy(32, 3)] * 2)
    sky = np.full((2, 3), 20.0)
    assert plan.apply(ORIGINAL, images, sky, np.array([2, 3])) is images
    np.testing.assert_array_equal(plan.apply(GREY, images, sky, np.array([2, 3])), make_grey(images, sky))
    bluer, unknown = plan.apply(BLUE, images, sky, np.array([2, 3]))
    assert bluer[16, 16, 2] > images[0, 16, 16, 2]
    np.testing.assert_array_equal(unknown, images[1])


def test_one_galaxy_or_no_colour_gives_a_plan_without_errors():
    one = plan_changes(measures([0.4]), np.array([1]), CLASSES)
    assert (one.blue, one.red, one.slope) == pytest.approx((0.4, 0.4, 0))
    none = plan_changes(measures([np.nan] * 3), np.array([0, 1, 2]), CLASSES)
    assert np.isnan([none.blue, none.red]).all()
    assert not any(name.startswith("mean colour") for name in none.names)


def audit(blue, red, original=None):
    original = blue if original is None else original
    found = {ORIGINAL: original, GREY: original, BLUE: blue, RED: red}
    return ColourAudit({name: np.array(each, dtype=float) for name, each in found.items()}, 0.1, 0.8)


def test_a_model_that_ignores_colour_has_no_reliance_and_one_that_sees_only_colour_has_1():
    blue, red = np.eye(3)[[2] * 5], np.eye(3)[[0] * 5]
    labels, galaxies = np.array([0, 0, 2, 2, 2]), np.arange(5)
    for found, expected in ((audit(blue, red), 1), (audit(blue, blue), 0)):
        summary = found.summarise(labels, galaxies, CLASSES)
        assert summary["colour_reliance"] == expected
        assert summary["interval"] == [None, None]
        assert summary["by_class"] == {"elliptical": expected, "spiral": expected}
        json.dumps(summary, allow_nan=False)


def test_the_summary_counts_only_galaxies_of_known_colour():
    generator = np.random.default_rng(0)
    blue, red, original = generator.dirichlet([1, 1, 1], (3, 40))
    blue[:10] = red[:10] = np.nan
    labels = generator.integers(0, 2, 40)
    summary = audit(blue, red, original).summarise(labels, np.arange(40), CLASSES)
    distance = np.abs(blue - red)[10:].sum(axis=1) / 2
    assert summary["galaxies"] == 30
    assert summary["colour_reliance"] == pytest.approx(distance.mean(), abs=1e-6)
    low, high = summary["interval"]
    error = distance.std() / np.sqrt(30)
    assert (low, high) == pytest.approx(
        (distance.mean() - 1.96 * error, distance.mean() + 1.96 * error), abs=0.01
    )
    change = summary["changes"][RED]
    assert change["galaxies"] == 30
    assert change["accuracy"] == pytest.approx((red[10:].argmax(axis=1) == labels[10:]).mean(), abs=1e-6)
    moved = np.abs(red - original)[10:].sum(axis=1) / 2
    assert change["moved_probability"] == pytest.approx(moved.mean(), abs=1e-6)
    changed = red[10:].argmax(axis=1) != original[10:].argmax(axis=1)
    assert change["other_class"] == pytest.approx(changed.mean(), abs=1e-6)
    assert change["recall"]["spiral"] is None
    assert summary["changes"][ORIGINAL]["galaxies"] == 40
    json.dumps(summary, allow_nan=False)


@pytest.mark.parametrize("number", [1, 3])
def test_without_known_colours_there_is_no_reliance(number):
    unknown, original = np.full((number, 3), np.nan), np.full((number, 3), 1 / 3)
    summary = audit(unknown, unknown, original).summarise(np.zeros(number, int), np.arange(number), CLASSES)
    assert (summary["colour_reliance"], summary["galaxies"], summary["by_class"]) == (None, 0, {})
    assert summary["changes"][RED]["accuracy"] is None
    json.dumps(summary, allow_nan=False)
