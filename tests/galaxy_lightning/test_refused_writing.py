"""fit and predict without space or permission: one clear line, no broken file, and they resume later."""

import json
import re
import shutil

import pandas as pd
import pytest
import torch
import yaml

from data_prep.common import resumable_file
from galaxy_lightning.callbacks.epoch_log import EpochLog
from galaxy_lightning.callbacks.history import HistoryRecorder
from galaxy_lightning.callbacks.prediction import PredictionWriter
from galaxy_lightning.callbacks.prediction_part import PredictionPart
from galaxy_lightning.callbacks.run_config import RunConfig
from galaxy_lightning.callbacks.run_logger import RunLogger
from galaxy_lightning.cli import completion
from galaxy_lightning.cli.main import main
from galaxy_lightning.training.checkpoint_writer import AtomicCheckpointIO
from tests.full_disk import PAGE, contents, filled, largest_file, mounted, read_only, refuse_within, refused

DISK = 16 << 20


def fit(arrays, runs, epochs=1):
    return [
        "fit", f"--data.arrays={arrays}", f"--runs={runs}", "--name=run", f"--trainer.max_epochs={epochs}",
        "--model.network=reference_cnn", "--model.image_size=64", "--trainer.enable_progress_bar=false",
        "--data.batch_size=16", "--trainer.limit_train_batches=1", "--trainer.num_sanity_val_steps=0",
    ]  # fmt: skip


def go_on(run):
    return ["fit", f"--ckpt_path={run}/last.ckpt", "--trainer.max_epochs=2"]


@pytest.fixture(scope="module")
def begun(small_arrays, tmp_path_factory):
    """A run with one epoch."""
    runs = tmp_path_factory.mktemp("begun")
    main(fit(small_arrays, runs))
    return runs / "run/version_0"


@pytest.fixture(scope="module")
def ended(begun, tmp_path_factory):
    """The same run after a second epoch, if nothing is refused."""
    run = tmp_path_factory.mktemp("ended") / "run"
    shutil.copytree(begun, run)
    main(go_on(run))
    return run


@pytest.fixture
def run(begun, tmp_path):
    return shutil.copytree(begun, tmp_path / "run")


def check_whole(run, begun):
    """Checks that no file of a run is broken or partial; without a checkpoint there is no run."""
    if not run.exists():
        return
    assert any(run.glob("*.ckpt"))
    for path in (path for path in run.rglob("*") if path.is_file()):
        assert ".partial" not in path.name
        content = path.read_bytes()
        if path.suffix == ".ckpt":
            assert "optimizer_states" in torch.load(path, weights_only=True)
        elif path.suffix == ".json":
            assert json.loads(content)["seed"] == 0
        elif path.suffix == ".yaml":
            like = begun / re.sub(r"_resumed_\d", "", path.name)
            assert settings(path) == settings(like)
        elif path.suffix in (".png", ".pdf"):
            assert content.startswith((b"\x89PNG", b"%PDF"))
        elif path.suffix == ".csv":
            assert content.endswith(b"\n")
            assert not pd.read_csv(path).isna().any(axis=None)
        else:
            assert path.name.startswith("events.")  # TensorBoard skips an incomplete last event.


def settings(path):
    content = yaml.safe_load(path.read_text())
    return {name: list(value) if isinstance(value, dict) else None for name, value in content.items()}


def check_goes_on(run, ended):
    main(go_on(run))
    assert json.loads((run / "run.json").read_text())["epochs"] == 2
    assert torch.load(run / "last.ckpt", weights_only=True)["epoch"] == 1
    assert (run / "predictions.csv").read_bytes() == (ended / "predictions.csv").read_bytes()
    tables = [pd.read_csv(folder / "history.csv").filter(regex="epoch|loss|acc") for folder in (run, ended)]
    pd.testing.assert_frame_equal(*tables)


@pytest.mark.parametrize(
    ("file", "size"),
    [
        ("events", 10),
        ("config.yaml", 500),
        ("best.ckpt", 100_000),
    ],
)
def test_a_fit_with_a_file_that_does_not_fit_on_the_disk(small_arrays, begun, tmp_path, capsys, file, size):
    words = fit(small_arrays, tmp_path)
    with largest_file(size):
        line = refused(main, words, capsys)
    run = tmp_path / "run/version_0"
    assert re.search(rf"{run}/{file}\S* cannot be written: File too large$", line)
    check_whole(run, begun)


@pytest.mark.parametrize(
    ("file", "refusal"),
    [
        ("hparams.yaml", (RunLogger, "save")),
        ("events", (EpochLog, "on_train_epoch_end", 20_000)),
        ("events", (completion, "_log_result", 200)),
    ],
)
def test_a_fit_with_a_log_that_does_not_fit_on_the_disk(
    small_arrays, begun, tmp_path, capsys, monkeypatch, file, refusal
):
    refuse_within(monkeypatch, *refusal)
    line = refused(main, fit(small_arrays, tmp_path), capsys)
    run = tmp_path / "run/version_0"
    assert re.search(rf"{run}/{file}\S* cannot be written: File too large$", line)
    check_whole(run, begun)


EARLY = [("config_resumed_1.yaml", (RunConfig, "on_train_start"))]
LATE = [
    ("history.csv", (HistoryRecorder, "on_train_epoch_end")),
    ("(best|last).ckpt", (AtomicCheckpointIO, "save_checkpoint")),
]
LAST = [
    ("predictions.partial-0.csv", (PredictionPart, "append")),
    ("predictions.csv", (PredictionWriter, "_merge")),
    ("run.json", (completion, "write_run")),
]


@pytest.mark.parametrize(("file", "refusal"), [*EARLY, *LATE, *LAST])
def test_a_later_epoch_with_a_file_that_does_not_fit_on_the_disk(
    run, begun, ended, capsys, monkeypatch, file, refusal
):
    before = contents(run)
    with monkeypatch.context() as patch:
        refuse_within(patch, *refusal)
        advice = f"Nothing has been saved since {run}/last.ckpt: run the same command again"
        line = refused(main, go_on(run), capsys, advice if (file, refusal) in LATE else "")
    assert re.search(rf"{run}/{file}\S* cannot be written: File too large$", line)
    check_whole(run, begun)
    after = contents(run)
    changed = {name for name in before if after.get(name) != before[name]}
    if (file, refusal) not in LAST:
        outdated = {"run.json", "history.csv", "events.out.tfevents.final"}
        assert changed <= (outdated if (file, refusal) in LATE else set())
    check_goes_on(run, ended)


@pytest.mark.parametrize(
    "free",
    [
        pytest.param(0, id="no room"),
        pytest.param(PAGE, id="for the first event"),
        pytest.param(40_960, id="for the first files"),
        pytest.param(1_638_400, id="for some of the first epoch"),
        pytest.param(4_096_000, id="for more of it"),
    ],
)
def test_a_fit_on_a_full_disk(small_arrays, begun, ended, tmp_path, capsys, free):
    with mounted(tmp_path / "disk", DISK) as disk:
        words, run = fit(small_arrays, disk, epochs=2), disk / "run/version_0"
        with filled(disk, free):
            line = refused(main, words, capsys)
        assert re.search(rf"{run}/\S+ cannot be written: No space left on device$", line)
        check_whole(run, begun)
        if (run / "last.ckpt").exists():
            check_goes_on(run, ended)
        else:
            main(words)  # In the same folder, or in a new one beside that of the first epoch.
            assert len(list(disk.glob("run/*/run.json"))) == 1


def test_a_fit_on_a_read_only_disk(small_arrays, begun, ended, tmp_path, capsys):
    with mounted(tmp_path / "disk", DISK) as disk:
        is_refused_and_then_goes_on(small_arrays, begun, ended, disk, capsys, "Read-only file system")


def test_a_fit_in_a_folder_without_permission(small_arrays, begun, ended, tmp_path, capsys):
    is_refused_and_then_goes_on(small_arrays, begun, ended, tmp_path, capsys, "Permission denied")


def is_refused_and_then_goes_on(small_arrays, begun, ended, folder, capsys, why):
    run = shutil.copytree(begun, folder / "run/version_0")
    before = contents(folder)
    with read_only(folder):
        line = refused(main, fit(small_arrays, folder), capsys)
        assert line.endswith(f"{folder}/run/version_1 cannot be written: {why}")
        line = refused(main, go_on(run), capsys)
        assert re.search(rf"{run}/\S+ cannot be written: {why}$", line)
    assert contents(folder) == before
    check_goes_on(run, ended)


def predict(begun, arrays, table):
    return ["predict", f"--ckpt_path={begun}", f"--data.arrays={arrays}", f"--out={table}", "--overwrite"]


@pytest.fixture(scope="module")
def predicted(begun, small_arrays, tmp_path_factory):
    """The result of predict if nothing is refused."""
    table = tmp_path_factory.mktemp("predicted") / "table.csv"
    main(predict(begun, small_arrays, table))
    return table.read_bytes()


@pytest.mark.parametrize(
    ("file", "refusal"),
    [
        ("table.partial-0.csv", (PredictionPart, "append", 1000)),
        ("table.partial-0.csv", (PredictionPart, "append", 9000)),
        ("table.partial-0.json", (resumable_file.ResumableFile, "write_progress")),
        ("table.csv", (PredictionWriter, "_merge", 4000)),
    ],
)
def test_a_prediction_with_a_file_that_does_not_fit_on_the_disk(
    begun, small_arrays, predicted, tmp_path, capsys, monkeypatch, file, refusal
):
    table = tmp_path / "table.csv"
    table.write_bytes(b"older")
    words = predict(begun, small_arrays, table)
    with monkeypatch.context() as patch:
        patch.setattr(resumable_file, "SAVE_SECONDS", 0 if file.endswith("json") else 10**9)
        refuse_within(patch, *refusal)
        line = refused(main, words, capsys)
    assert line.endswith(f"{tmp_path / file} cannot be written: File too large")
    assert contents(tmp_path) == {"table.csv": b"older"}
    main(words)
    assert contents(tmp_path) == {"table.csv": predicted}


def test_a_prediction_resumes_after_a_full_disk(
    begun, small_arrays, predicted, tmp_path, capsys, monkeypatch
):
    table = tmp_path / "table.csv"
    words = [*predict(begun, small_arrays, table), "--data.batch_size=16"]
    with monkeypatch.context() as patch:
        patch.setattr(resumable_file, "SAVE_SECONDS", 0)
        with largest_file(6000):
            refused(main, words, capsys)
    assert sorted(contents(tmp_path)) == ["table.partial-0.csv", "table.partial-0.json"]
    main(words)
    assert "Resuming after" in capsys.readouterr().out
    assert list(contents(tmp_path)) == ["table.csv"]
    assert len(pd.read_csv(table)) == 80


@pytest.mark.parametrize("free", [0, 4 * PAGE], ids=["no room", "for the part"])
def test_a_prediction_on_a_full_disk(begun, small_arrays, predicted, tmp_path, capsys, free):
    with mounted(tmp_path / "disk", 64 * PAGE) as disk:
        words = predict(begun, small_arrays, disk / "table.csv")
        with filled(disk, free):
            line = refused(main, words, capsys)
        assert re.search(rf"{disk}/table\S+ cannot be written: No space left on device$", line)
        assert not list(disk.iterdir())
        main(words)
        assert contents(disk) == {"table.csv": predicted}


def test_a_prediction_on_a_read_only_disk(begun, small_arrays, predicted, tmp_path, capsys):
    with mounted(tmp_path / "disk", 64 * PAGE) as disk:
        is_refused_and_then_predicts(begun, small_arrays, predicted, disk, capsys, "Read-only file system")


def test_a_prediction_in_a_folder_without_permission(begun, small_arrays, predicted, tmp_path, capsys):
    is_refused_and_then_predicts(begun, small_arrays, predicted, tmp_path, capsys, "Permission denied")


def is_refused_and_then_predicts(begun, small_arrays, predicted, folder, capsys, why):
    (folder / "table.csv").write_bytes(b"older")
    words = predict(begun, small_arrays, folder / "table.csv")
    with read_only(folder):
        line = refused(main, words, capsys)
        assert line.endswith(f"{folder}/table.partial-0.csv cannot be written: {why}")
    assert contents(folder) == {"table.csv": b"older"}
    main(words)
    assert contents(folder) == {"table.csv": predicted}
