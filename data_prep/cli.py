"""The command line of the data preparation: ``python -m data_prep download|simulate|extract|...``.

Each command imports what it needs only when it runs, so that ``--help`` is immediate.
"""

from collections.abc import Sequence
from typing import Literal

from jsonargparse import ArgumentParser, Namespace
from jsonargparse.typing import NonNegativeInt, PositiveInt

from data_prep.common.commands import Commands, options_without
from data_prep.common.paths import quoted, user_path
from data_prep.schema import CROP_PX, CUTOUT_PX, VOTE_THRESHOLD

PROGRAM = "python -m data_prep"


def main(args: Sequence[str] | None = None) -> None:
    """Runs one command.

    Args:
        args: The command line's words; by default those the program was started with.
    """
    _make_commands().main(args)


def _make_commands() -> Commands:
    """Makes the parsers of all commands."""
    commands = Commands(
        PROGRAM,
        "Prepare galaxy arrays, on which every model is trained, from raw Galaxy Zoo files. "
        "The usual order: download (or simulate), extract, preprocess, check.",
    )
    download = commands.add(
        "download",
        "--out RAW",
        "Download the real galaxies: images of Galaxy Zoo 2, votes of Galaxy Zoo 1. "
        "Downloads what is missing in RAW (3.4 GB in all) from Zenodo and Galaxy Zoo, verifies the checksums "
        "and unpacks the files. If interrupted, run the same command again to resume.",
        _download,
    )
    _add_out(download, "RAW", "folder to create or complete")
    download.add_argument(
        "--dry-run",
        action="store_true",
        help="list what would be downloaded, and how to do it by hand, and exit",
    )
    download.add_argument(
        "--from-kaggle",
        action="store_true",
        help='take images and mapping from the copy on Kaggle (needs the extra "kaggle")',
    )
    download.add_argument("--keep-archives", action="store_true", help="keep the archives after unpacking")

    simulate = commands.add(
        "simulate",
        "--out RAW",
        "Make a simulated survey in the raw Galaxy Zoo layout. "
        f"Writes SDSS-like JPEGs of {CUTOUT_PX} x {CUTOUT_PX} pixels of galaxies of known shape, their file "
        "mapping, and a Table 2 of simulated votes, to try everything without a download.",
        _simulate,
    )
    _add_out(simulate, "RAW", "folder to create")
    simulate.add_argument("--n", type=PositiveInt, default=1000, help="number of galaxies")
    _add_seed(simulate, "of the galaxies; the same seed gives the same files")
    _add_workers(simulate)
    _add_overwrite(simulate)

    extract = commands.add(
        "extract",
        "--raw RAW --out FILE",
        "Draw a labelled sample of galaxies at random. "
        "Joins the file mapping, the votes of Table 2 and the images, labels each galaxy from its votes, and "
        "writes a CSV with one row per galaxy.",
        _extract,
    )
    _add_raw(extract)
    _add_out(extract, "FILE", "CSV to write; a summary is written beside it, with suffix .json")
    extract.add_argument(
        "--n", type=PositiveInt | Literal["all"], default=2000, help="number of galaxies, or all"
    )
    extract.add_argument(
        "--label-rule",
        type=Literal["threshold", "flags"],
        default="threshold",
        help="threshold: spiral if P_CS_DEBIASED reaches the threshold, elliptical if P_EL_DEBIASED does, "
        "else irregular. flags: Galaxy Zoo 1's SPIRAL, ELLIPTICAL, and UNCERTAIN, which becomes irregular",
    )
    extract.add_argument(
        "--threshold", type=float, default=VOTE_THRESHOLD, help="vote fraction that decides a class"
    )
    _add_seed(extract, "of the draw")
    _add_overwrite(extract)

    preprocess = commands.add(
        "preprocess",
        "--sample FILE --raw RAW --out ARRAYS",
        "Make the galaxy arrays of a sample. "
        "Crops the centre of each image, and stores pixels, catalogue and the split into train, val and test "
        "(70/15/15, stratified by class, grouped by galaxy) in a folder that every model reads.",
        _preprocess,
    )
    preprocess.add_argument(
        "--sample", type=user_path, required=True, metavar="FILE", help="CSV made by extract"
    )
    _add_raw(preprocess)
    _add_out(preprocess, "ARRAYS", "folder to create")
    preprocess.add_argument(
        "--crop", type=PositiveInt, default=CROP_PX, help="side of the centre crop in pixels"
    )
    _add_seed(preprocess, "of the split")
    preprocess.add_argument(
        "--rotate-once",
        action="store_true",
        help="turn each image once, as the course project did on disk; only for comparison with it, as "
        "training turns images every time",
    )
    _add_workers(preprocess)
    _add_overwrite(preprocess)

    check = commands.add(
        "check",
        "ARRAYS",
        "Verify galaxy arrays: hashes, shapes, classes, and that no galaxy and no image is in two splits. "
        "Near-copies in different splits (turned, mirrored, re-encoded images) are reported.",
        _check,
    )
    check.add_argument("arrays", type=user_path, metavar="ARRAYS", help="folder made by preprocess")
    return commands


def _add_raw(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--raw",
        type=user_path,
        required=True,
        metavar="RAW",
        help="folder in the raw Galaxy Zoo layout (see simulate)",
    )


def _add_out(parser: ArgumentParser, metavar: str, what: str) -> None:
    parser.add_argument("--out", type=user_path, required=True, metavar=metavar, help=what)


def _add_seed(parser: ArgumentParser, what: str) -> None:
    parser.add_argument("--seed", type=NonNegativeInt, default=0, help=f"seed {what}")


def _add_workers(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--workers",
        type=PositiveInt | None,
        default=None,
        help="number of parallel workers; by default one per core",
    )


def _add_overwrite(parser: ArgumentParser) -> None:
    parser.add_argument("--overwrite", action="store_true", help="replace an existing result")


def _download(options: Namespace) -> None:
    from data_prep.sources.download import download, plan

    if options.dry_run:
        print("\n".join(plan(options.out)))
        return
    got = download(options.out, **options_without(options, "out", "dry_run"))
    print(f"{', '.join(got)} downloaded to {options.out}" if got else f"{options.out} has all parts already")
    print(f"next: {PROGRAM} extract --raw {quoted(options.out)} --out SAMPLE.csv")


def _simulate(options: Namespace) -> None:
    from data_prep.simulate import simulate_survey

    simulate_survey(options.out, **options_without(options, "out"))
    print(f"{options.n:,} simulated galaxies in {options.out}")
    print(f"next: {PROGRAM} extract --raw {quoted(options.out)} --out SAMPLE.csv --n all")


def _extract(options: Namespace) -> None:
    from data_prep.samples.extract import extract, summary_path

    summary = extract(options.raw, options.out, **options_without(options, "raw", "out"))
    counts = ", ".join(f"{count:,} {name}" for name, count in summary["classes"].items())
    print(f"{summary['galaxies']:,} of {summary['eligible']:,} eligible galaxies: {counts}")
    print("excluded: " + (", ".join(f"{n:,} {why}" for why, n in summary["excluded"].items() if n) or "none"))
    for note in summary["notes"]:
        print(f"note: {note}")
    print(f"Saved to {options.out}, with a summary in {summary_path(options.out)}")
    print(
        f"next: {PROGRAM} preprocess --sample {quoted(options.out)} --raw {quoted(options.raw)} --out ARRAYS"
    )


def _preprocess(options: Namespace) -> None:
    from data_prep.arrays.preprocess import preprocess, report

    dataset = preprocess(
        options.sample, options.raw, options.out, **options_without(options, "sample", "raw", "out")
    )
    print(
        f"{dataset['galaxies']:,} galaxies of {dataset['crop']} x {dataset['crop']} pixels in {options.out}"
    )
    print("\n".join(report(dataset)))
    print(
        "next: python -m galaxy_lightning fit --config galaxy_cnn "
        f"--data.arrays {quoted(options.out)}"
        + ("" if dataset["crop"] == CROP_PX else f" --model.image_size {dataset['crop']}")
    )


def _check(options: Namespace) -> None:
    from data_prep.arrays.check import MAX_NAMED_PAIRS, check, find_near_copies_between_splits, name_pair
    from data_prep.arrays.preprocess import report
    from data_prep.splits.copies import MAX_PAIRS

    arrays = check(options.arrays)
    print(
        f"{options.arrays}: {len(arrays.catalog):,} galaxies, complete and consistent, no galaxy in two "
        "splits"
    )
    print("\n".join(report(arrays.dataset)))
    pairs = find_near_copies_between_splits(arrays)
    if len(pairs):
        count = f"{'at least ' if len(pairs) == MAX_PAIRS else ''}{len(pairs):,}"
        print(
            f"warning: {count} {'pairs' if len(pairs) > 1 else 'pair'} of near-copies in different "
            f"splits, the first: {name_pair(arrays, pairs[0])}. Look at them: images of one galaxy need one "
            "objid in the sample, then make the arrays again"
        )
        for pair in pairs[1:MAX_NAMED_PAIRS]:
            print(f"  {name_pair(arrays, pair)}")
