"""The trained weights that come with the package, by name."""

from pathlib import Path
from typing import Final

_FOLDER: Final = Path(__file__).with_name("networks")

SIMULATED: Final = "simulated"
"""Weights of a ``galaxy_cnn`` trained on simulated galaxies, from which fits start."""

DEFAULT_MODEL: Final = "galaxy_zoo1"
"""A ``galaxy_cnn`` trained on real galaxies with the flags of Galaxy Zoo 1: a checkpoint, to predict with."""

SHIPPED: Final = {
    SIMULATED: _FOLDER / "galaxy_cnn_simulated.pt",
    DEFAULT_MODEL: _FOLDER / f"{DEFAULT_MODEL}.ckpt",
}
"""The files of the weights. Each has the classes of the reference, and lists its training galaxies."""

MODELS: Final = (DEFAULT_MODEL,)
"""The names of those that are checkpoints."""
