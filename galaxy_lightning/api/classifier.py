"""Trained classifiers: load them, read their cards, classify galaxies."""

import os
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, TypedDict, Unpack

import numpy as np
import pandas as pd
import torch

from data_prep.common.errors import GalaxyError
from data_prep.common.json_values import is_integer
from data_prep.common.paths import expand_path
from data_prep.common.progress import progress_bar
from data_prep.common.threads import prefetch
from galaxy_lightning.api.galaxies import Galaxies, OpenedGalaxies, open_galaxies
from galaxy_lightning.callbacks.prediction_columns import IS_UNCERTAIN, PredictionColumns
from galaxy_lightning.cli.checkpoint_names import find_checkpoints
from galaxy_lightning.data.seen_galaxies import SEEN, SeenFlags
from galaxy_lightning.shipped_models import DEFAULT_MODEL
from galaxy_lightning.training.ensemble import Ensemble, load_ensemble
from galaxy_lightning.training.model_report import describe_model

PROBLEM: Final = "problem"
"""The column that tells why an image could not be used."""


class PredictOptions(TypedDict, total=False):
    """The options of :meth:`Classifier.predict`."""

    folder: str | os.PathLike[str] | None
    pixel_scale: float | None
    zooms: int | None
    batch_size: int


class Classifier:
    """A trained classifier; :func:`load` makes one.

    It may be used from several threads.

    Args:
        ensemble: The network, or several.
    """

    def __init__(self, ensemble: Ensemble) -> None:
        self._device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self._ensemble = ensemble.eval().to(self._device)

    def __repr__(self) -> str:
        number = len(self.paths)
        name = self.paths[0].name if number == 1 else f"of {number} networks"
        return f"<Classifier {name}: {', '.join(self.classes)}>"

    @property
    def path(self) -> Path:
        """The checkpoint; with several networks, the first."""
        return self.paths[0]

    @property
    def paths(self) -> list[Path]:
        """The checkpoint of each network."""
        return [trained.path for trained in self._ensemble.trained]

    @property
    def classes(self) -> list[str]:
        """The names of the classes, in order."""
        return list(self._ensemble.classes)

    @property
    def class_descriptions(self) -> Mapping[str, str]:
        """A description of each class in one line, as far as known."""
        return dict(self._ensemble.trained[0].class_descriptions)

    @property
    def card(self) -> str:
        """What the model is, what it was trained on, how accurate it is, and what it is not for.

        With several networks, the cards of all.
        """
        return "\n\n".join("\n".join(describe_model(trained)) for trained in self._ensemble.trained)

    def predict(
        self,
        galaxies: Galaxies,
        *,
        folder: str | os.PathLike[str] | None = None,
        pixel_scale: float | None = None,
        zooms: int | None = None,
        batch_size: int = 64,
    ) -> pd.DataFrame:
        """Classifies galaxies.

        Args:
            galaxies: A folder of images, with its subfolders; a list of image files; an array or tensor of
                images, uint8 ``[N, H, W, C]``, whose central square is used; or a table with a column of
                image files, such as ``path``.
            folder: The folder that relative paths refer to; by default the current folder.
            pixel_scale: Arcsec per pixel of the image files, if they have no celestial coordinates; they are
                resampled to that of the training images.
            zooms: Number of zooms over which the logits are averaged, by default that of the model; 1 is the
                fastest.
            batch_size: Number of galaxies at a time, which bounds the memory.

        Returns:
            One row per galaxy, in order. A table keeps its index and its columns; those that this method adds
            are replaced. For files, ``id`` (or ``objid``, if all are named by object ids) and ``path``. Then:

            - ``p_<class>``: the calibrated probability of each class,
            - ``predicted``: the most probable class,
            - with several networks, ``p_<class>_std``: the standard deviation over the networks, and
              ``networks``: the number used, since galaxies that some have seen are left to the others,
            - ``entropy`` in bits,
            - ``is_uncertain``: whether the top probability is below the calibrated threshold,
            - ``seen_in_training``: whether the model was trained or calibrated on this galaxy, as far as its
              object id and its pixels tell,
            - ``novelty``: how unlike the training galaxies it is, a percentile from 0 to 100,
            - ``problem``: why an image could not be used. The other columns are then empty.

        Raises:
            GalaxyError: The type of ``galaxies`` is not supported, an option is invalid, or no image can be
                used.
        """
        for name, value in (("batch_size", batch_size), ("zooms", 1 if zooms is None else zooms)):
            if not (is_integer(value) and value >= 1):
                raise GalaxyError(f"{name} must be an integer of at least 1, not {value!r}")
        first, size = self._ensemble.trained[0], self._ensemble.members[0].image_size
        opened = open_galaxies(galaxies, first.images, size, pixel_scale, folder)
        for note in opened.dataset.describe():
            warnings.warn(note, stacklevel=2)
        predictions = self._predict(opened, zooms, batch_size)
        others = opened.identifiers.drop(columns=predictions.columns, errors="ignore")
        # By position: the index of a table may have the same entry twice.
        return pd.concat([others.reset_index(drop=True), predictions], axis=1).set_axis(others.index)

    def _predict(self, opened: OpenedGalaxies, zooms: int | None, batch_size: int) -> pd.DataFrame:
        """Returns the columns of the predictions."""
        number = len(opened.identifiers)
        calibration = self._ensemble.calibration_for(zooms)
        seen = [SeenFlags(trained.seen, opened.objids) for trained in self._ensemble.trained]
        columns = PredictionColumns(pd.DataFrame(index=range(number)), self.classes, seen)
        tables, problems = [], dict[int, str]()
        batches = [range(start, min(start + batch_size, number)) for start in range(0, number, batch_size)]
        with (
            prefetch(opened.dataset.__getitems__, batches, 1, 2) as loaded,
            progress_bar(total=number, desc="classify", unit=" galaxies") as bar,
            torch.inference_mode(),
        ):
            for rows, batch in zip(batches, loaded, strict=True):
                outputs = self._ensemble.classify(batch.images.to(self._device), zooms)
                table, _ = columns.make(outputs, np.asarray(rows), batch.images.numpy(), calibration)
                tables.append(table)
                problems |= batch.problems
                bar.update(len(rows))
        if len(problems) == number:
            raise GalaxyError(f"none of the {number:,} images is usable; the first: {problems[0]}")
        table = pd.concat(tables, ignore_index=True)
        for name in (IS_UNCERTAIN, SEEN):
            table[name] = table[name].astype("boolean")
        table.loc[list(problems)] = None
        table[PROBLEM] = pd.Series(problems, dtype=object).reindex(range(number))
        return table


Run = str | os.PathLike[str]
"""A run folder, a checkpoint, the name of a model of the package, or the folder of a cross-validation."""


def load(run: Run | Sequence[Run] = DEFAULT_MODEL, *, network: str | None = None) -> Classifier:
    """Loads a trained classifier, without running code that its file may contain.

    Args:
        run: A run folder, a checkpoint, or the name of a model of the package; by default ``galaxy_zoo1``.
            The folder of a cross-validation, or a list, stands for several networks, whose mean probabilities
            are used.
        network: For a network of your own: its class path, such as ``my_file.MyNetwork``. Its code is run.

    Raises:
        GalaxyError: There is no such checkpoint, it is damaged, or the networks do not fit together.
    """
    runs = list(run) if isinstance(run, list | tuple) else [run]
    paths = [os.fspath(each) for each in runs if isinstance(each, str | os.PathLike)]
    if not paths or len(paths) < len(runs):
        raise GalaxyError(f"name a run folder, a checkpoint or a model of the package, not {run!r}")
    checkpoints = find_checkpoints([expand_path(path) for path in paths])
    return Classifier(load_ensemble(checkpoints, [] if network is None else [network]))


def classify(
    galaxies: Galaxies,
    model: Run | Sequence[Run] | Classifier = DEFAULT_MODEL,
    **options: Unpack[PredictOptions],
) -> pd.DataFrame:
    """Classifies galaxies.

    Args:
        galaxies: A folder of images, a list of image files, an array of images, or a table; see
            :meth:`Classifier.predict`.
        model: A classifier, or what :func:`load` loads; by default ``galaxy_zoo1``.
        options: Further arguments of :meth:`Classifier.predict`.

    Returns:
        The table of :meth:`Classifier.predict`.

    Raises:
        GalaxyError: The model or the galaxies cannot be used.
    """
    classifier = model if isinstance(model, Classifier) else load(model)
    return classifier.predict(galaxies, **options)
