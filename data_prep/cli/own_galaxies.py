"""The commands for your own galaxies: cutouts and label."""

from typing import Literal

from jsonargparse.typing import NonNegativeInt, PositiveFloat, PositiveInt

from data_prep.common.errors import GalaxyError
from data_prep.common.options import Bands, Columns, FilePath, ImagesFolder, Scale, Template
from data_prep.common.paths import quoted
from data_prep.common.requeueing import allow_requeue


def cutouts(
    *,
    table: FilePath,
    out: ImagesFolder,
    pixel_scale: Scale,
    size: PositiveInt,
    survey: Literal["sdss", "legacy"] | None = None,
    url: Template | None = None,
    format: Literal["jpg", "fits"] | None = None,
    layer: str | None = None,
    bands: Bands = (),
    id_column: str | None = None,
    ra_column: str | None = None,
    dec_column: str | None = None,
    ra_hours: bool = False,
    connections: PositiveInt = 4,
    rate: PositiveFloat = 5.0,
    retry_failed: bool = False,
) -> None:
    """Download cutouts of your galaxies from a survey.

    Requests a cutout centred on each position of a table from the image service of SDSS or of the Legacy
    Surveys, or from any other by a URL. If interrupted, run the same command again to resume. See
    docs/cutouts.md. For example:

    python -m data_prep cutouts --table catalogue.csv --survey sdss --pixel-scale '0.02*petroR90_r' --size 424
    --out FOLDER

    Args:
        table: CSV, FITS, VOTable, ECSV or Parquet, also gzipped
        out: folder to create or complete
        pixel_scale: arcsec per pixel: a number, a column of the table, or a number times a column. The model
            galaxy_zoo1 expects '0.02*petroR90_r', as in Galaxy Zoo 2: each galaxy fills its image alike
        size: side of the cutouts in pixels; 424 for those of Galaxy Zoo 2
        survey: sdss (Sloan Digital Sky Survey) or legacy (DESI Legacy Imaging Surveys)
        url: URL of another service, with the fields {ra} {dec} {scale} {size} {id}
        format: jpg (colour images; the default), or fits for the fluxes of legacy
        layer: layer of legacy (default: ls-dr9)
        bands: bands of legacy's FITS cutouts (default: grz)
        id_column: column of the galaxies' ids, which name the files; guessed by default, like all columns.
            Without one, files are named by position
        ra_column: column of the right ascension, in degrees or sexagesimal
        dec_column: column of the declination, in degrees or sexagesimal
        ra_hours: decimal right ascensions are in hours
        connections: maximum number of connections to the service at a time, 1 to 64
        rate: maximum number of requests per second, 0.001 to 1000
        retry_failed: request again the cutouts that were listed as not available
    """
    from data_prep.cutouts.columns import PositionColumns
    from data_prep.cutouts.fetch_cutouts import fetch_cutouts
    from data_prep.cutouts.services import choose_service
    from data_prep.cutouts.summary import report

    allow_requeue()
    service = choose_service(survey, url, size, format=format, layer=layer, bands=bands)
    counts = fetch_cutouts(
        table,
        out,
        service,
        pixel_scale,
        columns=PositionColumns(id_column, ra_column, dec_column),
        ra_hours=ra_hours,
        connections=connections,
        rate=rate,
        retry_failed=retry_failed,
    )
    print("\n".join(report(out, counts)))
    if counts["fits"]:  # The shipped model reads colour images.
        print(
            f"next: python -m data_prep label --table TABLE --images {quoted(out)} --out SAMPLE.csv, then "
            "python -m data_prep preprocess"
        )
    else:
        print(f"next: python -m galaxy_lightning predict --data.images {quoted(out)} --out galaxies.csv")


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
    print(f"next: python -m data_prep preprocess --sample {quoted(out)} --images {folder} --out ARRAYS")
