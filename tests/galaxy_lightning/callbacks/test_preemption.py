"""Fits that the system terminates at any batch: they resume, and end with the same bytes."""

import os
import random
import signal
from pathlib import Path

import pandas as pd
import pytest
import torch

from galaxy_lightning.cli.main import main
from galaxy_lightning.training.module import GalaxyClassifier
from tests.fuzzing import SOAKING
from tests.galaxy_lightning.made_runs import same

pytestmark = pytest.mark.soak

CONFIGS = Path(__file__).parents[3] / "configs"
BATCHES = 7  # 56 training galaxies, in batches of 8.
EPOCHS = 3
NETWORKS = {
    "reference_cnn": ["--data.augment=quarter_turns"],
    "galaxy_cnn": [
        "--data.augment=any_view",
        "--model.schedule=one_cycle",
        "--model.weights=none",
        "--model.zooms=1",
    ],
}


def words(network, arrays, runs, name):
    return [
        "fit", f"--data.arrays={arrays}", f"--runs={runs}", f"--name={name}", "--model.image_size=64",
        f"--model.network={network}", f"--trainer.max_epochs={EPOCHS}", "--data.batch_size=8",
        "--trainer.enable_progress_bar=false", "--trainer.log_every_n_steps=1", *NETWORKS[network],
    ]  # fmt: skip


@pytest.fixture(scope="module", params=list(NETWORKS))
def whole(request, small_arrays, tmp_path_factory):
    """An uninterrupted fit: its network and its run folder."""
    runs = tmp_path_factory.mktemp("whole")
    main(words(request.param, small_arrays, runs, "whole"))
    assert torch.load(runs / "whole/version_0/last.ckpt")["global_step"] == EPOCHS * BATCHES
    return request.param, runs / "whole/version_0"


def ask_to_end_at(monkeypatch, place):
    """Sends SIGTERM in the training batch of this number, counted from now."""
    step, seen = GalaxyClassifier.training_step, []

    def asked(module, batch, batch_idx):
        seen.append(batch_idx)
        if len(seen) == place + 1:
            os.kill(os.getpid(), signal.SIGTERM)
        return step(module, batch, batch_idx)

    monkeypatch.setattr(GalaxyClassifier, "training_step", asked)


def ask_to_end_in_validation(monkeypatch, epoch):
    step = GalaxyClassifier.validation_step

    def asked(module, batch, batch_idx):
        if not module.trainer.sanity_checking and module.trainer.current_epoch == epoch and batch_idx == 0:
            os.kill(os.getpid(), signal.SIGTERM)
        return step(module, batch, batch_idx)

    monkeypatch.setattr(GalaxyClassifier, "validation_step", asked)


@pytest.mark.parametrize("place", [0, BATCHES + 3, 2 * BATCHES - 1])
def test_a_terminated_fit_resumes_to_the_same_result(whole, small_arrays, tmp_path, place, capsys):
    network, folder = whole
    if not SOAKING and (network == "galaxy_cnn") != (place == BATCHES + 3):
        pytest.skip("the long tests do this one")
    with pytest.MonkeyPatch.context() as patch, pytest.raises(SystemExit, match="143"):
        ask_to_end_at(patch, place)
        main(words(network, small_arrays, tmp_path, "ended"))
    run = tmp_path / "ended/version_0"
    assert not (run / "run.json").exists()
    assert torch.load(run / "last.ckpt", weights_only=True)["global_step"] == place + 1
    assert f"To resume: python -m galaxy_lightning fit --ckpt_path {run}/last.ckpt" in capsys.readouterr().out
    main(["fit", f"--ckpt_path={run}/last.ckpt"])
    assert [path.name for path in tmp_path.joinpath("ended").iterdir()] == ["version_0"]
    same(run, folder)


def test_a_fit_terminated_in_a_validation_finishes_it_first(whole, small_arrays, tmp_path):
    network, folder = whole
    if not SOAKING and network == "galaxy_cnn":
        pytest.skip("the long tests do this one")
    with pytest.MonkeyPatch.context() as patch, pytest.raises(SystemExit, match="143"):
        ask_to_end_in_validation(patch, 0)
        main(words(network, small_arrays, tmp_path, "ended"))
    run = tmp_path / "ended/version_0"
    assert len(pd.read_csv(run / "history.csv")) == 1
    main(["fit", f"--ckpt_path={run}/last.ckpt"])
    same(run, folder)


@pytest.mark.skipif(not SOAKING, reason="one of the long tests")
@pytest.mark.parametrize("seed", range(5))
def test_a_fit_can_be_terminated_repeatedly(whole, small_arrays, tmp_path, seed):
    network, folder = whole
    moments, run = random.Random(seed), tmp_path / "ended/version_0"
    command = words(network, small_arrays, tmp_path, "ended")
    for _ in range(4):
        with pytest.MonkeyPatch.context() as patch, pytest.raises(SystemExit, match="143"):
            ask_to_end_at(patch, moments.randrange(1, 5))
            main(command)
        command = ["fit", f"--ckpt_path={run}/last.ckpt"]
    main(command)
    same(run, folder)


def test_previous_signal_handlers_are_restored(small_arrays, tmp_path):
    before = signal.getsignal(signal.SIGTERM)
    main(words("reference_cnn", small_arrays, tmp_path, "fit"))
    assert signal.getsignal(signal.SIGTERM) is before


@pytest.mark.parametrize("validated", ["check_val_every_n_epoch=2", "val_check_interval=0.5"])
def test_a_fit_resumes_from_its_last_epoch_for_any_validation_interval(
    small_arrays, tmp_path, validated, capsys
):
    more = [f"--trainer.{validated}", "--trainer.num_sanity_val_steps=0"]
    main([*words("reference_cnn", small_arrays, tmp_path, "whole"), *more])
    with pytest.MonkeyPatch.context() as patch, pytest.raises(SystemExit, match="130"):
        step, left = GalaxyClassifier.training_step, [2 * BATCHES + 2]

        def interrupted(module, batch, batch_idx):
            left[0] -= 1
            if left[0] < 0:
                raise KeyboardInterrupt
            return step(module, batch, batch_idx)

        patch.setattr(GalaxyClassifier, "training_step", interrupted)
        main([*words("reference_cnn", small_arrays, tmp_path, "ended"), *more])
    run = tmp_path / "ended/version_0"
    assert torch.load(run / "last.ckpt", weights_only=True)["global_step"] == 2 * BATCHES
    assert f"To resume: python -m galaxy_lightning fit --ckpt_path {run}/last.ckpt" in capsys.readouterr().out
    main(["fit", f"--ckpt_path={run}/last.ckpt"])
    same(run, tmp_path / "whole/version_0")


def test_a_fit_interrupted_in_the_first_epoch_cannot_be_resumed(small_arrays, tmp_path, capsys):
    def interrupted(module, batch, batch_idx):
        raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch, pytest.raises(SystemExit, match="130"):
        patch.setattr(GalaxyClassifier, "training_step", interrupted)
        main(words("reference_cnn", small_arrays, tmp_path, "ended"))
    assert "no epoch was finished" in capsys.readouterr().out


def test_a_fit_terminated_in_the_last_epoch_can_be_completed(small_arrays, tmp_path):
    with pytest.MonkeyPatch.context() as patch, pytest.raises(SystemExit, match="143"):
        ask_to_end_in_validation(patch, EPOCHS - 1)
        main(words("reference_cnn", small_arrays, tmp_path, "ended"))
    run = tmp_path / "ended/version_0"
    assert not (run / "run.json").exists()
    main(["fit", f"--ckpt_path={run}/last.ckpt"])
    assert (run / "run.json").exists()
