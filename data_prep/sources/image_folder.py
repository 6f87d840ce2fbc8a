"""Where a raw survey's images lie, and what each is called."""

import itertools
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pandas as pd

from data_prep.common.errors import GalaxyError
from data_prep.common.litter import is_litter
from data_prep.schema import IMAGES_FOLDER
from data_prep.sources.images import image_suffixes

PLACES: Final = tuple(
    dict.fromkeys(
        [IMAGES_FOLDER]
        + [
            "/".join(parts)
            for depth in (1, 2, 3)
            for parts in itertools.product(Path(IMAGES_FOLDER).parts[::-1], repeat=depth)
        ]
    )
)
"""Folders that may hold a raw survey's images: the archive is often unpacked a level higher or deeper."""


@dataclass(frozen=True)
class ImageFolder:
    """The images of a raw survey.

    Attributes:
        place: Their folder, relative to the survey's.
        names: File names by what precedes their suffix.
        left_out: How many files are not used, by reason.
        notes: What the user should know of them.
    """

    place: str
    names: dict[str, str]
    left_out: dict[str, int]
    notes: list[str]

    def find_files(self, mapping: pd.DataFrame) -> "tuple[pd.Series[str], list[str]]":
        """Finds the image file of each row of a mapping.

        Files are named by asset id, as those of Galaxy Zoo 2 are; where not one is, by objid.

        Args:
            mapping: ``objid`` and ``asset_id``.

        Returns:
            The files' names, missing where there is none; and what the user should know of them.
        """
        for column in ("asset_id", "objid"):
            found = [self.names.get(str(number)) for number in mapping[column].tolist()]
            files = pd.Series(found, index=mapping.index, dtype=object)
            if files.notna().any():
                named = [] if column == "asset_id" else [f"the images in {self.place} are named by objid"]
                return files, named
        looked_for = f"{mapping['asset_id'].iloc[0]}.jpg" if len(mapping) else "ASSET_ID.jpg"
        example = next(iter(self.names.values()), "no image")
        return files, [
            f"no image in {self.place} is named by an asset id or objid of the mapping: looked for "
            f"{looked_for}, for example, and found {example}"
        ]


def find_images(raw: Path) -> ImageFolder:
    """Finds the images of a raw survey, also where the archive was unpacked a level higher or deeper.

    Args:
        raw: The survey's folder.

    Returns:
        Those in the first of ``PLACES`` that holds any, else in ``raw`` itself.

    Raises:
        GalaxyError: There is no such folder, or one cannot be read.
    """
    standard = raw / IMAGES_FOLDER
    try:
        if standard.exists() and not standard.is_dir():
            raise GalaxyError(f"{standard} is not a folder: put the images into a folder of that name")
        scanned = {place: _scan(raw / place) for place in PLACES if (raw / place).is_dir()}
        with_images = [place for place, (names, _) in scanned.items() if names]
        if not with_images and (root := _scan(raw))[0]:
            scanned[""], with_images = (root[0], {}), [""]
    except OSError as error:
        raise GalaxyError(f"{error.filename or raw} cannot be read: {error.strerror or error}") from error
    place, *others = with_images or [IMAGES_FOLDER]
    names, left_out = scanned.get(place, ({}, {}))
    notes = [
        f"{len(scanned[other][0]):,} images in {raw / other} are not used: those in {raw / place} are"
        for other in others
    ]
    return ImageFolder(place, names, left_out, notes)


def _scan(folder: Path) -> tuple[dict[str, str], dict[str, int]]:
    """Returns a folder's image files by what precedes their suffix, and how many files are not used.

    The folder is read in one pass: asking for each file costs far more.
    """
    names: dict[str, str] = {}
    rank = {suffix: place for place, suffix in enumerate(image_suffixes())}
    twice = others = 0
    with os.scandir(folder) as entries:
        for entry in entries:
            stem, dot, ending = entry.name.rpartition(".")
            suffix = (dot + ending).lower()
            if is_litter(entry.name) or entry.is_dir():
                continue
            if suffix not in rank:
                others += 1
            elif stem not in names:
                names[stem] = entry.name
            else:
                twice += 1
                # Of 1.jpg and 1.JPG the former.
                names[stem] = min(
                    names[stem],
                    entry.name,
                    key=lambda name: (rank[Path(name).suffix.lower()], name.swapcase()),
                )
    counts = {"more image files of one name": twice, "files that are not images": others}
    return names, {reason: count for reason, count in counts.items() if count}
