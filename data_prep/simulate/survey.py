"""Writes a simulated survey as a folder in the raw Galaxy Zoo layout."""

import collections
import dataclasses
import math
import multiprocessing
import platform
import signal
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data_prep.common.errors import GalaxyError
from data_prep.common.files import new_file, new_folder
from data_prep.common.json_files import write_json
from data_prep.common.progress import progress_bar
from data_prep.common.threads import cores
from data_prep.schema import IMAGES_FOLDER, MAPPING_COLUMNS, MAPPING_FILE, TABLE2_COLUMNS, TABLE2_FILE
from data_prep.simulate.galaxies import SHAPE_SHARES, Galaxy
from data_prep.simulate.identity import LARGEST_SEED, draw_numbered_galaxy, object_ids
from data_prep.simulate.sky import cutout
from data_prep.simulate.votes import draw_votes

SIMULATION_FILE: Final = "simulation.json"
TRUTH_FILE: Final = "truth.csv"
SURVEY: Final = (Path(IMAGES_FOLDER).parts[0], MAPPING_FILE, TABLE2_FILE, TRUTH_FILE, SIMULATION_FILE)
"""What the folder of a simulated survey holds."""

UNPICTURED_SHARE: Final = 0.04
"""Rows of Table 2 without a picture, over those with one: Table 2 holds more galaxies than Galaxy Zoo 2."""

DECLINATIONS: Final = (-11.0, 70.0)
"""Limits of SDSS's declinations [degrees]."""

FEWEST_FOR_POOL: Final = 16
"""Starting processes takes longer than drawing fewer galaxies than this."""


def simulate_survey(
    out: Path,
    n: int,
    seed: int = 0,
    *,
    workers: int | None = None,
    overwrite: bool = False,
    progress: bool = True,
) -> None:
    """Writes a simulated survey: pictures, the mapping, Table 2, and the truth behind them.

    The same ``n`` and ``seed`` give the same bytes, whatever ``workers`` is. Galaxy number i, its object id,
    votes and position depend on nothing but ``seed`` and i.

    Args:
        out: Folder to write; it appears whole or not at all.
        n: Number of galaxies with a picture.
        seed: Seed of everything random. Negative seeds are reserved for pre-training: no survey of the
            command line has the same galaxies.
        workers: Processes that draw pictures; all processors when None.
        overwrite: Replace an older simulated survey in ``out``.
        progress: Show a progress bar on standard error.

    Raises:
        GalaxyError: A number is out of range, or the folder cannot be written or must not be replaced.
    """
    _check(n, seed, workers)
    with new_folder(out, overwrite=overwrite, contents=SURVEY) as folder:
        images = folder / IMAGES_FOLDER
        images.mkdir(parents=True)
        truth = list(_pictures(images, n, seed, workers or cores(), progress))
        _write_tables(folder, truth, seed)
        shapes = collections.Counter(galaxy.shape for galaxy in truth)
        write_json(
            folder / SIMULATION_FILE,
            {
                "n": n,
                "seed": seed,
                "shapes": {shape: shapes[shape] for shape in SHAPE_SHARES},
                "versions": {"python": platform.python_version()}
                | {name: version(name) for name in ("astropy", "numpy", "pandas", "pillow", "scipy")},
            },
        )


def add_truth(sample: Path, raw: Path) -> None:
    """Adds what the galaxies of a simulated survey truly are to a sample of them, so that it can be learnt.

    Args:
        sample: A CSV made by :func:`data_prep.samples.extract.extract`; it is replaced.
        raw: The survey.
    """
    truth = pd.read_csv(raw / TRUTH_FILE).drop(columns="asset_id")
    joined = pd.read_csv(sample, dtype={"asset_id": "str"}).merge(truth, on="objid", how="left")
    with new_file(sample) as partial:
        joined.to_csv(partial, index=False)


def _check(n: int, seed: int, workers: int | None) -> None:
    if n < 1:
        raise GalaxyError(f"n is {n}: ask for at least 1 galaxy")
    if abs(seed) > LARGEST_SEED:
        raise GalaxyError(f"seed is {seed}: give a seed from 0 to {LARGEST_SEED}")
    if workers is not None and workers < 1:
        raise GalaxyError(f"workers is {workers}: give at least 1, or leave it out to use all processors")


def _draw_picture(images: Path, seed: int, index: int) -> Galaxy:
    """Writes the picture of galaxy number ``index``, whose asset id is one more."""
    galaxy, generators = draw_numbered_galaxy(seed, index)
    (images / f"{index + 1}.jpg").write_bytes(cutout(galaxy, generators.picture))
    return galaxy


def _pictures(images: Path, n: int, seed: int, workers: int, progress: bool) -> Iterator[Galaxy]:
    """Draws all pictures and gives their galaxies in order."""
    draw = partial(_draw_picture, images, seed)
    if workers == 1 or n < FEWEST_FOR_POOL:
        yield from _bar(map(draw, range(n)), n, progress)
        return
    # Processes start afresh ("spawn") to behave alike on every system. SciPy's transforms use one thread
    # unless told otherwise, so the processes do not crowd each other out.
    spawn = multiprocessing.get_context("spawn")
    try:
        with ProcessPoolExecutor(min(workers, n), mp_context=spawn, initializer=_leave_interrupts) as pool:
            try:
                yield from _bar(pool.map(draw, range(n), chunksize=8), n, progress)
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise
    except BrokenProcessPool:
        raise GalaxyError(
            "a process that draws pictures was ended from outside, perhaps for want of memory: ask for fewer "
            'workers; in a script of your own, call simulate_survey below if __name__ == "__main__":'
        ) from None


def _leave_interrupts() -> None:
    """Leaves an interruption by the user to the parent process, which ends the others in order."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _bar(galaxies: Iterable[Galaxy], n: int, progress: bool) -> Iterator[Galaxy]:
    return iter(progress_bar(galaxies, total=n, desc="Simulating", unit="galaxy", shown=progress))


def _write_tables(folder: Path, truth: list[Galaxy], seed: int) -> None:
    """Writes the mapping, Table 2 and the truth."""
    n = len(truth)
    objids = object_ids(seed, n + math.ceil(UNPICTURED_SHARE * n))
    mapping = pd.DataFrame({"objid": objids[:n], "sample": "original", "asset_id": np.arange(1, n + 1)})
    mapping.to_csv(folder / MAPPING_FILE, index=False, columns=list(MAPPING_COLUMNS))
    _table2(objids, seed).to_csv(folder / TABLE2_FILE, index=False, columns=list(TABLE2_COLUMNS))
    parameters = pd.DataFrame([dataclasses.asdict(galaxy) for galaxy in truth]).round(4)
    mapping.drop(columns="sample").join(parameters).to_csv(folder / TRUTH_FILE, index=False)


def _table2(objids: NDArray[np.int64], seed: int) -> pd.DataFrame:
    """Gives each galaxy a place in SDSS's part of the sky and its votes, in the order of right ascension."""
    rows = []
    for index, objid in enumerate(objids):
        galaxy, generators = draw_numbered_galaxy(seed, index)
        hours = generators.position.uniform(0.0, 24.0)
        # Even over the sphere: as many galaxies per square degree in the north as at the equator.
        declination = np.degrees(np.arcsin(generators.position.uniform(*np.sin(np.radians(DECLINATIONS)))))
        place = {
            "RA": sexagesimal(hours, decimals=2),
            "DEC": sexagesimal(declination, decimals=1, sign=True),
        }
        rows.append({"OBJID": objid} | place | draw_votes(galaxy, generators.votes))
    return pd.DataFrame(rows).sort_values("RA", kind="stable")


def sexagesimal(value: float, *, decimals: int, sign: bool = False) -> str:
    """Writes hours or degrees as ``HH:MM:SS.ss``.

    Args:
        value: Hours or degrees.
        decimals: Digits after the point of the seconds.
        sign: Write a plus sign before positive values.

    Returns:
        The text, whose seconds never round up to 60.
    """
    units = round(abs(value) * 3600 * 10**decimals)
    seconds, fraction = divmod(units, 10**decimals)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    mark = "-" if value < 0 else "+" if sign else ""
    return f"{mark}{hours:02d}:{minutes:02d}:{seconds:02d}.{fraction:0{decimals}d}"
