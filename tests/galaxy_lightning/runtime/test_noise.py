import logging
import sys
import threading
import types

import pytest

from galaxy_lightning.runtime import noise
from galaxy_lightning.runtime.noise import without_tensorflow


@pytest.mark.parametrize("before", [{}, {"tensorflow": None}, {"tensorflow": types.ModuleType("tensorflow")}])
def test_tensorflow_is_hidden_in_the_block_only(monkeypatch, before):
    monkeypatch.delitem(sys.modules, "tensorflow", raising=False)
    for name, module in before.items():
        monkeypatch.setitem(sys.modules, name, module)
    with without_tensorflow(), pytest.raises(ImportError):
        import tensorflow  # noqa: F401
    assert {name: module for name, module in sys.modules.items() if name == "tensorflow"} == before


@pytest.mark.parametrize(("module", "shown"), [("tensorboard.summary", False), ("tensorboards", True)])
def test_a_failure_of_a_thread_is_shown_unless_its_logger_raises_it(capsys, module, shown):
    thread = type("Worker", (threading.Thread,), {"__module__": module})()
    noise._print_thread_error(threading.ExceptHookArgs([ValueError, ValueError("what failed"), None, thread]))
    assert ("what failed" in capsys.readouterr().err) == shown


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        ("GPU available: True (cuda), used: True", False),
        ("Using bfloat16 Automatic Mixed Precision (AMP)", False),
        ("Seed set to 0", False),
        ("Restoring states from the checkpoint path at last.ckpt", False),
        ("Restored all states from the checkpoint at last.ckpt", False),
        ("`Trainer.fit` stopped: `max_epochs=4` reached.", False),
        ("`Trainer.fit` stopped: No training batches.", True),
        ("Time limit reached. Elapsed time is 0:00:10. Signaling Trainer to stop.", True),
    ],
)
def test_messages_of_lightning_that_repeat_others_are_hidden(message, shown, caplog):
    noise.quieten()
    for name in noise._LOGGERS:
        logging.getLogger(name).warning(message)
    assert len(caplog.records) == shown * len(noise._LOGGERS)
