import pytest
from matplotlib.font_manager import get_font_names
from matplotlib.text import Text

from galaxy_lightning.evaluation import figure_text
from galaxy_lightning.evaluation.figure_text import (
    class_names,
    legend_names,
    show_as_is,
    undrawn_note,
    wrap_lines,
)

NOWHERE = "\U0010fffd"
"""A character of no font."""


@pytest.fixture
def fonts(monkeypatch):
    """Sets the fonts that are looked for besides the default one."""

    def use(*names):
        monkeypatch.setattr(figure_text, "_OTHER_FONTS", names)
        figure_text._installed_fonts.cache_clear()
        figure_text._known_characters.cache_clear()

    yield use
    monkeypatch.undo()
    figure_text._installed_fonts.cache_clear()
    figure_text._known_characters.cache_clear()


def test_names_in_other_scripts_are_shown_if_a_font_has_their_characters(fonts):
    assert class_names(["irrégulière", "спираль", NOWHERE], 20) == ["irrégulière", "спираль", "class 3"]
    assert "STIXGeneral" in get_font_names()  # It is part of Matplotlib.
    fonts("No Such Font", "STIXGeneral")
    assert class_names(["\N{SCRIPT SMALL G}", "disc"], 20) == ["\N{SCRIPT SMALL G}", "disc"]
    fonts("No Such Font")
    assert class_names(["\N{SCRIPT SMALL G}", "disc"], 20) == ["class 1", "disc"]


def test_a_note_names_the_classes_that_cannot_be_drawn():
    assert undrawn_note(["a", "b"]) == []
    note = "No installed font has the characters of the names of classes {} (of {})"
    assert undrawn_note([NOWHERE, NOWHERE * 2, "a"]) == [note.format("1 and 2", 3)]
    many = [NOWHERE * length for length in range(1, 31)]
    assert undrawn_note(many) == [note.format("1, 2, 3, 4, 5, 6, 7, 8, 9 and 21 more", 30)]


def test_a_number_does_not_repeat_the_name_of_another_class():
    assert class_names(["class 2", NOWHERE], 20) == ["class 2", "no. 2"]


def test_models_are_numbered_as_models():
    assert legend_names(["a", NOWHERE]) == ["a", "model 2"]
    assert max(map(len, legend_names([*"abcdefg", "x" * 40]))) == 26


def test_characters_of_no_font_are_replaced_in_texts():
    text = Text(text=f"a {NOWHERE}é\n$b$")
    show_as_is(text)
    assert text.get_text() == "a \N{REPLACEMENT CHARACTER}é\n$b$"
    assert not text.get_parse_math()


def test_lines_are_wrapped_separately():
    assert wrap_lines("true a\npredicted b c", 11) == "true a\npredicted b\nc"
    assert wrap_lines("星系星系", 4) == "星系\n星系"
    assert wrap_lines("a\n\nb", 4) == "a\n\nb"
