"""Arrays that are overwritten while a command uses them, and runs that two fits resume at the same time."""

import shutil

import pytest

from data_prep.common.errors import GalaxyError
from data_prep.common.locks import file_lock
from galaxy_lightning.cli.main import main
from galaxy_lightning.training.module import GalaxyClassifier


@pytest.fixture
def arrays(small_arrays, tmp_path):
    return shutil.copytree(small_arrays, tmp_path / "arrays")


def words_of_fit(arrays, runs):
    return [
        "fit", f"--data.arrays={arrays}", f"--runs={runs}", "--name=run", "--trainer.max_epochs=1",
        "--model.network=reference_cnn", "--model.image_size=64", "--trainer.enable_progress_bar=false",
    ]  # fmt: skip


@pytest.fixture(scope="module")
def run(small_arrays, tmp_path_factory):
    runs = tmp_path_factory.mktemp("runs")
    main(words_of_fit(small_arrays, runs))
    return runs / "run/version_0"


def overwrite_in(monkeypatch, step, arrays):
    """Overwrites a few pixels in the first batch."""
    original = getattr(GalaxyClassifier, step)

    def overwriting(module, batch, batch_idx):
        if not module.trainer.sanity_checking and batch_idx == 0:
            with (arrays / "images.npy").open("r+b") as file:
                file.seek(5000)
                file.write(b"\xff\x00\xff")
        return original(module, batch, batch_idx)

    monkeypatch.setattr(GalaxyClassifier, step, overwriting)


@pytest.mark.parametrize("command", ["fit", "test", "predict"])
def test_no_results_are_written_for_overwritten_arrays(run, arrays, tmp_path, monkeypatch, capsys, command):
    step = {"fit": "training_step", "test": "test_step", "predict": "predict_step"}[command]
    out = tmp_path / "out.csv"
    words = [command, f"--ckpt_path={run}", f"--data.arrays={arrays}", f"--out={out}"]
    overwrite_in(monkeypatch, step, arrays)
    with pytest.raises(SystemExit, match="1"):
        main(words_of_fit(arrays, tmp_path / "runs") if command == "fit" else words)
    assert f"{arrays} was changed or replaced while this command was using it" in capsys.readouterr().err
    assert not out.exists()
    assert not list(tmp_path.rglob("run.json"))
    assert not list(tmp_path.rglob("last.ckpt"))


def test_only_one_fit_at_a_time_resumes_a_run(run, capsys):
    before = sorted(path.name for path in run.iterdir())
    words = ["fit", f"--ckpt_path={run}/last.ckpt", "--trainer.max_epochs=2"]
    with file_lock(run / "config.yaml", run), pytest.raises(SystemExit, match="1"):
        main(words)
    assert f"another fit is running in {run}: wait until it has ended" in capsys.readouterr().err
    assert sorted(path.name for path in run.iterdir()) == before


def test_a_fit_locks_its_run_until_it_is_complete(small_arrays, tmp_path, monkeypatch, capsys):
    step, tried = GalaxyClassifier.predict_step, []

    def resumed_meanwhile(module, batch, batch_idx):
        if not tried:
            tried.append(True)
            lock = file_lock(folder / "config.yaml", folder)
            with pytest.raises(GalaxyError, match="another process"), lock:
                pass
        return step(module, batch, batch_idx)

    folder = tmp_path / "run/version_0"
    monkeypatch.setattr(GalaxyClassifier, "predict_step", resumed_meanwhile)
    main(words_of_fit(small_arrays, tmp_path))
    assert tried
    with file_lock(folder / "config.yaml", folder):  # The lock is free again.
        pass
