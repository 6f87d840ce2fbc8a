"""The loggers of other programs beside TensorBoard's, in their offline modes."""

import json

import pandas as pd
import pytest

from galaxy_lightning.cli.main import main

LOGGERS = "lightning.pytorch.loggers"


def train(arrays, folder, logger, **settings):
    """Trains for two epochs with a logger; returns the validation losses of the run."""
    value = json.dumps({"class_path": f"{LOGGERS}.{logger}", "init_args": settings})
    main(
        [
            "fit", f"--data.arrays={arrays}", f"--runs={folder}/runs", "--name=run", "--trainer.max_epochs=2",
            "--model.network=reference_cnn", "--trainer.enable_progress_bar=false",
            f"--trainer.logger={value}",
        ]
    )  # fmt: skip
    return pd.read_csv(folder / "runs/run/version_0/history.csv")["val_loss"].tolist()


def test_csv(small_arrays, tmp_path):
    losses = train(small_arrays, tmp_path, "CSVLogger", save_dir=str(tmp_path), name="csv")
    table = pd.read_csv(tmp_path / "csv/version_0/metrics.csv")
    assert table["val_loss"].dropna().tolist() == pytest.approx(losses, abs=1e-5)


def test_mlflow(small_arrays, tmp_path, monkeypatch):
    pytest.importorskip("mlflow")
    monkeypatch.setenv(
        "MLFLOW_ALLOW_FILE_STORE", "true"
    )  # MLflow 3 prefers a database, which needs its server.
    losses = train(small_arrays, tmp_path, "MLFlowLogger", save_dir=str(tmp_path / "mlruns"))
    (file,) = (tmp_path / "mlruns").glob("*/*/metrics/val_loss")
    values = [float(line.split()[1]) for line in file.read_text().splitlines()]
    assert values == pytest.approx(losses, abs=1e-5)
    (parameter,) = (tmp_path / "mlruns").glob("*/*/params/network")
    assert parameter.read_text() == "reference_cnn"


def test_wandb(small_arrays, tmp_path, monkeypatch):
    wandb = pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_SILENT", "true")
    train(small_arrays, tmp_path, "WandbLogger", save_dir=str(tmp_path), offline=True)
    wandb.finish()  # As at the end of the program.
    (file,) = tmp_path.glob("wandb/offline-run-*/run-*.wandb")
    content = join_chunks(file.read_bytes())
    assert all(name in content for name in (b"val_loss", b"val_recall_spiral", b"reference_cnn"))


def join_chunks(log):
    """Joins the parts of a log in the format of LevelDB: a name may be divided between two of its blocks."""
    content, at, block = b"", len(b":W&B") + 3, 2**15
    while at < len(log):
        left = block - at % block
        size = int.from_bytes(log[at + 4 : at + 6], "little")
        if left < 7 or not size:
            at += left
            continue
        content += log[at + 7 : at + 7 + size]
        at += 7 + size
    return content
