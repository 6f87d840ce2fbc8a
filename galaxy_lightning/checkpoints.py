"""Reading a checkpoint's settings, without running anything that the file may hold."""

from collections.abc import Mapping
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch

from data_prep.errors import GalaxyError


def read_hyperparameters(checkpoint: Path) -> dict[str, Any]:
    """Reads what a model was made with.

    Args:
        checkpoint: A ``.ckpt`` file.

    Returns:
        The model's hyperparameters.

    Raises:
        GalaxyError: It is no checkpoint of a galaxy classifier, or damaged.
    """
    try:
        content = torch.load(checkpoint, map_location="cpu", weights_only=True)
        return dict(content["hyper_parameters"])
    except (OSError, EOFError, RuntimeError, KeyError, TypeError, ValueError, UnpicklingError) as error:
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise GalaxyError(
            f"{checkpoint} is no checkpoint of a galaxy classifier, or is damaged "
            f"({reason}); nothing in it was run"
        ) from None


def require_same_settings(checkpoint: Path, settings: Mapping[str, Any]) -> None:
    """Stops a fit that would go on from a checkpoint with other settings.

    Args:
        checkpoint: What the fit goes on from.
        settings: What the model is about to be made with.

    Raises:
        GalaxyError: They differ, or the checkpoint cannot be read.
    """
    trained = read_hyperparameters(checkpoint)
    differ = [name for name in settings if name in trained and trained[name] != settings[name]]
    if differ:
        both = ", ".join(f"{name} {trained[name]!r}, not {settings[name]!r}" for name in differ)
        raise GalaxyError(
            f"{checkpoint} was made with {both}: go on with the same settings, or begin a new fit "
            "without --ckpt_path"
        )
