"""Trainings of a cross-validation or a comparison in the test's own process.

The commands start a process for each training, which takes seconds to import libraries. Tests of these
processes let them: test_progress.py, test_crossval.py, test_compare.py and test_processes.py.
"""

import contextlib

import pytest

from baselines.cli import main as baselines
from data_prep.common.errors import GalaxyError
from galaxy_lightning.cli.main import main as galaxy_lightning

PROGRAMS = {"baselines": baselines, "galaxy_lightning": galaxy_lightning}


def run_here(words, *, handle_line=None, log=None, inherited=()):
    """Runs ``python -m`` with these words in this process, instead of ``run_module``."""
    with contextlib.ExitStack() as stack:
        if log is not None:
            log.parent.mkdir(parents=True, exist_ok=True)
            file = stack.enter_context(log.open("w", encoding="utf-8"))
            stack.enter_context(contextlib.redirect_stdout(file))
            stack.enter_context(contextlib.redirect_stderr(file))
        try:
            PROGRAMS[words[0]](list(words[1:]))
        except SystemExit as end:
            raise GalaxyError(f"ended with status {end.code}") from end


@contextlib.contextmanager
def trained_here():
    """Within it, ``crossval`` and ``compare`` train in this process."""
    with pytest.MonkeyPatch.context() as patch:
        for module in ("galaxy_lightning.cli.fold_progress", "baselines.comparison.jobs"):
            patch.setattr(f"{module}.run_module", run_here)
        yield
