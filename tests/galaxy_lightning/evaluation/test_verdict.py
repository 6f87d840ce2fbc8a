from pathlib import Path

import numpy as np
import pytest

from data_prep.common.text_layout import display_width
from galaxy_lightning.evaluation.held_out import HeldOutPredictions
from galaxy_lightning.evaluation.verdict import MAX_WIDTH, list_results, verdict
from tests.many_classes import NUMBERS, class_names


def held_out(labels, predicted, classes, uncertain=None, galaxies=None):
    probabilities = np.where(np.eye(len(classes))[predicted] > 0, 0.9, 0.1 / (len(classes) - 1))
    return HeldOutPredictions(classes, np.array(labels), probabilities, uncertain, 0.9, galaxies=galaxies)


def test_the_verdict_of_three_classes():
    labels, predicted = [0] * 10 + [1] * 8, [0] * 6 + [1] * 3 + [2] + [1] * 6 + [0] * 2
    uncertain = np.array([False] * 6 + [True] * 12)
    low, high = held_out(labels, predicted, ["a", "b", "c"]).accuracy_interval
    assert 0.4 < low < 12 / 18 < high < 0.9
    assert list(verdict(held_out(labels, predicted, ["a", "b", "c"], uncertain))) == [
        f"Accuracy:     0.667 (95% interval: {low:.3f} to {high:.3f})",
        "Macro means:  recall 0.675, precision 0.472, F1 0.458",
        "Confused:     a -> b  3 of 10",
        "              b -> a  2 of 8",
        "              a -> c  1 of 10",
        "Calibration:  error 0.233",
        "Confident:    33% of the galaxies; accuracy on these: 100.0% (target: 90%)",
    ]


@pytest.mark.parametrize(
    ("labels", "predicted", "accuracy", "confused"),
    [
        ([0, 1, 1], [0, 1, 1], "1.000 (all correct, so without an interval)", "none"),
        ([0, 1, 1], [1, 0, 0], "0.000 (none correct, so without an interval)", "b -> a  2 of 2"),
        ([0], [0], "1.000 (one galaxy, so without an interval)", "none"),
        ([2], [0], "0.000 (one galaxy, so without an interval)", "c -> a  1 of 1"),
    ],
)
def test_an_accuracy_without_an_interval_says_why(labels, predicted, accuracy, confused):
    lines = list(verdict(held_out(labels, predicted, ["a", "b", "c"])))
    assert lines[0] == f"Accuracy:     {accuracy}"
    assert lines[2] == f"Confused:     {confused}"
    assert lines[-1] == "Confident:    unknown: not calibrated, so none is flagged as uncertain"


def test_images_of_one_galaxy_have_no_interval_and_no_galaxies_no_verdict():
    images = held_out([0, 0], [0, 1], ["a", "b"], np.array([True, True]), np.array([7, 7]))
    lines = list(verdict(images))
    assert lines[0] == "Accuracy:     0.500 (images of one galaxy, so without an interval)"
    assert lines[-1] == "Confident:    none; all are flagged as uncertain (target accuracy: 90%)"
    assert list(verdict(held_out(np.array([], int), np.array([], int), ["a", "b"]))) == []


@pytest.mark.parametrize("number", NUMBERS)
def test_every_line_fits_a_terminal_and_names_remain_distinct(number):
    classes, generator = class_names(number), np.random.default_rng(number)
    labels, predicted = generator.integers(number, size=(2, 3000))
    lines = list(verdict(held_out(labels, predicted, classes)))
    assert max(map(display_width, lines)) <= MAX_WIDTH
    confused = [line for line in lines if " -> " in line]
    assert len(confused) == len({line[14:] for line in confused}) == min(3, number * (number - 1))
    assert len({display_width(line.partition(" of ")[0]) for line in confused}) == 1


def test_the_files_are_listed_in_lines_that_fit():
    lines = list(list_results(Path("runs/a"), *(f"table_{number}.csv" for number in range(9))))
    assert lines[0] == "Saved to:     runs/a"
    assert lines[1].startswith("Tables:       table_0.csv, ")
    assert lines[2].startswith("              table_")
    assert lines[-1] == "Pictures:     confusion_matrix, reliability, coverage (PNG and PDF)"
    assert max(map(len, lines)) <= MAX_WIDTH
