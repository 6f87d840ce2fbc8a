"""Opens what an explanation is about: a model, its galaxy arrays, and galaxies by id or image file."""

import difflib
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from data_prep.arrays.format import GalaxyArrays, id_column, open_arrays
from data_prep.common.errors import GalaxyError
from data_prep.images.image_files import split_suffix
from galaxy_lightning.data.image_folders import ImageListDataset
from galaxy_lightning.explain.predictor import Predictor
from galaxy_lightning.training.checkpoints import CheckpointInfo, load_checkpoint

_CLOSE: int = 3
"""Number of ids that are suggested for one that does not exist."""


class OpenedModel(NamedTuple):
    """A trained model and its galaxy arrays.

    Attributes:
        predictor: The model.
        trained: What its checkpoint says about the training.
        arrays: The galaxy arrays; None if they are not available.
        note: Why they are not; empty if they are.
    """

    predictor: Predictor
    trained: CheckpointInfo
    arrays: GalaxyArrays | None
    note: str = ""


class Galaxy(NamedTuple):
    """A galaxy to explain.

    Attributes:
        name: Its id.
        image: uint8 ``[H, H, bands]``.
        label: Its true class number; None if unknown.
        row: Its row in the galaxy arrays; None for an image file.
    """

    name: str
    image: npt.NDArray[np.uint8]
    label: int | None = None
    row: int | None = None


def open_model(checkpoint: Path, networks: Collection[str] = (), arrays: Path | None = None) -> OpenedModel:
    """Loads a model, and opens the galaxy arrays of its training.

    Args:
        checkpoint: The checkpoint.
        networks: Class paths of networks of the user's own, whose code may be run.
        arrays: The galaxy arrays; by default those that the checkpoint names, if they are unchanged.

    Raises:
        GalaxyError: The checkpoint is damaged, or ``arrays`` are other ones than those of the training.
    """
    model, trained = load_checkpoint(checkpoint, networks)
    predictor, known = Predictor(model), trained.data_settings.get("arrays")
    folder = arrays or (Path(trained.arrays_folder) if trained.arrays_folder else None)
    if folder is None:
        return OpenedModel(predictor, trained, None, "the model names no galaxy arrays")
    try:
        opened = open_arrays(folder)
        if known is not None and opened.dataset["sha256"] != known:
            raise GalaxyError(f"the galaxy arrays in {folder} are not those of the training")
        opened.verify()
        shape = (opened.image_size, len(opened.bands))
        if opened.classes != list(model.classes) or shape != (model.image_size, model.bands):
            raise GalaxyError(f"the galaxy arrays in {folder} have other classes or images than the model")
    except GalaxyError as error:
        if arrays is not None:
            raise
        return OpenedModel(predictor, trained, None, str(error))
    return OpenedModel(predictor, trained, opened)


def find_galaxies(names: Sequence[str], opened: OpenedModel) -> list[Galaxy]:
    """Finds galaxies by their ids in the galaxy arrays, or as image files.

    Args:
        names: Image files, ids, SDSS object ids or asset ids. A galaxy may have several images.
        opened: The model.

    Raises:
        GalaxyError: There is no such file or galaxy, or an image cannot be used.
    """
    files = [Path(name) for name in names if _is_file(name)]
    images = dict(zip(files, _read_images(files, opened), strict=True))
    found = []
    for name in names:
        path = Path(name)
        if path in images:
            found.append(Galaxy(split_suffix(path.name)[0], images[path]))
        else:
            found += _find_rows(name, opened)
    return found


def _is_file(name: str) -> bool:
    """Returns whether a name is that of a file; an id may be too long for one."""
    try:
        return Path(name).is_file()
    except OSError:
        return False


def _read_images(files: Sequence[Path], opened: OpenedModel) -> list[npt.NDArray[np.uint8]]:
    """Reads image files like the training images."""
    if not files:
        return []
    settings = opened.trained.images.to_predict(opened.predictor.model.image_size, None, None)
    if settings.settings.pattern is not None:
        raise GalaxyError(
            "the model needs one file per band of each image, which cannot be named one by one: name the ids "
            "of galaxies of its galaxy arrays"
        )
    batch = ImageListDataset([(path,) for path in files], settings).__getitems__(range(len(files)))
    for number, problem in batch.problems.items():
        raise GalaxyError(f"{files[number]}: {problem}")
    return list(batch.images.numpy())


def _find_rows(name: str, opened: OpenedModel) -> list[Galaxy]:
    """Finds the images of a galaxy in the galaxy arrays."""
    if opened.arrays is None:
        raise GalaxyError(
            f"{name} is no image file, and no galaxy can be found by its id: {opened.note} (--data.arrays "
            "names them)"
        )
    catalogue = opened.arrays.catalog
    columns = dict.fromkeys((id_column(catalogue), "objid", "asset_id"))
    for column in columns:
        ids = catalogue[column].astype(str).to_numpy()
        rows = np.flatnonzero(ids == name)
        if len(rows):
            names = catalogue[next(iter(columns))].astype(str).iloc[rows].tolist()
            if len(rows) > 1:
                names = [
                    f"{each}_{catalogue['asset_id'].iloc[row]}" for each, row in zip(names, rows, strict=True)
                ]
            images, labels = opened.arrays.images, opened.arrays.labels
            return [
                Galaxy(each, images[row], int(labels[row]), int(row))
                for each, row in zip(names, rows, strict=True)
            ]
    raise GalaxyError(
        f"{name} is neither an image file nor the id of a galaxy in {opened.arrays.folder}; the most similar "
        f"ids: {', '.join(similar_ids(name, [catalogue[column].astype(str).tolist() for column in columns]))}"
    )


def similar_ids(name: str, columns: Sequence[Sequence[str]]) -> list[str]:
    """Returns the ids that are most similar to one: the nearest numbers, or the most similar texts.

    Args:
        name: The id.
        columns: The ids of all galaxies, in one or several columns.
    """
    ids = list(dict.fromkeys(value for column in columns for value in column))
    if name.isdecimal():
        numbers = sorted(
            (each for each in ids if each.isdecimal()), key=lambda each: abs(int(each) - int(name))
        )
        return numbers[:_CLOSE]
    return difflib.get_close_matches(name, ids, _CLOSE, cutoff=0) or ids[:_CLOSE]
