"""What the training commands print before and after their work."""

import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from data_prep.arrays.format import GalaxyArrays
from galaxy_lightning.callbacks.evaluation import METRICS, EvaluationWriter
from galaxy_lightning.callbacks.prediction import PredictionWriter
from galaxy_lightning.evaluation.held_out import EVALUATION_FILES
from galaxy_lightning.networks.class_paths import is_class_path
from galaxy_lightning.program import PROGRAM
from galaxy_lightning.training.module import GalaxyClassifier

ENOUGH: Final = 10
"""Fewer validation galaxies cannot tell an accuracy of 90% from one of 100%."""


def before_fit(model: GalaxyClassifier, arrays: GalaxyArrays) -> Iterator[str]:
    """Yields what is about to be trained, and what it cannot learn from too few galaxies.

    Args:
        model: The model.
        arrays: The galaxy arrays.
    """
    parameters = sum(weights.numel() for weights in model.parameters() if weights.requires_grad)
    train, validation = (len(arrays.rows(split)) for split in ("train", "val"))
    yield (
        f"Training {model.network.name}, {parameters:,} parameters, on {train:,} galaxies; "
        f"validating on {validation:,}"
    )
    learnt = set(arrays.labels[arrays.rows("train")].tolist())
    absent = [name for number, name in enumerate(arrays.classes) if number not in learnt]
    if absent:
        yield f"No training galaxy is labelled {' or '.join(absent)}: the model cannot learn to recognise one"
    if validation < ENOUGH:
        galaxies = "galaxy" if validation == 1 else "galaxies"
        yield (
            f"Only {validation} validation {galaxies}: neither the calibrated probabilities nor the column "
            "uncertain can be relied on"
        )


def after_fit(run: Path, checkpoint: Path, model: GalaxyClassifier) -> Iterator[str]:
    """Yields where a finished run is, and the commands that use it.

    Args:
        run: The run folder.
        checkpoint: Its best checkpoint.
        model: The model.
    """
    words = ["--ckpt_path", str(checkpoint)]
    if is_class_path(network := str(model.hparams["network"])):
        words += ["--model.network", network]
    options = shlex.join(words)
    yield f"The run is in {run}"
    yield f"Test it:      {PROGRAM} test {options}"
    yield f"Use it:       {PROGRAM} predict {options} --data.images FOLDER"
    yield f"TensorBoard:  tensorboard --logdir {shlex.quote(str(run.parent))}"


def after_evaluation(writer: EvaluationWriter, model: GalaxyClassifier) -> Iterator[str]:
    """Yields what was measured, and where it is saved.

    Args:
        writer: What has written it.
        model: The model.
    """
    yield from writer.report
    yield from fewer_zooms(model)
    yield ""
    yield f"Saved to {writer.folder}: {', '.join((METRICS, *EVALUATION_FILES))}"


def after_predict(writer: PredictionWriter, model: GalaxyClassifier) -> Iterator[str]:
    """Yields where the table is, and how many galaxies it lacks or flags.

    Args:
        writer: What has written it.
        model: The model.
    """
    skipped = f"; {len(writer.skipped):,} skipped, see {writer.skipped_path}" if len(writer.skipped) else ""
    hidden = writer.images.ignored if writer.images else 0
    ignored = f"; {hidden:,} hidden or system file{'s' if hidden > 1 else ''} ignored" if hidden else ""
    yield f"{writer.written:,} galaxies in {writer.path}{skipped}{ignored}"
    inference = model.inference
    yield f"{writer.uncertain:,} flagged as uncertain: {inference.calibrations.describe(inference.zooms)}"
    yield from fewer_zooms(model)


def fewer_zooms(model: GalaxyClassifier) -> Iterator[str]:
    """Yields a note where a checkpoint classifies with fewer zooms than a finished fit would."""
    if model.inference.has_fewer_zooms:
        used, configured = model.inference.zooms, model.hparams["zooms"]
        yield (
            f"Classified with {used} zoom, not {configured}: the fit was interrupted before it calibrated "
            f"{configured}; resume it to use them"
        )
