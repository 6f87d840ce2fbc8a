"""Names of the files in a run folder, and of their columns."""

from typing import Final

CONFIG: Final = "config.yaml"
BEST_CHECKPOINT: Final = "best.ckpt"
LAST_CHECKPOINT: Final = "last.ckpt"
HISTORY: Final = "history.csv"
PREDICTIONS: Final = "predictions.csv"
RUN: Final = "run.json"
FIGURES: Final = "figures"
PAGE: Final = "report.html"
"""The page of a report; that of a run is in its folder."""
"""The folder of the figures of a run."""

SUMMARY: Final = "summary.json"
"""The results of a cross-validation."""
FOLD_ARRAYS: Final = "arrays"
"""The folder of the folds' galaxy arrays, in the folder of a cross-validation."""

IDENTITY_COLUMNS: Final = ["objid", "asset_id", "split", "label"]
"""Columns of ``predictions.csv`` that identify a galaxy."""

HISTORY_COLUMNS: Final = (
    "epoch",
    "train_loss",
    "train_accuracy",
    "val_loss",
    "val_accuracy",
    "seconds",
    "train_seconds",
)
