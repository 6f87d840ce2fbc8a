import io
import unicodedata

import pandas as pd
import pytest
from astropy.table import Table
from hypothesis import assume, given
from hypothesis import strategies as st

from data_prep.common.errors import GalaxyError
from data_prep.samples.class_names import (
    check_class_names,
    class_list,
    describe_classes,
    known_descriptions,
)
from data_prep.schema import CLASS_DESCRIPTIONS, CLASSES
from tests.many_classes import NAMES, NUMBERS, class_names


@pytest.mark.parametrize("number", NUMBERS)
def test_names_of_many_kinds_are_valid(number):
    check_class_names(class_names(number))


def test_the_classes_of_the_reference_are_valid_and_described():
    check_class_names(CLASSES)
    assert list(CLASS_DESCRIPTIONS) == list(CLASSES)
    assert CLASS_DESCRIPTIONS["irregular"] == "undecided votes, not a morphology"


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ([], "no class: a classifier needs 2 to 100 classes"),
        (["a"], "1 class (a): a classifier needs 2 to 100 classes"),
        ([str(number) for number in range(101)], "101 classes: a classifier needs 2 to 100 classes"),
        (["a", ""], "'': it is empty"),
        (["a", "  "], "it is empty"),
        (["a", "b" * 61], "it has 61 characters, more than 60"),
        (["a", "b\nc"], "contains a line break"),
        (["a", "b\tc"], "contains a line break, a control character"),
        (["a", "b\x00"], "control character"),
        (["a", "\ud800"], "cannot be printed"),
        (["a", " b"], "' b': it begins or ends with a blank"),
        (["a", "a"], "'a' and 'a' are equal"),
        (["Spiral", "spiral"], "'Spiral' and 'spiral' differ only by case or Unicode form: rename one of"),
        (["straße", "STRASSE"], "differ only by case"),
        (["é", unicodedata.normalize("NFD", "é")], "differ only by case or Unicode form"),
        (["a", "NA"], "'NA': CSV readers take it for a missing value"),
        (["a", "None"], "missing value"),
    ],
)
def test_invalid_names_are_refused(names, message):
    with pytest.raises(GalaxyError) as caught:
        check_class_names(names)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    str(caught.value).encode()


VISIBLE = st.characters(categories=["L", "M", "N", "P", "S"])


@given(st.lists(st.text(VISIBLE, min_size=1, max_size=20), min_size=2, max_size=4, unique_by=str.lower))
def test_valid_names_survive_csv_files_of_pandas_and_astropy(names):
    try:
        check_class_names(names)
    except GalaxyError:
        assume(False)
    table = pd.DataFrame({f"p_{name}": [0.5] for name in names} | {"label": names[-1]})
    file = io.StringIO()
    table.to_csv(file, index=False)
    read = pd.read_csv(io.StringIO(file.getvalue()), dtype={"label": str})
    assert list(read.columns) == list(table.columns)
    assert read["label"].tolist() == [names[-1]]
    assert Table.read(file.getvalue(), format="ascii.csv").colnames == list(table.columns)
    assert len({name.lower() for name in table.columns}) == len(table.columns)


def test_descriptions_may_be_missing():
    descriptions = {"spiral": "spiral arms", "elliptical": "", "other": "?"}
    assert known_descriptions(CLASSES, descriptions) == {"spiral": "spiral arms"}
    assert list(describe_classes(CLASSES, descriptions)) == ["spiral: spiral arms"]
    assert list(describe_classes(CLASSES, {})) == []
    assert (
        class_list(CLASSES, descriptions) == "1. **elliptical**\n1. **irregular**\n1. **spiral**: spiral arms"
    )


def test_descriptions_are_aligned_and_wrapped():
    lines = list(describe_classes(["星系", "disc"], {"disc": "a " * 80, "星系": "a galaxy"}))
    assert lines[:2] == ["星系: a galaxy", f"disc: {'a ' * 37}".rstrip()]
    assert lines[2].startswith("      a a")
    assert max(map(len, lines)) <= 80


def test_names_in_a_markdown_list_are_shown_as_they_are():
    text = class_list(NAMES[5:6] + NAMES[9:], {})
    assert "100% \\*dust\\*" in text
    assert "&lt;merger>" in text
