"""The callbacks that write the results of ``validate``, ``test`` and ``predict``."""

from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from jsonargparse import Namespace

from data_prep.common.errors import GalaxyError
from data_prep.common.files import refuse_existing, sha256
from galaxy_lightning.callbacks.evaluation import EvaluationWriter
from galaxy_lightning.callbacks.prediction import PredictionWriter, galaxies_to_predict
from galaxy_lightning.cli.checkpoint_names import is_crossval
from galaxy_lightning.cli.options import EVALUATED_SPLITS
from galaxy_lightning.cli.table_output import check_table_options, make_table_output
from galaxy_lightning.data.datamodule import GalaxyDataModule
from galaxy_lightning.data.seen_galaxies import SeenFlags, parse_objids
from galaxy_lightning.runs.writer import arrays_identity
from galaxy_lightning.shipped_models import SHIPPED
from galaxy_lightning.training.checkpoints import CheckpointInfo
from galaxy_lightning.training.ensemble import Ensemble
from galaxy_lightning.training.module import GalaxyClassifier


def make_evaluation_writer(
    command: str, options: Namespace, data: GalaxyDataModule, trained: CheckpointInfo
) -> EvaluationWriter:
    """Makes the callback that writes the results of ``validate`` or ``test``.

    Args:
        command: ``validate`` or ``test``.
        options: The options of the command.
        data: The data module.
        trained: The checkpoint.

    Raises:
        GalaxyError: The galaxies have no labels, or the model was trained on some of them.
    """
    if data.images_folder is not None:
        raise GalaxyError(f"{command} needs labels: use galaxy arrays (--data.arrays) instead of images")
    trained.require_unseen(data.arrays, EVALUATED_SPLITS[command])
    about = {
        "checkpoint": str(options.ckpt_path),
        "checkpoint_sha256": sha256(trained.path),
        "arrays": arrays_identity(data.arrays),
    }
    folder = Path(options.out or Path(options.ckpt_path).parent / command)
    return EvaluationWriter(folder, EVALUATED_SPLITS[command], about, data.arrays.class_descriptions)


def make_prediction_writer(
    options: Namespace, data: GalaxyDataModule, model: GalaxyClassifier | Ensemble, trained: CheckpointInfo
) -> PredictionWriter:
    """Makes the callback that writes the table of ``predict``.

    Args:
        options: The options of ``predict``.
        data: The data module.
        model: The model, or several. The number of zooms is set to that of the options.
        trained: The checkpoint, or the first.

    Raises:
        GalaxyError: The table has an unknown format, or exists and must not be replaced; or the catalogue to
            join is invalid, or has none of the galaxies.
    """
    galaxies, source, about = galaxies_to_predict(data)
    several = isinstance(model, Ensemble)
    checkpoints = model.trained if isinstance(model, Ensemble) else [trained]
    table = Path(options.out or _default_folder(checkpoints) / f"predictions_{source.resolve().name}.csv")
    check_table_options(options, table, data.images_folder)
    if options.zooms:
        (model if isinstance(model, Ensemble) else model.inference).set_zooms(options.zooms)
    hashes = [sha256(each.path) for each in checkpoints]
    made_of = {
        "version": version("galaxy-lightning"),
        "checkpoint": hashes if several else hashes[0],
        "galaxies": about,
        "batch_size": data.batch_size,
        "zooms": options.zooms or [each.hyperparameters["zooms"] for each in checkpoints],
    }
    images = None if data.images_folder is None else data.image_folder
    if data.images_folder is None:
        objids, turns = data.arrays.catalog["objid"].to_numpy(), data.arrays.quarter_turns
    else:
        objids, turns = parse_objids(galaxies.iloc[:, 0]), None
    seen = [SeenFlags(each.seen, objids, turns) for each in checkpoints]
    writer = PredictionWriter(table, galaxies, model.classes, seen=seen, made_of=made_of, images=images)
    for path in (table, writer.skipped_path):
        refuse_existing(path, overwrite=options.overwrite)
    writer.output = make_table_output(options, table, galaxies, model, checkpoints)
    return writer


def _default_folder(checkpoints: Sequence[CheckpointInfo]) -> Path:
    """Returns the folder of a table: that of the run, or of the cross-validation, or the current one."""
    first = checkpoints[0].path
    if len(checkpoints) == 1:
        return Path() if first in SHIPPED.values() else first.parent  # That of the package is not the user's.
    parents = {parent for parent in first.parents if is_crossval(parent)}
    shared = [parent for parent in parents if all(parent in each.path.parents for each in checkpoints)]
    return shared[0] if shared else Path()
