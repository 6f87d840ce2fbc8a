"""Writes checkpoints, whole or not at all."""

import io
from pathlib import Path
from typing import Any

import lightning
import torch
from lightning.fabric.plugins import TorchCheckpointIO

from data_prep.common.files import new_file
from galaxy_lightning.data.datamodule import GalaxyDataModule
from galaxy_lightning.evaluation.calibration import Calibrations
from galaxy_lightning.networks.weight_files import load_safely
from galaxy_lightning.training.checkpoints import read_checkpoint
from galaxy_lightning.training.module import GalaxyClassifier


class WholeCheckpoints(TorchCheckpointIO):
    """Saves a fit's checkpoints whole or not at all.

    Lightning makes them where the system keeps temporary files, and moves them. From another disk that is a
    copy over the older checkpoint, which is lost where the new one finds no room.
    """

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any | None = None
    ) -> None:
        """Saves a checkpoint on a disk of this machine; one that goes elsewhere is left to Lightning."""
        if storage_options is not None or "://" in str(path):
            super().save_checkpoint(checkpoint, path, storage_options)
        else:
            _save(checkpoint, Path(path))


def export_weights(checkpoint: Path, out: Path) -> None:
    """Writes a checkpoint's weights, and which galaxies they were trained on, without the rest.

    Args:
        checkpoint: The ``.ckpt`` of a fit.
        out: The file to write, for ``--model.weights``.

    Raises:
        GalaxyError: It is not a checkpoint of a galaxy classifier, or cannot be written there.
    """
    trained = read_checkpoint(checkpoint)
    weights = load_safely(checkpoint)["state_dict"]
    _save(
        {"state_dict": weights, "GalaxyDataModule": {"train_objids": torch.from_numpy(trained.train_objids)}},
        out,
    )


def write_checkpoint(path: Path, model: GalaxyClassifier, data: GalaxyDataModule) -> None:
    """Writes a checkpoint of a model that no trainer has at hand, as if a fit had left it.

    Args:
        path: The ``.ckpt`` to write.
        model: The model, with its weights.
        data: What it was trained on.

    Raises:
        GalaxyError: It cannot be written there.
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
    _save(content, path)


def add_calibration(path: Path, calibrations: Calibrations) -> None:
    """Writes a checkpoint of ours anew, with other calibrations."""
    _save(load_safely(path) | calibrations.state(), path)


def _save(content: dict[str, Any], path: Path) -> None:
    """Saves a checkpoint, whole or not at all."""
    # Made in memory: where a file cannot be written, torch speaks of an unexpected position in it.
    buffer = io.BytesIO()
    torch.save(content, buffer)
    with new_file(path) as partial:
        partial.write_bytes(buffer.getbuffer())
