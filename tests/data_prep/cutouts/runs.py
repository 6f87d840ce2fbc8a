"""Starts the command on a small table, and reads what it has written."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd

ID = 1237648720693755918
ROOT = Path(__file__).parents[3]


def write_table(path, **columns):
    count = len(next(iter(columns.values()))) if columns else 12
    defaults = {"ra": np.arange(count) * 7.25 % 360, "dec": np.linspace(-60, 60, count)}
    ids = {} if "objid" in columns else {"id": [f"g{number}" for number in range(count)]}
    pd.DataFrame(ids | defaults | columns).to_csv(path, index=False)
    return path


def read(out):
    failed = out / "cutouts_failed.csv"
    return pd.read_csv(out / "cutouts.csv"), pd.read_csv(failed) if failed.exists() else None


def no_litter(out):
    """Asserts that the folder holds nothing but cutouts, tables and the journal."""
    saved, _ = read(out)
    files = {str(path.relative_to(out)) for path in out.rglob("*") if path.is_file()}
    expected = {*saved["path"], "cutouts.csv", "cutouts.json", ".cutouts_failed.jsonl"}
    assert files - {"cutouts_failed.csv"} == expected


def start(words):
    return subprocess.Popen(
        [sys.executable, "-m", "data_prep", *words],
        cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        # A process in the background ignores Ctrl-C, and so would those that it starts.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip
