"""The commands for Galaxy Zoo's galaxies, real or simulated: download, simulate and extract."""

from typing import Literal

from jsonargparse.typing import NonNegativeInt, PositiveInt

from data_prep.common.options import FilePath, RawFolder
from data_prep.common.paths import quoted
from data_prep.common.requeueing import allow_requeue
from data_prep.schema import VOTE_THRESHOLD


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
    allow_requeue()
    downloaded = source.download(out, from_kaggle=from_kaggle, keep_archives=keep_archives)
    print(f"Saved {', '.join(downloaded)} to {out}" if downloaded else f"{out} is already complete")
    print(f"next: python -m data_prep extract --raw {quoted(out)} --out SAMPLE.csv")


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
    print(f"next: python -m data_prep extract --raw {quoted(out)} --out SAMPLE.csv --n all")


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
    print(f"next: python -m data_prep preprocess --sample {quoted(out)} --raw {quoted(raw)} --out ARRAYS")
