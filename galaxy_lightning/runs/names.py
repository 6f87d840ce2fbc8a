"""Names of the files in a run folder, and of their columns."""

from typing import Final

CONFIG: Final = "config.yaml"
BEST_CHECKPOINT: Final = "best.ckpt"
LAST_CHECKPOINT: Final = "last.ckpt"
HISTORY: Final = "history.csv"
PREDICTIONS: Final = "predictions.csv"
RUN: Final = "run.json"
FIGURES: Final = "figures"
"""The folder of the figures of a fit."""
CONFUSION_CSV: Final = "confusion_matrix.csv"
CONFUSION: Final = "confusion_matrix"
RELIABILITY: Final = "reliability"
COVERAGE: Final = "coverage"
LEARNING_CURVES: Final = "learning_curves"
EVALUATION_FIGURES: Final = (CONFUSION, RELIABILITY, COVERAGE)
"""The figures of an evaluation, without suffix."""
EVALUATION_FILES: Final = (CONFUSION_CSV, *(f"{name}.png" for name in EVALUATION_FIGURES))
"""The files of every evaluation."""
EVALUATION_PDFS: Final = tuple(f"{name}.pdf" for name in EVALUATION_FIGURES)
"""The figures as PDF, which evaluations of older versions lack."""
RUN_FIGURES: Final = tuple(
    f"{name}.{suffix}" for name in (LEARNING_CURVES, *EVALUATION_FIGURES) for suffix in ("png", "pdf")
)
"""The files that the folder of the figures of a fit may hold."""
PAGE: Final = "report.html"
"""The page of a report; that of a run is in its folder."""

METRICS: Final = "metrics.json"
"""The results of an evaluation, or of a report."""
SUMMARY: Final = "summary.json"
"""The results of a cross-validation."""
PLAN: Final = "crossval.json"
"""The settings of a cross-validation."""
FOLD_ARRAYS: Final = "arrays"
"""The folder of the folds' galaxy arrays, in the folder of a cross-validation."""

IDENTITY_COLUMNS: Final = ["objid", "asset_id", "split", "label"]
"""Columns of ``predictions.csv`` that identify a galaxy."""
IMAGE_KEYS: Final = ["objid", "asset_id"]
"""The columns of these that name an image, in a catalogue too."""

HISTORY_COLUMNS: Final = (
    "epoch",
    "train_loss",
    "train_accuracy",
    "val_loss",
    "val_accuracy",
    "seconds",
    "train_seconds",
)
