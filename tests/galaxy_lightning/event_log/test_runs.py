"""The TensorBoard logs of real fits of all models: the same tags, with the epoch as x axis."""

import json
import shutil
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import yaml
from sklearn.metrics import balanced_accuracy_score, recall_score

from baselines.cli import main as baselines
from data_prep.schema import CLASSES
from galaxy_lightning.cli.main import main
from tests.galaxy_lightning.event_log.logs import curves, hyperparameters, pictures, read_log, text
from tests.many_classes import class_names, make_arrays

BY_EPOCH = {
    "loss/train", "loss/val", "accuracy/train", "accuracy/val", "recall/macro", "calibration/error",
    "learning_rate", "speed/images_per_second", "memory/process_mb",
    *(f"{metric}/{name}" for metric in ("recall", "precision") for name in CLASSES),
}  # fmt: skip
FINAL = {f"final/{name}" for name in ("accuracy", "macro_recall", "loss", "calibration_error")}
MODELS = ["galaxy_cnn", "keras", "scratch", "majority"]


def words(arrays, runs, name, *more, epochs=2):
    return [
        "fit", f"--data.arrays={arrays}", f"--runs={runs}", f"--name={name}", "--model.image_size=64",
        f"--trainer.max_epochs={epochs}", "--data.batch_size=16", "--trainer.enable_progress_bar=false",
        *more,
    ]  # fmt: skip


@pytest.fixture(scope="module")
def runs(small_arrays, tmp_path_factory):
    """The run folders of all models, by name."""
    folder = tmp_path_factory.mktemp("runs")
    auxiliary = "--model.auxiliary=['P_EL_DEBIASED']"
    main(words(small_arrays, folder, "galaxy_cnn", auxiliary))
    for model, options in (("keras", ["--epochs", "2"]), ("scratch", ["--epochs", "2"]), ("majority", [])):
        baselines(["fit", model, "--data", str(small_arrays), "--out", str(folder / model), *options])
    return {"galaxy_cnn": folder / "galaxy_cnn/version_0"} | {name: folder / name for name in MODELS[1:]}


@pytest.mark.parametrize("model", MODELS)
def test_all_models_have_the_same_curves_by_epoch(runs, model):
    found = curves(read_log(runs[model]))
    expected = BY_EPOCH | FINAL
    if model == "galaxy_cnn":
        expected = expected | {"loss/auxiliary"}
    if model == "majority":
        expected = expected - {"learning_rate", "speed/images_per_second"}
    assert set(found) == expected
    history = pd.read_csv(runs[model] / "history.csv")
    for tag in set(found) - FINAL:
        assert found[tag][0] == (history["epoch"] + 1).tolist(), tag
    for column in ("loss", "accuracy"):
        for split in ("train", "val"):
            expected = history[f"{split}_{column}"].to_numpy()
            np.testing.assert_allclose(found[f"{column}/{split}"][1], expected, atol=1e-6)


@pytest.mark.parametrize("model", MODELS)
def test_the_final_metrics_are_those_of_the_predictions(runs, model):
    found = curves(read_log(runs[model]))
    about = json.loads((runs[model] / "run.json").read_text())
    table = pd.read_csv(runs[model] / "predictions.csv")
    table = table[table["split"] == "val"]
    best = about["best_epoch"]
    expected = {
        "final/accuracy": (table["label"] == table["predicted"]).mean(),
        "final/macro_recall": balanced_accuracy_score(table["label"], table["predicted"]),
        "final/loss": pd.read_csv(runs[model] / "history.csv")["val_loss"][best],
        "final/calibration_error": found["calibration/error"][1][best],
    }
    for tag, value in expected.items():
        assert found[tag] == ([best + 1], [pytest.approx(value, abs=1e-4)]), tag
    recalls = recall_score(table["label"], table["predicted"], labels=CLASSES, average=None)
    shown = [found[f"recall/{name}"][1][best] for name in CLASSES]
    np.testing.assert_allclose(shown, recalls, atol=1e-6)


def test_the_runs_are_comparable_by_their_hyperparameters(runs):
    found = {model: hyperparameters(read_log(run)) for model, run in runs.items()}
    (columns, metrics), *others = (columns for _, columns in found.values())
    assert all(other == (columns, metrics) for other in others)
    assert set(metrics) == FINAL
    for model, (values, _) in found.items():
        about = json.loads((runs[model] / "run.json").read_text())
        assert values.items() >= {"model": model, "seed": 0}.items()
        settings = about["hyperparameters"]
        settings.pop("network", None)  # It is the model.
        scalar = {name: value for name, value in settings.items() if isinstance(value, str | float | bool)}
        assert values.items() >= scalar.items()
        assert set(values) <= set(columns)
        unknown = set(settings) - set(columns) - {"classes"}
        assert not unknown, "add new hyperparameters to HYPERPARAMETERS"
    assert found["galaxy_cnn"][0]["auxiliary"] == "P_EL_DEBIASED"
    assert found["scratch"][0]["momentum"] == pytest.approx(0.9)


@pytest.mark.parametrize("model", MODELS)
def test_the_config_and_the_classes_are_texts(runs, model, small_arrays):
    log = read_log(runs[model])
    assert text(log, "classes")[0].splitlines()[1] == "1. **irregular**: undecided votes, not a morphology"
    first, *lines, last = text(log, "config")[0].splitlines()
    assert (first, last) == ("```yaml", "```")
    config = yaml.safe_load("\n".join(lines))
    if model == "galaxy_cnn":
        assert config == yaml.safe_load((runs[model] / "config.yaml").read_text())
    else:
        about = json.loads((runs[model] / "run.json").read_text())
        assert config == about["hyperparameters"] | {"model": model, "seed": 0, "arrays": str(small_arrays)}


@pytest.mark.parametrize("model", MODELS)
def test_each_epoch_has_a_confusion_matrix_and_a_gallery(runs, model):
    log = read_log(runs[model])
    epochs = [1] if model == "majority" else [1, 2]
    for tag in ("validation/confusion_matrix", "validation/surest_mistakes"):
        images = pictures(log, tag)
        assert list(images) == epochs
        for image in images.values():
            assert min(image.size) > 100
            assert np.ptp(np.asarray(image)) > 100


def test_the_scratch_network_is_logged_without_large_libraries(small_arrays, tmp_path):
    # Its memory is measured until PeakMemory stops; the figures are drawn later.
    program = (
        "import sys; from baselines.cli import main; from galaxy_lightning.runtime.memory import PeakMemory\n"
        "def stop(self):\n"
        "    names = ('torch', 'tensorflow', 'matplotlib', 'scipy')\n"
        "    print('loaded:', [name for name in names if name in sys.modules])\n"
        "PeakMemory.stop = stop\n"
        "main(sys.argv[1:])"
    )
    options = ["--data", small_arrays, "--out", tmp_path / "run", "--epochs", "1"]
    command = [sys.executable, "-c", program, "fit", "scratch", *options]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[0] == "loaded: []"


def test_a_baseline_is_overwritten_also_one_without_a_log(runs, small_arrays, tmp_path):
    run = shutil.copytree(runs["majority"], tmp_path / "run")
    options = ["fit", "majority", "--data", str(small_arrays), "--out", str(run), "--overwrite"]
    baselines(options)
    (run / "events.out.tfevents").unlink()
    baselines(options)
    assert set(curves(read_log(run))) >= FINAL
    (run / "notes.txt").touch()
    with pytest.raises(SystemExit):
        baselines(options)


def test_a_resumed_fit_continues_the_log(small_arrays, tmp_path):
    main(words(small_arrays, tmp_path, "run", "--model.network=reference_cnn", epochs=3))
    run = tmp_path / "run/version_0"
    shutil.copy(run / "last.ckpt", tmp_path / "third.ckpt")
    main(["fit", f"--ckpt_path={run}/last.ckpt", "--trainer.max_epochs=5"])
    log = read_log(run)
    found = curves(log)
    for tag, (steps, _) in found.items():
        assert tag in FINAL or steps == [1, 2, 3, 4, 5], tag
    assert hyperparameters(log)[0]["epochs"] == 5
    assert list(text(log, "config")) == [0, 3]
    assert list(text(log, "classes")) == [0]

    # A fit that is resumed from an earlier checkpoint replaces the later epochs.
    shutil.move(tmp_path / "third.ckpt", run / "last.ckpt")
    main(["fit", f"--ckpt_path={run}/last.ckpt", "--trainer.max_epochs=4"])
    log = read_log(run)
    for tag, (steps, values) in curves(log).items():
        assert tag in FINAL or steps == [1, 2, 3, 4], tag
        if tag in ("loss/val", "accuracy/train"):
            np.testing.assert_allclose(values, found[tag][1][:4])
    assert list(pictures(log, "validation/confusion_matrix")) == [1, 2, 3, 4]


def test_a_class_without_validation_galaxies_has_no_recall(small_arrays, tmp_path):
    folder = shutil.copytree(small_arrays, tmp_path / "arrays")
    table = pd.read_csv(folder / "catalog.csv", dtype={"objid": "int64", "asset_id": "str"})
    held_out = (table["split"] != "train") & (table["label"] == "irregular")
    table.loc[held_out, "split"] = "train"
    table.to_csv(folder / "catalog.csv", index=False)
    options = ["--data.verify=false", "--model.network=reference_cnn"]
    main(words(folder, tmp_path, "run", *options, epochs=1))
    found = curves(read_log(tmp_path / "run/version_0"))
    assert "recall/irregular" not in found
    shown = [found[f"recall/{name}"][1][0] for name in ("elliptical", "spiral")]
    assert found["recall/macro"][1][0] == pytest.approx(np.mean(shown))
    assert found["final/macro_recall"][1] == found["recall/macro"][1]


@pytest.mark.parametrize("number", [5, 37])
def test_any_number_of_classes_with_any_names(number, tmp_path):
    classes = class_names(number)
    make_arrays(tmp_path / "arrays", classes, size=48, descriptions={classes[0]: "is <b>round</b>"})
    options = ["--model.network=reference_cnn", "--model.image_size=48"]
    main([*words(tmp_path / "arrays", tmp_path, "run", *options, epochs=1), "--data.batch_size=64"])
    run = tmp_path / "run/version_0"
    log = read_log(run)
    tags = set(curves(log))
    group = "recall" if number == 5 else "recall_by_class"
    assert tags >= {f"{group}/{name}" for name in classes}
    assert len(tags) == 9 + len(FINAL) + (2 if number == 5 else 1) * number
    assert text(log, "classes")[0].startswith("1. **smooth, completely round**: is &lt;b>round&lt;/b>\n")
    table = pd.read_csv(run / "predictions.csv")
    wrong = ((table["label"] != table["predicted"]) & (table["split"] == "val")).sum()
    (gallery,) = pictures(log, "validation/surest_mistakes").values()
    assert gallery.size[1] > 200 * min(6, wrong // 2)


def test_loggers_and_callbacks_of_the_user_are_served(small_arrays, tmp_path):
    logger = json.dumps({"class_path": "CSVLogger", "init_args": {"save_dir": str(tmp_path / "csv")}})
    callback = json.dumps({"class_path": "LearningRateMonitor", "init_args": {"logging_interval": "epoch"}})
    options = [f"--trainer.logger={logger}", f"--trainer.callbacks=[{callback}]"]
    stopping = json.dumps({"class_path": "EarlyStopping", "init_args": {"monitor": "val_recall_spiral"}})
    options.append(f"--trainer.callbacks+={stopping}")
    main(words(small_arrays, tmp_path, "run", "--model.network=reference_cnn", *options))
    run = tmp_path / "run/version_0"
    assert set(curves(read_log(run))) == BY_EPOCH | FINAL | {"lr-KerasAdam"}
    (table,) = (pd.read_csv(path) for path in (tmp_path / "csv").rglob("metrics.csv"))
    assert {"epoch", "step", "train_loss", "val_loss", "val_recall_spiral", "lr-KerasAdam"} <= set(table)
    shown = curves(read_log(run))["loss/val"][1]
    np.testing.assert_allclose(table["val_loss"].dropna(), shown, rtol=1e-5)
