"""The real commands on small arrays: every config through fit, test, predict and reload."""

import contextlib
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import timm
import torch
import torchvision
import yaml
from astropy.table import Table
from scipy.special import log_softmax
from timm.models import save_for_hf

from data_prep.arrays.format import open_arrays
from data_prep.cli import main as data_prep
from data_prep.schema import CLASSES
from galaxy_lightning.callbacks.history import HistoryRecorder
from galaxy_lightning.cli.main import complete, main
from galaxy_lightning.evaluation import run_figures
from galaxy_lightning.evaluation.calibration import Calibration, fit_temperature
from galaxy_lightning.networks import ReferenceCNN
from galaxy_lightning.runs.names import RUN_FIGURES
from galaxy_lightning.training.module import GalaxyClassifier
from tests.fuzzing import SOAKING

FOLDER = Path(__file__).parents[3] / "configs"
CONFIGS = sorted(FOLDER.glob("*.yaml"))
REFERENCE = FOLDER / "reference_cnn.yaml"
PROBABILITIES = [f"p_{name}" for name in CLASSES]


def small(arrays, *words):
    return [f"--data.arrays={arrays}", "--model.image_size=64", "--data.batch_size=16", *words]


def fit(arrays, runs, *words, epochs=2, config=REFERENCE):
    """Runs a short fit and returns its run folder."""
    before = set(runs.rglob("run.json"))
    main(
        [
            "fit",
            f"--config={config}",
            *small(arrays),
            f"--trainer.max_epochs={epochs}",
            f"--runs={runs}",
            *words,
        ]
    )
    (made,) = set(runs.rglob("run.json")) - before
    return made.parent


def gained_by_calibration(run):
    """Returns how much a run's temperature lowers the loss on its validation galaxies."""
    table = pd.read_csv(run / "predictions.csv")
    table = table[table["split"] == "val"]
    temperature = json.loads((run / "run.json").read_text())["calibration"]["temperature"]
    calibrated = np.log(table[PROBABILITIES].to_numpy())
    labels = table["label"].map(list(CLASSES).index).to_numpy()
    before, after = (
        -log_softmax(logits, axis=1)[np.arange(len(labels)), labels].mean()
        for logits in (calibrated * temperature, calibrated)
    )
    return before - after


@pytest.fixture(scope="module")
def run(small_arrays, tmp_path_factory):
    """The run folder of a two-epoch fit of the reference CNN."""
    return fit(small_arrays, tmp_path_factory.mktemp("runs"))


@pytest.fixture(scope="module")
def few(raw, small_arrays, tmp_path_factory):
    """The arrays of eight galaxies of each class, enough for every config, and the folder of their images."""
    folder, known = tmp_path_factory.mktemp("few"), small_arrays.with_name("known.csv")
    table = pd.read_csv(known)
    rare = table[["companion_share", "dust"]].gt(0).sum(axis=1)  # The config pretrain learns both.
    table = table.loc[rare.sort_values(ascending=False, kind="stable").index].groupby("label").head(8)
    table.to_csv(folder / "sample.csv", index=False)
    shutil.copy(known.with_suffix(".json"), folder / "sample.json")
    words = ["--sample", f"{folder}/sample.csv", "--raw", str(raw), "--out", f"{folder}/arrays"]
    data_prep(["preprocess", *words, "--crop", "64"])
    (folder / "images").mkdir()
    for name in table["asset_id"]:
        shutil.copy(raw / f"images_gz2/images/{name}.jpg", folder / "images")
    return folder / "arrays", folder / "images"


@pytest.mark.parametrize("config", CONFIGS, ids=lambda path: path.stem)
def test_every_config_fits_tests_predicts_and_reloads(config, few, tmp_path, capsys):
    few_arrays, images = few
    folder = fit(few_arrays, tmp_path, config=config)
    assert folder == tmp_path / config.stem / "version_0"
    best = folder / "best.ckpt"
    assert f"test --ckpt_path {folder}" in capsys.readouterr().out

    main(["test", "--ckpt_path", str(best)])
    metrics = json.loads((folder / "test/metrics.json").read_text())["metrics"]
    table = pd.read_csv(folder / "predictions.csv", dtype={"objid": "int64"})
    test = table[table["split"] == "test"]
    assert (test["label"] == test["predicted"]).mean() == pytest.approx(metrics["accuracy"], abs=1e-5)

    main(
        [
            "predict",
            f"--ckpt_path={best}",
            f"--data.images={images}",
            f"--out={tmp_path}/p.csv",
        ]
    )
    predicted = pd.read_csv(tmp_path / "p.csv")
    added = ["predicted", "entropy", "is_uncertain", "seen_in_training", "novelty"]
    assert list(predicted.columns) == ["id", "path", *PROBABILITIES, *added]
    assert len(predicted) == 24

    model = GalaxyClassifier.load_from_checkpoint(best, map_location="cpu", weights_only=True).eval()
    arrays = open_arrays(few_arrays)
    with torch.no_grad():
        logits = model(torch.from_numpy(arrays.images.copy()))
    reloaded = (logits / model.inference.calibration.temperature).softmax(dim=1).numpy()
    by_id = predicted.set_index("id").loc[arrays.catalog["asset_id"].astype(int), PROBABILITIES]
    np.testing.assert_allclose(reloaded, by_id.to_numpy(), atol=1e-6)


@pytest.mark.parametrize("config", sorted(FOLDER.glob("finetune/*.yaml")), ids=lambda path: path.stem)
def test_every_fine_tuning_config_works_with_local_files(config, few, tmp_path):
    settings = yaml.safe_load(config.read_text())["model"]
    kind, _, name = settings["backbone"].rpartition(":")
    if kind == "hf_hub":  # A local copy of such a repository.
        save_for_hf(timm.create_model("test_resnet", num_classes=0), tmp_path / "copy")
        local = f"--model.backbone=local-dir:{tmp_path / 'copy'}"
    else:
        make = timm.create_model if kind == "timm" else torchvision.models.get_model
        file = tmp_path / "weights.pth"
        torch.save(make(name).state_dict(), file)
        local = f"--model.weights={file}"
    folder = fit(few[0], tmp_path, local, config=config, epochs=1)
    about = json.loads((folder / "run.json").read_text())
    everything = sum(
        weights.numel()
        for weights in torch.load(folder / "best.ckpt", weights_only=True)["state_dict"].values()
    )
    assert (about["parameters"] < 0.9 * everything) == (settings["unfrozen"] is not None)
    assert about["pretrained"]["weights"] == ("hub" if kind == "hf_hub" else str(file))
    main(["test", f"--ckpt_path={folder}"])
    # The checkpoint holds everything: a fit resumes without the file, and another one starts from it.
    (tmp_path / "copy").rename(tmp_path / "gone") if kind == "hf_hub" else file.unlink()
    main(["fit", f"--ckpt_path={folder}"])
    again = json.loads((folder / "run.json").read_text())
    assert again["pretrained"] == about["pretrained"]
    if kind != "hf_hub":
        start = f"--model.weights={folder / 'best.ckpt'}"
        fit(few[0], tmp_path, start, "--name=again", config=config, epochs=1)


def test_initial_weights_must_not_have_seen_the_held_out_galaxies(
    run, raw, sample, small_arrays, tmp_path, capsys
):
    start = f"--model.weights={run / 'best.ckpt'}"
    folder = fit(small_arrays, tmp_path, start, "--name=same", epochs=1)
    about = json.loads((folder / "run.json").read_text())
    assert about["hyperparameters"]["weights"] == str(run / "best.ckpt")
    other = tmp_path / "other"
    words = f"preprocess --sample {sample} --raw {raw} --out {other} --crop 64 --seed 3"
    data_prep(words.split())
    with pytest.raises(SystemExit):
        fit(other, tmp_path, start, "--name=leaks", epochs=1)
    assert re.search(r"were trained on \d+ of the \d+ val galaxies", capsys.readouterr().err)
    assert not (tmp_path / "leaks").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--model.optimizer=keras_adam", "--model.weight_decay=0.1"], "has no weight decay"),
        (["--model.weights=absent.pt"], "there is no file absent.pt"),
    ],
)
def test_a_fit_that_cannot_start_leaves_no_run_folder(words, message, small_arrays, tmp_path, capsys):
    with pytest.raises(SystemExit):
        fit(small_arrays, tmp_path, *words)
    assert message in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_a_schedule_needs_a_number_of_epochs(small_arrays, tmp_path, capsys):
    with pytest.raises(SystemExit):
        fit(small_arrays, tmp_path, "--model.schedule=one_cycle", epochs=-1)
    assert "needs the length of the fit: set --trainer.max_epochs" in capsys.readouterr().err


def test_with_a_schedule_the_last_weights_are_the_best_even_without_validation(small_arrays, tmp_path):
    words = ["--model.schedule=one_cycle", "--trainer.check_val_every_n_epoch=2"]
    folder = fit(small_arrays, tmp_path, *words, epochs=3)
    assert json.loads((folder / "run.json").read_text())["best_epoch"] == 2
    assert torch.load(folder / "best.ckpt", weights_only=True)["epoch"] == 2


def test_one_option_trains_on_votes(small_arrays, run, tmp_path):
    folder = fit(small_arrays, tmp_path, "--data.targets=votes")
    assert json.loads((folder / "run.json").read_text())["hyperparameters"]["targets"] == "votes"
    assert (folder / "predictions.csv").read_bytes() != (run / "predictions.csv").read_bytes()


def test_a_run_folder_has_the_documented_content(run, small_arrays):
    arrays = open_arrays(small_arrays)
    history = pd.read_csv(run / "history.csv")
    assert history["epoch"].tolist() == [0, 1]
    assert not history.isna().any(axis=None)
    assert (history["seconds"] >= history["train_seconds"]).all()
    predictions = pd.read_csv(run / "predictions.csv", dtype={"objid": "int64"})
    held_out = arrays.catalog[arrays.catalog["split"] != "train"]
    assert predictions["objid"].tolist() == held_out["objid"].tolist()
    assert predictions["split"].tolist() == held_out["split"].tolist()
    np.testing.assert_allclose(predictions[PROBABILITIES].sum(axis=1), 1, atol=1e-5)
    likeliest = np.asarray(CLASSES)[predictions[PROBABILITIES].to_numpy().argmax(axis=1)]
    assert (predictions["predicted"] == likeliest).all()
    about = json.loads((run / "run.json").read_text())
    assert about["arrays"]["sha256"] == arrays.dataset["sha256"]
    assert about["epochs"] == 2
    assert about["seed"] == 0
    assert about["parameters"] == sum(
        weights.numel() for weights in GalaxyClassifier(image_size=64).parameters()
    )
    assert about["images_per_second"] > 0
    assert {"best.ckpt", "last.ckpt", "config.yaml"} <= {path.name for path in run.iterdir()}


def test_a_fit_leaves_its_figures_in_the_run_folder(run):
    assert {path.name for path in (run / "figures").iterdir()} == set(RUN_FIGURES)


def test_a_fit_whose_figures_cannot_be_drawn_is_complete(small_arrays, tmp_path, monkeypatch, capsys):
    def fail(*_):
        raise RuntimeError("no font")

    monkeypatch.setattr(run_figures, "plot_run_curves", fail)
    folder = fit(small_arrays, tmp_path)
    assert (folder / "run.json").is_file()
    assert f"The figures in {folder}/figures are incomplete: no font" in capsys.readouterr().err


def test_results_of_an_older_version_without_pdf_are_replaced(run, tmp_path):
    words = ["test", "--ckpt_path", str(run), "--out", str(tmp_path / "results")]
    main(words)
    (tmp_path / "results/coverage.pdf").unlink()
    main(words)
    assert (tmp_path / "results/coverage.pdf").is_file()


def test_a_second_fit_writes_a_second_folder_with_the_same_results(small_arrays, run, tmp_path):
    shutil.copytree(run, tmp_path / run.parent.name / "version_0")
    second = fit(small_arrays, tmp_path)
    assert second == tmp_path / run.parent.name / "version_1"
    assert (second / "predictions.csv").read_bytes() == (run / "predictions.csv").read_bytes()
    clocks = ["seconds", "train_seconds"]
    first, again = (pd.read_csv(folder / "history.csv").drop(columns=clocks) for folder in (run, second))
    pd.testing.assert_frame_equal(first, again)


def test_a_saved_config_repeats_its_run_under_the_same_name(run, tmp_path):
    main(["fit", f"--config={run}/config.yaml", f"--runs={tmp_path}"])
    again = tmp_path / run.parent.name / "version_0"
    assert (again / "predictions.csv").read_bytes() == (run / "predictions.csv").read_bytes()


def test_resuming_a_finished_fit_changes_nothing(small_arrays, tmp_path):
    folder = fit(small_arrays, tmp_path)
    kept = {name: (folder / name).read_bytes() for name in ("history.csv", "predictions.csv")}
    main(["fit", f"--ckpt_path={folder}"])
    assert {name: (folder / name).read_bytes() for name in kept} == kept
    assert json.loads((folder / "run.json").read_text())["epochs"] == 2


def test_a_different_seed_gives_a_different_result(small_arrays, run, tmp_path):
    other = fit(small_arrays, tmp_path, "--seed_everything=1", "--name=other")
    assert other.parent.name == "other"
    assert (other / "predictions.csv").read_bytes() != (run / "predictions.csv").read_bytes()


def test_a_resumed_fit_uses_its_folder_and_ends_like_an_uninterrupted_one(small_arrays, tmp_path):
    whole = fit(small_arrays, tmp_path, "--name=whole", epochs=4)
    halved = fit(small_arrays, tmp_path, "--name=halved", epochs=2)
    (halved / "run.json").unlink()
    main(["fit", "--ckpt_path", str(halved / "last.ckpt"), "--trainer.max_epochs", "4"])
    assert not (tmp_path / "halved" / "version_1").exists()
    weights = [
        torch.load(folder / "last.ckpt", weights_only=True)["state_dict"] for folder in (whole, halved)
    ]
    for name, tensor in weights[0].items():
        assert torch.equal(tensor, weights[1][name]), name
    clocks = ["seconds", "train_seconds"]
    histories = [pd.read_csv(folder / "history.csv").drop(columns=clocks) for folder in (whole, halved)]
    pd.testing.assert_frame_equal(*histories)
    assert (whole / "predictions.csv").read_bytes() == (halved / "predictions.csv").read_bytes()
    assert (halved / "config.yaml").exists()
    assert yaml.safe_load((halved / "config_resumed_1.yaml").read_text())["trainer"]["max_epochs"] == 4
    assert json.loads((halved / "run.json").read_text())["epochs"] == 4


def test_an_interrupted_fit_with_a_schedule_ends_like_an_uninterrupted_one(few, tmp_path, monkeypatch):
    arrays, config = few[0], FOLDER / "galaxy_cnn.yaml"
    whole = fit(arrays, tmp_path, "--name=whole", epochs=4, config=config)

    def cut_off(recorder, trainer, module):
        if trainer.current_epoch == 2:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(SystemExit, match="130"):
        patch.setattr(HistoryRecorder, "on_train_epoch_start", cut_off)
        fit(arrays, tmp_path, "--name=halved", epochs=4, config=config)
    halved = tmp_path / "halved/version_0"
    assert len(pd.read_csv(halved / "history.csv")) == 2
    main(["fit", f"--ckpt_path={halved}"])
    assert (halved / "predictions.csv").read_bytes() == (whole / "predictions.csv").read_bytes()
    calibrations = [json.loads((run / "run.json").read_text())["calibration"] for run in (whole, halved)]
    assert calibrations[0] == calibrations[1]


def test_a_schedule_cannot_be_resumed_beyond_its_end(small_arrays, tmp_path, capsys):
    folder = fit(small_arrays, tmp_path, "--model.schedule=one_cycle", "--name=short")
    with pytest.raises(SystemExit):
        main(["fit", f"--ckpt_path={folder}", "--trainer.max_epochs=3"])
    assert "resume with the same trainer.max_epochs" in capsys.readouterr().err


def test_test_writes_the_confusion_matrix_as_csv_png_and_pdf(run, tmp_path):
    main(["test", "--ckpt_path", str(run), "--out", str(tmp_path / "results")])
    matrix = pd.read_csv(tmp_path / "results/confusion_matrix.csv", index_col=0)
    assert list(matrix.index) == list(matrix.columns) == list(CLASSES)
    table = pd.read_csv(run / "predictions.csv")
    test = table[table["split"] == "test"]
    for label in CLASSES:
        for predicted in CLASSES:
            expected = ((test["label"] == label) & (test["predicted"] == predicted)).sum()
            assert matrix.loc[label, predicted] == expected
    for name in ("confusion_matrix", "reliability", "coverage"):
        assert (tmp_path / f"results/{name}.png").read_bytes().startswith(b"\x89PNG")
        assert (tmp_path / f"results/{name}.pdf").read_bytes().startswith(b"%PDF")
    metrics = json.loads((tmp_path / "results/metrics.json").read_text())["metrics"]
    assert {f"{name}_{label}" for name in ("recall", "precision", "f1") for label in CLASSES} <= set(metrics)


def test_a_results_folder_with_other_content_is_refused_beforehand(run, tmp_path, capsys, monkeypatch):
    (tmp_path / "thesis.tex").write_text("precious")
    monkeypatch.setattr(GalaxyClassifier, "test_step", lambda *batch: pytest.fail("it was tested"))
    with pytest.raises(SystemExit):
        main(["test", f"--ckpt_path={run}", f"--out={tmp_path}"])
    assert "choose another path" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_validate_agrees_with_the_fit(run):
    main(["validate", "--ckpt_path", str(run / "best.ckpt")])
    found = json.loads((run / "validate/metrics.json").read_text())["metrics"]
    history = pd.read_csv(run / "history.csv")
    best = history.loc[history["val_loss"].idxmin()]
    assert found["loss"] == pytest.approx(best["val_loss"] - gained_by_calibration(run), abs=1e-5)
    assert found["accuracy"] == pytest.approx(best["val_accuracy"], abs=1e-5)


def test_predict_accepts_arrays_and_never_overwrites_without_the_option(run, small_arrays, capsys):
    main(["predict", "--ckpt_path", str(run)])
    table = pd.read_csv(run / "predictions_small_arrays.csv", dtype={"objid": "int64"})
    assert table["objid"].tolist() == open_arrays(small_arrays).catalog["objid"].tolist()
    with pytest.raises(SystemExit) as caught:
        main(["predict", "--ckpt_path", str(run)])
    assert caught.value.code == 1
    assert "--overwrite" in capsys.readouterr().err
    main(["predict", "--ckpt_path", str(run), "--overwrite"])


def test_predict_uses_the_requested_number_of_zooms(run, raw, tmp_path, monkeypatch):
    looked = []
    resample = ReferenceCNN.resample
    monkeypatch.setattr(ReferenceCNN, "resample", lambda *words: looked.append(words[2]) or resample(*words))
    words = ["predict", f"--ckpt_path={run}", f"--data.images={raw}"]
    main([*words, f"--out={tmp_path}/1.csv"])
    assert looked == [None] * 5
    main([*words, f"--out={tmp_path}/3.csv", "--zooms=3"])
    assert len(looked) == 5 + 3 * 5
    one, three = (pd.read_csv(tmp_path / f"{zooms}.csv")["p_spiral"] for zooms in (1, 3))
    assert (one - three).abs().max() > 0


def test_a_failed_compilation_is_a_one_line_error(small_arrays, tmp_path, monkeypatch, capsys):
    def broken(graph, inputs):
        raise RuntimeError("no compiler")

    compiler = torch.compile
    monkeypatch.setattr(torch, "compile", lambda function, mode, dynamic: compiler(function, backend=broken))
    with pytest.raises(SystemExit):
        fit(small_arrays, tmp_path, "--model.compile=default")
    assert "torch.compile failed: remove --model.compile" in capsys.readouterr().err


def test_a_fit_is_calibrated_on_the_outputs_that_it_predicts_with(small_arrays, tmp_path):
    words = ["--model.network=galaxy_cnn", "--model.zooms=3", "--model.schedule=one_cycle"]
    for more in ([], ["--trainer.max_steps=5"], ["--trainer.max_time=00:01:00:00"]):
        folder = fit(small_arrays, tmp_path, *words, *more)
        model = GalaxyClassifier.load_from_checkpoint(folder / "best.ckpt", weights_only=True).eval()
        arrays = open_arrays(small_arrays)
        rows = arrays.rows("val")
        with torch.no_grad():
            logits = model(torch.from_numpy(arrays.images[rows])).numpy()
        assert model.inference.calibration.temperature == pytest.approx(
            fit_temperature(logits, arrays.labels[rows]), rel=1e-3
        )


def validation_logits(model, arrays, zooms=None):
    rows = arrays.rows("val")
    with torch.no_grad():
        return model.eval()(torch.from_numpy(arrays.images[rows]), zooms).numpy(), arrays.labels[rows]


def loaded(checkpoint):
    return GalaxyClassifier.load_from_checkpoint(checkpoint, weights_only=True)


ZOOMS = ["--model.network=galaxy_cnn", "--model.zooms=3", "--model.schedule=one_cycle", "--name=zooms"]


@pytest.fixture
def cut_off(small_arrays, tmp_path, monkeypatch):
    """The run of a fit with three zooms that was interrupted in its last epoch."""
    with monkeypatch.context() as patch, pytest.raises(SystemExit, match="130"):
        start = HistoryRecorder.on_train_epoch_start

        def interrupted(recorder, trainer, module):
            if trainer.current_epoch == 1:
                raise KeyboardInterrupt
            start(recorder, trainer, module)

        patch.setattr(HistoryRecorder, "on_train_epoch_start", interrupted)
        fit(small_arrays, tmp_path, *ZOOMS)
    return tmp_path / "zooms/version_0"


def test_an_interrupted_fit_predicts_as_it_was_calibrated(cut_off, small_arrays, raw, tmp_path, capsys):
    model, arrays = loaded(cut_off / "best.ckpt"), open_arrays(small_arrays)
    assert (model.hparams["zooms"], model.inference.zooms) == (3, 1)
    logits, labels = validation_logits(model, arrays)
    assert model.inference.calibration.temperature == pytest.approx(fit_temperature(logits, labels), rel=1e-3)
    np.testing.assert_array_equal(logits, validation_logits(model, arrays, 1)[0])

    main(["validate", f"--ckpt_path={cut_off}"])
    assert "Classified with 1 zoom, not 3" in capsys.readouterr().out
    found = json.loads((cut_off / "validate/metrics.json").read_text())["metrics"]
    assert found["coverage"] == pytest.approx(model.inference.calibration.coverage, abs=1e-6)
    predict = ["predict", f"--ckpt_path={cut_off}/best.ckpt", f"--data.images={raw}"]
    main([*predict, f"--out={tmp_path}/p.csv"])
    assert "Classified with 1 zoom, not 3" in capsys.readouterr().out
    assert pd.read_csv(tmp_path / "p.csv")["is_uncertain"].isin([0, 1]).all()
    main([*predict, "--zooms=3", f"--out={tmp_path}/p3.csv"])
    assert "not calibrated for 3 zooms" in capsys.readouterr().out
    assert pd.read_csv(tmp_path / "p3.csv")["is_uncertain"].isna().all()

    main(["fit", f"--ckpt_path={cut_off}"])
    assert loaded(cut_off / "best.ckpt").inference.zooms == 3


def test_a_model_with_several_zooms_is_also_calibrated_for_one(small_arrays, raw, tmp_path, capsys):
    folder = fit(small_arrays, tmp_path, *ZOOMS)
    model, arrays = loaded(folder / "best.ckpt"), open_arrays(small_arrays)
    assert model.inference.zooms == 3
    model.inference.set_zooms(1)
    logits, labels = validation_logits(model, arrays)
    assert model.inference.calibration.temperature == pytest.approx(fit_temperature(logits, labels), rel=1e-3)
    predict = ["predict", f"--ckpt_path={folder}", f"--data.images={raw}"]
    main([*predict, "--zooms=1", f"--out={tmp_path}/1.csv"])
    main([*predict, "--zooms=2", f"--out={tmp_path}/2.csv"])
    out = capsys.readouterr().out
    assert "not calibrated for 2 zooms" in out
    assert "not calibrated for 1 zoom" not in out
    assert pd.read_csv(tmp_path / "1.csv")["is_uncertain"].isin([0, 1]).all()
    assert pd.read_csv(tmp_path / "2.csv")["is_uncertain"].isna().all()


def test_weights_without_validation_are_calibrated_at_the_end(small_arrays, tmp_path):
    words = ["--trainer.check_val_every_n_epoch=2", "--model.schedule=one_cycle"]
    folder = fit(small_arrays, tmp_path, *words, epochs=3)
    calibration = loaded(folder / "best.ckpt").inference.calibration
    logits, labels = validation_logits(loaded(folder / "best.ckpt"), open_arrays(small_arrays))
    assert calibration.temperature == pytest.approx(fit_temperature(logits, labels), rel=1e-3)
    assert json.loads((folder / "run.json").read_text())["calibration"] == calibration.state()


def test_weights_without_validation_are_not_called_calibrated(small_arrays, raw, tmp_path, capsys):
    folder = fit(small_arrays, tmp_path)
    # As in a checkpoint that was saved within an epoch, on SIGTERM.
    content = torch.load(folder / "best.ckpt", weights_only=True)
    content["calibration"] = Calibration().state()
    torch.save(content, folder / "best.ckpt")
    main(["predict", f"--ckpt_path={folder}", f"--data.images={raw}", f"--out={tmp_path}/p.csv"])
    assert "0 flagged as uncertain: this checkpoint is not calibrated" in capsys.readouterr().out
    assert pd.read_csv(tmp_path / "p.csv")["is_uncertain"].isna().all()
    main(["test", f"--ckpt_path={folder}"])
    assert "not calibrated, so none is flagged as uncertain" in capsys.readouterr().out
    assert "coverage" not in json.loads((folder / "test/metrics.json").read_text())["metrics"]


def test_an_older_checkpoint_without_zooms_predicts_as_before(run, raw, tmp_path):
    content = torch.load(run / "best.ckpt", weights_only=True)
    del content["calibration"]["zooms"]
    torch.save(content, tmp_path / "old.ckpt")
    for name in ("old", "new"):
        checkpoint = tmp_path / "old.ckpt" if name == "old" else run / "best.ckpt"
        words = ["predict", f"--ckpt_path={checkpoint}", f"--data.images={raw}"]
        main([*words, "--model.image_size=64", f"--out={tmp_path}/{name}.csv"])
    assert (tmp_path / "old.csv").read_bytes() == (tmp_path / "new.csv").read_bytes()
    model = loaded(tmp_path / "old.ckpt")
    model.inference.set_zooms(3)
    assert model.inference.calibration == loaded(tmp_path / "old.ckpt").inference.calibration


def test_a_compiled_network_trains_to_the_same_weights(small_arrays, run, tmp_path, monkeypatch):
    modes = []
    compiler = torch.compile

    def without_a_c_compiler(function, mode, dynamic):
        modes.append(mode)
        return compiler(function, backend="aot_eager", dynamic=dynamic)

    monkeypatch.setattr(torch, "compile", without_a_c_compiler)
    folder = fit(small_arrays, tmp_path, "--model.compile=default")
    assert modes == ["default"]
    ours, theirs = (pd.read_csv(each / "predictions.csv", dtype={"objid": "int64"}) for each in (folder, run))
    # The compiled network rounds differently, and two epochs of training multiply the differences.
    pd.testing.assert_frame_equal(ours[PROBABILITIES], theirs[PROBABILITIES], atol=1e-3)


def test_auxiliary_targets_are_learned_and_discarded(small_arrays, tmp_path, capsys):
    columns = ["P_EL_DEBIASED", "P_CS_DEBIASED"]
    words = ["--model.network=galaxy_cnn", "--model.optimizer=adamw", f"--model.auxiliary={columns}"]
    folder = fit(small_arrays, tmp_path, *words, epochs=1)
    taught = GalaxyClassifier.load_from_checkpoint(folder / "last.ckpt", weights_only=True)
    assert taught.network.auxiliary.weight.shape[0] == taught.network.rings.auxiliary.weight.shape[0] == 2
    main(["test", f"--ckpt_path={folder}"])
    main(["predict", f"--ckpt_path={folder}", f"--out={tmp_path}/p.csv"])
    assert list(pd.read_csv(tmp_path / "p.csv").filter(like="p_").columns) == PROBABILITIES
    started = GalaxyClassifier("galaxy_cnn", weights=str(folder / "last.ckpt"), image_size=64)
    left = {name for name in taught.state_dict() if "auxiliary" in name}
    assert len(left) == 4
    assert taught.state_dict().keys() - left == started.state_dict().keys()
    for name, weights in started.state_dict().items():
        assert torch.equal(weights, taught.state_dict()[name]), name
    with pytest.raises(SystemExit):
        fit(small_arrays, tmp_path, *words[:2], "--model.auxiliary=[redshift]")
    assert "missing columns: redshift" in capsys.readouterr().err
    for more in (["--model.network=reference_cnn"], ["--model.mixup=0.2"]):
        with pytest.raises(SystemExit):
            fit(small_arrays, tmp_path, *words, *more)
        assert "model.auxiliary" in capsys.readouterr().err


def test_predict_lists_the_images_it_cannot_use(run, raw, tmp_path, capsys):
    folder = tmp_path / "images"
    folder.mkdir()
    for place, path in enumerate(sorted((raw / "images_gz2/images").iterdir())[:5]):
        shutil.copy(path, folder / f"{place}.jpg")
    (folder / "2.jpg").write_bytes(b"")
    (folder / "x.jpg").write_text("no image")
    main(["predict", f"--ckpt_path={run}", f"--data.images={folder}", f"--out={tmp_path}/p.csv"])
    assert pd.read_csv(tmp_path / "p.csv", dtype={"id": "str"})["id"].tolist() == ["0", "1", "3", "4"]
    skipped = pd.read_csv(tmp_path / "p_skipped.csv", dtype={"id": "str"})
    assert skipped["id"].tolist() == ["2", "x"]
    assert skipped["reason"].tolist()[0] == "an empty file"
    assert "Saved 4 predictions to" in capsys.readouterr().out


def test_a_moved_checkpoint_predicts_without_its_run_folder(run, raw, tmp_path):
    shutil.copy(run / "best.ckpt", tmp_path / "model.ckpt")
    images = raw / "images_gz2/images"
    main(
        [
            "predict",
            f"--ckpt_path={tmp_path}/model.ckpt",
            f"--data.images={images}",
            f"--out={tmp_path}/p.csv",
        ]
    )
    assert len(pd.read_csv(tmp_path / "p.csv")) == 80


def test_fast_dev_run_leaves_nothing(small_arrays, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    main(["fit", f"--config={REFERENCE}", *small(small_arrays), "--trainer.fast_dev_run=true"])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", ["test", "validate", "predict"])
def test_an_untrained_model_is_never_measured(command, small_arrays, capsys):
    with pytest.raises(SystemExit) as caught:
        main([command, f"--config={REFERENCE}", *small(small_arrays)])
    assert caught.value.code == 1
    error = capsys.readouterr().err
    assert "needs the checkpoint of a trained model" in error
    assert f"{command} --ckpt_path" in error


def test_user_errors_are_one_line_and_leave_no_run_folder(
    small_arrays, run, raw, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    damaged = shutil.copytree(small_arrays, tmp_path / "damaged")
    with (damaged / "images.npy").open("r+b") as file:
        file.seek(9000)
        file.write(b"\x00\xff\x00\xff")
    config = f"--config={REFERENCE}"
    for words, message in (
        (["fit", config, "--data.arrays=nowhere"], "nowhere does not hold galaxy arrays"),
        (["fit", config, f"--data.arrays={damaged}"], "changed or damaged"),
        (
            ["fit", config, f"--data.arrays={small_arrays}", "--model.image_size=224"],
            "has images of 64 pixels",
        ),
        (["fit", config, *small(small_arrays), "--model.network=vit"], "no network 'vit'"),
        (["test", "--ckpt_path=absent.ckpt"], "there is no checkpoint absent.ckpt"),
        (["test", f"--ckpt_path={run}", f"--data.images={raw}"], "needs labels"),
        (["predict", f"--ckpt_path={run}", f"--data.images={tmp_path / 'no'}"], "there is no folder"),
        (["train"], "unknown command 'train': use one of fit, validate, test, crossval, predict"),
    ):
        with pytest.raises(SystemExit) as caught:
            main(words)
        assert caught.value.code == 1, words
        error = [line for line in capsys.readouterr().err.splitlines() if "error:" in line]
        assert len(error) == 1
        assert message in error[0]
    assert [path.name for path in tmp_path.iterdir()] == ["damaged"]


class Trap:
    """Writes a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


@pytest.mark.parametrize("command", ["fit", "test", "predict"])
def test_an_invalid_checkpoint_is_refused_and_never_executed(command, run, small_arrays, tmp_path, capsys):
    whole = (run / "best.ckpt").read_bytes()
    (tmp_path / "truncated.ckpt").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "empty.ckpt").touch()
    (tmp_path / "text.ckpt").write_text("weights")
    torch.save({"weights": torch.ones(3)}, tmp_path / "other.ckpt")
    torch.save({"hyper_parameters": Trap(tmp_path / "sprung")}, tmp_path / "malicious.ckpt")
    for path in sorted(tmp_path.glob("*.ckpt")):
        with pytest.raises(SystemExit) as caught:
            main([command, f"--config={REFERENCE}", *small(small_arrays), f"--ckpt_path={path}"])
        assert caught.value.code == 1
        assert f"{path} is not a checkpoint of a galaxy classifier, or is damaged" in capsys.readouterr().err
    assert not (tmp_path / "sprung").exists()


def test_a_resume_with_other_settings_is_refused(run, capsys):
    with pytest.raises(SystemExit) as caught:
        main(["fit", f"--ckpt_path={run}", "--model.learning_rate=0.1"])
    assert caught.value.code == 1
    assert "was made with learning_rate 0.001, not 0.1" in capsys.readouterr().err


def test_a_model_is_never_measured_on_its_training_galaxies(run, raw, sample, tmp_path, capsys):
    words = [
        "--sample",
        str(sample),
        "--raw",
        str(raw),
        "--crop",
        "64",
        "--seed",
        "9",
        "--out",
        str(tmp_path / "a"),
    ]
    data_prep(["preprocess", *words])
    for command in ("test", "validate"):
        with pytest.raises(SystemExit) as caught:
            main([command, f"--ckpt_path={run}", f"--data.arrays={tmp_path / 'a'}"])
        assert caught.value.code == 1
        assert re.search(r"was trained on \d+ of the \d+ (test|val) galaxies", capsys.readouterr().err)
    with pytest.raises(SystemExit):
        main(["fit", f"--ckpt_path={run}", f"--data.arrays={tmp_path / 'a'}"])
    assert "was made with other arrays" in capsys.readouterr().err


def test_a_moved_run_resumes_with_its_best_score(small_arrays, tmp_path):
    folder = fit(small_arrays, tmp_path / "here", epochs=3)
    whole = fit(small_arrays, tmp_path / "whole", epochs=4)
    moved = shutil.move(folder, tmp_path / "moved")
    main(["fit", f"--ckpt_path={moved}", "--trainer.max_epochs=4"])
    assert (Path(moved) / "predictions.csv").read_bytes() == (whole / "predictions.csv").read_bytes()
    assert not (tmp_path / "here/reference_cnn/version_0").exists()


def test_a_checkpoint_outside_a_run_is_resumed_in_a_new_run(run, small_arrays, tmp_path):
    shutil.copy(run / "last.ckpt", tmp_path / "last.ckpt")
    (tmp_path / "predictions.csv").write_text("precious")
    words = [f"--config={REFERENCE}", *small(small_arrays), "--trainer.max_epochs=3", f"--runs={tmp_path}"]
    main(["fit", *words, f"--ckpt_path={tmp_path}/last.ckpt"])
    assert (tmp_path / "predictions.csv").read_text() == "precious"
    assert (tmp_path / "reference_cnn/version_0/run.json").exists()


def test_other_commands_find_the_arrays_from_any_folder_and_never_simulate(
    small_arrays, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(small_arrays.parent)
    folder = fit(small_arrays.name, tmp_path, config=FOLDER / "quickstart.yaml")
    monkeypatch.chdir(tmp_path)
    main(["test", f"--ckpt_path={folder}"])
    with pytest.raises(SystemExit):
        main(["test", f"--ckpt_path={folder}", "--data.arrays=absent"])
    assert "absent does not hold galaxy arrays" in capsys.readouterr().err
    assert not (tmp_path / "absent").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--trainer.accelerator=gpu"], "invalid Trainer settings: "),
        (["--trainer.enable_checkpointing=false"], "enable_checkpointing false would save no weights"),
        (["--trainer.limit_train_batches=2.5"], "invalid Trainer settings: "),
        (["--model.learning_rate=-1"], "must be above 0"),
        (["--name=../out"], "is not a valid run name"),
    ],
)
@pytest.mark.skipif(
    torch.cuda.is_available(), reason="one of the mistakes is to ask for a GPU where there is none"
)
def test_invalid_trainer_settings_are_one_line_and_leave_nothing(
    words, message, small_arrays, tmp_path, capsys
):
    with pytest.raises(SystemExit) as caught:
        main(["fit", f"--config={REFERENCE}", *small(small_arrays), f"--runs={tmp_path}", *words])
    assert caught.value.code == 1
    assert message in capsys.readouterr().err
    assert not list(tmp_path.rglob("version_*"))


def test_a_diverging_fit_stops_with_a_message(small_arrays, tmp_path, capsys):
    with pytest.raises(SystemExit) as caught:
        fit(small_arrays, tmp_path, "--model.learning_rate=1e30")
    assert caught.value.code == 1
    assert "has diverged" in capsys.readouterr().err
    assert not list(tmp_path.rglob("run.json"))


def test_epochs_without_validation_are_empty_in_the_history(small_arrays, tmp_path):
    folder = fit(small_arrays, tmp_path, "--trainer.check_val_every_n_epoch=2", epochs=4)
    history = pd.read_csv(folder / "history.csv")
    assert history["val_loss"].isna().tolist() == [True, False, True, False]
    best = int(history["val_loss"].idxmin())
    assert json.loads((folder / "run.json").read_text())["best_epoch"] == best


def test_abbreviated_options_are_refused(small_arrays, tmp_path, capsys):
    with pytest.raises(SystemExit) as caught:
        fit(small_arrays, tmp_path, "--model.learning_rat=0.1")
    assert caught.value.code == 2
    assert "learning_rat" in capsys.readouterr().err


def test_an_existing_list_of_skipped_images_is_kept_without_overwrite(run, raw, tmp_path):
    (tmp_path / "p_skipped.csv").write_text("precious")
    with pytest.raises(SystemExit):
        main(["predict", f"--ckpt_path={run}", f"--data.images={raw}", f"--out={tmp_path}/p.csv"])
    with pytest.raises(SystemExit):
        main(["predict", f"--ckpt_path={run}", f"--data.images={raw}", f"--out={tmp_path}/p.fits"])
    assert (tmp_path / "p_skipped.csv").read_text() == "precious"
    assert [path.name for path in tmp_path.iterdir()] == ["p_skipped.csv"]


def test_an_unknown_setting_is_refused_by_name(small_arrays, tmp_path, capsys):
    (tmp_path / "config.yaml").write_text("data:\n  batchsize: 3\n")
    with pytest.raises(SystemExit) as caught:
        main(["fit", f"--config={tmp_path}/config.yaml", *small(small_arrays)])
    assert caught.value.code == 2
    assert "batchsize" in capsys.readouterr().err


def test_paths_are_expanded_in_options_and_configs(small_arrays, tmp_path, monkeypatch):
    home = tmp_path / "home"
    (tmp_path / "work").mkdir()
    shutil.copytree(small_arrays, home / "arrays")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.chdir(tmp_path / "work")
    shutil.copy(REFERENCE, home / "reference_cnn.yaml")
    (home / "mine.yaml").write_text("data:\n  arrays: ~/arrays\nmodel:\n  image_size: 64\n")
    configs = ["--config=~/reference_cnn.yaml", "--config", "$HOME/mine.yaml"]
    words = ["--trainer.max_epochs=1", "--trainer.enable_progress_bar=false"]
    main(["fit", *configs, *words, "--runs=~/runs", "--name=r"])
    run = home / "runs/r/version_0"
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    main(["fit", *configs, *words, "--runs", "~/runs", "--name=r", "--seed_everything=7"])
    assert {path: path.read_bytes() for path in run.rglob("*") if path.is_file()} == before
    assert (home / "runs/r/version_1/run.json").is_file()
    main(["test", "--ckpt_path=~/runs/r/version_0", "--out=~/found"])
    main(["predict", "--ckpt_path=~/runs/r/version_0/", "--data.arrays=~/arrays", "--out", "~/table.csv"])
    assert (home / "found/metrics.json").is_file()
    assert (home / "table.csv").is_file()
    assert not list(Path.cwd().iterdir())


@pytest.mark.parametrize("name", ["..", ".", "~user", "a/b", "a$HOME", "a\\b"])
def test_the_name_of_a_run_cannot_be_a_path(name, small_arrays, tmp_path, capsys):
    with pytest.raises(SystemExit) as end:
        fit(small_arrays, tmp_path / "runs", f"--name={name}")
    assert end.value.code == 1
    assert "is not a valid run name" in capsys.readouterr().err
    assert not list(tmp_path.rglob("version_*"))


def test_images_named_by_objid_get_the_column_objid(run, raw, tmp_path):
    mapping = pd.read_csv(raw / "gz2_filename_mapping.csv")[:3]
    folder = tmp_path / "images"
    folder.mkdir()
    for objid, asset_id in zip(mapping["objid"], mapping["asset_id"], strict=True):
        shutil.copy(raw / f"images_gz2/images/{asset_id}.jpg", folder / f"{objid}.jpg")
    (folder / "notes.txt").write_text("mine")
    table = tmp_path / "table.csv"
    main(["predict", f"--ckpt_path={run}", f"--data.images={folder}", f"--out={table}"])
    assert pd.read_csv(table)["objid"].tolist() == sorted(mapping["objid"])
    assert pd.read_csv(tmp_path / "table_skipped.csv", dtype="str")["objid"].tolist() == ["notes"]


def test_astropy_and_pandas_read_the_same_flags(run, raw, tmp_path):
    table = tmp_path / "table.csv"
    main(["predict", f"--ckpt_path={run}", f"--data.images={raw / 'images_gz2/images'}", f"--out={table}"])
    ours, theirs = pd.read_csv(table), Table.read(table)
    assert ours["is_uncertain"].isin([0, 1]).all()
    assert (theirs["is_uncertain"].astype(bool) == ours["is_uncertain"].astype(bool)).all()
    assert int(theirs["is_uncertain"].astype(bool).sum()) == ours["is_uncertain"].sum()


@pytest.mark.parametrize("place", ["option", "config"])
def test_missing_arrays_named_by_the_user_are_not_simulated(place, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    words = [f"--config={FOLDER / 'quickstart.yaml'}"]
    if place == "option":
        words += ["--data.arrays=data/quikstart"]
    else:
        (tmp_path / "mine.yaml").write_text("data:\n  arrays: data/quikstart\n")
        words += ["--config=mine.yaml"]
    with pytest.raises(SystemExit):
        main(["fit", *words])
    assert "data/quikstart does not hold galaxy arrays" in capsys.readouterr().err
    assert not (tmp_path / "data").exists()
    assert not (tmp_path / "runs").exists()


def test_both_spellings_of_an_option_work(run):
    words = complete(["test", f"--ckpt_path={run}"])
    assert words[-2:] == ["--ckpt_path", str(run / "best.ckpt")]
    main(["validate", f"--ckpt-path={run}", "--data.batch-size=8"])


@pytest.mark.parametrize("command", [[], ["fit"], ["validate"], ["test"], ["crossval"], ["predict"]])
def test_help_shows_no_python_types(command, capsys):
    with contextlib.suppress(SystemExit):
        main([*command, "--help"])
    text = capsys.readouterr().out
    assert text.startswith("usage: python -m galaxy_lightning")
    assert not re.search(r"type:|class_path|subclass|<class", text)
    assert len(text.splitlines()) <= 164


def test_tensorflow_is_never_imported(small_arrays, tmp_path):
    code = (
        "import sys; from galaxy_lightning.cli.main import main; main(sys.argv[1:]); "
        "print(sorted({'tensorflow', 'keras'} & set(sys.modules)))"
    )
    words = [
        "fit",
        f"--config={REFERENCE}",
        *small(small_arrays),
        "--trainer.max_epochs=1",
        f"--runs={tmp_path}",
    ]
    done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, check=True)
    assert done.stdout.endswith("[]\n")


@pytest.mark.soak
@pytest.mark.parametrize("name", ["reference_cnn", "galaxy_cnn"])
def test_two_devices_share_a_fit_and_write_one_run(name, small_arrays, tmp_path):
    """The validation and test splits have an odd number of galaxies, none of which may count twice.

    The devices get 7 and 6 galaxies, so that one has an additional batch: a network with batch statistics
    must not wait for those of the other device.
    """
    if name == "reference_cnn" and not SOAKING:
        pytest.skip("one of the long tests")
    words = [
        "fit",
        f"--config={FOLDER / name}.yaml",
        *small(small_arrays, "--data.batch_size=6"),
        "--trainer.max_epochs=1",
        f"--runs={tmp_path}",
    ]
    shared = ["--trainer.accelerator=cpu", "--trainer.devices=2", "--trainer.strategy=ddp"]
    command = [sys.executable, "-m", "galaxy_lightning"]
    done = subprocess.run(
        [*command, *words, *shared], capture_output=True, text=True, check=False, timeout=1200
    )
    assert done.returncode == 0, done.stderr[-2000:]
    (folder,) = (tmp_path / name).iterdir()
    predictions = pd.read_csv(folder / "predictions.csv", dtype={"objid": "int64"})
    catalog = open_arrays(small_arrays).catalog
    assert predictions["objid"].tolist() == catalog[catalog["split"] != "train"]["objid"].tolist()
    assert json.loads((folder / "run.json").read_text())["devices"] == 2
    val = predictions[predictions["split"] == "val"]
    history = pd.read_csv(folder / "history.csv")
    accuracy = (val["label"] == val["predicted"]).mean()
    assert history["val_accuracy"].iloc[0] == pytest.approx(accuracy, abs=1e-5)
    one = [f"--ckpt_path={folder}", "--trainer.devices=1", "--trainer.strategy=auto"]
    main(["validate", *one])
    alone = json.loads((folder / "validate/metrics.json").read_text())["metrics"]
    val_loss = history["val_loss"].iloc[0]
    assert alone["loss"] == pytest.approx(val_loss - gained_by_calibration(folder), abs=1e-5)


def test_weights_of_another_shape_are_refused(run, tmp_path, capsys):
    content = torch.load(run / "best.ckpt", weights_only=True)
    content["state_dict"]["network.head.2.bias"] = torch.zeros(5)
    torch.save(content, tmp_path / "best.ckpt")
    shutil.copy(run / "config.yaml", tmp_path)
    with pytest.raises(SystemExit):
        main(["test", f"--ckpt_path={tmp_path}/best.ckpt"])
    assert "the checkpoint's weights do not match its model" in capsys.readouterr().err


def printed(config, capsys, *words):
    """Returns the resolved settings of a fit with a config."""
    with pytest.raises(SystemExit, match="0"):
        main(["fit", "--config", str(config), *words, "--print_config"])
    return yaml.safe_load(capsys.readouterr().out)


def test_numbers_and_booleans_in_a_config_are_read_as_intended(tmp_path, capsys):
    """YAML 1.1 reads 1e-3 as text; editors on Windows add a byte-order mark and other line endings."""
    lines = ["model:", "  learning_rate: 1e-3", "trainer:", "  max_epochs: 1_0", "  deterministic: yes"]
    (tmp_path / "mine.yaml").write_bytes(b"\xef\xbb\xbf" + "\r\n".join(lines).encode())
    settings = printed(tmp_path / "mine.yaml", capsys)
    assert settings["model"]["learning_rate"] == 0.001
    assert settings["trainer"]["max_epochs"] == 10
    assert settings["trainer"]["deterministic"] is True
    assert (
        printed(tmp_path / "mine.yaml", capsys, "--model.learning_rate=2e-4")["model"]["learning_rate"]
        == 2e-4
    )


def test_a_merged_setting_may_be_overridden(tmp_path, capsys):
    """Configs that share settings use this."""
    (tmp_path / "mine.yaml").write_text("data:\n  <<: {batch_size: 8}\n  batch_size: 4\n")
    assert printed(tmp_path / "mine.yaml", capsys)["data"]["batch_size"] == 4


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (["--trainer.max_epoch", "3"], "--trainer.max_epochs"),
        (["--data.arays=A"], "--data.arrays"),
        (["--config", "typo.yaml"], "model.learning_rate"),
    ],
)
def test_for_a_mistyped_setting_the_nearest_one_is_suggested(words, meant, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("typo.yaml").write_text("model:\n  learning_rte: 0.1\n")
    with pytest.raises(SystemExit, match="2"):
        main(["fit", f"--config={REFERENCE}", *words])
    assert capsys.readouterr().err.endswith(f"; did you mean {meant}?\n")


def test_an_invalid_list_is_answered_with_the_correct_form(capsys):
    with pytest.raises(SystemExit, match="2"):
        main(["fit", f"--config={REFERENCE}", "--model.classes", "smooth", "featured"])
    assert """Write a list as one word: --model.classes '["first", "second"]'""" in capsys.readouterr().err


def test_a_removed_current_folder_is_reported(tmp_path, monkeypatch, capsys):
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    with pytest.raises(SystemExit, match="1"):
        main(["test", "--ckpt_path", str(tmp_path / "best.ckpt")])
    assert "the current folder has been removed" in capsys.readouterr().err


def test_too_little_memory_for_torch_is_reported():
    limit = "import resource; resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30));"
    words = ["-c", f"{limit} from galaxy_lightning.cli.main import main; main(['fit'])"]
    done = subprocess.run([sys.executable, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "error: not enough memory to load PyTorch" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_predict_works_if_warnings_are_errors(run, raw, tmp_path):
    """Sets ``PYTHONWARNINGS=error``; Lightning uses deprecated functions of jsonargparse."""
    images = tmp_path / "images"
    images.mkdir()
    shutil.copy(next((raw / "images_gz2/images").iterdir()), images)
    words = [
        "predict",
        "--ckpt_path",
        str(run),
        "--data.images",
        str(images),
        "--out",
        str(tmp_path / "t.csv"),
    ]
    command = [sys.executable, "-W", "error", "-m", "galaxy_lightning", *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]


def test_a_moved_run_and_moved_arrays_can_be_used(run, small_arrays, raw, tmp_path, capsys):
    """The new names contain characters that a shell or a library could read as patterns."""
    arrays, moved = tmp_path / "A [x] *", tmp_path / "run {1} 50% #2"
    shutil.copytree(small_arrays, arrays)
    shutil.copytree(run, moved)
    (moved / "best.ckpt").rename(moved / "my best, [1].ckpt")
    checkpoint = str(moved / "my best, [1].ckpt")
    main(["test", "--ckpt_path", checkpoint, "--data.arrays", str(arrays), "--out", str(tmp_path / "t [1]")])
    assert (tmp_path / "t [1]" / "metrics.json").is_file()
    words = ["predict", "--ckpt_path", checkpoint, "--data.arrays", str(arrays)]
    table = str(tmp_path / "p [?].csv")
    main([*words, "--out", table])
    before = Path(table).read_bytes()
    with pytest.raises(SystemExit, match="1"):
        main([*words, "--out", table])
    assert Path(table).read_bytes() == before
    assert "add --overwrite to replace it" in capsys.readouterr().err
