"""Makes galaxy arrays from a sample and its image files, on all cores and in bounded memory."""

import platform
from collections.abc import Iterator, Mapping
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from data_prep.arrays.counts_table import counts_table
from data_prep.arrays.dataset_checks import FORMAT_VERSION
from data_prep.arrays.format import CATALOG, DATASET, IMAGES, QUARTER_TURNS
from data_prep.arrays.image_choice import ImageOptions, choose_settings, locate_images, measure_scale
from data_prep.arrays.image_writer import PROGRESS, write_images
from data_prep.arrays.sample_reader import make_split, read_labelling, read_sample
from data_prep.common.errors import GalaxyError
from data_prep.common.files import new_folder, refuse_existing, sha256
from data_prep.common.json_files import write_json
from data_prep.common.threads import cores
from data_prep.images.cutouts import Cutout
from data_prep.images.image_reader import LoadedImage, load_image
from data_prep.images.stretch import Stretch
from data_prep.samples.class_names import describe_classes
from data_prep.splits.copies import group_copies
from data_prep.splits.draw import count_by_class

_FILES: Final = (IMAGES, CATALOG, DATASET)


def preprocess(
    sample: Path,
    raw: Path,
    out: Path,
    *,
    crop: int | None = None,
    options: ImageOptions | None = None,
    seed: int = 0,
    rotate_once: bool = False,
    workers: int | None = None,
    overwrite: bool = False,
    progress: bool = True,
) -> dict[str, Any]:
    """Makes the galaxy arrays of a sample: pixels, catalogue and split.

    Unusable images are skipped and listed in ``dataset.json``. Images of one galaxy and identical images are
    put into the same split. If the call is interrupted or fails, the work so far is kept in a hidden folder
    beside ``out``, and the same call resumes it.

    Args:
        sample: A CSV from :func:`data_prep.samples.label.label` or :func:`data_prep.samples.extract.extract`,
            or any CSV with the columns ``objid``, ``label`` and ``path`` (relative to ``raw``). Its column
            ``split``, if any, is used as the split.
        raw: The folder of the image files.
        out: The folder to create.
        crop: The side of the centre crop in pixels, if not in ``options``.
        options: How image files become pixels.
        seed: The seed of the split and of the rotations.
        rotate_once: Whether to rotate each image once by a random multiple of 90 degrees, as the reference
            did on disk. This is not augmentation; use it only for parity with the reference.
        workers: The number of threads that decode images; by default one per core.
        overwrite: Whether to replace existing arrays in ``out``.
        progress: Whether to show a progress bar.

    Returns:
        The content of ``dataset.json``.

    Raises:
        GalaxyError: The sample cannot be read, a setting is invalid, no image is usable, or ``out`` exists.
    """
    catalog = read_sample(sample)
    labelling = read_labelling(sample, catalog)
    make_split(catalog, catalog["objid"].to_numpy(), seed, sample)  # Reports errors before images are read.
    refuse_existing(out, overwrite=overwrite, contents=_FILES)
    if not raw.is_dir():
        raise GalaxyError(f"there is no folder {raw}: name the folder in which the paths of {sample} begin")
    turns = _draw_turns(len(catalog), seed) if rotate_once else None
    options = options or ImageOptions()
    if crop is not None:
        options = replace(options, crop=crop)
    summary = labelling["sample"]
    bands = summary.get("bands", ())
    images = locate_images(raw, catalog["path"].tolist(), bands, options.bands)
    if not options.bands:
        options = replace(options, bands=bands)
    settings = choose_settings(images, options, summary.get("pattern"))

    def read(row: int) -> LoadedImage:
        image = load_image(images[row], settings)
        return image if turns is None else replace(image, pixels=np.rot90(image.pixels, turns[row]))

    made_of = {
        "version": version("galaxy-lightning"),
        "raw": str(raw.resolve()),
        "sample": sha256(sample),
        "images": settings.to_json(),
        "turns": seed if rotate_once else None,
    }
    with new_folder(out, overwrite=overwrite, contents=_FILES, progress_file=PROGRESS) as folder:
        written = write_images(
            folder,
            read,
            len(catalog),
            (settings.crop, settings.crop, len(settings.bands)),
            made_of=made_of,
            workers=workers or cores(),
            progress=progress,
        )
        if len(written.skipped) == len(catalog):
            (folder / PROGRESS).unlink()  # There is nothing to resume.
            raise GalaxyError(
                f"none of the {len(catalog):,} images of {sample} is usable (the first: {images[0][0]}: "
                f"{written.skipped[0]}): check the folder of the images and the options"
            )
        pixels = np.load(folder / IMAGES, mmap_mode="r")
        kept = _add_split(catalog.drop(index=list(written.skipped)), pixels, turns, seed, sample)
        kept.to_csv(folder / CATALOG, index=False)
        splits, labels = (kept[name].to_numpy(dtype=str) for name in ("split", "label"))
        scale, notes = measure_scale([images[row] for row in kept.index], settings)
        classes = list(labelling["class_descriptions"])
        dataset = {
            "format_version": FORMAT_VERSION,
            "classes": classes,
            "class_descriptions": labelling["class_descriptions"],
            "crop": settings.crop,
            "images": settings.to_json(),
            "pixel_scale": scale,
            "notes": notes,
            **{name: value for name, value in labelling.items() if name != "class_descriptions"},
            "seed": seed,
            "rotate_once": rotate_once,
            "galaxies": len(kept),
            "counts": count_by_class(splits, labels, classes),
            "skipped": [
                {
                    "objid": int(catalog["objid"].iloc[row]),
                    "path": catalog["path"].iloc[row],
                    "reason": reason,
                }
                for row, reason in written.skipped.items()
            ],
            "with_blank_pixels": written.blank,
            "sha256": {IMAGES: written.sha256, CATALOG: sha256(folder / CATALOG)},
            "versions": {"python": platform.python_version()}
            | {name: version(name) for name in ("galaxy-lightning", "numpy", "pandas", "pillow")},
        }
        write_json(folder / DATASET, dataset)
    return dataset


def _add_split(
    catalog: pd.DataFrame,
    pixels: Cutout,
    turns: npt.NDArray[np.int64] | None,
    seed: int,
    sample: Path,
) -> pd.DataFrame:
    """Returns the catalogue of the usable images with their split and quarter turns.

    Args:
        catalog: The rows of the sample whose images are usable; its index counts all rows.
        pixels: ``[N, crop, crop, C]``, their pixels.
        turns: The quarter turns of all images of the sample, if they are rotated.
        seed: The seed of the split.
        sample: The sample, for messages.
    """
    own_turns = None if turns is None else turns[catalog.index]
    galaxies = group_copies(catalog["objid"].to_numpy(), pixels, own_turns)
    split = make_split(catalog, galaxies, seed, sample)
    catalog = catalog.drop(columns="split", errors="ignore")
    catalog.insert(list(catalog.columns).index("label") + 1, "split", split)
    return catalog if own_turns is None else catalog.assign(**{QUARTER_TURNS: own_turns})


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
    for name, counts in dataset["counts"].items():
        if not sum(counts.values()):
            yield f"note: no {name} galaxies: the sample is too small"
    images = dataset.get("images")
    if images and images.get("stretch"):
        yield f"stretch of the pixel values: {Stretch.from_json(images['stretch']).describe()}"
    yield from (f"note: {note}" for note in dataset.get("notes", ()))
    skipped = dataset["skipped"]
    if skipped:
        yield f"{len(skipped):,} images skipped as unusable (all are listed in {DATASET}); the first:"
        yield from (f"  {entry['path']}: {entry['reason']}" for entry in skipped[:5])


def _draw_turns(n: int, seed: int) -> npt.NDArray[np.int64]:
    """Draws ``[n]`` numbers of quarter turns, from a random stream separate from that of the split."""
    return np.random.default_rng([seed, 1]).integers(0, 4, size=n)
