import sys

import pandas as pd
import pytest

from benchmarks import commands
from benchmarks.commands import Survey, run
from galaxy_lightning.runtime.memory import own_memory_mb


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux tells a process's own memory")
def test_the_time_and_memory_of_a_command_are_measured(tmp_path, monkeypatch):
    def look(process):
        found = own_memory_mb(process)
        if found is not None and found > 100:
            (tmp_path / "seen").touch()
        return found

    monkeypatch.setattr(commands, "own_memory_mb", look)
    wait = f"while not os.path.exists({str(tmp_path / 'seen')!r}): time.sleep(0.3)"
    cost = run(["-c", f"import os, time; kept = bytearray(100_000_000)\n{wait}"])
    assert cost.seconds > 0
    assert 100 < cost.memory_mb < 200


def test_a_failed_command_reports_the_reason():
    with pytest.raises(SystemExit, match="out of luck"):
        run(["-c", "raise ValueError('out of luck')"])


def test_a_survey_has_the_requested_size(tmp_path):
    survey = Survey(tmp_path, 20)
    sample = pd.read_csv(survey.sample(50))
    assert len(sample) == sample["objid"].nunique() == 50
    assert sample["path"].nunique() == 20
    assert len(list(survey.images(50).iterdir())) == 50
    assert len(pd.read_csv(survey.arrays(50) / "catalog.csv")) == 50
