"""Evaluations of models with any number of classes, of any names."""

import json

import numpy as np
import pandas as pd
import pytest
from lightning.pytorch import Trainer
from sklearn import metrics as sklearn_metrics

from data_prep.schema import CLASS_DESCRIPTIONS, CLASSES
from galaxy_lightning.callbacks.evaluation import EvaluationWriter
from galaxy_lightning.data.datamodule import GalaxyDataModule
from galaxy_lightning.training.module import GalaxyClassifier
from tests.many_classes import class_names, make_arrays


@pytest.fixture(scope="module", params=[3, 37])
def fit(request, tmp_path_factory):
    """The classes, their descriptions, and the folder of a fit and of its evaluation."""
    folder = tmp_path_factory.mktemp("fit")
    classes, descriptions = list(CLASSES), CLASS_DESCRIPTIONS
    if request.param != 3:
        classes = class_names(request.param)
        descriptions = {name: f"is {name}" for name in classes[1:]}
    make_arrays(folder / "arrays", classes, size=48)
    data = GalaxyDataModule(str(folder / "arrays"), batch_size=64)
    writer = EvaluationWriter(folder / "test", "test", {"arrays": "none"}, descriptions)
    model = GalaxyClassifier("reference_cnn", classes=classes, image_size=48)
    settings = {"accelerator": "cpu", "enable_progress_bar": False, "enable_model_summary": False}
    Trainer(logger=False, callbacks=[writer], **settings).test(model, data, verbose=False)
    return classes, descriptions, folder, writer


def test_the_evaluation_describes_the_classes(fit):
    classes, descriptions, folder, writer = fit
    found = json.loads((folder / "test/metrics.json").read_text())
    assert found["class_descriptions"] == dict(descriptions)
    assert {f"recall_{name}" for name in classes} <= set(found["metrics"])
    lines = list(writer.report)
    assert lines[0].endswith(next(iter(descriptions.values())))
    if len(classes) == 3:
        assert lines[1] == "irregular:  undecided votes, not a morphology"
    else:
        assert "The confusion matrix is in confusion_matrix.csv" in lines


def test_the_confusion_matrix_has_the_full_names(fit):
    classes, _, folder, _ = fit
    table = pd.read_csv(folder / "test/confusion_matrix.csv", index_col=0)
    assert list(table.index) == list(table.columns) == classes
    metrics = json.loads((folder / "test/metrics.json").read_text())["metrics"]
    true, predicted = np.nonzero(table.to_numpy())
    weights = table.to_numpy()[true, predicted]
    expected = sklearn_metrics.balanced_accuracy_score(true, predicted, sample_weight=weights)
    assert metrics["recall"] == pytest.approx(expected, abs=1e-6)


def test_classes_need_no_descriptions(tmp_path):
    assert EvaluationWriter(tmp_path, "test", {}).descriptions == {}
