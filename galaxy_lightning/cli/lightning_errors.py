"""Errors of Lightning and of its plugins, reported in one line."""

import contextlib
from collections.abc import Iterator
from types import TracebackType
from typing import Final

import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException

from data_prep.common.errors import GalaxyError

_LIBRARIES: Final = (
    "lightning",
    "lightning_utilities",
    "lightning_fabric",
    "jsonargparse",
    "torch.distributed",
)
"""Packages that reject a user's settings; an error raised elsewhere is a bug in this program."""

_REMEDIES: Final = {
    "--ntasks-per-node": "; in an interactive job, start the command with srun, or unset SLURM_NTASKS",
    "`val_check_interval`": "; a fit needs at least one validation per epoch: remove "
    "--trainer.val_check_interval, or reduce it to that number or to a fraction such as 0.5",
}
"""Remedies, by a part of the error message."""


@contextlib.contextmanager
def lightning_errors_in_one_line() -> Iterator[None]:
    """Turns the errors with which Lightning and its plugins reject settings into errors for the user.

    Raises:
        GalaxyError: The trainer's settings are invalid, a package is missing, memory is exhausted, or weights
            do not match their model.
        KeyboardInterrupt: The user has interrupted a fit, for which Lightning raises ``SystemExit``.
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
            raise GalaxyError(
                f"{missing}; install the package, or remove the setting that needs it"
            ) from error
        if isinstance(error, torch.OutOfMemoryError) or "DefaultCPUAllocator" in str(error):
            raise GalaxyError(f"not enough memory: lower --data.batch_size ({_message(error)})") from error
        # PyTorch has no public class for what its compiler raises; unknown, it is shown with its traceback.
        if type(error).__module__.startswith(("torch._dynamo", "torch._inductor")):
            raise GalaxyError(f"torch.compile failed: remove --model.compile ({error})") from error
        if "more than 1 value per channel" in str(error):
            raise GalaxyError(
                "this network's batch normalisation cannot train on a batch of one galaxy: choose a "
                "--data.batch_size that leaves at least two galaxies for the last batch of an epoch"
            ) from error
        if "loading state_dict" in str(error):
            raise GalaxyError(
                f"the checkpoint's weights do not match its model: {_message(error)}"
            ) from error
        if _raising_module(error.__traceback__).startswith(_LIBRARIES):
            raise GalaxyError(_message(error)) from error
        raise


def _message(error: BaseException) -> str:
    """Returns an error's message, with the remedy if one is known."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text.rstrip(".") + next((remedy for part, remedy in _REMEDIES.items() if part in text), "")


def _missing_package(error: BaseException | None) -> str | None:
    """Returns the message about a missing package if an error, or its cause, is about one."""
    while error is not None:
        if isinstance(error, ModuleNotFoundError):
            return _message(error)
        error = error.__cause__ or error.__context__
    return None


def _raising_module(traceback: TracebackType | None) -> str:
    """Returns the name of the module that raised an error."""
    name = ""
    while traceback is not None:
        name = str(traceback.tb_frame.f_globals.get("__name__", ""))
        traceback = traceback.tb_next
    return name
