"""The entry of a checkpoint with the novelty of a model."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from galaxy_lightning.evaluation.novelty import Novelty


def novelty_state(novelty: Novelty | None) -> dict[str, Any]:
    """Returns the entry of a checkpoint; none without a novelty."""
    if novelty is None:
        return {}
    state = novelty.state()
    arrays = {name: torch.from_numpy(value) for name, value in state.items() if isinstance(value, np.ndarray)}
    return {"novelty": state | arrays}


def read_novelty(checkpoint: Mapping[str, Any]) -> Novelty | None:
    """Reads the entry of a checkpoint; None if it has none.

    Raises:
        TypeError: It is not the output of :func:`novelty_state`.
        ValueError: Its arrays do not fit together.
    """
    state = checkpoint.get("novelty")
    if state is None:
        return None
    if not isinstance(state, dict):
        raise TypeError("its 'novelty' is invalid")
    arrays = {name: value.numpy() for name, value in state.items() if isinstance(value, torch.Tensor)}
    try:
        return Novelty.from_state(state | arrays)
    except KeyError as error:
        raise TypeError(f"its 'novelty' lacks {error}") from None
