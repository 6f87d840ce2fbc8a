"""Trained classifiers: load them, read their cards, classify galaxies."""

import os
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
import torch

from data_prep.common.errors import GalaxyError
from data_prep.common.json_values import is_integer
from data_prep.common.paths import expand_path
from data_prep.common.progress import progress_bar
from data_prep.common.threads import prefetch
from galaxy_lightning.api.galaxies import Galaxies, OpenedGalaxies, open_galaxies
from galaxy_lightning.cli.checkpoint_names import find_checkpoint
from galaxy_lightning.data.seen_galaxies import SEEN, SeenFlags
from galaxy_lightning.evaluation.calibration import entropy
from galaxy_lightning.runs.writer import prediction_table
from galaxy_lightning.shipped_models import DEFAULT_MODEL
from galaxy_lightning.training.checkpoints import CheckpointInfo, load_checkpoint
from galaxy_lightning.training.model_report import describe_model
from galaxy_lightning.training.module import GalaxyClassifier

PROBLEM: Final = "problem"
"""The column that tells why an image could not be used."""


class Classifier:
    """A trained classifier; :func:`load` makes one.

    It may be used from several threads.

    Args:
        model: The model.
        trained: The contents of its checkpoint.
    """

    def __init__(self, model: GalaxyClassifier, trained: CheckpointInfo) -> None:
        self._device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self._model, self._trained = model.eval().to(self._device), trained

    def __repr__(self) -> str:
        return f"<Classifier {self.path.name}: {', '.join(self.classes)}>"

    @property
    def path(self) -> Path:
        """The checkpoint."""
        return self._trained.path

    @property
    def classes(self) -> list[str]:
        """The names of the classes, in order."""
        return list(self._model.classes)

    @property
    def class_descriptions(self) -> Mapping[str, str]:
        """A description of each class in one line, as far as known."""
        return dict(self._trained.class_descriptions)

    @property
    def card(self) -> str:
        """What the model is, what it was trained on, how accurate it is, and what it is not for."""
        return "\n".join(describe_model(self._trained))

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
            - ``entropy`` in bits,
            - ``is_uncertain``: whether the top probability is below the calibrated threshold,
            - ``seen_in_training``: whether the model was trained or calibrated on this galaxy, as far as its
              object id and its pixels tell,
            - ``problem``: why an image could not be used. The other columns are then empty.

        Raises:
            GalaxyError: The type of ``galaxies`` is not supported, an option is invalid, or no image can be
                used.
        """
        for name, value in (("batch_size", batch_size), ("zooms", 1 if zooms is None else zooms)):
            if not (is_integer(value) and value >= 1):
                raise GalaxyError(f"{name} must be an integer of at least 1, not {value!r}")
        opened = open_galaxies(galaxies, self._trained.images, self._model.image_size, pixel_scale, folder)
        for note in opened.dataset.describe():
            warnings.warn(note, stacklevel=2)
        predictions = self._predict(opened, zooms or self._model.inference.zooms, batch_size)
        others = opened.identifiers.drop(columns=predictions.columns, errors="ignore")
        # By position: the index of a table may have the same entry twice.
        return pd.concat([others.reset_index(drop=True), predictions], axis=1).set_axis(others.index)

    def _predict(self, opened: OpenedGalaxies, zooms: int, batch_size: int) -> pd.DataFrame:
        """Returns the columns of the predictions."""
        number = len(opened.identifiers)
        calibration = self._model.inference.calibrations.for_zooms(zooms)
        flags = SeenFlags(self._trained.seen, opened.objids)
        probabilities = np.zeros((number, len(self.classes)), dtype=np.float32)
        seen = [pd.Series(dtype="boolean")]
        problems: dict[int, str] = {}
        batches = [range(start, min(start + batch_size, number)) for start in range(0, number, batch_size)]
        with (
            prefetch(opened.dataset.__getitems__, batches, 1, 2) as loaded,
            progress_bar(total=number, desc="classify", unit=" galaxies") as bar,
            torch.inference_mode(),
        ):
            for rows, batch in zip(batches, loaded, strict=True):
                logits = self._model(batch.images.to(self._device), zooms) / calibration.temperature
                probabilities[rows] = logits.float().softmax(dim=1).cpu().numpy()
                seen.append(flags.find(batch.images.numpy(), np.asarray(rows)))
                problems |= batch.problems
                bar.update(len(rows))
        if len(problems) == number:
            raise GalaxyError(f"none of the {number:,} images is usable; the first: {problems[0]}")
        table = prediction_table(pd.DataFrame(index=range(number)), probabilities, self.classes)
        table["entropy"] = entropy(probabilities).round(6)
        uncertain = calibration.flag_uncertain(probabilities)
        table["is_uncertain"] = pd.Series(
            [None] * number if uncertain is None else uncertain, dtype="boolean"
        )
        table[SEEN] = pd.concat(seen, ignore_index=True)
        table.loc[list(problems)] = None
        table[PROBLEM] = pd.Series(problems, dtype=object).reindex(range(number))
        return table


def load(run: str | os.PathLike[str] = DEFAULT_MODEL, *, network: str | None = None) -> Classifier:
    """Loads a trained classifier, without running code that its file may contain.

    Args:
        run: A run folder, a checkpoint, or the name of a model of the package.
        network: For a network of your own: its class path, such as ``my_file.MyNetwork``. Its code is run.

    Raises:
        GalaxyError: There is no such checkpoint, or it is damaged.
    """
    if not isinstance(run, str | os.PathLike):
        raise GalaxyError(f"name a run folder, a checkpoint or a model of the package, not {run!r}")
    networks = [] if network is None else [network]
    return Classifier(*load_checkpoint(find_checkpoint(expand_path(os.fspath(run))), networks))


def classify(
    galaxies: Galaxies, model: str | os.PathLike[str] | Classifier = DEFAULT_MODEL, **options: Any
) -> pd.DataFrame:
    """Classifies galaxies.

    Args:
        galaxies: A folder of images, a list of image files, an array of images, or a table; see
            :meth:`Classifier.predict`.
        model: A classifier, or what :func:`load` loads.
        options: Further arguments of :meth:`Classifier.predict`.

    Returns:
        The table of :meth:`Classifier.predict`.

    Raises:
        GalaxyError: The model or the galaxies cannot be used.
    """
    classifier = model if isinstance(model, Classifier) else load(model)
    return classifier.predict(galaxies, **options)
