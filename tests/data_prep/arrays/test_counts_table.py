import pytest

from data_prep.arrays.counts_table import counts_table
from data_prep.arrays.preprocess import report
from data_prep.common.text_layout import display_width
from data_prep.schema import CLASS_DESCRIPTIONS, CLASSES
from tests.many_classes import NUMBERS, class_names


def counts_of(classes):
    splits = ("train", "val", "test")
    return {
        split: {name: 1_000 * row + column for column, name in enumerate(classes)}
        for row, split in enumerate(splits, start=1)
    }


@pytest.mark.parametrize("number", NUMBERS)
def test_the_table_fits_and_is_aligned(number):
    classes = class_names(number)
    lines = list(counts_table(counts_of(classes), classes))
    assert len({display_width(line) for line in lines}) == 1
    assert display_width(lines[0]) <= 100


def test_few_classes_are_columns():
    lines = list(counts_table(counts_of(CLASSES), CLASSES))
    assert lines[0].split() == [*CLASSES, "total"]
    assert lines[1] == "       train       1,000       1,001       1,002       3,003"
    assert len(lines) == 4


def test_many_classes_are_rows():
    classes = class_names(37)
    lines = list(counts_table(counts_of(classes), classes))
    assert len(lines) == 39
    assert lines[0].split() == ["train", "val", "test", "total"]
    assert lines[3].split()[-4:] == ["1,002", "2,002", "3,002", "6,006"]
    assert lines[-1].split()[0] == "total"
    assert lines[-1].split()[-1] == f"{sum(6_000 + 3 * column for column in range(37)):,}"


def test_a_class_without_galaxies_is_listed():
    lines = list(counts_table({"train": {"a": 3}, "val": {}}, ["a", "b"]))
    assert lines[1].split() == ["train", "3", "0", "3"]
    assert lines[2].split() == ["val", "0", "0", "0"]


def test_the_report_describes_the_classes_first():
    dataset = {"classes": CLASSES, "counts": counts_of(CLASSES), "skipped": []}
    described = list(report(dataset | {"class_descriptions": CLASS_DESCRIPTIONS}))
    assert described[1] == "irregular:  undecided votes, not a morphology"
    assert described[3:] == list(report(dataset))
    assert list(report(dataset, CLASS_DESCRIPTIONS)) == described


def test_a_table_without_splits_has_only_a_heading():
    assert len(list(counts_table({}, ["a", "b"]))) == 1
