import warnings

import numpy as np
import pytest
from matplotlib.legend import Legend

from galaxy_lightning.audit.figures import (
    MAX_CLASSES,
    class_colours,
    plot_colour_response,
    plot_map,
    plot_recall_curves,
    plot_wrong_labels,
)
from galaxy_lightning.evaluation.colours import COLOURS
from tests.galaxy_lightning.evaluation.texts import misplaced
from tests.made_audits import make_results
from tests.many_classes import class_names

SURVEYS = {
    "two": ["$x_$ of no formula", "_hidden"],
    "any characters": class_names(10),
    "many": class_names(37),
}


def draw(audit, classes):
    """Yields the four figures."""
    wrong = audit.galaxies.head(7)
    images = [np.zeros((8, 8, bands), dtype=np.uint8) for bands in (3, 1, 5, 3, 3, 3, 3)]
    yield plot_colour_response(audit.summary["colour"], classes, "a $title_$")
    yield plot_recall_curves(audit.recall, classes, "a $title_$")
    yield plot_map(audit.galaxies.dropna(subset=["map_x"]), classes, "a $title_$")
    yield plot_wrong_labels(wrong, images, ["a very long name of a galaxy " * 3] * 7, "a $title_$")


@pytest.mark.parametrize("survey", SURVEYS)
def test_names_are_drawn_as_they_are_without_warnings_and_do_not_overlap(survey):
    classes = SURVEYS[survey]
    audit = make_results(classes, 20 * len(classes))
    for figure in draw(audit, classes):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            outside, overlapping = misplaced(figure)
        # Matplotlib does not draw the numbers of axes that are switched off.
        assert [text for text in outside if not _is_number(text)] == []
        assert overlapping == []


def legend_texts(figure):
    return [text.get_text() for legend in figure.findobj(Legend) for text in legend.get_texts()]


def test_the_legends_name_every_class_even_if_it_begins_with_an_underscore():
    classes = SURVEYS["two"]
    colour, recall, by_class, _ = draw(make_results(classes), classes)
    assert legend_texts(colour) == ["accuracy", *(f"recall, {name}" for name in classes)]
    assert legend_texts(recall) == classes
    assert legend_texts(by_class)[:2] == classes


def test_of_many_classes_the_first_are_distinguished_and_the_map_has_all_galaxies():
    classes = SURVEYS["many"]
    audit = make_results(classes, 400)
    colour, recall, by_class, _ = draw(audit, classes)
    assert len(legend_texts(colour)) == MAX_CLASSES + 1
    assert len(legend_texts(recall)) == MAX_CLASSES
    assert legend_texts(by_class)[0] == "other classes"
    drawn = sum(len(each.get_offsets()) for each in by_class.axes[0].collections)
    assert drawn == audit.galaxies["map_x"].notna().sum()


def test_a_class_without_galaxies_has_no_curve():
    classes = ["elliptical", "irregular", "never"]
    audit = make_results(classes)
    none = audit.galaxies["label"] != "never"
    audit.summary["colour"]["changes"]["unchanged"]["recall"]["never"] = None
    assert "recall, never" not in legend_texts(plot_colour_response(audit.summary["colour"], classes, "a"))
    recall = audit.recall[audit.recall["class"] != "never"]
    assert legend_texts(plot_recall_curves(recall, classes, "a")) == classes[:2]
    assert "never" not in legend_texts(plot_map(audit.galaxies[none].dropna(), classes, "a"))


def test_the_curves_have_the_values_of_the_audit():
    audit = make_results()
    changes = audit.summary["colour"]["changes"]
    axes = plot_colour_response(audit.summary["colour"], audit.summary["classes"], "a").axes[0]
    names = ["-0.4 mag", "-0.2 mag", "-0.1 mag", "unchanged", "+0.1 mag", "+0.2 mag", "+0.4 mag"]
    accuracy, grey, spiral = axes.lines[0], axes.lines[1], axes.lines[6]
    np.testing.assert_allclose(accuracy.get_xdata(), [-0.4, -0.2, -0.1, 0, 0.1, 0.2, 0.4])
    assert accuracy.get_ydata().tolist() == [changes[name]["accuracy"] for name in names]
    assert grey.get_ydata().tolist() == [changes["grey"]["accuracy"]]
    assert spiral.get_ydata().tolist() == [changes[name]["recall"]["spiral"] for name in names]


def test_the_first_twelve_classes_have_colours_of_their_own():
    colours = class_colours(SURVEYS["many"])
    assert len(set(list(colours.values())[:12])) == 12 == len(COLOURS)
    assert set(colours) == set(SURVEYS["many"])


def _is_number(text):
    return text.replace(".", "").replace("\N{MINUS SIGN}", "").isdigit()
