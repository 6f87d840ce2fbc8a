"""A resumed run: it stays complete until something new is saved, and an early end is reported."""

import json
import re
import shlex
import shutil

import pandas as pd
import pytest
import torch
import yaml

from baselines.cli import main as baselines
from galaxy_lightning.callbacks.checkpoint import RunCheckpoint
from galaxy_lightning.cli.main import main
from galaxy_lightning.training.module import GalaxyClassifier
from tests.full_disk import contents


def words(arrays, runs, *more):
    return [
        "fit", f"--data.arrays={arrays}", f"--runs={runs}", "--name=a run", "--trainer.max_epochs=2",
        "--model.network=reference_cnn", "--model.image_size=64", "--trainer.enable_progress_bar=false",
        "--data.batch_size=16", "--trainer.limit_train_batches=2", "--trainer.num_sanity_val_steps=0", *more,
    ]  # fmt: skip


@pytest.fixture(scope="module")
def finished(small_arrays, tmp_path_factory):
    runs = tmp_path_factory.mktemp("finished")
    main(words(small_arrays, runs))
    return runs / "a run/version_0"


@pytest.fixture
def run(finished, tmp_path):
    return shutil.copytree(finished, tmp_path / "a run/version_0")


def interrupted_at(patch, owner, method, count=0):
    """Raises KeyboardInterrupt in the call of this number of a method."""
    original, left = getattr(owner, method), [count]

    def interrupted(*args, **kwargs):
        left[0] -= 1
        if left[0] < 0:
            raise KeyboardInterrupt
        return original(*args, **kwargs)

    patch.setattr(owner, method, interrupted)


def without_log(folder):
    return {name: content for name, content in contents(folder).items() if "tfevents" not in name}


@pytest.mark.parametrize("more", [[], ["--trainer.max_epochs=1"]], ids=["the same", "fewer epochs"])
def test_a_complete_run_with_nothing_left_to_train_is_unchanged(run, capsys, more):
    before = without_log(run)
    main(["fit", f"--ckpt_path={run}", *more])
    assert f"Nothing left to train: the run in {run} is complete" in capsys.readouterr().out
    assert without_log(run) == before


def test_the_newest_run_is_left_alone_only_if_it_is_the_run_asked_for(run, capsys, monkeypatch):
    monkeypatch.chdir(run.parent.parent)
    before = without_log(run)
    newest = ["fit", "--runs=.", "--name=a run", "--ckpt_path=last"]
    main(newest)
    assert "Nothing left to train" in capsys.readouterr().out
    with pytest.raises(SystemExit, match="1"):
        main([*newest, "--seed_everything=5"])
    assert "seed 0, not 5: resume with the same settings, or start a new fit" in capsys.readouterr().err
    assert without_log(run) == before


def test_a_fit_that_has_stopped_early_is_not_trained_further(small_arrays, tmp_path, capsys):
    stopping = {"monitor": "val_loss", "patience": 1, "min_delta": 100.0}
    callback = {"class_path": "lightning.pytorch.callbacks.EarlyStopping", "init_args": stopping}
    config = tmp_path / "stopping.yaml"
    config.write_text(yaml.safe_dump({"trainer": {"callbacks": [callback]}, "model": {"mixup": 0.0}}))
    command = [*words(small_arrays, tmp_path), f"--config={config}", "--trainer.max_epochs=6"]
    main(command)
    run = tmp_path / "a run/version_0"
    before = without_log(run)
    main([*command, "--ckpt_path=last"])
    assert "Nothing left to train" in capsys.readouterr().out
    assert without_log(run) == before


def test_a_refused_resume_leaves_a_complete_run_unchanged(run, capsys):
    before = without_log(run)
    with pytest.raises(SystemExit):
        main(["fit", f"--ckpt_path={run}", "--data.batch_size=8", "--trainer.max_epochs=3"])
    assert "batch_size 16, not 8" in capsys.readouterr().err
    assert without_log(run) == before


def test_an_interruption_before_a_new_epoch_keeps_the_run_complete(run, capsys, monkeypatch):
    before = without_log(run)
    with pytest.raises(SystemExit, match="130"):
        interrupted_at(monkeypatch, GalaxyClassifier, "training_step", 1)
        main(["fit", f"--ckpt_path={run}", "--trainer.max_epochs=3"])
    said = capsys.readouterr().out
    assert f"Nothing has been saved since {run}/last.ckpt: run the same command again" in said
    assert without_log(run).items() >= before.items()


def test_after_a_new_epoch_the_run_is_incomplete_and_can_be_resumed(run, finished, capsys):
    old = json.loads((run / "run.json").read_text())
    with pytest.MonkeyPatch.context() as patch, pytest.raises(SystemExit, match="130"):
        interrupted_at(patch, GalaxyClassifier, "training_step", 3)
        main(["fit", f"--ckpt_path={run}", "--trainer.max_epochs=4"])
    assert not (run / "run.json").exists()
    assert len(pd.read_csv(run / "history.csv")) == 3
    (line,) = (line for line in capsys.readouterr().out.splitlines() if line.startswith("To resume: "))
    python, option, package, *command = shlex.split(line.removeprefix("To resume: "))
    assert (python, option, package) == ("python", "-m", "galaxy_lightning")
    main(command)
    new = json.loads((run / "run.json").read_text())
    assert (old["epochs"], new["epochs"]) == (2, 4)


@pytest.mark.parametrize("saver", ["on_validation_end", "on_train_epoch_end"])
def test_run_json_is_removed_before_anything_newer_is_saved(run, saver, monkeypatch):
    def save(callback, trainer, module):
        original(callback, trainer, module)
        epochs = (
            torch.load(run / "best.ckpt", weights_only=True)["epoch"],
            len(pd.read_csv(run / "history.csv")),
        )
        assert epochs == (old, 2) or not (run / "run.json").exists()

    old, original = torch.load(run / "best.ckpt", weights_only=True)["epoch"], getattr(RunCheckpoint, saver)
    monkeypatch.setattr(RunCheckpoint, saver, save)
    main(["fit", f"--ckpt_path={run}", "--trainer.max_epochs=3"])
    assert json.loads((run / "run.json").read_text())["epochs"] == 3


def test_the_best_weights_are_named_if_only_they_were_saved(small_arrays, tmp_path, capsys):
    with pytest.MonkeyPatch.context() as patch, pytest.raises(SystemExit, match="130"):
        interrupted_at(patch, RunCheckpoint, "save_newest")
        main(words(small_arrays, tmp_path))
    run = tmp_path / "a run/version_0"
    assert not (run / "last.ckpt").exists()
    assert f"fit --ckpt_path {shlex.quote(str(run / 'best.ckpt'))}" in capsys.readouterr().out
    main(["fit", f"--ckpt_path={run}/best.ckpt"])
    assert json.loads((run / "run.json").read_text())["epochs"] == 2


def test_a_resumed_fit_records_the_settings_of_each_part(run, small_arrays):
    first = json.loads((run / "run.json").read_text())["training"]
    assert (first["limit_train_batches"], first["resumed_from"], first["epochs_trained"]) == (
        "2 batches",
        [],
        2,
    )
    main(["fit", f"--ckpt_path={run}", "--trainer.max_epochs=3", "--trainer.accumulate_grad_batches=2"])
    training = json.loads((run / "run.json").read_text())["training"]
    (earlier,) = training.pop("resumed_from")
    assert (training["accumulate_grad_batches"], training["epochs_trained"]) == (2, 3)
    assert earlier["from_epoch"] == 0
    assert earlier["settings"]["accumulate_grad_batches"] == 1


def test_a_checkpoint_named_in_a_config_is_checked(run, small_arrays, tmp_path, capsys):
    config = tmp_path / "again.yaml"
    content = yaml.safe_load((run / "config.yaml").read_text())
    config.write_text(yaml.safe_dump(content | {"ckpt_path": str(run)}))
    before = without_log(run)
    with pytest.raises(SystemExit):
        main(["fit", f"--config={config}", "--data.batch_size=8", "--trainer.max_epochs=3"])
    assert "batch_size 16, not 8" in capsys.readouterr().err
    for command, words in (
        (main, ["crossval", f"--config={config}", "--folds=2", f"--runs={tmp_path / 'folds'}"]),
        (
            baselines,
            ["compare", f"--data={small_arrays}", f"--out={tmp_path / 'report'}", "--models", str(config)],
        ),
    ):
        with pytest.raises(SystemExit):
            command(words)
        assert re.search(r"from (start|the beginning).*: (remove|leave) ckpt_path", capsys.readouterr().err)
    with pytest.raises(SystemExit):
        main(["fit", "--config", json.dumps({"ckpt_path": str(run / "last.ckpt")})])
    assert "name the checkpoint with --ckpt_path" in capsys.readouterr().err
    assert without_log(run) == before
    main(["fit", f"--config={config}", "--trainer.max_epochs=3"])
    assert json.loads((run / "run.json").read_text())["epochs"] == 3


def test_a_checkpoint_without_its_run_starts_a_new_run(run, small_arrays, tmp_path):
    """The best weights are elsewhere, so the new run has its own."""
    content = torch.load(run / "last.ckpt", weights_only=True)
    for state in content["callbacks"].values():
        if "best_model_score" in state:
            state["best_model_score"] = torch.tensor(0.0)
            state["best_k_models"] = dict.fromkeys(state["best_k_models"], torch.tensor(0.0))
    torch.save(content, tmp_path / "alone.ckpt")
    main(
        words(
            small_arrays,
            tmp_path,
            f"--ckpt_path={tmp_path / 'alone.ckpt'}",
            "--trainer.max_epochs=3",
            "--name=new",
        )
    )
    assert (tmp_path / "new/version_0/best.ckpt").is_file()
    assert (tmp_path / "new/version_0/run.json").is_file()
