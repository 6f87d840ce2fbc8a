"""Filters harmless warnings."""

import contextlib
import logging
import re
import sys
import threading
import warnings
from collections.abc import Iterator
from typing import Final

_NO_NEWS: Final = (
    # The run folder has just been made for this fit, or is being resumed.
    r"Checkpoint directory .* exists and is not empty",
    # A small survey has few batches.
    r"The number of training batches .* is smaller than the logging interval",
    # The arrays are memory-mapped: workers help only where they do not fit into the machine's memory.
    r"The '\w+' does not have many workers",
    # The normalisations of a backbone's frozen blocks, which keep their statistics.
    r"Found \d+ module\(s\) in eval mode",
    # Evaluating keeps no checkpoints.
    r"Be aware that when using `ckpt_path`, callbacks used to create the checkpoint",
    # What is resumed is always loaded with weights_only; Lightning says this where it is left to it.
    r"`weights_only` was not set",
    # Lightning's own use of torch and jsonargparse.
    r"(?s).*JsonargparseDeprecationWarning",
    r"\s*(``instantiate_classes`` was deprecated|skip_none parameter was deprecated)",
    r"`isinstance\(treespec, LeafSpec\)` is deprecated",
)

_LOGGERS: Final = (
    "lightning.pytorch.utilities.rank_zero",
    "lightning.pytorch.trainer.connectors.checkpoint_connector",
)
_CHATTER: Final = re.compile(
    "Tip:|TPU available|number of stepping|weights_only|Restoring states from|Loaded model weights"
    "|Detected KeyboardInterrupt"
)


def quieten() -> None:
    """Hides warnings that need no action, and messages that another one repeats."""
    for message in _NO_NEWS:
        warnings.filterwarnings("ignore", message)
    for name in _LOGGERS:
        logging.getLogger(name).addFilter(_is_news)
    if threading.excepthook is threading.__excepthook__:
        threading.excepthook = _show_failure


@contextlib.contextmanager
def without_tensorflow() -> Iterator[None]:
    """Hides TensorFlow from a block.

    Where TensorFlow is installed, TensorBoard imports it to write files: 3 to 6 seconds, and a screen of
    messages. Where it is not, TensorBoard has functions of its own.
    """
    known = {name: module for name, module in sys.modules.items() if name == "tensorflow"}
    sys.modules["tensorflow"] = None  # type: ignore[assignment]  # Python's sign for "cannot be imported".
    try:
        yield
    finally:
        del sys.modules["tensorflow"]
        sys.modules.update(known)


def _is_news(record: logging.LogRecord) -> bool:
    """Drops Lightning's tips about other products, and what it says of its own steps."""
    return not _CHATTER.search(record.getMessage())


def _show_failure(failure: threading.ExceptHookArgs) -> None:
    """Shows why a thread has failed, unless it is TensorBoard's: its logger raises the error again."""
    if not type(failure.thread).__module__.startswith("tensorboard."):
        threading.__excepthook__(failure)
