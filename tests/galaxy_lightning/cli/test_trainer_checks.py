"""Trainer settings that cannot work: one line, and nothing is written."""

import shutil

import pandas as pd
import pytest
import yaml
from PIL import Image

from galaxy_lightning.cli.main import main


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (["strategy=ddp_spawn"], "use --trainer.strategy ddp"),
        (["strategy=ddp_notebook"], "use --trainer.strategy ddp"),
        (["strategy=DDPStrategy", "strategy.start_method=fork"], "use --trainer.strategy ddp"),
        (["strategy=fsdp"], "trainer.strategy fsdp is not supported"),
        (["strategy=deepspeed_stage_2"], "trainer.strategy deepspeed_stage_2 is not supported"),
        (["strategy=ModelParallelStrategy"], "trainer.strategy ModelParallelStrategy is not supported"),
        (["precision=bf16-true"], "use 32-true"),
        (["sync_batchnorm=true", "accelerator=cpu"], "trainer.sync_batchnorm works on GPUs only"),
        (["precision=64-true"], "use 32-true"),
        (["precision=transformer-engine"], "use 32-true"),
        (["barebones=true"], "trainer.barebones disables the callbacks that fit needs: remove it"),
        (["enable_checkpointing=false"], "would save no weights"),
        (["overfit_batches=2"], "trainer.overfit_batches is not supported"),
        (["limit_val_batches=0"], "would skip the validation"),
        (["limit_train_batches=0"], "would train nothing"),
        (["max_epochs=0"], "would train nothing"),
        (["max_steps=0"], "would train nothing"),
        (["max_epochs=2", "check_val_every_n_epoch=5"], "would never validate in 2 epochs"),
        (["devices=0"], "trainer.devices must be at least 1"),
        (["devices=-1"], "invalid Trainer settings"),
        (["accelerator=abacus"], "invalid Trainer settings"),
        (["devices=13", "strategy=ddp"], "too few val galaxies (12) for 13 processes"),
    ],
)
def test_an_impossible_fit_is_refused_before_it_starts(small_arrays, tmp_path, capsys, settings, said):
    words = [
        "fit", f"--data.arrays={small_arrays}", f"--runs={tmp_path}/runs", "--model.image_size=64",
        "--model.network=reference_cnn", "--trainer.accelerator=cpu",
    ]  # fmt: skip
    with pytest.raises(SystemExit) as caught:
        main([*words, *(f"--trainer.{setting}" for setting in settings)])
    assert caught.value.code == 1
    out, err = capsys.readouterr()
    (line,) = [line for line in err.splitlines() if "error: " in line]
    assert said in line
    assert "Traceback" not in out + err
    assert list(tmp_path.iterdir()) == []


@pytest.fixture(scope="module")
def run(small_arrays, tmp_path_factory):
    runs = tmp_path_factory.mktemp("runs")
    main(
        [
            "fit", f"--data.arrays={small_arrays}", f"--runs={runs}", "--name=run", "--trainer.max_epochs=1",
            "--model.network=reference_cnn", "--model.image_size=64", "--trainer.enable_progress_bar=false",
            "--trainer.num_sanity_val_steps=0",
        ]
    )  # fmt: skip
    return runs / "run/version_0"


def test_fewer_images_than_devices_are_predicted(run, tmp_path):
    (tmp_path / "images").mkdir()
    Image.new("RGB", (64, 64)).save(tmp_path / "images/one.png")
    words = ["predict", f"--ckpt_path={run}", f"--data.images={tmp_path}/images", f"--out={tmp_path}/p.csv"]
    main([*words, "--trainer.accelerator=cpu", "--trainer.devices=2", "--trainer.strategy=ddp"])
    assert len(pd.read_csv(tmp_path / "p.csv")) == 1


@pytest.mark.parametrize(
    ("command", "setting", "said"),
    [
        ("predict", "limit_predict_batches=0", "limit_predict_batches 0 would predict no galaxies"),
        ("predict", "limit_predict_batches=0.0", "limit_predict_batches 0 would predict no galaxies"),
        ("predict", "limit_predict_batches=0.01", "limit_predict_batches"),
        (
            "predict",
            "fast_dev_run=true",
            "to predict part of the galaxies, set --trainer.limit",
        ),
        ("test", "limit_test_batches=0", "limit_test_batches 0 would test no galaxies"),
        ("test", "fast_dev_run=3", "trainer.fast_dev_run is for trials of a fit: remove it"),
        ("validate", "limit_val_batches=0", "limit_val_batches 0 would validate no galaxies"),
        ("validate", "overfit_batches=2", "trainer.overfit_batches is for trials of a fit: remove it"),
    ],
)
def test_no_older_result_is_replaced_by_none(run, tmp_path, capsys, command, setting, said):
    words = [command, f"--ckpt_path={run}", f"--out={tmp_path}/out"]
    if command == "predict":
        words = [*words[:2], f"--out={tmp_path}/out.csv", "--overwrite"]
        (tmp_path / "out.csv").write_text("older")
    with pytest.raises(SystemExit, match="1"):
        main([*words, f"--trainer.{setting}"])
    out, err = capsys.readouterr()
    (line,) = [line for line in err.splitlines() if "error: " in line]
    assert said in line
    assert "Traceback" not in out + err
    assert [path.read_text() for path in tmp_path.iterdir()] == ["older"] * (command == "predict")


def test_a_test_of_part_of_the_galaxies_says_so(run, tmp_path, capsys):
    words = ["test", f"--ckpt_path={run}", f"--out={tmp_path}/test", "--data.batch_size=2"]
    main([*words, "--trainer.limit_test_batches=2"])
    assert "more galaxies are left out by trainer.limit_test_batches" in capsys.readouterr().out
    main(words)
    assert "left out" not in capsys.readouterr().out


def test_the_limits_of_a_fit_are_not_those_of_other_commands(run, tmp_path, capsys):
    copy = shutil.copytree(run, tmp_path / "run")
    config = yaml.safe_load((copy / "config.yaml").read_text())
    config["trainer"] |= {"limit_predict_batches": 1, "limit_test_batches": 0}
    (copy / "config.yaml").write_text(yaml.safe_dump(config))
    main(["predict", f"--ckpt_path={copy}", f"--out={tmp_path}/p.csv", "--data.batch_size=8"])
    main(["test", f"--ckpt_path={copy}", f"--out={tmp_path}/test", "--data.batch_size=2"])
    assert "left out" not in capsys.readouterr().out


def test_two_machines_without_a_launcher_are_refused(run, tmp_path, capsys):
    words = ["predict", f"--ckpt_path={run}", f"--out={tmp_path}/p.csv", "--trainer.num_nodes=2"]
    with pytest.raises(SystemExit, match="1"):
        main([*words, "--trainer.accelerator=cpu", "--trainer.strategy=ddp"])
    assert "trainer.num_nodes 2: start the command on each machine with torchrun" in capsys.readouterr().err


def test_a_run_of_a_cluster_predicts_on_one_machine(run, tmp_path):
    copy = shutil.copytree(run, tmp_path / "run")
    config = yaml.safe_load((copy / "config.yaml").read_text())
    config["trainer"] |= {"num_nodes": 4, "devices": 8, "strategy": "ddp", "accelerator": "gpu"}
    (copy / "config.yaml").write_text(yaml.safe_dump(config))
    main(["predict", f"--ckpt_path={copy}", f"--out={tmp_path}/p.csv"])
    assert (tmp_path / "p.csv").exists()
