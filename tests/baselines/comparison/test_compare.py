import json
import re
import shutil

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from baselines.cli import main
from baselines.comparison import jobs as training
from baselines.comparison.jobs import plan
from data_prep.arrays.format import open_arrays
from data_prep.schema import CLASSES

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
    """A run folder that nothing of this project has written."""
    arrays, folder = open_arrays(small_arrays), tmp_path / "oracle"
    folder.mkdir()
    lines = ["objid,asset_id,split,label,p_elliptical,p_irregular,p_spiral,predicted"]
    for row in arrays.rows("val", "test"):
        galaxy = arrays.catalog.iloc[row]
        shares = [0.96 if name == galaxy["label"] else 0.02 for name in CLASSES]
        cells = (
            galaxy["objid"],
            galaxy["asset_id"],
            galaxy["split"],
            galaxy["label"],
            *shares,
            galaxy["label"],
        )
        lines.append(",".join(map(str, cells)))
    (folder / "predictions.csv").write_text("\n".join(lines) + "\n")
    history = "epoch,train_loss,train_accuracy,val_loss,val_accuracy,seconds\n0,0.1,1,0.1,1,3\n"
    (folder / "history.csv").write_text(history)
    run = {"model": "<b>oracle</b> | v2", "parameters": 1, "arrays": {"sha256": arrays.dataset["sha256"]}}
    (folder / "run.json").write_text(json.dumps(run))
    return folder


def test_the_report_stands_alone(report):
    page = (report / "report.html").read_text()
    sources = re.findall(r'(?:src|href)="([^"]*)"', page)
    assert len(sources) == 4
    assert all(source.startswith("data:image/png;base64,") for source in sources)
    assert "@import" not in page
    assert "<script" not in page
    for text in (
        "expected calibration error",
        "95% interval",
        "recall, irregular",
        "precision, spiral",
        "peak",
    ):
        assert text in page
    assert "McNemar" in page


def mistakes(report):
    """The gallery of scratch's mistakes; which model is the better one is chance on so few galaxies."""
    names = [model["name"] for model in json.loads((report / "metrics.json").read_text())["models"]]
    return f"mistakes_{names.index('scratch')}.png"


def test_the_markdown_table_is_one_and_its_figures_are_there(report):
    text = (report / "report.md").read_text()
    table = [line for line in text.split("## Do they")[0].splitlines() if line.startswith("|")]
    assert len({line.count("|") for line in table}) == 1
    assert len(table) == 2 + 4 + 2 * len(CLASSES) + 4 + 2
    figures = re.findall(r"!\[.*\]\((.*)\)", text)
    assert [name.split("/")[1] for name in figures] == [
        *("confusion.png", "loss.png", "accuracy.png", mistakes(report)),
    ]
    for name in figures:
        with Image.open(report / name) as image:
            assert min(image.size) > 300


def test_the_figures_are_of_the_test_galaxies(report, small_arrays):
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


def test_a_comparison_goes_on_with_what_is_complete(report, small_arrays, tmp_path, capfd):
    folder = tmp_path / "report"
    shutil.copytree(report, folder)
    shutil.rmtree(folder / "runs/scratch/seed_1")
    (folder / "report.html").unlink()
    kept = (folder / "runs/scratch/seed_0/run.json").stat().st_mtime_ns
    compare(small_arrays, folder, "--models", *SMALL, "--seeds", 0, 1)
    shown = capfd.readouterr().out
    assert "scratch, seed 0: complete" in shown
    assert "training scratch, seed 1" in shown
    assert "training scratch, seed 0" not in shown
    assert (folder / "runs/scratch/seed_0/run.json").stat().st_mtime_ns == kept
    assert (folder / "report.html").is_file()


def test_a_fourth_model_written_by_hand_joins(report, fourth_model, small_arrays, tmp_path, capfd):
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


def test_a_run_that_cannot_be_compared_stops_before_training(fourth_model, arrays, tmp_path, capfd):
    with pytest.raises(SystemExit):
        compare(arrays, tmp_path / "report", "--models", "scratch", "--runs", fourth_model)
    said = capfd.readouterr()
    assert "made on other galaxy arrays" in said.err
    assert "training" not in said.out
    assert not (tmp_path / "report").exists()


def test_a_model_that_fails_does_not_lose_the_others(small_arrays, tmp_path, capfd):
    config = tmp_path / "broken.yaml"
    config.write_text("model:\n  image_size: 50\ntrainer:\n  max_epochs: 1\n")
    with pytest.raises(SystemExit, match="1"):
        compare(small_arrays, tmp_path / "report", "--models", config, "scratch")
    error = capfd.readouterr().err
    assert "without what failed: broken, seed 0: ended with status 1" in error
    assert "images of 64 pixels, but the model needs 50" in error.splitlines()[-1]
    summary = json.loads((tmp_path / "report/metrics.json").read_text())
    assert [model["name"] for model in summary["models"]] == ["scratch"]
    assert len(summary["failures"]) == 1
    assert "Not in this report" in (tmp_path / "report/report.html").read_text()


def test_where_all_fail_there_is_no_report(small_arrays, tmp_path, capfd):
    config = tmp_path / "broken.yaml"
    config.write_text("model:\n  image_size: 50\n")
    with pytest.raises(SystemExit):
        compare(small_arrays, tmp_path / "report", "--models", config)
    assert "every model failed: broken, seed 0" in capfd.readouterr().err
    assert not (tmp_path / "report/report.html").exists()


def test_a_lightning_config_is_trained_and_joins(small_arrays, tmp_path, capfd):
    config = tmp_path / "tiny.yaml"
    config.write_text("model:\n  image_size: 64\ntrainer:\n  max_epochs: 1\ndata:\n  batch_size: 16\n")
    compare(small_arrays, tmp_path / "report", "--models", config, "majority")
    assert len([*(tmp_path / "report/runs").glob("tiny-*/seed_0/version_0/best.ckpt")]) == 1
    summary = json.loads((tmp_path / "report/metrics.json").read_text())
    assert summary["models"][0]["name"] == "reference_cnn"
    settings = summary["models"][0]["hyperparameters"]
    assert (settings["epochs"], settings["batch_size"], settings["augment"]) == (1, 16, "quarter_turns")


def test_a_config_that_was_changed_since_is_trained_again(small_arrays, tmp_path):
    arrays, config = open_arrays(small_arrays), tmp_path / "tiny.yaml"
    config.write_text("trainer:\n  max_epochs: 1\n")
    (before,) = plan(arrays, [str(config)], [0], tmp_path)
    (again,) = plan(arrays, [str(config)], [0], tmp_path)
    config.write_text("trainer:\n  max_epochs: 2\n")
    (after,) = plan(arrays, [str(config)], [0], tmp_path)
    assert before == again
    assert before.folder != after.folder


def test_a_run_that_repeats_another_is_left_out(report, small_arrays, tmp_path, capfd):
    copy = tmp_path / "copy"
    shutil.copytree(report / "runs/scratch/seed_0", copy)
    runs = [report / "runs/scratch/seed_0", copy, report / "runs/scratch/seed_1"]
    compare(small_arrays, tmp_path / "report", "--models", "--runs", *runs)
    assert f"{copy} is left out: same model, settings and seed" in capfd.readouterr().out
    (model,) = json.loads((tmp_path / "report/metrics.json").read_text())["models"]
    assert [run["seed"] for run in model["runs"]] == [0, 1]


def test_a_run_that_was_trained_otherwise_stays_in(report, small_arrays, tmp_path, capfd):
    runs = []
    for devices in (1, 2):
        runs.append(shutil.copytree(report / "runs/scratch/seed_0", tmp_path / f"devices_{devices}"))
        about = json.loads((runs[-1] / "run.json").read_text())
        (runs[-1] / "run.json").write_text(json.dumps(about | {"training": {"devices": devices}}))
    compare(small_arrays, tmp_path / "report", "--models", "--runs", *runs)
    assert "is left out" not in capfd.readouterr().out
    models = json.loads((tmp_path / "report/metrics.json").read_text())["models"]
    assert {model["name"].partition(" ")[2] for model in models} == {"(devices 1)", "(devices 2)"}


@pytest.mark.parametrize(
    "name", ["_x", r"net $\foo$", "$x^$", "m" * 5000, "word " * 500, "two\nlines", "émoji 🌌"]
)
def test_any_name_can_be_drawn(name, fourth_model, small_arrays, tmp_path):
    about = json.loads((fourth_model / "run.json").read_text())
    (fourth_model / "run.json").write_text(json.dumps(about | {"model": name}))
    compare(small_arrays, tmp_path / "report", "--models", "--runs", fourth_model)
    table = [
        line for line in (tmp_path / "report/report.md").read_text().splitlines() if line.startswith("|")
    ]
    assert len({line.count("|") for line in table}) == 1


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--models", "resnet9000"], "there is no model 'resnet9000': --models takes majority, keras"),
        (["--models"], "nothing to compare"),
        (["--models", "majority", "--runs", "nowhere"], "nowhere is no complete run"),
    ],
)
def test_what_makes_no_sense_is_refused(words, message, small_arrays, tmp_path, capfd):
    with pytest.raises(SystemExit):
        compare(small_arrays, tmp_path / "report", *words)
    assert message in capfd.readouterr().err


def test_a_folder_of_the_users_is_left_alone(small_arrays, tmp_path, capfd):
    (tmp_path / "thesis.tex").write_text("mine")
    with pytest.raises(SystemExit):
        compare(small_arrays, tmp_path, "--models", "majority")
    assert "holds thesis.tex, which is none of a report's" in capfd.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


@pytest.mark.parametrize("name", ["report.html", "metrics.json", "figures", "runs"])
def test_a_file_of_the_users_that_has_our_name_is_left_alone(name, small_arrays, tmp_path, capfd):
    out = tmp_path / "mine"
    out.mkdir()
    (out / name).write_text("{}")
    with pytest.raises(SystemExit):
        compare(small_arrays, out, "--models", "majority")
    assert f"holds {name}" in capfd.readouterr().err
    assert (out / name).read_text() == "{}"


def test_a_report_does_not_go_into_the_arrays(small_arrays, capfd):
    with pytest.raises(SystemExit):
        compare(small_arrays, small_arrays / "report", "--models", "majority")
    assert "lies in the galaxy arrays" in capfd.readouterr().err


def test_an_older_reports_figures_do_not_stay_behind(report, small_arrays, fourth_model, tmp_path):
    folder = tmp_path / "report"
    shutil.copytree(report, folder)
    (folder / ".DS_Store").write_bytes(b"Finder")
    assert (folder / "figures" / mistakes(folder)).is_file()
    compare(small_arrays, folder, "--models", "--runs", fourth_model)
    assert not [*(folder / "figures").glob("mistakes_*.png")]


def test_a_run_that_stands_in_anothers_place_is_named(report, small_arrays, tmp_path, capfd):
    folder = tmp_path / "report"
    shutil.copytree(report, folder)
    shutil.rmtree(folder / "runs/majority/seed_0")
    shutil.copytree(folder / "runs/scratch/seed_0", folder / "runs/majority/seed_0")
    with pytest.raises(SystemExit):
        compare(small_arrays, folder, "--models", *SMALL)
    assert "is a run of scratch, not of majority" in capfd.readouterr().err


def test_what_is_left_of_a_run_is_named(report, small_arrays, tmp_path, capfd):
    folder = tmp_path / "report"
    shutil.copytree(report, folder)
    (folder / "runs/scratch/seed_0/run.json").unlink()
    with pytest.raises(SystemExit):
        compare(small_arrays, folder, "--models", *SMALL)
    assert "runs/scratch/seed_0 is no complete run: remove it" in capfd.readouterr().err


def test_a_file_is_no_place_for_a_report(small_arrays, tmp_path, capsys):
    (tmp_path / "thesis.tex").write_text("precious")
    with pytest.raises(SystemExit):
        compare(small_arrays, tmp_path / "thesis.tex", "--models", "majority")
    assert "is no folder" in capsys.readouterr().err
    assert (tmp_path / "thesis.tex").read_text() == "precious"


def test_a_training_that_leaves_no_run_is_said(small_arrays, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(training, "run_module", lambda words: None)
    with pytest.raises(SystemExit):
        compare(small_arrays, tmp_path / "report", "--models", "majority")
    assert "left no complete run" in capsys.readouterr().err
