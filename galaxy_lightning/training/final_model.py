"""Completes a final model, which is trained on all galaxies of a cross-validation.

No galaxy is left to calibrate it on. Its calibration is therefore that of the galaxies left out of the folds,
each classified by a model that was not trained on it: models with the same settings, trained on fewer
galaxies.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
import torch

from data_prep.arrays.format import GalaxyArrays
from data_prep.common.progress import progress_bar
from galaxy_lightning.evaluation.calibration import Calibration, Calibrations, calibrate
from galaxy_lightning.networks.weight_files import load_safely
from galaxy_lightning.training.checkpoint_writer import save_checkpoint
from galaxy_lightning.training.checkpoints import load_model
from galaxy_lightning.training.model_card import ModelCard

_BATCH: Final = 64
_OF_MODEL: Final = ("state_dict", "hyper_parameters", "pretrained", "pytorch-lightning_version")
"""Entries of a checkpoint that a final model keeps; those of the fit are left out."""
_OF_DATA: Final = ("settings", "class_descriptions", "images", "pixel_scale")
"""The same among the entries of the data module, besides the lists of galaxies."""
_LISTS: Final = ("train_", "val_")


def calibrate_out_of_fold(checkpoints: Sequence[Path], folds: Sequence[GalaxyArrays]) -> Calibrations:
    """Calibrates on the test galaxies of all folds together.

    Args:
        checkpoints: The checkpoint of each fold's model, from this machine.
        folds: The galaxy arrays of each fold, in the same order.

    Returns:
        The calibrations for the models' number of zooms, and for one zoom.
    """
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    models = [load_model(path).eval().to(device) for path in checkpoints]
    configured, target = models[0].hparams["zooms"], models[0].inference.target_accuracy
    rows = [fold.rows("test") for fold in folds]
    labels = np.concatenate([fold.labels[own] for fold, own in zip(folds, rows, strict=True)])
    numbers = sorted({configured, 1}, reverse=True)
    logits = {zooms: np.empty((len(labels), len(folds[0].classes)), dtype=np.float32) for zooms in numbers}
    done = 0
    with progress_bar(total=len(labels), desc="calibration", unit=" galaxies") as bar, torch.inference_mode():
        for model, fold, own in zip(models, folds, rows, strict=True):
            for start in range(0, len(own), _BATCH):
                images = torch.from_numpy(fold.images[own[start : start + _BATCH]]).to(device)
                for zooms, values in logits.items():
                    values[done : done + len(images)] = model(images, zooms).float().cpu().numpy()
                done += len(images)
                bar.update(len(images))
    calibrations: list[Calibration] = [calibrate(logits[zooms], labels, target, zooms) for zooms in numbers]
    return Calibrations(*calibrations)


def write_final_model(path: Path, checkpoint: Path, calibrations: Calibrations, card: ModelCard) -> None:
    """Writes a final model as a small checkpoint, which names no folder and has no state of the fit.

    Args:
        path: The file to write.
        checkpoint: The checkpoint of the fit on all galaxies, from this machine.
        calibrations: The calibrations.
        card: The card.

    Raises:
        GalaxyError: The file cannot be written.
    """
    content = load_safely(checkpoint)
    data = content["GalaxyDataModule"]
    kept = {name: data[name] for name in data if name in _OF_DATA or name.startswith(_LISTS)}
    final = {name: content[name] for name in _OF_MODEL} | {"epoch": 0, "global_step": 0}
    save_checkpoint(final | calibrations.state() | {"GalaxyDataModule": kept, "card": card.to_json()}, path)
