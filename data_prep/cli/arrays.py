"""The commands for galaxy arrays: preprocess and check."""

from typing import Literal

from jsonargparse.typing import NonNegativeInt, PositiveFloat, PositiveInt

from data_prep.common.errors import GalaxyError
from data_prep.common.options import ArraysFolder, Bands, FilePath, ImagesFolder, Parameters, RawFolder
from data_prep.common.paths import quoted
from data_prep.common.requeueing import allow_requeue
from data_prep.schema import COLOURS


def preprocess(
    *,
    sample: FilePath,
    raw: RawFolder | None = None,
    images: ImagesFolder | None = None,
    out: ArraysFolder,
    crop: PositiveInt | None = None,
    size: PositiveInt | None = None,
    bands: Bands = (),
    stretch: Literal["lupton", "asinh", "linear"] | None = None,
    stretch_parameters: Parameters = (),
    pixel_scale: PositiveFloat | None = None,
    target_scale: PositiveFloat | None = None,
    seed: NonNegativeInt = 0,
    rotate_once: bool = False,
    workers: PositiveInt | None = None,
    overwrite: bool = False,
) -> None:
    """Make the galaxy arrays of a sample.

    Crops the centre of each image, and stores pixels, catalogue and the split into train, val and test
    (70/15/15, stratified by class, grouped by galaxy) in a folder that every model reads.

    Args:
        sample: CSV made by label or extract
        raw: for a sample of extract: folder in the raw Galaxy Zoo layout (see simulate)
        images: for a sample of label: folder of the images
        out: folder to create
        crop: side of the centre crop in pixels (default: that of --size, or 224)
        size: side in pixels to which the images are scaled before the crop
        bands: names of all bands of FITS images in their order, such as g r z
        stretch: how FITS values become 8-bit pixels: lupton (Lupton et al. 2004; the default for three
            bands), asinh (the default otherwise) or linear; predict uses the same stretch
        stretch_parameters: parameters of the stretch (minimum, maximum, stretch, Q, a), such as Q=8; the
            others are found from the images
        pixel_scale: arcsec per pixel of the files, if they have no celestial coordinates (WCS)
        target_scale: arcsec per pixel to resample the images to
        seed: random seed of the split
        rotate_once: rotate each image once, as the course project did on disk; only for comparison with it,
            since training rotates images anew in every epoch
        workers: number of parallel workers; by default one per core
        overwrite: replace an existing result
    """
    from data_prep.arrays import preprocess as arrays
    from data_prep.arrays.image_choice import ImageOptions, parse_parameters

    allow_requeue()
    folder = raw or images
    if folder is None or (raw and images):
        raise GalaxyError("name the folder of the images with --images, or the raw survey with --raw")
    options = ImageOptions(
        crop, size, bands, stretch, parse_parameters(stretch_parameters), pixel_scale, target_scale
    )
    dataset = arrays.preprocess(
        sample,
        folder,
        out,
        options=options,
        seed=seed,
        rotate_once=rotate_once,
        workers=workers,
        overwrite=overwrite,
    )
    side, names = dataset["crop"], dataset["images"]["bands"]
    number = f"{len(names)} band{'s' if len(names) > 1 else ''}"
    in_bands = "" if tuple(names) == COLOURS else f" in {number} ({', '.join(names)})"
    print(f"{dataset['galaxies']:,} galaxies of {side} x {side} pixels{in_bands} in {out}")
    print("\n".join(arrays.report(dataset)))
    print(f"next: python -m galaxy_lightning fit --config galaxy_cnn --data.arrays {quoted(out)}")


def check(arrays: ArraysFolder) -> None:
    """Verify galaxy arrays: hashes, shapes, classes, and that no galaxy and no image is in two splits.

    Warns of near-copies in different splits (images that were rotated, mirrored, brightened or re-encoded).

    Args:
        arrays: folder made by preprocess
    """
    from data_prep.arrays import check as checks
    from data_prep.arrays.preprocess import report

    checked = checks.check(arrays)
    count = f"{len(checked.catalog):,}"
    print(f"{arrays}: {count} galaxies, complete and consistent, no galaxy in two splits")
    print("\n".join(report(checked.dataset, checked.class_descriptions)))
    for line in checks.describe_near_copies(checked):
        print(line)
