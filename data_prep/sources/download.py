"""Getting the real galaxies from where they are published: images of Galaxy Zoo 2, votes of Galaxy Zoo 1."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from data_prep.common.errors import GalaxyError
from data_prep.common.files import explain_write_errors, link_or_copy, new_file, new_folder
from data_prep.schema import IMAGES_FOLDER, MAPPING_FILE, TABLE2_FILE

DOI: Final = "10.5281/zenodo.3565489"
VOTES_URL: Final = "https://galaxy-zoo-1.s3.amazonaws.com/GalaxyZoo1_DR_table2.csv.gz"
KAGGLE: Final = "jaimetrickz/galaxy-zoo-2-images"
_SPARE: Final = 100_000_000
"""Bytes of the disk that are left free."""


@dataclass(frozen=True)
class Part:
    """A part of the raw survey.

    Attributes:
        target: What it is in RAW.
        file: The file that is downloaded for it.
        url: Where from; the Zenodo record when None.
        checksum: What that file hashes to; what the Zenodo record says when None.
        size: Its bytes.
        unpacked: The bytes that are unpacked from it.
    """

    target: str
    file: str
    url: str | None
    checksum: str | None
    size: int
    unpacked: int


PARTS: Final = (
    Part(
        TABLE2_FILE,
        f"{TABLE2_FILE}.gz",
        VOTES_URL,
        "sha256:5121e43f502856c9f73e31934a6e7d7282669c3ae065564a31f5d5115f45541d",
        20_384_458,
        80_000_000,
    ),
    Part(MAPPING_FILE, MAPPING_FILE, None, None, 12_000_000, 0),
    Part(
        IMAGES_FOLDER,
        "images_gz2.zip",
        None,
        "md5:bc647032d31e50c798770cf4430525c7",
        3_400_000_000,
        4_300_000_000,
    ),
)


def download(raw: Path, *, from_kaggle: bool = False, keep_archives: bool = False) -> list[str]:
    """Downloads what RAW lacks, verifies and unpacks it.

    What is there already, by an earlier call or placed by hand, is left as it is; a download that was cut
    off resumes.

    Args:
        raw: The folder of the raw survey; made when missing.
        from_kaggle: Take images and mapping from the copy on Kaggle, which kagglehub keeps in a folder of
            its own. The votes are not there.
        keep_archives: Keep what was unpacked.

    Returns:
        The parts that were missing.

    Raises:
        GalaxyError: The disk is too small, a server has other bytes or none, or an archive holds what it
            must not.
    """
    with explain_write_errors(raw):
        raw.mkdir(parents=True, exist_ok=True)
    missing = missing_parts(raw)
    wanted, free = bytes_needed(raw, missing), shutil.disk_usage(raw).free
    if wanted + _SPARE > free:
        raise GalaxyError(
            f"{wanted / 1e9:.1f} GB are needed for {', '.join(part.target for part in missing)}, and "
            f"{free / 1e9:.1f} GB are free at {raw}: make room, or name a folder on another disk"
        )
    if from_kaggle and any(part.url is None for part in missing):
        _take_from_kaggle(raw)
    for part in missing_parts(raw):
        _get(part, raw, keep_archives=keep_archives)
    return [part.target for part in missing]


def missing_parts(raw: Path) -> list[Part]:
    """Returns the parts that RAW lacks."""
    return [part for part in PARTS if not (raw / part.target).exists()]


def bytes_needed(raw: Path, parts: list[Part]) -> int:
    """Returns the bytes that these parts will still take, with what was downloaded of them before."""
    have = sum(
        path.stat().st_size
        for part in parts
        for path in (raw / part.file, raw / f"{part.file}.part")
        if path.is_file()
    )
    return max(sum(part.size + part.unpacked for part in parts) - have, 0)


def plan(raw: Path) -> Iterator[str]:
    """Yields what a download would do, and how to do it by hand, line by line."""
    missing = missing_parts(raw)
    if not missing:
        yield f"{raw} has all parts: there is nothing to download"
        return
    yield f"{'':<28}{'download':>10}{'on disk':>10}  from"
    for part in missing:
        source = part.url or f"https://doi.org/{DOI}"
        on_disk = (part.unpacked or part.size) / 1e9
        yield f"{part.file:<28}{part.size / 1e9:>7.2f} GB{on_disk:>7.2f} GB  {source}"
    existing = next(folder for folder in (raw.resolve(), *raw.resolve().parents) if folder.exists())
    yield (
        f"{bytes_needed(raw, missing) / 1e9:.1f} GB are needed while it is unpacked, "
        f"{shutil.disk_usage(existing).free / 1e9:.1f} GB are free"
    )
    yield ""
    yield f"By hand: save these files in {raw} and run the command again: it verifies and unpacks them."
    yield "Or place what is in them, so that there are:"
    yield from (f"  {raw / part.target}" for part in missing)


def _get(part: Part, raw: Path, *, keep_archives: bool) -> None:
    """Downloads a part, verifies it, and unpacks it."""
    from data_prep.sources.fetch import fetch, is_verified, zenodo_file
    from data_prep.sources.unpack import unpack_images, unpack_table

    if not (part.checksum and is_verified(raw / part.file, part.checksum)):
        url, checksum = (part.url, part.checksum) if part.url else zenodo_file(DOI, part.file)
        fetch(str(url), raw / part.file, part.checksum or str(checksum))
    if not part.unpacked:
        return
    unpack = unpack_images if part.file.endswith(".zip") else unpack_table
    unpack(raw / part.file, raw / part.target)
    if not keep_archives:
        (raw / part.file).unlink()


def _take_from_kaggle(raw: Path) -> None:
    """Takes images and mapping from the copy on Kaggle; images as further names where that is possible."""
    try:
        import kagglehub
    except ImportError:
        raise GalaxyError(
            'the copy on Kaggle needs kagglehub: python -m pip install "galaxy-lightning[kaggle]"'
        ) from None
    try:
        copy = Path(kagglehub.dataset_download(KAGGLE))
    except Exception as error:  # kagglehub has no one error type of its own.
        raise GalaxyError(f"the Kaggle dataset {KAGGLE} could not be downloaded: {error}") from error
    mapping = next(copy.rglob(MAPPING_FILE), None)
    images = next((file.parent for file in copy.rglob("*.jpg") if not file.name.startswith(".")), None)
    if mapping is None or images is None:
        raise GalaxyError(f"the Kaggle dataset {KAGGLE} in {copy} lacks {MAPPING_FILE} or the images")
    if not (raw / MAPPING_FILE).exists():
        with new_file(raw / MAPPING_FILE) as partial:
            shutil.copyfile(mapping, partial)
    if not (raw / IMAGES_FOLDER).exists():
        with new_folder(raw / IMAGES_FOLDER, contents=()) as partial:
            for file in images.iterdir():
                if file.suffix == ".jpg" and not file.name.startswith("."):
                    link_or_copy(file, partial / file.name)
