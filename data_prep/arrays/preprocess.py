"""Makes galaxy arrays from a sample and its image files, on all cores and in bounded memory."""

import platform
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from pathlib import Path, PurePath
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from data_prep.arrays.counts_table import counts_table
from data_prep.arrays.dataset_checks import FORMAT_VERSION
from data_prep.arrays.format import CATALOG, DATASET, IMAGES, QUARTER_TURNS
from data_prep.arrays.image_writer import PROGRESS, write_images
from data_prep.common.errors import GalaxyError
from data_prep.common.files import new_folder, sha256
from data_prep.common.json_files import read_json, write_json
from data_prep.common.threads import cores
from data_prep.samples.class_names import check_class_names, describe_classes
from data_prep.samples.sample_file import summary_path
from data_prep.schema import COLOURS, CROP_PX
from data_prep.sources.images import Cutout, read_cutout
from data_prep.sources.tables import read_table, refuse_unknown
from data_prep.splits.copies import group_copies
from data_prep.splits.draw import count_by_class, draw_split
from data_prep.splits.given import complete_split, parse_split


def preprocess(
    sample: Path,
    raw: Path,
    out: Path,
    *,
    crop: int = CROP_PX,
    seed: int = 0,
    rotate_once: bool = False,
    workers: int | None = None,
    overwrite: bool = False,
    progress: bool = True,
) -> dict[str, Any]:
    """Makes the galaxy arrays of a sample: centre crops, catalogue and split.

    Unusable images are skipped and listed in ``dataset.json``. Images of one galaxy and identical images are
    put into the same split. If the call is interrupted or fails, the work so far is kept in a hidden folder
    beside ``out``, and the same call resumes it.

    Args:
        sample: A CSV from :func:`data_prep.samples.extract.extract`, or any CSV with the columns ``objid``,
            ``label`` and ``path`` (relative to ``raw``). Its column ``split``, if any, is used as the split.
        raw: The folder of the image files.
        out: The folder to create.
        crop: The side of the centre crop in pixels.
        seed: The seed of the split and of the rotations.
        rotate_once: Whether to rotate each image once by a random multiple of 90 degrees, as the reference
            did on disk. This is not augmentation; use it only for parity with the reference.
        workers: The number of threads that decode images; by default one per core.
        overwrite: Whether to replace existing arrays in ``out``.
        progress: Whether to show a progress bar.

    Returns:
        The content of ``dataset.json``.

    Raises:
        GalaxyError: The sample cannot be read, no image is usable, or ``out`` exists.
    """
    if crop < 1:
        raise GalaxyError(f"the crop must be at least 1 pixel, not {crop}")
    catalog = _read_sample(sample)
    labelling = _read_labelling(sample, catalog)
    _split(catalog, catalog["objid"].to_numpy(), seed, sample)  # Reports errors before the images are read.
    turns = _draw_turns(len(catalog), seed) if rotate_once else None
    paths = catalog["path"].tolist()

    def read(row: int) -> Cutout:
        image = read_cutout(raw / paths[row], crop)
        return image if turns is None else np.rot90(image, turns[row])

    made_of = {
        "version": version("galaxy-lightning"),
        "raw": str(raw.resolve()),
        "sample": sha256(sample),
        "crop": crop,
        "turns": seed if rotate_once else None,
    }
    with new_folder(
        out, overwrite=overwrite, contents=(IMAGES, CATALOG, DATASET), progress_file=PROGRESS
    ) as folder:
        skipped, checksum = write_images(
            folder,
            read,
            len(catalog),
            (crop, crop, len(COLOURS)),
            made_of=made_of,
            workers=workers or cores(),
            progress=progress,
        )
        if len(skipped) == len(catalog):
            (folder / PROGRESS).unlink()  # There is nothing to resume.
            raise GalaxyError(
                f"none of the {len(catalog):,} images of {sample} is usable; the first is {raw / paths[0]}: "
                f"{skipped[0]}"
            )
        kept = catalog.drop(index=list(skipped))
        galaxies = group_copies(
            kept["objid"].to_numpy(),
            np.load(folder / IMAGES, mmap_mode="r"),
            None if turns is None else turns[kept.index],
        )
        labels = kept["label"].to_numpy(dtype=str)
        split = _split(kept, galaxies, seed, sample)
        kept = kept.drop(columns="split", errors="ignore")
        kept.insert(list(kept.columns).index("label") + 1, "split", split)
        if turns is not None:
            kept[QUARTER_TURNS] = turns[kept.index]
        kept.to_csv(folder / CATALOG, index=False)
        dataset = {
            "format_version": FORMAT_VERSION,
            "classes": list(labelling["class_descriptions"]),
            "class_descriptions": labelling["class_descriptions"],
            "crop": crop,
            "images": {"bands": list(COLOURS)},
            **{name: labelling[name] for name in ("label_rule", "threshold", "votes", "sample")},
            "seed": seed,
            "rotate_once": rotate_once,
            "galaxies": len(kept),
            "counts": count_by_class(split, labels, list(labelling["class_descriptions"])),
            "skipped": [
                {
                    "objid": int(catalog["objid"].iloc[row]),
                    "path": catalog["path"].iloc[row],
                    "reason": reason,
                }
                for row, reason in skipped.items()
            ],
            "sha256": {IMAGES: checksum, CATALOG: sha256(folder / CATALOG)},
            "versions": {"python": platform.python_version()}
            | {name: version(name) for name in ("galaxy-lightning", "numpy", "pandas", "pillow")},
        }
        write_json(folder / DATASET, dataset)
    return dataset


def report(dataset: dict[str, Any], descriptions: Mapping[str, str] | None = None) -> Iterator[str]:
    """Yields the lines of a summary of galaxy arrays: classes, galaxies by split and class, skipped images.

    Args:
        dataset: The content of ``dataset.json``.
        descriptions: Descriptions of the classes by name; by default those in ``dataset``.
    """
    if descriptions is None:
        descriptions = dataset.get("class_descriptions") or {}
    yield from describe_classes(dataset["classes"], descriptions)
    yield from counts_table(dataset["counts"], dataset["classes"])
    skipped = dataset["skipped"]
    if skipped:
        yield f"{len(skipped):,} images skipped as unusable (all are listed in {DATASET}); the first:"
        yield from (f"  {entry['path']}: {entry['reason']}" for entry in skipped[:5])


def _read_sample(path: Path) -> pd.DataFrame:
    """Reads a sample and checks its columns; the images are named by their files unless it names them."""
    required = {"objid": "int64", "label": "str", "path": "str"}
    optional = dict.fromkeys(("id", "asset_id", "split"), "str")
    sample = read_table(path, required, optional=optional, keep_others=True)
    if sample.empty:
        raise GalaxyError(f"{path} holds no galaxies")
    if QUARTER_TURNS in sample:
        raise GalaxyError(f"{path}: the column {QUARTER_TURNS} is made by preprocess: remove it")
    if sample["label"].isna().any():
        raise GalaxyError(
            f"{path}, line {int(np.argmax(sample['label'].isna())) + 2}: the column label is empty"
        )
    labels = sample.groupby("objid")["label"].nunique()
    if (labels > 1).any():
        raise GalaxyError(
            f"{path}: {int((labels > 1).sum()):,} galaxies have two labels (the first: objid "
            f"{labels.idxmax()}): give all images of a galaxy the same label"
        )
    if sample["path"].isna().any():
        raise GalaxyError(
            f"{path}, line {int(np.argmax(sample['path'].isna())) + 2}: the column path is empty"
        )
    if "asset_id" not in sample:
        sample["asset_id"] = [PurePath(name).stem for name in sample["path"]]
    if "split" in sample:
        sample["split"] = parse_split(sample["split"], f"{path}, column split")
    first = [name for name in ("objid", "id", "asset_id", "label") if name in sample]
    others = [name for name in sample.columns if name not in (*first, "path")]
    return sample[[*first, *others, "path"]]


def _split(
    catalog: pd.DataFrame, galaxies: npt.NDArray[np.int64], seed: int, sample: Path
) -> npt.NDArray[np.str_]:
    """Returns the split of the sample, completed if need be, or draws one if the sample has none."""
    labels = catalog["label"].to_numpy(dtype=str)
    if "split" not in catalog:
        return draw_split(galaxies, labels, seed)
    name = "id" if "id" in catalog else "objid"
    ids = [f"{name} {identifier}" for identifier in catalog[name]]
    try:
        return complete_split(catalog["split"].to_numpy(dtype=str), galaxies, labels, ids, seed)
    except GalaxyError as error:
        raise GalaxyError(f"{sample}: {error}") from None


def _read_labelling(sample: Path, catalog: pd.DataFrame) -> dict[str, Any]:
    """Reads how the galaxies of a sample were labelled, from its summary if it has one.

    Returns:
        The classes with their descriptions, the label rule, its threshold, what the votes mean, and the whole
        summary. Without a summary, the classes are the labels in alphabetical order.

    Raises:
        GalaxyError: The summary is damaged, a label is not one of its classes, or the classes are invalid.
    """
    path = summary_path(sample)
    summary = read_json(path) if path.is_file() else {}
    classes = summary.get("classes", dict.fromkeys(sorted(set(catalog["label"]))))
    descriptions = summary.get("class_descriptions", {})
    if not (isinstance(classes, dict) and isinstance(descriptions, dict)):
        raise GalaxyError(f"{path}: 'classes' or 'class_descriptions' is invalid: make the sample again")
    refuse_unknown(catalog, sample, "label", list(classes))
    try:
        check_class_names(list(classes))
    except GalaxyError as error:
        raise GalaxyError(f"{sample}: {error}") from None
    return {
        "class_descriptions": {name: str(descriptions.get(name, "")) for name in classes},
        "label_rule": summary.get("label_rule", "unknown: the sample has no summary"),
        "threshold": summary.get("threshold"),
        "votes": summary.get("votes"),
        "sample": summary,
    }


def _draw_turns(n: int, seed: int) -> npt.NDArray[np.int64]:
    """Draws ``[n]`` numbers of quarter turns, from a random stream separate from that of the split."""
    return np.random.default_rng([seed, 1]).integers(0, 4, size=n)
