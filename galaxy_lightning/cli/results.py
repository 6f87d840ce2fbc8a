"""The callbacks that write the results of ``validate``, ``test`` and ``predict``."""

from importlib.metadata import version
from pathlib import Path

from jsonargparse import Namespace

from data_prep.common.errors import GalaxyError
from data_prep.common.files import refuse_existing, sha256
from galaxy_lightning.callbacks.evaluation import EvaluationWriter
from galaxy_lightning.callbacks.prediction import PredictionWriter, galaxies_to_predict
from galaxy_lightning.cli.options import SPLIT_OF
from galaxy_lightning.data.datamodule import GalaxyDataModule
from galaxy_lightning.runs.writer import arrays_identity
from galaxy_lightning.training.checkpoints import CheckpointInfo
from galaxy_lightning.training.module import GalaxyClassifier


def evaluation_writer(
    command: str, options: Namespace, data: GalaxyDataModule, trained: CheckpointInfo
) -> EvaluationWriter:
    """Makes what writes the results of ``validate`` or ``test``.

    Args:
        command: Which of them.
        options: Its options.
        data: The galaxies.
        trained: The checkpoint.

    Raises:
        GalaxyError: The galaxies have no labels, or the model was trained on some of them.
    """
    if data.images_folder is not None:
        raise GalaxyError(f"{command} needs labels: name galaxy arrays with --data.arrays")
    trained.require_unseen(data.arrays, SPLIT_OF[command])
    about = {"checkpoint": str(options.ckpt_path), "arrays": arrays_identity(data.arrays)}
    folder = Path(options.out or Path(options.ckpt_path).parent / command)
    return EvaluationWriter(folder, SPLIT_OF[command], about)


def prediction_writer(
    options: Namespace, data: GalaxyDataModule, model: GalaxyClassifier
) -> PredictionWriter:
    """Makes what writes the table of ``predict``.

    Args:
        options: Its options.
        data: The galaxies.
        model: The model; it is given the number of zooms that the options name.

    Raises:
        GalaxyError: The table is no CSV, or exists and must not be replaced.
    """
    checkpoint = Path(options.ckpt_path)
    galaxies, source, about = galaxies_to_predict(data)
    table = Path(options.out or checkpoint.parent / f"predictions_{source.resolve().name}.csv")
    if table.suffix != ".csv":
        raise GalaxyError(f"{table}: predictions are written as CSV: name it .csv")
    if options.zooms:
        model.inference.set_zooms(options.zooms)
    made_of = {
        "version": version("galaxy-lightning"),
        "checkpoint": sha256(checkpoint),
        "galaxies": about,
        "batch_size": data.batch_size,
        "zooms": options.zooms or model.hparams["zooms"],
    }
    images = None if data.images_folder is None else data.image_folder
    writer = PredictionWriter(
        table, galaxies, model.classes, with_uncertainty=True, made_of=made_of, images=images
    )
    for path in (table, writer.skipped_path):
        refuse_existing(path, overwrite=options.overwrite)
    return writer
