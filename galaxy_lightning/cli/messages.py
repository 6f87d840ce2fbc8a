"""Messages that the training commands print before and after their work."""

import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from data_prep.arrays.format import GalaxyArrays
from data_prep.samples.class_names import describe_classes
from galaxy_lightning.callbacks.evaluation import EvaluationWriter
from galaxy_lightning.callbacks.prediction import PredictionWriter
from galaxy_lightning.callbacks.prediction_columns import NOVEL
from galaxy_lightning.data.seen_galaxies import SEEN
from galaxy_lightning.evaluation.calibration import Calibrations
from galaxy_lightning.evaluation.held_out import HeldOutPredictions
from galaxy_lightning.evaluation.novelty import NOVELTY
from galaxy_lightning.evaluation.verdict import labelled, list_results, verdict
from galaxy_lightning.networks.class_paths import is_class_path
from galaxy_lightning.program import PROGRAM
from galaxy_lightning.runs.names import FIGURES, METRICS
from galaxy_lightning.runs.writer import probability_columns
from galaxy_lightning.shipped_models import MODELS, SHIPPED
from galaxy_lightning.training.checkpoints import CheckpointInfo
from galaxy_lightning.training.ensemble import Ensemble
from galaxy_lightning.training.module import GalaxyClassifier

MIN_VALIDATION: Final = 10
"""With fewer validation galaxies, an accuracy of 90% cannot be distinguished from 100%."""


def before_fit(
    model: GalaxyClassifier, arrays: GalaxyArrays, device: str, resumed: str | None
) -> Iterator[str]:
    """Yields what is about to be trained.

    Args:
        model: The model.
        arrays: The galaxy arrays.
        device: A description of the device and of its floating-point format.
        resumed: The checkpoint of the fit that is resumed, if any.
    """
    if resumed:
        yield f"Resuming from {resumed}"
    parameters = sum(tensor.numel() for tensor in model.parameters() if tensor.requires_grad)
    train, validation = (len(arrays.rows(split)) for split in ("train", "val"))
    is_final = arrays.for_final_model
    yield f"Training {'the final ' * is_final}{model.network.name} ({parameters:,} parameters)"
    yield (
        f"All {train:,} galaxies, without validation"
        if is_final
        else f"{train:,} training galaxies, {validation:,} validation galaxies"
    )
    yield f"Device: {device}"
    yield from describe_classes(arrays.classes, arrays.class_descriptions)
    yield from model.network.notes


def warn_before_fit(arrays: GalaxyArrays) -> Iterator[str]:
    """Yields warnings about too few galaxies.

    Args:
        arrays: The galaxy arrays.
    """
    validation, trained = len(arrays.rows("val")), set(arrays.labels[arrays.rows("train")].tolist())
    absent = [name for number, name in enumerate(arrays.classes) if number not in trained]
    if absent:
        classes = "this class" if len(absent) == 1 else "these classes"
        yield f"No training galaxy is labelled {' or '.join(absent)}: the model cannot learn {classes}"
    if validation < MIN_VALIDATION and not arrays.for_final_model:
        galaxies = "galaxy" if validation == 1 else "galaxies"
        yield (
            f"Only {validation} validation {galaxies}: the calibrated probabilities and the column "
            "is_uncertain are not reliable"
        )


def after_fit(run: Path, model: GalaxyClassifier, validation: HeldOutPredictions) -> Iterator[str]:
    """Yields the results on the validation galaxies, the folder of the run, and commands that use it.

    Args:
        run: The run folder.
        model: The model.
        validation: The predictions for the validation galaxies.
    """
    yield f"Validation galaxies ({len(validation.labels):,}), which also set the calibration:"
    yield from verdict(validation)
    yield ""
    args = ["--ckpt_path", str(run)]
    if is_class_path(network := str(model.hparams["network"])):
        args += ["--model.network", network]
    options = shlex.join(args)
    yield labelled("Run folder", str(run))
    yield labelled("Pictures", str(run / FIGURES))
    yield labelled("Test", f"{PROGRAM} test {options}")
    yield labelled("Predict", f"{PROGRAM} predict {options} --data.images FOLDER")
    yield labelled("Report", f"{PROGRAM} report --run {shlex.quote(str(run))}")
    yield labelled("TensorBoard", f"tensorboard --logdir {shlex.quote(str(run.parent))}")


def after_evaluation(writer: EvaluationWriter, model: GalaxyClassifier) -> Iterator[str]:
    """Yields the results of an evaluation, and where they are saved.

    Args:
        writer: The callback that has written them.
        model: The model.
    """
    yield from writer.report
    yield from _fewer_zooms_note(model)
    yield ""
    yield from list_results(writer.folder, METRICS)


def before_predict(trained: CheckpointInfo, ensemble: Ensemble | None) -> Iterator[str]:
    """Yields which models classify the galaxies, if there are several, or the model is one of the package.

    Args:
        trained: The checkpoint, or the first.
        ensemble: The models, if there are several.
    """
    if ensemble is not None:
        yield f"Mean of {len(ensemble.members)} networks:"
        yield from (f"  {each.path}" for each in ensemble.trained)
        return
    for name in MODELS:
        if trained.path == SHIPPED[name]:
            yield ", ".join([f"Model: {name}", *([title] if (title := trained.card.text("title")) else [])])
            yield f"About it: {PROGRAM} model --about {name}"


def after_predict(
    writer: PredictionWriter, model: GalaxyClassifier | Ensemble, descriptions: Mapping[str, str]
) -> Iterator[str]:
    """Yields where the table is, what its columns mean, and how many rows are flagged and images skipped.

    Args:
        writer: The callback that has written the table.
        model: The model, or several.
        descriptions: Descriptions of the classes by name; any may be missing.
    """
    if writer.images is not None:
        yield from writer.images.describe()
    joined = writer.output is not None and writer.output.join is not None
    what = " images or other files" if joined else ""
    skipped = (
        f"; {len(writer.skipped):,}{what} skipped, see {writer.skipped_path}" if len(writer.skipped) else ""
    )
    hidden = writer.images.ignored if writer.images else 0
    ignored = f"; {hidden:,} hidden or system file{'s' if hidden > 1 else ''} ignored" if hidden else ""
    if joined:
        rows, empty = writer.written + writer.empty, writer.empty
        yield f"Saved {rows:,} rows to {writer.path}, {empty:,} without a usable image{skipped}{ignored}"
    else:
        yield f"Saved {writer.written:,} predictions to {writer.path}{skipped}{ignored}"
    if writer.left_out:
        yield (
            f"Incomplete: {writer.left_out:,} of {len(writer.galaxies):,} galaxies are left out by "
            "trainer.limit_predict_batches"
        )
    if writer.output is not None:
        yield from writer.output.notes
    columns = dict(zip(model.classes, probability_columns(model.classes), strict=True))
    described = {columns[name]: text for name, text in descriptions.items() if name in columns}
    yield from describe_classes(list(columns.values()), described)
    yield f"{writer.counts['uncertain']:,} flagged as uncertain: {_describe_calibration(model)}"
    yield from _describe_seen(writer)
    yield from _describe_novelty(writer, model)
    for each in model.members if isinstance(model, Ensemble) else [model]:
        yield from _fewer_zooms_note(each)


def _describe_calibration(model: GalaxyClassifier | Ensemble) -> str:
    """Returns the criterion for flagging galaxies as uncertain."""
    if isinstance(model, GalaxyClassifier):
        return model.inference.calibrations.describe(model.inference.zooms)
    if model.calibration.is_fitted:
        return Calibrations(model.calibration).describe(1)
    return (
        "the networks are not calibrated together, which needs their complete run folders and their own "
        "number of zooms. Column 'is_uncertain' is empty"
    )


def _describe_seen(writer: PredictionWriter) -> Iterator[str]:
    """Yields how many galaxies of a table the model has seen."""
    unknown, seen = writer.counts["unknown"], writer.counts["seen"]
    if unknown:
        yield (
            f"{unknown:,} without a value in {SEEN}: they are not named by object ids, by which alone "
            "the checkpoint, of an older version, knows its galaxies"
        )
    if seen:
        yield (f"{seen:,} seen in training ({SEEN} = 1): an accuracy measured on these would be too high")
    elif not unknown:
        yield "None recognised as a galaxy of the training, by object id or identical pixels"


def _describe_novelty(writer: PredictionWriter, model: GalaxyClassifier | Ensemble) -> Iterator[str]:
    """Yields how many galaxies of a table are unlike those of the training."""
    novel, unrated = writer.counts["novel"], writer.counts["unrated"]
    members = model.members if isinstance(model, Ensemble) else [model]
    if unrated:
        known = [each.inference.novelty for each in members]
        zooms = next((each.zooms for each in known if each), None)
        reason = "the checkpoint has none" if zooms is None else f"it is known for {zooms} zooms only"
        yield f"{unrated:,} without a {NOVELTY}: {reason}"
    if novel:
        expected = "" if len(members) > 1 else f"; of similar galaxies, {100 - NOVEL:g}% would be"
        yield (
            f"{novel:,} of {writer.written - unrated:,} are unlike the training galaxies ({NOVELTY} of at "
            f"least {NOVEL:g}{expected}): look at them before you use their classes"
        )


def _fewer_zooms_note(model: GalaxyClassifier) -> Iterator[str]:
    """Yields a note if a checkpoint classifies with fewer zooms than a finished fit would."""
    if model.inference.has_fewer_zooms:
        used, configured = model.inference.zooms, model.hparams["zooms"]
        yield (
            f"Classified with {used} zoom, not {configured}: the fit was interrupted before the calibration "
            f"for {configured} zooms; resume it to use them"
        )
