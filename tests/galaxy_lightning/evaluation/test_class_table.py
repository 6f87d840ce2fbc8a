import re

import numpy as np
import pytest
from sklearn import metrics

from data_prep.common.text_layout import display_width
from data_prep.schema import CLASS_DESCRIPTIONS, CLASSES
from galaxy_lightning.evaluation.class_table import MAX_WIDTH, class_table
from galaxy_lightning.evaluation.held_out import HeldOutPredictions
from galaxy_lightning.evaluation.measures import confusion_matrix
from tests.many_classes import NUMBERS, class_names


def predictions(number, galaxies=2000):
    generator = np.random.default_rng(number)
    labels = generator.integers(number, size=galaxies)
    return labels, np.where(
        generator.random(galaxies) < 0.7, labels, generator.integers(number, size=galaxies)
    )


@pytest.mark.parametrize("number", [*NUMBERS, 4, 6])
@pytest.mark.parametrize("names", [class_names, lambda number: [f"c{index}" for index in range(number)]])
@pytest.mark.parametrize("copies", [1, 1000])
def test_the_table_fits_and_is_aligned(number, names, copies):
    classes = names(number)
    counts = confusion_matrix(*predictions(number), number) * copies
    lines = list(class_table(counts, classes, "matrix.csv"))
    assert max(map(display_width, lines)) <= MAX_WIDTH == 80
    (head,) = (line for line in lines if "recall" in line)
    recall = head.index("recall") + len("recall")
    start = lines.index(head) + 1
    for line in lines[start : start + number]:
        ends = {display_width(line[: found.end()]) for found in re.finditer(r"  (\d\.\d{3}|    -)", line)}
        assert recall in ends


def test_wide_names_are_aligned():
    classes = ["星系", "渦巻", "楕円銀河"]
    lines = list(class_table(np.diag([3, 4, 5]), classes, "matrix.csv"))
    assert lines == [
        "                                        predicted class",
        "true class  recall  precision     F1    星系  渦巻  楕円銀河",
        "      星系   1.000      1.000  1.000       3     0         0",
        "      渦巻   1.000      1.000  1.000       0     4         0",
        "  楕円銀河   1.000      1.000  1.000       0     0         5",
    ]
    assert len(set(map(display_width, lines[1:]))) == 1


def test_the_confusion_matrix_of_few_classes_is_printed():
    counts = np.array([[86, 15, 1020], [18, 93, 17], [0, 0, 0]])
    assert list(class_table(counts, CLASSES, "matrix.csv")) == [
        "                                        predicted class",
        "true class  recall  precision     F1    elliptical  irregular  spiral",
        "elliptical   0.077      0.827  0.140            86         15   1,020",
        " irregular   0.727      0.861  0.788            18         93      17",
        "    spiral       -      0.000  0.000             0          0       0",
    ]


def test_many_classes_have_a_line_each():
    labels, predicted = predictions(37)
    counts = confusion_matrix(labels, predicted, 37)
    classes = [f"class {index}" for index in range(37)]
    head, *lines, note = class_table(counts, classes, "matrix.csv")
    assert head.split() == [
        *("true", "class", "galaxies", "recall", "precision", "F1", "most", "often", "mistaken", "for"),
    ]
    assert note == "The confusion matrix is in matrix.csv"
    scores = metrics.precision_recall_fscore_support(labels, predicted)
    for index, (line, precision, recall, f1, galaxies) in enumerate(zip(lines, *scores, strict=True)):
        assert line.split()[2:6] == [f"{galaxies:,}", *(f"{value:.3f}" for value in (recall, precision, f1))]
        others = counts[index].copy()
        others[index] = 0
        assert line.endswith(f"  class {others.argmax()} ({others.max()})")


def test_a_class_without_errors_is_not_mistaken_for_another():
    lines = list(class_table(np.diag(np.arange(1, 38)), class_names(37), "matrix.csv"))
    assert max(map(display_width, lines)) <= MAX_WIDTH
    lines = list(class_table(np.diag(np.arange(1, 9)), class_names(8), "matrix.csv"))
    assert lines[1].split()[-1] == "1.000"


@pytest.mark.parametrize("number", NUMBERS)
def test_the_report_describes_the_classes_first(number):
    classes = class_names(number)
    labels, predicted = predictions(number)
    descriptions = {classes[1]: "undecided votes, not a morphology"}
    plain, described = (
        list(HeldOutPredictions(classes, labels, np.eye(number)[predicted], None, 0.9, given).report())
        for given in ({}, descriptions)
    )
    assert described == [f"{classes[1]}: undecided votes, not a morphology", "", *plain]


def test_the_report_of_the_reference_says_what_irregular_means():
    labels, predicted = predictions(3)
    held_out = HeldOutPredictions(list(CLASSES), labels, np.eye(3)[predicted], None, 0.9, CLASS_DESCRIPTIONS)
    assert list(held_out.report())[1] == "irregular:  undecided votes, not a morphology"
