"""Filters harmless warnings."""

import contextlib
import logging
import re
import sys
import threading
import warnings
from collections.abc import Iterator
from typing import Final

_HARMLESS_WARNINGS: Final = (
    # The run folder was created for this fit, or the fit is being resumed.
    r"Checkpoint directory .* exists and is not empty",
    # Small surveys have few batches.
    r"The number of training batches .* is smaller than the logging interval",
    # The arrays are memory-mapped, so workers help only if they do not fit into memory.
    r"The '\w+' does not have many workers",
    # The normalization layers of frozen blocks stay in eval mode to keep their statistics.
    r"Found \d+ module\(s\) in eval mode",
    # Evaluation does not save checkpoints.
    r"Be aware that when using `ckpt_path`, callbacks used to create the checkpoint",
    # Checkpoints are always loaded with weights_only; Lightning warns if it uses its own default.
    r"`weights_only` was not set",
    # Outside a SLURM job, and for the fits that crossval and compare start. A job without srun is refused.
    r"The `srun` command is available",
    # Caused by Lightning's use of torch and jsonargparse.
    r"(?s).*JsonargparseDeprecationWarning",
    r"\s*(``instantiate_classes`` was deprecated|skip_none parameter was deprecated)",
    r"`isinstance\(treespec, LeafSpec\)` is deprecated",
)

_LOGGERS: Final = (
    "lightning.fabric.utilities.distributed",
    "lightning.fabric.utilities.rank_zero",
    "lightning.fabric.utilities.seed",
    "lightning.pytorch.accelerators.cuda",
    "lightning.pytorch.trainer.connectors.checkpoint_connector",
    "lightning.pytorch.trainer.connectors.signal_connector",
    "lightning.pytorch.utilities.rank_zero",
)
_HARMLESS_MESSAGES: Final = re.compile(
    "Tip:|TPU available|number of stepping|weights_only|Loaded model weights"
    # A resumed fit prints the checkpoint itself.
    "|Restoring states from|Restored all states from"
    # A fit prints its device and the format of its numbers itself, and its seed is in config.yaml.
    "|GPU available: |Automatic Mixed Precision|LOCAL_RANK: |Seed set to|distributed_backend="
    "|SLURM auto-requeueing enabled"
    "|Initializing distributed|Detected KeyboardInterrupt"
    # The last line of an epoch says so.
    "|`Trainer.fit` stopped: `max_(epochs|steps)="
)


def quieten() -> None:
    """Hides warnings that need no action, and messages that repeat other ones."""
    for message in _HARMLESS_WARNINGS:
        warnings.filterwarnings("ignore", message)
    for name in _LOGGERS:
        logging.getLogger(name).addFilter(_is_informative)
    if threading.excepthook is threading.__excepthook__:
        threading.excepthook = _print_thread_error


@contextlib.contextmanager
def without_tensorflow() -> Iterator[None]:
    """Prevents the import of TensorFlow in a block.

    If TensorFlow is installed, TensorBoard imports it to write files, which takes 3 to 6 seconds and prints
    many messages. Otherwise it uses its own functions.
    """
    saved = {name: module for name, module in sys.modules.items() if name == "tensorflow"}
    sys.modules["tensorflow"] = None  # type: ignore[assignment]  # None makes its import fail.
    try:
        yield
    finally:
        del sys.modules["tensorflow"]
        sys.modules.update(saved)


def _is_informative(record: logging.LogRecord) -> bool:
    """Returns False for Lightning's tips about other products and its messages about routine steps."""
    return not _HARMLESS_MESSAGES.search(record.getMessage())


def _print_thread_error(failure: threading.ExceptHookArgs) -> None:
    """Prints the error of a thread, unless the thread is TensorBoard's, whose errors the logger raises."""
    if not type(failure.thread).__module__.startswith("tensorboard."):
        threading.__excepthook__(failure)
