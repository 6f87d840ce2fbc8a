"""Groups the files of images that have one file per band."""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from data_prep.common.errors import GalaxyError
from data_prep.images.image_files import split_suffix

BAND_SEPARATOR: Final = "|"
"""Between the paths of an image's files, if it has one per band, in the order of the bands."""


@dataclass(frozen=True)
class BandFiles:
    """The images of a folder that have one file per band.

    Attributes:
        images: The files of each image in the order of the bands, by the image's id; sorted by id.
        skipped: The files that belong to no complete image, sorted, and why.
    """

    images: dict[str, tuple[Path, ...]]
    skipped: dict[Path, str]

    @property
    def joined(self) -> dict[str, str]:
        """The paths of the files of each image, joined by ``BAND_SEPARATOR``, by the image's id."""
        return {name: BAND_SEPARATOR.join(map(str, files)) for name, files in self.images.items()}


def group_bands(paths: Iterable[Path], pattern: str, bands: Sequence[str]) -> BandFiles:
    """Groups the files of images that have one file per band.

    Args:
        paths: The image files, relative to their folder.
        pattern: The names of the files, with ``{id}`` and ``{band}`` once each, such as ``{id}_{band}.fits``.
            It may begin with folders, as ``{band}/{id}.fits`` does, and the files may lie in further
            subfolders. The suffix may be written in any case; a pattern without the suffix of an image
            accepts all of them.
        bands: The names of the bands.
    """
    expression = _compile(pattern, bands)
    groups: dict[str, dict[str, Path]] = defaultdict(dict)
    skipped: dict[Path, str] = {}
    for path in sorted(paths):
        match = expression.fullmatch(path.as_posix())
        if match is None:
            skipped[path] = f"its name is not {pattern} with one of the bands {', '.join(bands)}"
        elif (other := groups[match["id"]].setdefault(match["band"], path)) != path:
            skipped[path] = f"another file for the band {match['band']} of {match['id']}, {other}, is used"
    images = {}
    for name, files in sorted(groups.items()):
        if missing := [band for band in bands if band not in files]:
            noun = "band" if len(missing) == 1 else "bands"
            skipped |= dict.fromkeys(files.values(), f"no file for the {noun} {', '.join(missing)} of {name}")
        else:
            images[name] = tuple(files[band] for band in bands)
    return BandFiles(images, dict(sorted(skipped.items())))


def no_complete_image(folder: Path, skipped: Mapping[Path, str]) -> GalaxyError:
    """Returns the error for a folder in which no image has a file for each band.

    Args:
        folder: The folder.
        skipped: Its files, and why each is skipped.
    """
    path, reason = next(iter(skipped.items()))
    return GalaxyError(f"{folder} contains no image with a file for each band; {path}: {reason}")


def _compile(pattern: str, bands: Sequence[str]) -> re.Pattern[str]:
    """Returns the regular expression of the relative paths of a pattern."""
    stem, suffix = split_suffix(pattern)
    names = "|".join(map(re.escape, sorted(bands, key=len, reverse=True)))
    expression = re.escape(stem)
    expression = expression.replace(re.escape("{id}"), "(?P<id>[^/]+)")
    expression = expression.replace(re.escape("{band}"), f"(?P<band>{names})")
    ending = f"(?i:{re.escape(suffix)})" if suffix else r"(\.[^/]*)?"
    return re.compile(f"(?:.*/)?{expression}{ending}")
