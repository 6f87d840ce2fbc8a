"""Downloads the real galaxies: images of Galaxy Zoo 2, votes of Galaxy Zoo 1."""

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
KAGGLE_DATASET: Final = "jaimetrickz/galaxy-zoo-2-images"
_RESERVED_BYTES: Final = 100_000_000
"""Disk space to leave free, in bytes."""


@dataclass(frozen=True)
class Part:
    """A part of the raw survey.

    Attributes:
        target: The name of the file or folder in RAW.
        file: The name of the file to download.
        url: The URL of that file; None if it is in the Zenodo record.
        checksum: Its checksum; None to take it from the Zenodo record.
        size: Its size in bytes.
        unpacked_size: The size of its content in bytes; 0 if it is not an archive.
    """

    target: str
    file: str
    url: str | None
    checksum: str | None
    size: int
    unpacked_size: int


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
    """Downloads, verifies and unpacks the parts that are missing in RAW.

    Existing parts are kept, whether downloaded or placed by hand. Interrupted downloads are resumed.

    Args:
        raw: The folder of the raw survey; created if missing.
        from_kaggle: Take images and mapping from the copy on Kaggle, which does not have the votes. kagglehub
            downloads it to its own cache folder.
        keep_archives: Keep the archives after unpacking.

    Returns:
        The names of the parts that were missing.

    Raises:
        GalaxyError: The disk space is insufficient, a file cannot be downloaded or has a wrong checksum, or
            the content of an archive is not as expected.
    """
    with explain_write_errors(raw):
        raw.mkdir(parents=True, exist_ok=True)
    missing = missing_parts(raw)
    needed, free = bytes_needed(raw, missing), shutil.disk_usage(raw).free
    if needed + _RESERVED_BYTES > free:
        raise GalaxyError(
            f"not enough disk space at {raw}: {', '.join(part.target for part in missing)} need "
            f"{needed / 1e9:.1f} GB, and {free / 1e9:.1f} GB are free; delete other files, or choose a "
            "folder on another disk"
        )
    if from_kaggle and any(part.url is None for part in missing):
        _copy_from_kaggle(raw)
    for part in missing_parts(raw):
        _download_part(part, raw, keep_archives=keep_archives)
    return [part.target for part in missing]


def missing_parts(raw: Path) -> list[Part]:
    """Returns the parts that are missing in RAW."""
    return [part for part in PARTS if not (raw / part.target).exists()]


def bytes_needed(raw: Path, parts: list[Part]) -> int:
    """Returns the disk space in bytes that these parts still need; their downloaded files are subtracted."""
    downloaded = sum(
        path.stat().st_size
        for part in parts
        for path in (raw / part.file, raw / f"{part.file}.part")
        if path.is_file()
    )
    return max(sum(part.size + part.unpacked_size for part in parts) - downloaded, 0)


def describe_download(raw: Path) -> Iterator[str]:
    """Yields lines that list the files to download and explain how to place them by hand."""
    missing = missing_parts(raw)
    if not missing:
        yield f"{raw} is complete: nothing to download"
        return
    yield f"{'':<28}{'download':>10}{'on disk':>10}  from"
    for part in missing:
        source = part.url or f"https://doi.org/{DOI}"
        on_disk = (part.unpacked_size or part.size) / 1e9
        yield f"{part.file:<28}{part.size / 1e9:>7.2f} GB{on_disk:>7.2f} GB  {source}"
    existing = next(folder for folder in (raw.resolve(), *raw.resolve().parents) if folder.exists())
    yield (
        f"Disk space: {bytes_needed(raw, missing) / 1e9:.1f} GB needed during unpacking, "
        f"{shutil.disk_usage(existing).free / 1e9:.1f} GB free"
    )
    yield ""
    yield f"By hand: save these files in {raw}, then run the command again to verify and unpack them."
    yield "Or place their unpacked content at these paths:"
    yield from (f"  {raw / part.target}" for part in missing)


def _download_part(part: Part, raw: Path, *, keep_archives: bool) -> None:
    """Downloads, verifies and unpacks a part."""
    from data_prep.sources.fetch import fetch, find_zenodo_file, has_checksum
    from data_prep.sources.unpack import unpack_images, unpack_table

    if not (part.checksum and has_checksum(raw / part.file, part.checksum)):
        url, checksum = (part.url, part.checksum) if part.url else find_zenodo_file(DOI, part.file)
        fetch(str(url), raw / part.file, part.checksum or str(checksum))
    if not part.unpacked_size:
        return
    unpack = unpack_images if part.file.endswith(".zip") else unpack_table
    unpack(raw / part.file, raw / part.target)
    if not keep_archives:
        (raw / part.file).unlink()


def _copy_from_kaggle(raw: Path) -> None:
    """Copies images and mapping from the Kaggle dataset; images are linked if possible."""
    try:
        import kagglehub
    except ImportError:
        raise GalaxyError("--from-kaggle needs kagglehub: pip install 'galaxy-lightning[kaggle]'") from None
    try:
        dataset = Path(kagglehub.dataset_download(KAGGLE_DATASET))
    except Exception as error:  # kagglehub has no common error type.
        raise GalaxyError(f"the Kaggle dataset {KAGGLE_DATASET} could not be downloaded: {error}") from error
    mapping = next(dataset.rglob(MAPPING_FILE), None)
    images = next((file.parent for file in dataset.rglob("*.jpg") if not file.name.startswith(".")), None)
    if mapping is None or images is None:
        raise GalaxyError(
            f"the Kaggle dataset {KAGGLE_DATASET} in {dataset} lacks {MAPPING_FILE} or the images"
        )
    if not (raw / MAPPING_FILE).exists():
        with new_file(raw / MAPPING_FILE) as partial:
            shutil.copyfile(mapping, partial)
    if not (raw / IMAGES_FOLDER).exists():
        with new_folder(raw / IMAGES_FOLDER, contents=()) as partial:
            for file in images.iterdir():
                if file.suffix == ".jpg" and not file.name.startswith("."):
                    link_or_copy(file, partial / file.name)
