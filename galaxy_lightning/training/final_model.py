"""Completes a final model, which is trained on all galaxies of a cross-validation.

No galaxy is left to calibrate it on. Its calibration and the distances that its novelty expects are therefore
those of the galaxies left out of the folds, each classified by a model that was not trained on it: models
with the same settings, trained on fewer galaxies.
"""

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from data_prep.arrays.format import GalaxyArrays
from data_prep.common.progress import progress_bar
from galaxy_lightning.evaluation.calibration import Calibrations, calibrate
from galaxy_lightning.evaluation.novelty import Novelty
from galaxy_lightning.networks.weight_files import load_safely
from galaxy_lightning.training.checkpoint_writer import save_checkpoint
from galaxy_lightning.training.checkpoints import load_model
from galaxy_lightning.training.model_card import ModelCard
from galaxy_lightning.training.novelty import learn_space, measure_features
from galaxy_lightning.training.novelty_entry import novelty_state

_BATCH: Final = 64
_MODEL_ENTRIES: Final = ("state_dict", "hyper_parameters", "pretrained", "pytorch-lightning_version")
"""Entries of a checkpoint that a final model keeps; those of the fit are left out."""
_DATA_ENTRIES: Final = ("settings", "class_descriptions", "images", "pixel_scale")
"""The same among the entries of the data module, besides the lists of galaxies."""
_LIST_PREFIXES: Final = ("train_", "val_")


class OutOfFold(NamedTuple):
    """What the models of the folds say about their test galaxies.

    Attributes:
        calibrations: The calibrations for the models' number of zooms, and for one zoom.
        distances: ``[N]`` distances of the galaxies to the training galaxies of their fold
            (:meth:`galaxy_lightning.evaluation.novelty.FeatureSpace.distances`); None if unknown.
    """

    calibrations: Calibrations
    distances: npt.NDArray[np.float64] | None


def calibrate_out_of_fold(
    checkpoints: Sequence[Path], folds: Sequence[GalaxyArrays], networks: Collection[str] = ()
) -> OutOfFold:
    """Calibrates on the test galaxies of all folds together, and measures their novelty.

    Args:
        checkpoints: The checkpoint of each fold's model, from this machine.
        folds: The galaxy arrays of each fold, in the same order.
        networks: Class paths of networks that the user has named.
    """
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    labels = np.concatenate([fold.labels[fold.rows("test")] for fold in folds])
    logits: dict[int, list[npt.NDArray[np.float32]]] = {}
    distances: list[npt.NDArray[np.float64]] = []
    with progress_bar(total=len(labels), desc="calibration", unit=" galaxies") as bar, torch.inference_mode():
        for checkpoint, fold in zip(checkpoints, folds, strict=True):
            model = load_model(checkpoint, networks).eval().to(device)
            for rows in np.split(fold.rows("test"), range(_BATCH, len(fold.rows("test")), _BATCH)):
                images = torch.from_numpy(fold.images[rows]).to(device)
                for zooms in {model.hparams["zooms"], 1}:
                    logits.setdefault(zooms, []).append(model(images, zooms).float().cpu().numpy())
                bar.update(len(rows))
            novelty = model.inference.novelty
            features = measure_features(model, fold.images, fold.rows("test")) if novelty else None
            if novelty and features is not None:
                distances.append(novelty.space.distances(features))
    target = model.inference.target_accuracy
    numbers = sorted(logits, reverse=True)
    calibrations = (calibrate(np.concatenate(logits[each]), labels, target, each) for each in numbers)
    complete = len(distances) == len(folds)
    return OutOfFold(Calibrations(*calibrations), np.concatenate(distances) if complete else None)


def write_final_model(
    path: Path,
    checkpoint: Path,
    arrays: GalaxyArrays,
    out_of_fold: OutOfFold,
    card: ModelCard,
    networks: Collection[str] = (),
) -> None:
    """Writes a final model as a small checkpoint, which names no folder and has no state of the fit.

    Args:
        path: The file to write.
        checkpoint: The checkpoint of the fit on all galaxies, from this machine.
        arrays: The galaxy arrays of that fit.
        out_of_fold: What the models of the folds say about the galaxies that they were not trained on.
        card: The card.
        networks: Class paths of networks that the user has named.

    Raises:
        GalaxyError: The file cannot be written.
    """
    content = load_safely(checkpoint)
    data = content["GalaxyDataModule"]
    kept = {name: data[name] for name in data if name in _DATA_ENTRIES or name.startswith(_LIST_PREFIXES)}
    final = {name: content[name] for name in _MODEL_ENTRIES} | {"epoch": 0, "global_step": 0}
    final |= out_of_fold.calibrations.state() | {"GalaxyDataModule": kept, "card": card.to_json()}
    if out_of_fold.distances is not None:
        model = load_model(checkpoint, networks)
        model.inference.calibrations = out_of_fold.calibrations
        if space := learn_space(model, arrays):
            final |= novelty_state(Novelty.learn(space, out_of_fold.distances, model.inference.zooms))
    save_checkpoint(final, path)
