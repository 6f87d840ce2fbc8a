"""The command line of the data preparation: ``python -m data_prep download|simulate|extract|...``."""

from collections.abc import Sequence
from typing import Annotated, Final, Literal

from jsonargparse.typing import NonNegativeInt, PositiveFloat, PositiveInt

from data_prep.common.commands import Commands
from data_prep.common.errors import GalaxyError
from data_prep.common.options import ArraysFolder, FilePath, ImagesFolder, RawFolder
from data_prep.common.paths import quoted
from data_prep.schema import COLOURS, VOTE_THRESHOLD

PROGRAM: Final = "python -m data_prep"

Bands = Annotated[Sequence[str], str, "BAND", "*"]
Parameters = Annotated[Sequence[str], str, "NAME=VALUE", "*"]
Columns = Annotated[Sequence[str], str, "COLUMN", "*"]


def download(
    *, out: RawFolder, dry_run: bool = False, from_kaggle: bool = False, keep_archives: bool = False
) -> None:
    """Download the real galaxies: images of Galaxy Zoo 2, votes of Galaxy Zoo 1.

    Downloads what is missing in RAW (3.4 GB in all) from Zenodo and Galaxy Zoo, verifies the checksums
    and unpacks the files. If interrupted, run the same command again to resume.

    Args:
        out: folder to create or complete
        dry_run: list the files to download and how to place them by hand, then exit
        from_kaggle: take images and mapping from the copy on Kaggle (needs the extra "kaggle")
        keep_archives: keep the archives after unpacking
    """
    from data_prep.sources import download as source

    if dry_run:
        print("\n".join(source.describe_download(out)))
        return
    downloaded = source.download(out, from_kaggle=from_kaggle, keep_archives=keep_archives)
    print(f"Saved {', '.join(downloaded)} to {out}" if downloaded else f"{out} is already complete")
    print(f"next: {PROGRAM} extract --raw {quoted(out)} --out SAMPLE.csv")


def simulate(
    *,
    out: RawFolder,
    n: PositiveInt = 1000,
    seed: NonNegativeInt = 0,
    workers: PositiveInt | None = None,
    overwrite: bool = False,
) -> None:
    """Make a simulated survey in the raw Galaxy Zoo layout.

    Writes SDSS-like JPEGs of 424 x 424 pixels of galaxies of known shape, their file mapping, and a Table 2
    of simulated votes, so that all commands can be tried without a download.

    Args:
        out: folder to create
        n: number of galaxies
        seed: random seed; the same seed gives the same files
        workers: number of parallel workers; by default one per core
        overwrite: replace an existing result
    """
    from data_prep.simulate import simulate_survey

    simulate_survey(out, n, seed, workers=workers, overwrite=overwrite)
    print(f"{n:,} simulated galaxies in {out}")
    print(f"next: {PROGRAM} extract --raw {quoted(out)} --out SAMPLE.csv --n all")


def extract(
    *,
    raw: RawFolder,
    out: FilePath,
    n: PositiveInt | Literal["all"] = 2000,
    label_rule: Literal["threshold", "flags"] = "threshold",
    threshold: float = VOTE_THRESHOLD,
    seed: NonNegativeInt = 0,
    overwrite: bool = False,
) -> None:
    """Draw a labelled sample of galaxies at random.

    Joins the file mapping, the votes of Table 2 and the images, labels each galaxy from its votes, and
    writes a CSV with one row per galaxy.

    Args:
        raw: folder in the raw Galaxy Zoo layout (see simulate)
        out: CSV to write; a summary is written beside it, with suffix .json
        n: number of galaxies, or all
        label_rule: threshold: spiral if P_CS_DEBIASED reaches the threshold, elliptical if P_EL_DEBIASED
            does, else irregular. flags: Galaxy Zoo 1's SPIRAL, ELLIPTICAL, and UNCERTAIN, which becomes
            irregular
        threshold: vote fraction required for a class
        seed: random seed of the sample
        overwrite: replace an existing result
    """
    from data_prep.samples import extract as samples
    from data_prep.samples.labelled_sample import report
    from data_prep.samples.sample_file import summary_path

    summary = samples.extract(
        raw, out, n=n, label_rule=label_rule, threshold=threshold, seed=seed, overwrite=overwrite
    )
    print("\n".join(report(summary)))
    print(f"Saved to {out}, with a summary in {summary_path(out)}")
    print(f"next: {PROGRAM} preprocess --sample {quoted(out)} --raw {quoted(raw)} --out ARRAYS")


def label(
    *,
    out: FilePath,
    table: FilePath | None = None,
    images: ImagesFolder | None = None,
    folders: ImagesFolder | None = None,
    rules: str | None = None,
    threshold: float | None = None,
    id_column: str | None = None,
    label_column: str | None = None,
    path_column: str | None = None,
    ra_column: str | None = None,
    dec_column: str | None = None,
    split_column: str | None = None,
    mapping: FilePath | None = None,
    bands: Bands = (),
    pattern: str | None = None,
    keep: Columns = (),
    n: PositiveInt | Literal["all"] = "all",
    seed: NonNegativeInt = 0,
    overwrite: bool = False,
) -> None:
    """Label your own galaxies: any table, any classes, any images.

    Reads the labels from a column of a table, from votes by rules, or from the folders of the images; finds
    the images; and writes a CSV with one row per image. See docs/own_galaxies.md. For example:

    python -m data_prep label --table catalogue.fits --images FOLDER --out S.csv

    python -m data_prep label --folders FOLDER --out SAMPLE.csv

    Args:
        out: CSV to write; beside it, a summary with suffix .json, and a list of what was left out,
            NAME_excluded.csv
        table: CSV, FITS, VOTable, ECSV or Parquet, also gzipped
        images: folder of the images, named by id (123.jpg, 123.fits) or in the path column
        folders: folder with a subfolder of images for each class, instead of a table
        rules: how votes become labels: a YAML file, or a preset for Galaxy Zoo 1's Table 2 (gz1_threshold,
            gz1_flags), Galaxy Zoo 2's gz2_hart16.csv (gz2_three, gz2_four, gz2_seven, gz2_smooth_featured),
            Galaxy Zoo DECaLS (decals_three, decals_four) or Kaggle's challenge (kaggle_three, kaggle_four)
        threshold: vote fraction required for a class, for rules that have one
        id_column: column of the galaxies' ids, integers or any text; guessed by default, like all columns
        label_column: column of the classes
        path_column: column of the image files; by default, images are found by id
        ra_column: column of the right ascension, in degrees or sexagesimal
        dec_column: column of the declination, in degrees or sexagesimal
        split_column: column of your own split (train, val, test); by default, preprocess draws a split
        mapping: table that maps ids to image names, such as gz2_filename_mapping.csv
        bands: names of the bands, such as g r z
        pattern: for images with one file per band, the names of the files, such as {id}_{band}.fits
        keep: further columns to keep
        n: number of galaxies to draw at random, or all
        seed: random seed of the draw
        overwrite: replace an existing result
    """
    from data_prep.samples.class_folders import label_folders, refuse_options_of_tables
    from data_prep.samples.label import label as label_rows
    from data_prep.samples.labelled_sample import report
    from data_prep.samples.sample_file import excluded_path, summary_path
    from data_prep.samples.table_columns import NamedColumns

    columns = NamedColumns(id_column, label_column, path_column, ra_column, dec_column, split_column)
    if folders is not None:
        of_table = {"table": table, "images": images, "rules": rules, "threshold": threshold}
        of_columns = {f"{role}-column": name for role, name in vars(columns).items()}
        refuse_options_of_tables(of_table | of_columns | {"mapping": mapping, "keep": keep or None})
        summary = label_folders(
            folders, out, pattern=pattern, bands=bands, n=n, seed=seed, overwrite=overwrite
        )
    elif table is None or images is None:
        raise GalaxyError("name a table and the folder of its images (--table, --images), or --folders")
    else:
        summary = label_rows(
            table,
            images,
            out,
            rules=rules,
            parameters={} if threshold is None else {"threshold": threshold},
            columns=columns,
            mapping=mapping,
            pattern=pattern,
            bands=bands,
            keep=keep,
            n=n,
            seed=seed,
            overwrite=overwrite,
        )
    print("\n".join(report(summary)))
    listed = f", what was left out in {excluded_path(out)}" if excluded_path(out).exists() else ""
    print(f"Saved to {out}, with a summary in {summary_path(out)}{listed}")
    folder = quoted(folders or images or out.parent)
    print(f"next: {PROGRAM} preprocess --sample {quoted(out)} --images {folder} --out ARRAYS")


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


COMMANDS: Final = Commands(
    PROGRAM,
    "Prepare galaxy arrays, the input of every model, from Galaxy Zoo's files or your own. "
    "Usual order: download (or simulate), extract, preprocess, check. For your own galaxies: label, "
    "preprocess, check.",
    {command.__name__: command for command in (download, simulate, extract, label, preprocess, check)},
)
main = COMMANDS.main
