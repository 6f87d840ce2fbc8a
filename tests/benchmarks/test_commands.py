import sys

import pandas as pd
import pytest

from benchmarks.commands import Survey, run


def test_a_command_is_timed_and_its_own_memory_measured():
    cost = run(["-c", "import time; kept = bytearray(100_000_000); time.sleep(0.3)"])
    assert 0.3 < cost.seconds < 30
    if sys.platform.startswith("linux"):
        assert 100 < cost.memory_mb < 200


def test_a_command_that_fails_says_why():
    with pytest.raises(SystemExit, match="out of luck"):
        run(["-c", "raise ValueError('out of luck')"])


def test_a_survey_is_as_large_as_asked_for(tmp_path):
    survey = Survey(tmp_path, 20)
    sample = pd.read_csv(survey.sample(50))
    assert len(sample) == sample["objid"].nunique() == 50
    assert sample["path"].nunique() == 20
    assert len(list(survey.images(50).iterdir())) == 50
    assert len(pd.read_csv(survey.arrays(50) / "catalog.csv")) == 50
