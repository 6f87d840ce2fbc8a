"""Writes checkpoints atomically."""

import io
from pathlib import Path
from typing import Any

import lightning
import torch
from lightning.fabric.plugins import TorchCheckpointIO

from data_prep.common.files import new_file
from data_prep.schema import CLASSES
from galaxy_lightning.data.datamodule import GalaxyDataModule
from galaxy_lightning.evaluation.calibration import Calibrations
from galaxy_lightning.evaluation.novelty import Novelty
from galaxy_lightning.networks.weight_files import load_safely
from galaxy_lightning.training.checkpoints import read_checkpoint
from galaxy_lightning.training.module import GalaxyClassifier
from galaxy_lightning.training.novelty_entry import novelty_state


class AtomicCheckpointIO(TorchCheckpointIO):
    """Saves the checkpoints of a fit atomically.

    Lightning writes a checkpoint to the system's temporary folder, and moves it. If that folder is on another
    disk, the move is a copy over the older checkpoint, which is lost if the disk is full.
    """

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any | None = None
    ) -> None:
        """Saves a checkpoint; Lightning saves those at remote addresses."""
        if storage_options is not None or "://" in str(path):
            super().save_checkpoint(checkpoint, path, storage_options)
        else:
            save_checkpoint(checkpoint, Path(path))


def export_weights(checkpoint: Path, out: Path) -> None:
    """Writes the weights of a checkpoint, its classes and the list of its galaxies to a smaller file.

    Args:
        checkpoint: The ``.ckpt`` file.
        out: The file to write, for ``--model.weights``.

    Raises:
        GalaxyError: The file is not a checkpoint of a galaxy classifier, or ``out`` cannot be written.
    """
    info = read_checkpoint(checkpoint)
    weights = load_safely(checkpoint)["state_dict"]
    data = info.trained_on.state("train")
    settings = {"classes": list(info.hyperparameters.get("classes") or CLASSES)}
    save_checkpoint({"state_dict": weights, "hyper_parameters": settings, "GalaxyDataModule": data}, out)


def write_checkpoint(path: Path, model: GalaxyClassifier, data: GalaxyDataModule) -> None:
    """Writes a checkpoint of a model without a trainer, in the form of a fit's checkpoints.

    Args:
        path: The ``.ckpt`` file to write.
        model: The model, with its weights.
        data: The galaxies it was trained on.

    Raises:
        GalaxyError: The file cannot be written.
    """
    content = {
        "state_dict": model.state_dict(),
        "hyper_parameters": dict(model.hparams),
        **model.inference.calibrations.state(),
        "GalaxyDataModule": data.state_dict(),
        "pytorch-lightning_version": lightning.__version__,
        "epoch": 0,
        "global_step": 0,
    }
    save_checkpoint(content, path)


def replace_calibrations(path: Path, calibrations: Calibrations) -> None:
    """Replaces the calibrations in a trusted checkpoint."""
    save_checkpoint(load_safely(path) | calibrations.state(), path)


def add_novelty(path: Path, novelty: Novelty | None) -> None:
    """Adds the novelty of a model to its checkpoint, which must be trusted; None changes nothing."""
    if novelty is not None:
        save_checkpoint(load_safely(path) | novelty_state(novelty), path)


def save_checkpoint(content: dict[str, Any], path: Path) -> None:
    """Saves a checkpoint atomically.

    Args:
        content: Its entries.
        path: The file.

    Raises:
        GalaxyError: The file cannot be written.
    """
    # Serialised in memory, because torch.save reports a full disk as an unexpected position in the file.
    buffer = io.BytesIO()
    torch.save(content, buffer)
    with new_file(path) as partial:
        partial.write_bytes(buffer.getbuffer())
