"""The table that ``predict`` writes: its format and its catalogue."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd
from jsonargparse import Namespace

from data_prep.common.environment import package_version
from data_prep.common.errors import GalaxyError
from data_prep.common.files import sha256
from galaxy_lightning.tables.formats import require_format
from galaxy_lightning.tables.holding import require_names
from galaxy_lightning.tables.joining import open_join
from galaxy_lightning.tables.output import TableOutput
from galaxy_lightning.tables.samp import require_sendable
from galaxy_lightning.tables.schema import Metadata, known_metadata
from galaxy_lightning.training.checkpoints import CheckpointInfo
from galaxy_lightning.training.ensemble import Ensemble
from galaxy_lightning.training.module import GalaxyClassifier


def check_table_options(options: Namespace, table: Path, images: Path | None) -> None:
    """Checks the options of ``predict`` about its table, before anything is predicted.

    Args:
        options: The options.
        table: The table to write.
        images: The folder of images, if any.

    Raises:
        GalaxyError: The format of the table is unknown, its library is missing, SAMP cannot send it, or it
            would be taken for an image.
    """
    kind = require_format(table)
    if options.samp:
        require_sendable(table)
    if options.id_column and not options.catalogue:
        raise GalaxyError("--id_column names a column of a catalogue: add --catalogue TABLE")
    if kind == "fits" and images is not None and table.resolve().is_relative_to(images.resolve()):
        raise GalaxyError(
            f"--out {table}: in the folder of images, a FITS table would be taken for an image: name "
            "another folder"
        )


def make_table_output(
    options: Namespace,
    table: Path,
    galaxies: pd.DataFrame,
    model: GalaxyClassifier | Ensemble,
    checkpoints: Sequence[CheckpointInfo],
) -> TableOutput | None:
    """Returns how predictions become the table; None for CSV without a catalogue, as they are CSV already.

    Args:
        options: The options of ``predict``.
        table: The table to write.
        galaxies: The identifiers of the galaxies.
        model: The model, which has its weights and calibration when the table is written; or several.
        checkpoints: Their checkpoints.

    Raises:
        GalaxyError: The catalogue is invalid or has none of the galaxies, or the format cannot hold the
            name of a class.
    """
    if require_format(table) == "csv" and not options.catalogue:
        return None
    end = "_std" if isinstance(model, Ensemble) else ""
    require_names([f"p_{name}{end}" for name in model.classes], table)
    join = open_join(Path(options.catalogue), options.id_column, table) if options.catalogue else None
    if join is not None:
        join.require_common(galaxies)
    descriptions: Mapping[str, str] = checkpoints[0].class_descriptions

    def about() -> Metadata:
        members = model.members if isinstance(model, Ensemble) else [model]
        calibration = (model if isinstance(model, Ensemble) else model.inference).calibration
        fitted = calibration.is_fitted
        return known_metadata(
            model=" + ".join(dict.fromkeys(member.network.name for member in members)),
            checkpoint_sha256=" ".join(sha256(each.path) for each in checkpoints),
            galaxy_lightning=package_version(),
            temperature=calibration.temperature if fitted else None,
            threshold=calibration.threshold if fitted else None,
            target_accuracy=calibration.target_accuracy if fitted else None,
            zooms=members[0].inference.zooms,
        )

    return TableOutput(descriptions, about, join)
