"""The command line of the data preparation: ``python -m data_prep download|simulate|extract|...``."""

from typing import Final, Literal

from jsonargparse.typing import NonNegativeInt, PositiveInt

from data_prep.common.commands import Commands
from data_prep.common.options import ArraysFolder, FilePath, RawFolder
from data_prep.common.paths import quoted
from data_prep.schema import CROP_PX, VOTE_THRESHOLD

PROGRAM: Final = "python -m data_prep"


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

    summary = samples.extract(
        raw, out, n=n, label_rule=label_rule, threshold=threshold, seed=seed, overwrite=overwrite
    )
    counts = ", ".join(f"{count:,} {name}" for name, count in summary["classes"].items())
    print(f"{summary['galaxies']:,} of {summary['eligible']:,} eligible galaxies: {counts}")
    excluded = [f"{count:,} {why}" for why, count in summary["excluded"].items() if count]
    print(f"excluded: {', '.join(excluded) or 'none'}")
    for note in summary["notes"]:
        print(f"note: {note}")
    print(f"Saved to {out}, with a summary in {samples.summary_path(out)}")
    print(f"next: {PROGRAM} preprocess --sample {quoted(out)} --raw {quoted(raw)} --out ARRAYS")


def preprocess(
    *,
    sample: FilePath,
    raw: RawFolder,
    out: ArraysFolder,
    crop: PositiveInt = CROP_PX,
    seed: NonNegativeInt = 0,
    rotate_once: bool = False,
    workers: PositiveInt | None = None,
    overwrite: bool = False,
) -> None:
    """Make the galaxy arrays of a sample.

    Crops the centre of each image, and stores pixels, catalogue and the split into train, val and test
    (70/15/15, stratified by class, grouped by galaxy) in a folder that every model reads.

    Args:
        sample: CSV made by extract
        raw: folder in the raw Galaxy Zoo layout (see simulate)
        out: folder to create
        crop: side of the centre crop in pixels
        seed: random seed of the split
        rotate_once: rotate each image once, as the course project did on disk; only for comparison with it,
            since training rotates images anew in every epoch
        workers: number of parallel workers; by default one per core
        overwrite: replace an existing result
    """
    from data_prep.arrays import preprocess as arrays

    dataset = arrays.preprocess(
        sample, raw, out, crop=crop, seed=seed, rotate_once=rotate_once, workers=workers, overwrite=overwrite
    )
    print(f"{dataset['galaxies']:,} galaxies of {crop} x {crop} pixels in {out}")
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
    from data_prep.splits.copies import MAX_PAIRS

    checked = checks.check(arrays)
    count = f"{len(checked.catalog):,}"
    print(f"{arrays}: {count} galaxies, complete and consistent, no galaxy in two splits")
    print("\n".join(report(checked.dataset)))
    pairs = checks.find_near_copies_between_splits(checked)
    if len(pairs):
        count = f"{'at least ' if len(pairs) == MAX_PAIRS else ''}{len(pairs):,}"
        print(
            f"warning: {count} {'pairs' if len(pairs) > 1 else 'pair'} of near-copies in different "
            f"splits; the first: {checks.name_pair(checked, pairs[0])}. Look at them: images of the same "
            "galaxy need the same objid in the sample; correct it, and run preprocess again"
        )
        for pair in pairs[1 : checks.MAX_NAMED_PAIRS]:
            print(f"  {checks.name_pair(checked, pair)}")


COMMANDS: Final = Commands(
    PROGRAM,
    "Prepare galaxy arrays, the input of every model, from raw Galaxy Zoo files. "
    "Usual order: download (or simulate), extract, preprocess, check.",
    {command.__name__: command for command in (download, simulate, extract, preprocess, check)},
)
main = COMMANDS.main
