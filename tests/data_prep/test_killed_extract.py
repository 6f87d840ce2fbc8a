"""extract killed at any moment: the sample and its summary are either the old or the new ones."""

import json

import pandas as pd
import pytest

from tests.killing import KILLS, command

pytestmark = pytest.mark.soak


def test_the_sample_and_its_summary_match(raw, tmp_path):
    sample, summary = tmp_path / "sample.csv", tmp_path / "sample.json"
    older = ["extract", "--raw", raw, "--out", sample, "--n", "20", "--overwrite"]
    newer = ["extract", "--raw", raw, "--out", sample, "--n", "30", "--overwrite", "--seed", "1"]

    def found():
        # Between two renames, a sample may lack its summary, but never has that of another.
        return sample.read_bytes(), summary.read_bytes() if summary.exists() else None

    with command("data_prep.cli", "import data_prep.samples.extract") as killed:
        pairs = []
        for words in (older, newer):
            killed.run(*words)
            pairs.append(found())
        for kill in range(KILLS):
            killed.kill(*(older, newer)[kill % 2])
            content, about = found()
            assert (content, about or dict(pairs)[content]) in pairs
        killed.run(*older)
    assert found() == pairs[0]
    assert json.loads(summary.read_text())["galaxies"] == len(pd.read_csv(sample)) == 20
