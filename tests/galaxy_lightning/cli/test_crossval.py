"""The crossval command on small arrays."""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from astropy.io import fits
from astropy.table import Table

from data_prep.arrays.format import open_arrays
from data_prep.arrays.positions import identify_galaxies
from data_prep.common.files import sha256
from data_prep.schema import CLASSES
from galaxy_lightning.cli.final_model import figures_of_repetitions
from galaxy_lightning.cli.main import main
from galaxy_lightning.evaluation.calibration import calibrate
from galaxy_lightning.training.checkpoints import read_checkpoint
from tests.in_process import trained_here

CONFIG = Path(__file__).parents[3] / "configs/galaxy_cnn.yaml"


def crossval(arrays, runs, *words):
    main(
        [
            "crossval",
            "--folds=2",
            f"--config={CONFIG}",
            f"--data.arrays={arrays}",
            "--model.image_size=64",
            "--trainer.max_epochs=1",
            "--trainer.enable_progress_bar=false",
            f"--runs={runs}",
            *words,
        ]
    )


@pytest.fixture(scope="module")
def done(small_arrays, tmp_path_factory):
    """A cross-validation with two folds, and the folder of its runs."""
    runs = tmp_path_factory.mktemp("crossval")
    crossval(small_arrays, runs)
    return runs / "galaxy_cnn_crossval/seed_0"


def test_each_galaxy_is_tested_once_by_a_model_that_has_not_seen_it(done, small_arrays):
    table = pd.read_csv(done / "predictions.csv")
    assert sorted(table["objid"]) == sorted(open_arrays(small_arrays).catalog["objid"])
    for fold in (0, 1):
        arrays = open_arrays(done / f"arrays/fold_{fold}")
        run = json.loads((done / f"fold_{fold}/version_0/run.json").read_text())
        assert run["arrays"]["sha256"] == arrays.dataset["sha256"]
        tested = set(table.loc[table["fold"] == fold, "objid"])
        assert tested == set(arrays.catalog["objid"].iloc[arrays.rows("test")])
        assert not tested & set(arrays.catalog["objid"].iloc[arrays.rows("train", "val")])


def test_the_summary_agrees_with_the_folds(done):
    summary = json.loads((done / "summary.json").read_text())
    table = pd.read_csv(done / "predictions.csv")
    right = table["label"] == table["predicted"]
    assert summary["pooled"]["accuracy"] == pytest.approx(right.mean(), abs=1e-6)
    per_fold = right.groupby(table["fold"]).mean()
    assert summary["spread"]["accuracy"]["mean"] == pytest.approx(per_fold.mean(), abs=1e-6)
    assert summary["spread"]["accuracy"]["sd"] == pytest.approx(per_fold.std(ddof=1), abs=1e-6)
    assert np.sum(summary["confusion"]) == len(table)
    for picture in ("confusion_matrix", "reliability", "coverage"):
        for suffix in ("png", "pdf"):
            assert (done / f"{picture}.{suffix}").stat().st_size > 1000


def test_the_table_of_all_folds_in_another_format(done, small_arrays, tmp_path, capsys):
    crossval(small_arrays, done.parents[1], f"--table={tmp_path}/t.vot")
    assert f"{tmp_path}/t.vot" in capsys.readouterr().out
    table, expected = Table.read(tmp_path / "t.vot"), pd.read_csv(done / "predictions.csv")
    for name in ("objid", "fold", "p_spiral", "label"):
        assert table[name].tolist() == expected[name].tolist()
    assert table["fold"].meta["ucd"] == "meta.code"
    assert table["ra"].unit == table["dec"].unit == "deg"
    galaxies = identify_galaxies(open_arrays(small_arrays)).set_index("objid").loc[expected["objid"]]
    np.testing.assert_allclose(table["ra"], galaxies["ra"], rtol=0, atol=1e-9)
    main(["table", str(done), f"--out={tmp_path}/same.vot"])
    assert (tmp_path / "same.vot").read_bytes() == (tmp_path / "t.vot").read_bytes()
    main(["table", str(done), f"--out={tmp_path}/t.fits"])
    header = fits.getheader(tmp_path / "t.fits", 1)
    assert header["CKPTSHA"].split() == [sha256(done / f"fold_{k}/version_0/best.ckpt") for k in (0, 1)]
    runs = [json.loads((done / f"fold_{fold}/version_0/run.json").read_text()) for fold in (0, 1)]
    for keyword, name in (("TEMPERAT", "temperature"), ("THRESHLD", "threshold")):
        assert list(map(float, header[keyword].split())) == [run["calibration"][name] for run in runs]
    assert (header["MODEL"], header["FOLDS"], header["TARGACC"]) == ("galaxy_cnn", 2, 0.9)
    assert header["ZOOMS"] == runs[0]["calibration"]["zooms"]
    for name, problem in (("t.txt", "use a name that ends in"), ("t.vot", "already exists")):
        with pytest.raises(SystemExit):
            crossval(small_arrays, done.parents[1], f"--table={tmp_path}/{name}")
        assert problem in capsys.readouterr().err


def test_a_second_call_trains_nothing(done, small_arrays, capsys):
    before = {path: path.stat().st_mtime_ns for path in done.rglob("run.json")}
    crossval(small_arrays, done.parents[1])
    assert {path: path.stat().st_mtime_ns for path in done.rglob("run.json")} == before
    printed, lines = capsys.readouterr()
    assert "each galaxy is classified by a model that was not trained on it" in printed
    assert "mean ± sd" in printed
    assert re.findall("fold ./2  accuracy .*  trained before", lines) == lines.splitlines()[1:]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--model.mixup=0.5"], "holds a cross-validation with other settings"),
        (["--folds=1", "--name=other"], "cannot make 1 folds"),
        (["--ckpt_path=x"], "remove --ckpt_path"),
    ],
)
def test_invalid_settings_are_refused(done, small_arrays, words, message, capsys):
    with pytest.raises(SystemExit):
        crossval(small_arrays, done.parents[1], *words)
    assert message in capsys.readouterr().err


def test_a_folder_with_other_content_is_left_alone(small_arrays, tmp_path, capsys):
    (tmp_path / "thesis.tex").write_text("precious")
    with pytest.raises(SystemExit):
        main(["crossval", f"--data.arrays={small_arrays}", f"--out={tmp_path}"])
    assert "holds other files" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


@pytest.fixture(scope="module")
def final(done, small_arrays):
    """The final model of the cross-validation, and its run folder."""
    runs = done.parents[1]
    (runs / "card.yaml").write_text("title: a test\npixel_scale: 0.02*petroR90_r\nlimits: [mergers, stars]\n")
    with trained_here():
        crossval(small_arrays, runs, f"--final={runs}/final.ckpt", f"--card={runs}/card.yaml")
    return runs / "final.ckpt"


def test_the_final_model_is_trained_on_all_galaxies(final, done, small_arrays, tmp_path, capsys):
    catalog = open_arrays(small_arrays).catalog
    trained = read_checkpoint(final)
    assert set(catalog["objid"]) < set(trained.trained_on.objids)
    assert len(trained.trained_on.pixels) == len(catalog)
    assert not len(trained.calibrated_on.objids)
    assert trained.arrays_folder is None
    assert not trained.resumable
    history = pd.read_csv(done / "final/version_0/history.csv")
    assert len(history) == 1
    assert history["val_loss"].isna().all()
    with pytest.raises(SystemExit):
        main(["test", f"--ckpt_path={final}", f"--data.arrays={small_arrays}"])
    assert "final.ckpt was trained on 12 of the 12 test galaxies" in capsys.readouterr().err
    main(["predict", f"--ckpt_path={final}", f"--data.arrays={small_arrays}", f"--out={tmp_path}/p.csv"])
    assert "80 seen in training" in capsys.readouterr().out
    assert (pd.read_csv(tmp_path / "p.csv")["seen_in_training"] == 1).all()


def test_the_final_model_is_calibrated_on_the_galaxies_left_out_of_the_folds(final, done):
    """Compares with a calibration of the logits that the folds' predictions imply."""
    table = pd.read_csv(done / "predictions.csv")
    runs = [json.loads((done / f"fold_{fold}/version_0/run.json").read_text()) for fold in (0, 1)]
    temperatures = np.array([run["calibration"]["temperature"] for run in runs])
    probabilities = table[[f"p_{name}" for name in CLASSES]].to_numpy()
    logits = np.log(probabilities) * temperatures[table["fold"]][:, None]
    labels = table["label"].map(CLASSES.index).to_numpy()
    expected = calibrate(logits, labels, 0.9, 5)
    found = read_checkpoint(final).calibrations
    assert found.main.temperature == pytest.approx(expected.temperature, rel=1e-3)
    assert found.main.threshold == pytest.approx(expected.threshold, abs=1e-3)
    assert found.single_zoom.zooms == 1


def test_the_card_has_the_figures_of_the_cross_validation(final, done, capsys):
    pooled = json.loads((done / "summary.json").read_text())["pooled"]
    card = read_checkpoint(final).card
    assert card.counts == {"elliptical": 20, "irregular": 31, "spiral": 29}
    (figures,) = card.cross_validations
    assert figures["seed"] == 0
    assert figures["folds"] == 2
    assert figures["accuracy"] == pooled["accuracy"]
    main(["model", str(final)])
    printed = capsys.readouterr().out
    assert f"seed 0, 2 folds: accuracy {pooled['accuracy']:.3f}" in printed
    assert "pixel scale:  0.02*petroR90_r arcsec per pixel" in printed
    assert "- mergers" in printed
    main(["model", "--objids", str(final)])
    printed = capsys.readouterr().out.split()
    assert printed == list(map(str, read_checkpoint(final).trained_on.objids))


def test_the_same_command_writes_the_same_file(final, done, small_arrays):
    content, card = final.read_bytes(), final.with_name("card.yaml")
    shutil.rmtree(done / "final")
    with trained_here():
        crossval(small_arrays, done.parents[1], f"--final={final}", f"--card={card}", "--overwrite")
    assert final.read_bytes() == content


def test_only_repetitions_with_other_seeds_are_on_the_card(done, tmp_path):
    """Another seed repeats the cross-validation; other settings and an unfinished one do not."""
    (tmp_path / "foreign").mkdir()
    (tmp_path / "foreign/crossval.json").write_text('{"a": 1}')
    for name in ("seed_0", "seed_1", "other", "unfinished"):
        (tmp_path / name).mkdir()
        plan, summary = (json.loads((done / file).read_text()) for file in ("crossval.json", "summary.json"))
        if name == "other":
            plan["fit"]["model"]["mixup"] = 0.5
        if name == "seed_1":
            plan["fit"]["seed_everything"] = plan["fit"]["data"]["seed"] = summary["seed"] = 1
        (tmp_path / name / "crossval.json").write_text(json.dumps(plan))
        if name != "unfinished":
            (tmp_path / name / "summary.json").write_text(json.dumps(summary))
    assert [figures["seed"] for figures in figures_of_repetitions(tmp_path / "seed_0")] == [0, 1]


EARLY_STOPPING = (
    "trainer: {callbacks: [{class_path: lightning.pytorch.callbacks.EarlyStopping, "
    "init_args: {monitor: val_loss}}]}"
)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--final=model.pt"], "use a name that ends in .ckpt"),
        (["--final={final}"], "final.ckpt already exists"),
        (["--card=card.yaml"], "add --final FILE"),
        (["--final=/proc/x/new.ckpt"], "/proc/x/new.ckpt cannot be written"),
        (["--final=folder.ckpt", "--overwrite"], "folder.ckpt cannot be written: name a file"),
        (["--final=new.ckpt", "--card=missing.yaml"], "missing.yaml is missing"),
        (["--final=new.ckpt", "--card={colour}"], "unknown entry 'colour'; the entries are title,"),
        (["--final=new.ckpt", "--card={number}"], "title must be text, not 3"),
        (["--final=new.ckpt", "--config={stopping}", "--name=stopping"], "EarlyStopping monitors the valid"),
    ],
)
def test_a_final_model_that_cannot_be_made_is_refused_first(
    final, small_arrays, words, message, capsys, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder.ckpt").mkdir()
    for name, text in (("colour", "colour: red"), ("number", "title: 3"), ("stopping", EARLY_STOPPING)):
        (tmp_path / f"{name}.yaml").write_text(text)
    files = {name: tmp_path / f"{name}.yaml" for name in ("colour", "number", "stopping")}
    words = [word.format(final=final, **files) for word in words]
    with pytest.raises(SystemExit):
        crossval(small_arrays, final.parent, *words)
    assert message in capsys.readouterr().err
    assert not (tmp_path / "new.ckpt").exists()
