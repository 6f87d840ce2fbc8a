"""Evaluations and logs of models with any number of classes, of any names."""

import json

import numpy as np
import pandas as pd
import pytest
from lightning.pytorch import Trainer
from sklearn import metrics as sklearn_metrics
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from data_prep.schema import CLASS_DESCRIPTIONS, CLASSES
from galaxy_lightning.callbacks.evaluation import ConfusionMatrixLogger, EvaluationWriter
from galaxy_lightning.callbacks.run_logger import RunLogger
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
    silent = {"enable_checkpointing": False, "num_sanity_val_steps": 0, "log_every_n_steps": 1}
    logged = ConfusionMatrixLogger(descriptions)
    Trainer(max_epochs=1, logger=RunLogger(folder / "run"), callbacks=[logged], **settings, **silent).fit(
        model, data
    )
    Trainer(logger=False, callbacks=[writer], **settings).test(model, data, verbose=False)
    return classes, descriptions, folder, writer


def test_tensorboard_describes_the_classes_once(fit):
    classes, _, folder, _ = fit
    events = EventAccumulator(str(folder / "run")).Reload()
    assert "classes/text_summary" in events.Tags()["tensors"]
    (event,) = events.Tensors("classes/text_summary")
    lines = event.tensor_proto.string_val[0].decode().splitlines()
    assert len(lines) == len(classes)
    if len(classes) == 3:
        assert lines[1] == "1. **irregular**: undecided votes, not a morphology"
    else:
        assert lines[0] == "1. **smooth, completely round**"
        assert lines[9] == "1. **&lt;merger> | tidal;tail #3**: is &lt;merger> | tidal;tail #3"
    assert len(events.Images("train/confusion_matrix")) == len(events.Images("val/confusion_matrix")) == 1


def test_metrics_of_many_classes_are_a_group_of_their_own(fit):
    classes, _, folder, _ = fit
    tags = EventAccumulator(str(folder / "run")).Reload().Tags()["scalars"]
    for split in ("train", "val"):
        group = split if len(classes) <= 12 else f"{split}_by_class"
        assert {f"{group}/recall_{name}" for name in classes} <= set(tags)
        assert {f"{split}/recall", f"{split}/loss", f"{split}/precision"} <= set(tags)


def test_the_evaluation_describes_the_classes(fit):
    classes, descriptions, folder, writer = fit
    found = json.loads((folder / "test/metrics.json").read_text())
    assert found["class_descriptions"] == dict(descriptions)
    assert {f"recall_{name}" for name in classes} <= set(found["metrics"])
    lines = list(writer.report)
    assert lines[2].endswith(next(iter(descriptions.values())))
    if len(classes) == 3:
        assert lines[3] == "irregular:  undecided votes, not a morphology"
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
    assert ConfusionMatrixLogger().descriptions == {}
    assert EvaluationWriter(tmp_path, "test", {}).descriptions == {}
