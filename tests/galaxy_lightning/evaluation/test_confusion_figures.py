import io
import itertools
import warnings

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from data_prep.schema import CLASS_DESCRIPTIONS, CLASSES
from galaxy_lightning.evaluation.confusion_figures import (
    MAX_SIDE_BY_SIDE,
    MAX_WITH_COUNTS,
    MAX_WITH_FRACTIONS,
    MAX_WITH_TEXTS,
    plot_confusion_matrices,
    plot_confusion_matrix,
)
from tests.many_classes import NUMBERS, class_names


def counts_of(number, seed=0):
    generator = np.random.default_rng(seed)
    return generator.integers(0, 300, (number, number)) + np.diag(generator.integers(0, 2000, number))


def short_names(number):
    return [f"class {index}" for index in range(number)]


def boxes(texts, renderer):
    """Returns the bounding boxes of texts, without the labels that are not drawn."""
    return [text.get_window_extent(renderer) for text in texts if text.get_text()]


def overlapping(texts, renderer):
    """Returns pairs of neighbouring texts that overlap by more than a pixel."""
    return [
        pair for pair in itertools.pairwise(boxes(texts, renderer)) if pair[0].padded(-1).overlaps(pair[1])
    ]


def test_each_cell_shows_the_share_of_its_row_and_the_count():
    counts = np.array([[30, 5, 1], [0, 0, 0], [2, 3, 64]])
    figure = plot_confusion_matrix(counts, CLASSES, "test")
    axes = figure.axes[0]
    texts = [text.get_text() for text in axes.texts]
    assert texts[0] == "0.83\n(30)"
    assert texts[3] == "0.00\n(0)"
    assert texts[8] == "0.93\n(64)"
    assert [label.get_text() for label in axes.get_yticklabels()] == list(CLASSES)
    assert axes.get_xlabel() == "Predicted class"
    assert max(figure.get_size_inches()) < 5.2
    assert figure.get_supxlabel() == ""


@pytest.mark.parametrize("number", NUMBERS)
@pytest.mark.parametrize("names", [short_names, class_names])
def test_a_matrix_of_any_size_is_legible(number, names):
    classes = names(number)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figure = plot_confusion_matrix(counts_of(number), classes, "test", dict.fromkeys(classes, "a galaxy"))
        canvas = FigureCanvasAgg(figure)
        canvas.draw()
    assert max(figure.get_size_inches()) < 16
    renderer, axes = canvas.get_renderer(), figure.axes[0]
    page = figure.bbox
    for label in (*axes.get_xticklabels(), *axes.get_yticklabels()):
        assert label.get_fontsize() >= 6
        box = label.get_window_extent(renderer)
        assert page.x0 <= box.x0
        assert box.x1 <= page.x1
        assert page.y0 <= box.y0
    assert not overlapping(axes.get_yticklabels(), renderer)
    if axes.get_xticklabels()[0].get_rotation() in (0, 90):  # The boxes of oblique texts always overlap.
        assert not overlapping(axes.get_xticklabels(), renderer)
    cell = axes.bbox.width / number
    assert all(box.width < cell and box.height < cell for box in boxes(axes.texts, renderer))
    shown = [label.get_text() for label in axes.get_yticklabels()]
    assert len(set(shown)) == number
    others = [*figure.texts, axes.xaxis.label, axes.yaxis.label, figure.axes[1].yaxis.label]
    texts = boxes([*others, *axes.get_yticklabels(), figure.axes[1].get_yticklabels()[0]], renderer)
    assert all(page.x0 <= box.x0 and box.x1 <= page.x1 and page.y0 <= box.y0 for box in texts)
    assert not any(one.padded(-1).overlaps(other) for one, other in itertools.combinations(texts, 2))
    below = min(label.get_window_extent(renderer).y0 for label in axes.get_xticklabels())
    assert axes.xaxis.label.get_window_extent(renderer).y1 <= below + 1


@pytest.mark.parametrize(
    ("number", "texts"),
    [
        (MAX_WITH_COUNTS, 64),
        (MAX_WITH_COUNTS + 1, 81),
        (MAX_WITH_FRACTIONS, 225),
        (MAX_WITH_FRACTIONS + 1, 18),
        (MAX_WITH_TEXTS, 42),
        (MAX_WITH_TEXTS + 1, 0),
    ],
)
def test_cells_show_what_fits(number, texts):
    counts = 100 * np.eye(number, dtype=int)
    counts[0, :4] = 900, 50, 49, 1  # The fractions 0.90, 0.05, 0.049 and 0.001.
    counts[1, 0] = 10
    axes = plot_confusion_matrix(counts, short_names(number), "test").axes[0]
    assert len(axes.texts) == texts
    if texts == number + 2:
        assert [text.get_text() for text in axes.texts[:5]] == [".90", ".05", ".09", ".91", "1"]


def test_names_are_not_formulas_and_unknown_characters_are_numbered():
    classes = ["$x$ & $y$", "\U000e0100\U0010fffd", "disc"]
    figure = plot_confusion_matrix(counts_of(3), classes, "a $title$")
    labels = figure.axes[0].get_xticklabels()
    assert [label.get_text() for label in labels] == ["$x$ & $y$", "class 2", "disc"]
    assert not any(label.get_parse_math() for label in labels)
    assert figure.get_supxlabel() == "No installed font has the characters of the name of class 2 (of 3)"
    described = plot_confusion_matrix(counts_of(3), classes, "test", {classes[1]: "a galaxy"})
    assert described.get_supxlabel().startswith("class 2: a galaxy\n")


def test_the_caption_describes_few_classes():
    figure = plot_confusion_matrix(counts_of(3), CLASSES, "test", CLASS_DESCRIPTIONS)
    assert "irregular: undecided votes, not a morphology" in figure.get_supxlabel().splitlines()
    classes = short_names(9)
    many = plot_confusion_matrix(counts_of(9), classes, "test", dict.fromkeys(classes, "a galaxy"))
    assert many.get_supxlabel() == ""


def test_confusion_matrices_are_drawn_side_by_side():
    counts = np.array([[3, 1], [0, 4]])
    figure = plot_confusion_matrices(dict.fromkeys("abcd", counts), ["disc", "ball"])
    titles = [axes.get_title() for axes in figure.axes]
    assert titles[:4] == ["a", "b", "c", "d"]
    assert [axes.get_ylabel() for axes in figure.axes[:4]] == ["True class", "", "True class", ""]


@pytest.mark.parametrize("number", range(2, MAX_SIDE_BY_SIDE + 1))
@pytest.mark.parametrize("names", [short_names, class_names])
@pytest.mark.parametrize("models", [1, 3, 7])
def test_matrices_of_several_models_fit_the_page(number, names, models):
    matrices = {f"model {index}": counts_of(number, index) for index in range(models)}
    figure = plot_confusion_matrices(matrices, names(number))
    assert figure.get_size_inches()[0] < 16
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    for axes in figure.axes[:models]:
        cell = axes.bbox.width / number
        assert all(box.width < cell for box in boxes(axes.texts, canvas.get_renderer()))


def test_figures_are_the_same_each_time():
    images = []
    for _ in range(2):
        file = io.BytesIO()
        plot_confusion_matrix(counts_of(20), class_names(20), "test").savefig(
            file, metadata={"Software": None}
        )
        images.append(file.getvalue())
    assert images[0] == images[1]
