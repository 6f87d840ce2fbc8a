"""Finds the checkpoints that a command names."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from data_prep.common.errors import GalaxyError
from data_prep.common.json_files import read_json
from galaxy_lightning.runs.names import BEST_CHECKPOINT, LAST_CHECKPOINT, PLAN, SUMMARY
from galaxy_lightning.runs.writer import complete_run
from galaxy_lightning.shipped_models import MODELS, SHIPPED

NEWEST: Final = "last"
"""The name of the newest checkpoint of a run, to resume a fit that may not have begun."""


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
    if is_crossval(checkpoint):
        raise GalaxyError(
            f"{checkpoint} is a cross-validation: name one of its runs, such as "
            f"{checkpoint / 'fold_0/version_0'}"
        )
    if checkpoint.is_dir():
        checkpoint /= LAST_CHECKPOINT if newest else BEST_CHECKPOINT
    if not checkpoint.is_file():
        raise GalaxyError(
            f"there is no checkpoint {checkpoint}: name a .ckpt file, a run folder with {BEST_CHECKPOINT} "
            f"and {LAST_CHECKPOINT}, or a model of the package ({', '.join(MODELS)})"
        )
    return checkpoint


def find_checkpoints(names: Sequence[str]) -> list[Path]:
    """Returns the files of one or several checkpoints.

    Args:
        names: Checkpoints, run folders, names of models of the package, or folders of cross-validations,
            which stand for the networks of all folds.

    Raises:
        GalaxyError: There is no such checkpoint, or a cross-validation is not complete.
    """
    found: list[Path] = []
    for name in names:
        folder = Path(name)
        found += find_folds(folder) if is_crossval(folder) else [find_checkpoint(name)]
    return found


def is_crossval(folder: Path) -> bool:
    """Returns whether a folder is that of a cross-validation, complete or not."""
    return any((folder / name).is_file() for name in (SUMMARY, PLAN))


def find_folds(folder: Path) -> list[Path]:
    """Returns the checkpoint of each fold of a cross-validation.

    Args:
        folder: The folder of the cross-validation.

    Raises:
        GalaxyError: The cross-validation is not complete.
    """
    folds = read_json(folder / SUMMARY).get("folds") if (folder / SUMMARY).is_file() else None
    if not isinstance(folds, list) or not folds:
        raise GalaxyError(f"{folder} holds a cross-validation that is not complete: run crossval again")
    runs = [complete_run(folder / f"fold_{number}") for number in range(len(folds))]
    for number, run in enumerate(runs):
        if run is None or not (run / BEST_CHECKPOINT).is_file():
            raise GalaxyError(
                f"{folder / f'fold_{number}'} holds no complete run with a {BEST_CHECKPOINT}: run crossval "
                "again, in a new folder"
            )
    return [run / BEST_CHECKPOINT for run in runs if run is not None]
