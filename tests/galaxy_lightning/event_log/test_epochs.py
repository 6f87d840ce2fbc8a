import re

import numpy as np
import pytest
from sklearn import metrics
from tensorboard.plugins.custom_scalar import layout_pb2

from galaxy_lightning.event_log.drawing import drawable_names, fit_text, text_width
from galaxy_lightning.event_log.epochs import ValidationPredictions, log_epoch
from galaxy_lightning.event_log.pictures import draw_confusion_matrix, draw_gallery
from galaxy_lightning.event_log.scalars import layout_summary, recall_tags, validation_scalars
from tests.many_classes import class_names, make_arrays


class Summaries(list):
    """Keeps the summaries of a log."""

    def add_summary(self, summary, step):
        self.extend((value, step) for value in summary.value)


@pytest.fixture(params=[1, 3, 5], ids="{} bands".format)
def validation(request, tmp_path):
    arrays = make_arrays(tmp_path / "arrays", class_names(4), channels=request.param)
    rows = arrays.rows("val")[::-1]
    probabilities = np.random.default_rng(0).dirichlet([0.5] * 4, len(rows))
    return ValidationPredictions(arrays, rows, probabilities)


def test_the_metrics_are_those_of_scikit_learn(validation):
    found = validation.scalars
    about = validation.labels, validation.predicted
    assert found["accuracy/val"] == pytest.approx(metrics.accuracy_score(*about))
    assert found["recall/macro"] == pytest.approx(metrics.balanced_accuracy_score(*about))
    names = validation.arrays.classes
    for metric, score in (("recall", metrics.recall_score), ("precision", metrics.precision_score)):
        values = score(*about, average=None, zero_division=0)
        np.testing.assert_allclose([found[f"{metric}/{name}"] for name in names], values)


def test_the_gallery_holds_the_surest_mistakes_in_order(validation):
    found = validation.surest_mistakes()
    table = validation.arrays.catalog.iloc[validation.rows].reset_index(drop=True)
    top = validation.probabilities.max(axis=1)
    wrong = np.array(validation.arrays.classes)[validation.predicted] != table["label"]
    expected = table.assign(top=top)[wrong].sort_values("top", ascending=False).head(12)
    assert [mistake.name for mistake in found] == expected["objid"].astype(str).tolist()
    assert [mistake.true for mistake in found] == expected["label"].tolist()
    np.testing.assert_allclose([mistake.probability for mistake in found], expected["top"])
    row = validation.arrays.catalog.index[validation.arrays.catalog["objid"] == int(found[0].name)][0]
    np.testing.assert_array_equal(found[0].image, validation.arrays.images[row])
    picture = np.asarray(draw_gallery(found[:1], "title"))
    assert picture.shape[1] == 348
    corner = validation.arrays.images[row, :1, :1].astype(float)
    colour = corner[0, 0] if corner.shape[-1] == 3 else corner.mean().repeat(3)
    assert np.abs(picture[34, 8].astype(float) - colour).max() <= 60  # It is enlarged.


def test_no_mistakes_are_no_error():
    assert draw_gallery([], "title").size == (348, 34)


def test_a_fit_that_diverges_has_only_its_losses(validation):
    log = Summaries()
    broken = ValidationPredictions(validation.arrays, validation.rows, validation.probabilities * np.nan)
    log_epoch(log, 1, {"loss/train": 0.5, "loss/val": np.nan, "learning_rate": None}, broken)
    assert [(value.tag, step) for value, step in log] == [("loss/train", 1), ("loss/val", 1)]


def test_an_epoch_without_validation_has_no_pictures():
    log = Summaries()
    log_epoch(log, 1, {"loss/train": 0.5}, None)
    assert [value.tag for value, _ in log] == ["loss/train"]


def test_the_tags_of_classes_are_distinct():
    names = ["macro", "a/b", "a", "<b>"]
    found = validation_scalars(np.arange(4), np.eye(4), names)
    assert len(found) == 3 + 2 * 4
    assert recall_tags(names) == ["recall/class macro", "recall/a/b", "recall/a", "recall/<b>"]


@pytest.mark.parametrize("number", [3, 37])
def test_the_layout_shows_related_curves_in_one_chart(number):
    (value,) = layout_summary().value
    (category,) = layout_pb2.Layout.FromString(value.tensor.string_val[0]).category
    tags = ["loss/train", "loss/val", "loss/auxiliary", "accuracy/train", "accuracy/val"]
    recalls = recall_tags(class_names(number))
    tags += recalls
    shown = [[tag for tag in tags if re.match(chart.multiline.tag[0], tag)] for chart in category.chart]
    assert shown == [tags[:2], tags[3:5], recalls]


@pytest.mark.parametrize("number", [2, 3, 8, 9, 15, 16, 37, 100])
def test_a_confusion_matrix_of_any_size_is_drawn(number):
    counts = np.eye(number, dtype=np.int64) * 7
    picture = np.asarray(draw_confusion_matrix(counts, class_names(number), "title"))
    assert picture.shape[1] < 30 * number + 700
    dark = (picture == (8, 48, 107)).all(axis=-1)
    columns, rows = np.flatnonzero(dark.any(axis=0)), np.flatnonzero(dark.any(axis=1))
    assert (np.ptp(columns), np.ptp(rows)) == pytest.approx((np.ptp(rows), np.ptp(columns)))
    assert np.ptp(columns) > 13 * number
    for margin in (picture[:, -3:], picture[-2:]):
        assert (margin == 255).all()  # Nothing is cut off.


def test_names_without_a_font_are_numbered_and_long_ones_shortened():
    names = ["spiral", "\U0001f30c", "x" * 60, "x" * 59 + "y"]
    assert drawable_names(names, 20)[:2] == ["spiral", "class 2"]
    shown = drawable_names(names, 20)[2:]
    assert len(set(shown)) == 2
    assert text_width(fit_text("galaxie irrégulière " * 5, 100)) <= 100
    assert fit_text("spiral", 100) == "spiral"
