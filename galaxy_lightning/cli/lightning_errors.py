"""Errors of Lightning and of its plugins, said in one line."""

import contextlib
from collections.abc import Iterator
from types import TracebackType
from typing import Final

import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException

from data_prep.common.errors import GalaxyError

_THEIRS: Final = ("lightning", "lightning_utilities", "lightning_fabric", "jsonargparse", "torch.distributed")
"""Packages that refuse a user's settings; an error from elsewhere is a fault of this program."""

_REMEDIES: Final = {
    "--ntasks-per-node": "; in an interactive job, start it with srun, or unset SLURM_NTASKS first",
    "`val_check_interval`": "; a run needs a validation per epoch: leave out --trainer.val_check_interval "
    "or lower it to that number or to a fraction such as 0.5",
}
"""What to do about an error whose message holds these words."""


@contextlib.contextmanager
def lightning_errors_in_one_line() -> Iterator[None]:
    """Turns what Lightning and its plugins refuse into errors for the user.

    Raises:
        GalaxyError: The trainer's settings are invalid, a package is missing, or the weights do not fit.
        KeyboardInterrupt: The user has interrupted a fit: Lightning makes an exit of it.
    """
    try:
        yield
    except SystemExit as end:
        if isinstance(end.__context__, KeyboardInterrupt):
            raise end.__context__ from None
        raise
    except (GalaxyError, OSError, MemoryError):
        raise
    except Exception as error:
        if isinstance(error, MisconfigurationException):
            raise GalaxyError(f"invalid Trainer settings: {_message(error)}") from error
        if missing := _missing_package(error):
            raise GalaxyError(f"{missing}; install what it needs, or leave that setting out") from error
        if isinstance(error, torch.OutOfMemoryError) or "DefaultCPUAllocator" in str(error):
            raise GalaxyError(f"not enough memory: lower --data.batch_size ({_message(error)})") from error
        # PyTorch has no public class for what its compiler raises; unknown, it is shown with its traceback.
        if type(error).__module__.startswith(("torch._dynamo", "torch._inductor")):
            raise GalaxyError(
                f"torch.compile does not work here: leave out --model.compile ({error})"
            ) from error
        if "more than 1 value per channel" in str(error):
            raise GalaxyError(
                "this network's batch normalisation cannot train on a batch of one galaxy: choose a "
                "--data.batch_size with which the last batch of an epoch holds at least two"
            ) from error
        if "loading state_dict" in str(error):
            raise GalaxyError(f"the checkpoint's weights do not fit its model: {_message(error)}") from error
        if _raised_by(error.__traceback__).startswith(_THEIRS):
            raise GalaxyError(_message(error)) from error
        raise


def _message(error: BaseException) -> str:
    """Returns an error's message, with a remedy where we know one."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text.rstrip(".") + next((remedy for words, remedy in _REMEDIES.items() if words in text), "")


def _missing_package(error: BaseException | None) -> str | None:
    """Says which package an error is about that is not installed, if it is about one."""
    while error is not None:
        if isinstance(error, ModuleNotFoundError):
            return _message(error)
        error = error.__cause__ or error.__context__
    return None


def _raised_by(traceback: TracebackType | None) -> str:
    """Returns the name of the module in which an error was raised."""
    name = ""
    while traceback is not None:
        name = str(traceback.tb_frame.f_globals.get("__name__", ""))
        traceback = traceback.tb_next
    return name
