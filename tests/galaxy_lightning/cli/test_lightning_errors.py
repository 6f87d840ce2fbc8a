"""Errors of Lightning and its plugins: one line with a remedy, and no run folder."""

import re

import pytest
import torch

from galaxy_lightning.cli.main import main

SLURM = {
    "SLURM_JOB_ID": "1",
    "SLURM_JOB_NAME": "job",
    "SLURM_NTASKS": "4",
    "SLURM_PROCID": "0",
    "SLURM_LOCALID": "0",
    "SLURM_NODEID": "0",
}


def refused(capsys, *words):
    with pytest.raises(SystemExit) as end:
        main(list(words))
    said = capsys.readouterr().err
    assert "Traceback" not in said
    assert end.value.code in (1, 2)
    return said.splitlines()[-1] if end.value.code == 1 else said


@pytest.fixture
def fit(small_arrays, tmp_path, capsys):
    def refused_fit(*words):
        options = [f"--data.arrays={small_arrays}", "--model.image_size=64", f"--runs={tmp_path / 'runs'}"]
        said = refused(capsys, "fit", *options, "--trainer.max_epochs=1", *words)
        assert not list(tmp_path.glob("runs/*"))
        return said

    return refused_fit


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ["--trainer.logger=CometLogger"],
            r"comet.*install the package, or remove the setting that needs it",
        ),
        (["--trainer.strategy=deepspeed"], r"deepspeed"),
        (
            ["--trainer.callbacks+=EarlyStopping", "--trainer.callbacks.monitor=val/loss"],
            r"monitors val/loss, which is not a logged metric: did you mean val_loss\?.*are train_loss, ",
        ),
        (["--trainer.accelerator=tpu"], r"error: \S"),
        (["--trainer.precision=7"], r"precision"),
        (
            ["--trainer.limit_train_batches=0"],
            r"limit_train_batches 0 would train nothing.*fast_dev_run true",
        ),
        (["--trainer.limit_val_batches=0"], r"limit_val_batches 0 would skip the validation"),
        (["--trainer.max_epochs=0"], r"max_epochs 0 would train nothing"),
        (
            ["--trainer.check_val_every_n_epoch=2"],
            r"check_val_every_n_epoch \d+ would never validate in 1 epochs",
        ),
        (["--trainer.val_check_interval=1000"], r"remove --trainer.val_check_interval, or reduce it"),
        (
            ["--trainer.callbacks+=StochasticWeightAveraging", "--trainer.callbacks.swa_lrs=0.1"],
            r"would be lost: use EMAWeightAveraging or WeightAveraging instead",
        ),
    ],
)
def test_a_refused_fit_prints_one_line_and_leaves_nothing(words, message, fit):
    assert re.search(message, fit(*words), re.IGNORECASE)


def test_a_callback_without_its_package_is_refused(fit, monkeypatch):
    monkeypatch.setattr("lightning.pytorch.callbacks.device_stats_monitor._PSUTIL_AVAILABLE", False)
    said = fit("--trainer.callbacks+=DeviceStatsMonitor")
    assert re.search(r"psutil.*install the package", said)


def test_slurm_tasks_not_started_by_srun_are_refused(fit, small_arrays, tmp_path, monkeypatch):
    for name, value in SLURM.items():
        monkeypatch.setenv(name, value)
    assert "unset SLURM_NTASKS" in fit()


def test_one_slurm_task_for_two_devices_is_refused(fit, monkeypatch):
    for name, value in (SLURM | {"SLURM_NTASKS": "1", "SLURM_STEP_ID": "0"}).items():
        monkeypatch.setenv(name, value)
    said = fit("--trainer.devices=2", "--trainer.accelerator=cpu")
    assert "1 processes were started for 2 devices" in said


def test_an_error_within_the_first_epoch_leaves_no_run_folder(fit, monkeypatch):
    def step(*places):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr("galaxy_lightning.training.module.GalaxyClassifier.training_step", step)
    assert "not enough memory: lower --data.batch_size" in fit()


def test_an_internal_error_keeps_its_traceback(fit, tmp_path, monkeypatch):
    """The traceback is needed to fix it."""

    def step(*places):
        raise ValueError("a fault")

    monkeypatch.setattr("galaxy_lightning.training.module.GalaxyClassifier.training_step", step)
    with pytest.raises(ValueError, match="a fault"):
        fit()
    assert not list(tmp_path.glob("runs/*"))


def test_averaged_weights_are_saved(small_arrays, tmp_path):
    words = ["--data.batch_size=16", "--model.image_size=64", "--trainer.max_epochs=1", f"--runs={tmp_path}"]
    average = ["--trainer.callbacks+=EMAWeightAveraging", "--trainer.callbacks.decay=0.5"]
    for name, more in (("averaged", average), ("plain", [])):
        main(["fit", f"--data.arrays={small_arrays}", f"--name={name}", *words, *more])
    averaged, plain = (
        torch.load(tmp_path / name / "version_0/best.ckpt", weights_only=True)
        for name in ("averaged", "plain")
    )
    kept = averaged["current_model_state"]
    assert any(not torch.equal(kept[name], averaged["state_dict"][name]) for name in kept)
    assert all(torch.equal(kept[name], value) for name, value in plain["state_dict"].items())
