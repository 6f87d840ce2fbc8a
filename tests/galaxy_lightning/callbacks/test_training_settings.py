import json

import pytest
from lightning.pytorch import LightningModule, Trainer

from galaxy_lightning.callbacks.training_settings import training_settings


def settings(given=None, **words):
    return training_settings(
        Trainer(accelerator="cpu", logger=False, **words), LightningModule(), given or {}
    )


def callback(name, **arguments):
    return {"class_path": f"lightning.pytorch.callbacks.{name}", "init_args": arguments}


@pytest.mark.parametrize(
    ("words", "name", "value"),
    [
        ({"accumulate_grad_batches": 4}, "accumulate_grad_batches", 4),
        ({"limit_train_batches": 1}, "limit_train_batches", "1 batch"),
        ({"limit_train_batches": 0.5}, "limit_train_batches", 0.5),
        ({"gradient_clip_val": 1}, "gradient_clip_val", 1.0),
        ({"max_steps": 7}, "max_steps", 7),
        ({"precision": "bf16-mixed"}, "precision", "bf16-mixed"),
        ({"given": {"max_time": "00:01:00:00"}}, "max_time", "00:01:00:00"),
        ({"given": {"overfit_batches": 3}}, "overfit_batches", "3 batches"),
    ],
)
def test_settings_that_change_a_fit_are_recorded(words, name, value):
    found, usual = settings(**words), settings()
    assert found[name] == value != usual[name]
    assert {key for key in found if found[key] != usual[key]} == {name}
    assert json.loads(json.dumps(found)) == found


def test_default_settings_equal_explicit_ones():
    assert settings(limit_train_batches=1.0, accumulate_grad_batches=1) == settings()


def test_callbacks_are_recorded_except_those_that_only_display():
    stopping = callback("EarlyStopping", monitor="val_loss", patience=5, min_delta=0.0)
    given = [callback("RichProgressBar", leave=True), stopping, "mine.Ours"]
    assert (
        settings({"callbacks": given})["callbacks"] == "EarlyStopping(monitor='val_loss', patience=5), Ours()"
    )
    assert settings({"callbacks": callback("LearningRateMonitor")})["callbacks"] is None
