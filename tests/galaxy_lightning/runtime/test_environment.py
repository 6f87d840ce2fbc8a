"""Environment variables that are set for a while."""

import os

from galaxy_lightning.runtime.environment import environment_variables


def test_variables_are_as_before_after_the_block(monkeypatch):
    monkeypatch.setenv("GALAXY_OLD", "1")
    monkeypatch.delenv("GALAXY_NEW", raising=False)
    with environment_variables({"GALAXY_OLD": None, "GALAXY_NEW": "3"}):
        assert "GALAXY_OLD" not in os.environ
        assert os.environ["GALAXY_NEW"] == "3"
    assert os.environ["GALAXY_OLD"] == "1"
    assert "GALAXY_NEW" not in os.environ
