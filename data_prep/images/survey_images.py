"""Finds a raw survey's image files and matches them with the file mapping."""

import itertools
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pandas as pd

from data_prep.common.errors import GalaxyError
from data_prep.images.image_files import index_by_stem, list_folder
from data_prep.schema import IMAGES_FOLDER

IMAGE_FOLDERS: Final = tuple(
    dict.fromkeys(
        [IMAGES_FOLDER]
        + [
            "/".join(parts)
            for depth in (1, 2, 3)
            for parts in itertools.product(Path(IMAGES_FOLDER).parts[::-1], repeat=depth)
        ]
    )
)
"""Folders that may hold the images: users often unpack the archive a level too high or too deep."""


@dataclass(frozen=True)
class ImageFolder:
    """The image files of a raw survey.

    Attributes:
        folder: The folder that holds them, relative to the survey's folder.
        names: File names by their stem (the name without suffix).
        excluded: The number of excluded files, by reason.
        notes: Messages for the user.
    """

    folder: str
    names: dict[str, str]
    excluded: dict[str, int]
    notes: list[str]

    def find_files(self, mapping: pd.DataFrame) -> "tuple[pd.Series[str], list[str]]":
        """Finds the image file of each row of a mapping.

        Files are expected to be named by asset id, as in Galaxy Zoo 2. If none is, they are matched by objid.

        Args:
            mapping: A table with the columns ``objid`` and ``asset_id``.

        Returns:
            The file name of each row, missing if there is no file; and messages for the user.
        """
        for column in ("asset_id", "objid"):
            found = [self.names.get(str(number)) for number in mapping[column].tolist()]
            files = pd.Series(found, index=mapping.index, dtype=object)
            if files.notna().any():
                notes = [] if column == "asset_id" else [f"the images in {self.folder} are named by objid"]
                return files, notes
        expected = f"{mapping['asset_id'].iloc[0]}.jpg" if len(mapping) else "ASSET_ID.jpg"
        found_name = next(iter(self.names.values()), "no image")
        return files, [
            f"no image in {self.folder} is named by an asset id or objid of the mapping: expected names such "
            f"as {expected}, found {found_name}"
        ]


def find_images(raw: Path) -> ImageFolder:
    """Finds the images of a raw survey, even if the archive was unpacked a level too high or too deep.

    Args:
        raw: The survey's folder.

    Returns:
        The images in the first of ``IMAGE_FOLDERS`` that holds any, or else those in ``raw`` itself.

    Raises:
        GalaxyError: The images' path is not a folder, or a folder cannot be read.
    """
    standard = raw / IMAGES_FOLDER
    try:
        if standard.exists() and not standard.is_dir():
            raise GalaxyError(f"{standard} is not a folder: put the images into a folder of that name")
        scanned = {folder: _scan(raw / folder) for folder in IMAGE_FOLDERS if (raw / folder).is_dir()}
        with_images = [folder for folder, (names, _) in scanned.items() if names]
        if not with_images and (root := _scan(raw))[0]:
            scanned[""], with_images = (root[0], {}), [""]
    except OSError as error:
        raise GalaxyError(f"{error.filename or raw} cannot be read: {error.strerror or error}") from error
    folder, *unused = with_images or [IMAGES_FOLDER]
    names, excluded = scanned.get(folder, ({}, {}))
    notes = [
        f"{len(scanned[other][0]):,} images in {raw / other} are ignored, since {raw / folder} holds images"
        for other in unused
    ]
    return ImageFolder(folder, names, excluded, notes)


def _scan(folder: Path) -> tuple[dict[str, str], dict[str, int]]:
    """Returns a folder's image files by stem, and the number of excluded files by reason."""
    listing = list_folder(folder)
    chosen, repeated = index_by_stem(map(Path, listing.images))
    counts = {
        "image files of the same name": len(repeated),
        "files that are not images": len(listing.skipped),
    }
    names = {stem: path.name for stem, path in chosen.items()}
    return names, {reason: count for reason, count in counts.items() if count}
