"""Where progress is printed."""

import io
import sys

import pytest

from data_prep.common.progress import print_progress


@pytest.mark.parametrize(("module", "stream"), [("ipykernel.iostream", "stdout"), ("io", "stderr")])
def test_progress_is_on_standard_error_but_in_notebooks_on_standard_output(monkeypatch, module, stream):
    for name in ("stdout", "stderr"):
        made = type("Stream", (io.StringIO,), {"__module__": module})()
        monkeypatch.setattr(sys, name, made)
    print_progress("Epoch 1")
    printed = {name: getattr(sys, name).getvalue() for name in ("stdout", "stderr")}
    monkeypatch.undo()
    assert printed == dict.fromkeys(("stdout", "stderr"), "") | {stream: "Epoch 1\n"}
