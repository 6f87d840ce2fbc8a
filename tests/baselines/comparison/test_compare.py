import json
import re
import shutil

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from baselines.cli import main
from baselines.comparison import jobs as training
from baselines.comparison.jobs import plan_jobs
from data_prep.arrays.format import open_arrays
from data_prep.schema import CLASSES
from galaxy_lightning.evaluation.measures import OVERALL_METRICS
from tests.in_process import trained_here

SMALL = ["scratch", "majority"]


def compare(arrays, out, *more):
    main(["compare", "--data", str(arrays), "--out", str(out), *map(str, more)])


@pytest.fixture(scope="module")
def report(small_arrays, tmp_path_factory):
    folder = tmp_path_factory.mktemp("compare") / "report"
    compare(small_arrays, folder, "--models", *SMALL, "--seeds", 0, 1)
    return folder


@pytest.fixture
def fourth_model(small_arrays, tmp_path):
    """A run folder that was not written by this project."""
    arrays, folder = open_arrays(small_arrays), tmp_path / "oracle"
    folder.mkdir()
    lines = ["objid,asset_id,split,label,p_elliptical,p_irregular,p_spiral,predicted"]
    for row in arrays.rows("val", "test"):
        galaxy = arrays.catalog.iloc[row]
        shares = [0.96 if name == galaxy["label"] else 0.02 for name in CLASSES]
        cells = (*galaxy[["objid", "asset_id", "split", "label"]], *shares, galaxy["label"])
        lines.append(",".join(map(str, cells)))
    (folder / "predictions.csv").write_text("\n".join(lines) + "\n")
    history = "epoch,train_loss,train_accuracy,val_loss,val_accuracy,seconds\n0,0.1,1,0.1,1,3\n"
    (folder / "history.csv").write_text(history)
    run = {"model": "<b>oracle</b> | v2", "parameters": 1, "arrays": {"sha256": arrays.dataset["sha256"]}}
    (folder / "run.json").write_text(json.dumps(run))
    return folder


def test_the_report_is_self_contained(report):
    page = (report / "report.html").read_text()
    sources = re.findall(r'(?:src|href)="([^"]*)"', page)
    assert sources
    assert all(source.startswith("#") for source in sources)
    assert "@import" not in page
    assert "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-" in page
    for text in (
        "expected calibration error",
        "95% confidence interval",
        "recall, irregular",
        "precision, spiral",
        "peak",
    ):
        assert text in page
    assert "McNemar" in page


def test_the_markdown_table_and_its_figures_exist(report):
    text = (report / "report.md").read_text()
    results = text.partition("## Results")[2].partition("## Pairwise")[0]
    table = [line for line in results.splitlines() if line.startswith("|")]
    assert len({line.count("|") for line in table}) == 1
    assert len(table) == 2 + len(OVERALL_METRICS) + 2 + 2 * len(CLASSES) + 4 + 2
    figures = re.findall(r"!\[.*\]\((.*)\)", text)
    assert [name.split("/")[1] for name in figures] == [
        f"{name}.png" for name in ("confusion", "reliability", "coverage", "loss", "accuracy")
    ]
    for name in figures:
        with Image.open(report / name) as image:
            assert min(image.size) > 300


def test_metrics_are_measured_on_the_test_galaxies(report, small_arrays):
    arrays = open_arrays(small_arrays)
    summary = json.loads((report / "metrics.json").read_text())
    accuracies = [model["mean"]["accuracy"] for model in summary["models"]]
    assert accuracies == sorted(accuracies, reverse=True)
    models = {model["name"]: model for model in summary["models"]}
    scratch, majority = models["scratch"], models["majority"]
    assert (len(scratch["runs"]), len(majority["runs"])) == (2, 1)
    labels = arrays.labels[arrays.rows("test")]
    for run in scratch["runs"]:
        table = pd.read_csv(f"{run['folder']}/predictions.csv")
        table = table[table["split"] == "test"]
        assert run["accuracy"] == pytest.approx((table["label"] == table["predicted"]).mean())
        assert np.sum(run["confusion"]) == len(labels)
    common = np.bincount(arrays.labels[arrays.rows("train")]).argmax()
    assert majority["mean"]["accuracy"] == pytest.approx((labels == common).mean())
    assert scratch["mean"]["parameters"] == 11_235
    assert scratch["mean"]["peak_memory_mb"] > 50


def test_a_comparison_resumes_with_the_complete_runs(report, small_arrays, tmp_path, capfd):
    folder = tmp_path / "report"
    shutil.copytree(report, folder)
    shutil.rmtree(folder / "runs/scratch/seed_1")
    (folder / "report.html").unlink()
    kept = (folder / "runs/scratch/seed_0/run.json").stat().st_mtime_ns
    with trained_here():
        compare(small_arrays, folder, "--models", *SMALL, "--seeds", 0, 1)
    shown = capfd.readouterr().out
    assert "scratch, seed 0: complete" in shown
    assert "training scratch, seed 1" in shown
    assert "training scratch, seed 0" not in shown
    assert (folder / "runs/scratch/seed_0/run.json").stat().st_mtime_ns == kept
    assert (folder / "report.html").is_file()


def test_a_run_folder_written_by_hand_is_compared(report, fourth_model, small_arrays, tmp_path, capfd):
    runs = [fourth_model, report / "runs/scratch/seed_0"]
    compare(small_arrays, tmp_path / "report", "--models", "--runs", *runs)
    assert "<b>oracle</b> | v2  test accuracy 1.000" in capfd.readouterr().out
    page = (tmp_path / "report/report.html").read_text()
    assert "&lt;b&gt;oracle&lt;/b&gt;" in page
    assert "<b>oracle" not in page
    text = (tmp_path / "report/report.md").read_text()
    assert "| &lt;b>oracle&lt;/b> \\| v2 |" in text
    summary = json.loads((tmp_path / "report/metrics.json").read_text())
    assert summary["mcnemar"][0]["p"] < 0.05


def test_a_run_that_cannot_be_compared_is_refused_before_training(fourth_model, arrays, tmp_path, capfd):
    with pytest.raises(SystemExit):
        compare(arrays, tmp_path / "report", "--models", "scratch", "--runs", fourth_model)
    said = capfd.readouterr()
    assert "was not made on the galaxy arrays" in said.err
    assert "training" not in said.out
    assert not (tmp_path / "report").exists()


def test_a_failed_model_does_not_affect_the_others(small_arrays, tmp_path, capfd):
    config = tmp_path / "broken.yaml"
    config.write_text("model:\n  image_size: 50\ntrainer:\n  max_epochs: 1\n")
    with pytest.raises(SystemExit, match="1"):
        compare(small_arrays, tmp_path / "report", "--models", config, "majority")
    error = capfd.readouterr().err
    assert "without failed models: broken, seed 0: ended with status 1" in error
    assert "images of 64 pixels, but the model needs 50" in error.splitlines()[-1]
    summary = json.loads((tmp_path / "report/metrics.json").read_text())
    assert [model["name"] for model in summary["models"]] == ["majority"]
    assert len(summary["failures"]) == 1
    assert "Not in this report" in (tmp_path / "report/report.html").read_text()


def test_no_report_is_written_if_all_models_fail(small_arrays, tmp_path, capfd):
    config = tmp_path / "broken.yaml"
    config.write_text("model:\n  image_size: 50\n")
    with trained_here(), pytest.raises(SystemExit):
        compare(small_arrays, tmp_path / "report", "--models", config)
    assert "every model failed: broken, seed 0" in capfd.readouterr().err
    assert not (tmp_path / "report/report.html").exists()


def test_a_lightning_config_is_trained_and_compared(small_arrays, tmp_path, capfd):
    config = tmp_path / "tiny.yaml"
    config.write_text("model:\n  image_size: 64\ntrainer:\n  max_epochs: 1\ndata:\n  batch_size: 16\n")
    with trained_here():
        compare(small_arrays, tmp_path / "report", "--models", config, "majority")
    assert len([*(tmp_path / "report/runs").glob("tiny-*/seed_0/version_0/best.ckpt")]) == 1
    summary = json.loads((tmp_path / "report/metrics.json").read_text())
    assert summary["models"][0]["name"] == "reference_cnn"
    settings = summary["models"][0]["hyperparameters"]
    assert (settings["epochs"], settings["batch_size"], settings["augment"]) == (1, 16, "quarter_turns")


def test_a_changed_config_is_trained_again(small_arrays, tmp_path):
    arrays, config = open_arrays(small_arrays), tmp_path / "tiny.yaml"
    config.write_text("trainer:\n  max_epochs: 1\n")
    (before,) = plan_jobs(arrays, [str(config)], [0], tmp_path)
    (again,) = plan_jobs(arrays, [str(config)], [0], tmp_path)
    config.write_text("trainer:\n  max_epochs: 2\n")
    (after,) = plan_jobs(arrays, [str(config)], [0], tmp_path)
    assert before == again
    assert before.folder != after.folder


def test_a_run_that_repeats_another_is_left_out(report, small_arrays, tmp_path, capfd):
    copy = tmp_path / "copy"
    shutil.copytree(report / "runs/scratch/seed_0", copy)
    runs = [report / "runs/scratch/seed_0", copy, report / "runs/scratch/seed_1"]
    compare(small_arrays, tmp_path / "report", "--models", "--runs", *runs)
    assert f"{copy} is excluded: it has the same model, settings and seed" in capfd.readouterr().out
    (model,) = json.loads((tmp_path / "report/metrics.json").read_text())["models"]
    assert [run["seed"] for run in model["runs"]] == [0, 1]


def test_a_run_with_other_trainer_settings_is_kept(report, small_arrays, tmp_path, capfd):
    runs = []
    for devices in (1, 2):
        runs.append(shutil.copytree(report / "runs/scratch/seed_0", tmp_path / f"devices_{devices}"))
        about = json.loads((runs[-1] / "run.json").read_text())
        (runs[-1] / "run.json").write_text(json.dumps(about | {"training": {"devices": devices}}))
    compare(small_arrays, tmp_path / "report", "--models", "--runs", *runs)
    assert "is excluded" not in capfd.readouterr().out
    models = json.loads((tmp_path / "report/metrics.json").read_text())["models"]
    assert {model["name"].partition(" ")[2] for model in models} == {"(devices 1)", "(devices 2)"}


@pytest.mark.parametrize(
    "name", ["_x", r"net $\foo$", "$x^$", "m" * 5000, "word " * 500, "two\nlines", "émoji 🌌"]
)
def test_any_model_name_can_be_drawn(name, fourth_model, small_arrays, tmp_path):
    about = json.loads((fourth_model / "run.json").read_text())
    (fourth_model / "run.json").write_text(json.dumps(about | {"model": name}))
    compare(small_arrays, tmp_path / "report", "--models", "--runs", fourth_model)
    results = (tmp_path / "report/report.md").read_text().partition("## Results")[2]
    table = [line for line in results.splitlines() if line.startswith("|")]
    assert len({line.count("|") for line in table}) == 1


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--models", "resnet9000"], "unknown model 'resnet9000': --models accepts majority, keras"),
        (["--models"], "nothing to compare"),
        (["--models", "majority", "--runs", "nowhere"], "nowhere is not a complete run"),
    ],
)
def test_invalid_requests_are_refused(words, message, small_arrays, tmp_path, capfd):
    with pytest.raises(SystemExit):
        compare(small_arrays, tmp_path / "report", *words)
    assert message in capfd.readouterr().err


def test_a_folder_with_other_content_is_left_alone(small_arrays, tmp_path, capfd):
    (tmp_path / "thesis.tex").write_text("mine")
    with pytest.raises(SystemExit):
        compare(small_arrays, tmp_path, "--models", "majority")
    assert "holds thesis.tex, which is not part of a report" in capfd.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


@pytest.mark.parametrize("name", ["report.html", "metrics.json", "figures", "runs"])
def test_a_user_file_with_the_name_of_a_report_file_is_left_alone(name, small_arrays, tmp_path, capfd):
    out = tmp_path / "mine"
    out.mkdir()
    (out / name).write_text("{}")
    with pytest.raises(SystemExit):
        compare(small_arrays, out, "--models", "majority")
    assert f"holds {name}" in capfd.readouterr().err
    assert (out / name).read_text() == "{}"


def test_a_report_inside_the_arrays_is_refused(small_arrays, capfd):
    with pytest.raises(SystemExit):
        compare(small_arrays, small_arrays / "report", "--models", "majority")
    assert "is inside the galaxy arrays" in capfd.readouterr().err


def test_figures_of_an_older_report_are_removed(report, small_arrays, fourth_model, tmp_path):
    folder = tmp_path / "report"
    shutil.copytree(report, folder)
    (folder / ".DS_Store").write_bytes(b"Finder")
    for name in ("misclassified_1.png", "confusion_3.png"):
        shutil.copy(folder / "figures/confusion.png", folder / "figures" / name)
    compare(small_arrays, folder, "--models", "--runs", fourth_model)
    assert not [*(folder / "figures").glob("*_[0-9].png")]


def test_a_run_of_another_model_in_the_folder_is_named(report, small_arrays, tmp_path, capfd):
    folder = tmp_path / "report"
    shutil.copytree(report, folder)
    shutil.rmtree(folder / "runs/majority/seed_0")
    shutil.copytree(folder / "runs/scratch/seed_0", folder / "runs/majority/seed_0")
    with pytest.raises(SystemExit):
        compare(small_arrays, folder, "--models", *SMALL)
    assert "is a run of scratch, not of majority" in capfd.readouterr().err


def test_an_incomplete_run_is_named(report, small_arrays, tmp_path, capfd):
    folder = tmp_path / "report"
    shutil.copytree(report, folder)
    (folder / "runs/scratch/seed_0/run.json").unlink()
    with pytest.raises(SystemExit):
        compare(small_arrays, folder, "--models", *SMALL)
    assert "runs/scratch/seed_0 is not a complete run: remove it" in capfd.readouterr().err


def test_a_file_as_report_folder_is_refused(small_arrays, tmp_path, capsys):
    (tmp_path / "thesis.tex").write_text("precious")
    with pytest.raises(SystemExit):
        compare(small_arrays, tmp_path / "thesis.tex", "--models", "majority")
    assert "is not a folder" in capsys.readouterr().err
    assert (tmp_path / "thesis.tex").read_text() == "precious"


def test_a_training_without_a_run_is_reported(small_arrays, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(training, "run_module", lambda words, **_: None)
    with pytest.raises(SystemExit):
        compare(small_arrays, tmp_path / "report", "--models", "majority")
    assert "left no complete run" in capsys.readouterr().err
