"""Finds the checkpoint that a command names: a file, a run folder, or a model of the package."""

from pathlib import Path

from data_prep.common.errors import GalaxyError
from galaxy_lightning.runs.names import BEST_CHECKPOINT, LAST_CHECKPOINT
from galaxy_lightning.shipped_models import MODELS, SHIPPED


def find_checkpoint(name: str, *, newest: bool = False) -> Path:
    """Returns the file of a checkpoint.

    Args:
        name: A checkpoint, a run folder, or the name of a model of the package.
        newest: Of a run folder, take the newest weights, to resume the fit, instead of the best.

    Raises:
        GalaxyError: There is no such checkpoint.
    """
    if name in MODELS:  # A file of this name is ./galaxy_zoo1.
        return SHIPPED[name]
    checkpoint = Path(name)
    if checkpoint.is_dir():
        checkpoint /= LAST_CHECKPOINT if newest else BEST_CHECKPOINT
    if not checkpoint.is_file():
        raise GalaxyError(
            f"there is no checkpoint {checkpoint}: name a .ckpt file, a run folder with {BEST_CHECKPOINT} "
            f"and {LAST_CHECKPOINT}, or a model of the package ({', '.join(MODELS)})"
        )
    return checkpoint
