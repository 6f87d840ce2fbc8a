import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from data_prep.common.text_layout import (
    align_left,
    align_right,
    display_width,
    escape_markdown,
    shorten,
    shorten_names,
)


def test_east_asian_characters_take_two_columns_and_accents_none():
    assert display_width("spiral") == 6
    assert display_width("星系") == 4
    assert display_width("irrégulier") == display_width(unicodedata.normalize("NFD", "irrégulier")) == 10
    assert align_right("星系", 6) == "  星系"
    assert align_left("星系", 6) == "星系  "
    assert align_right("a spiral", 3) == align_left("a spiral", 3) == "a spiral"


@given(st.text(), st.integers(1, 30))
def test_a_shortened_text_fits(text, width):
    short = shorten(text, width)
    assert display_width(short) <= width
    assert short == text or (display_width(text) > width and short.endswith("…"))


def test_shortened_names_remain_distinct():
    assert shorten_names(["smooth, round", "disc"], 8) == ["smooth,…", "disc"]
    arms = ["barred spiral, 3 arms", "barred spiral, 4 arms"]
    assert shorten_names(arms, 14) == ["barred…3 arms", "barred…4 arms"]


@given(st.lists(st.text(st.characters(codec="utf-8"), max_size=40), unique=True, max_size=30))
def test_any_names_are_shortened_to_the_width(names):
    short = shorten_names(names, 12)
    assert len(short) == len(names)
    assert all(display_width(name) <= 12 for name in short)


def test_names_that_differ_only_in_the_middle_are_numbered():
    names = [f"{'a' * 30}{middle}{'z' * 30}" for middle in "bcd"]
    short = shorten_names(names, 12)
    assert len(set(short)) == 3
    assert [name[-2:] for name in short] == [" 1", " 2", " 3"]


def test_markdown_shows_the_text_as_it_is():
    assert escape_markdown("*a* [b] `c` d_e _f_ <g> & \\h") == (
        "\\*a\\* \\[b\\] \\`c\\` d_e \\_f\\_ &lt;g> &amp; \\\\h"
    )
