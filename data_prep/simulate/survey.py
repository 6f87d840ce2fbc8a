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
from data_prep.schema import (
    IMAGES_FOLDER,
    MAPPING_COLUMNS,
    MAPPING_FILE,
    SIMULATION_FILE,
    TABLE2_COLUMNS,
    TABLE2_FILE,
)
from data_prep.simulate.galaxies import SHAPE_SHARES, Galaxy
from data_prep.simulate.identity import MAX_SEED, draw_numbered_galaxy, object_ids
from data_prep.simulate.sky import render_cutout
from data_prep.simulate.votes import draw_votes

TRUTH_FILE: Final = "truth.csv"
SURVEY_CONTENTS: Final = (
    Path(IMAGES_FOLDER).parts[0],
    MAPPING_FILE,
    TABLE2_FILE,
    TRUTH_FILE,
    SIMULATION_FILE,
)
"""The files and folders of a simulated survey."""

IMAGELESS_SHARE: Final = 0.04
"""Ratio of rows of Table 2 without an image to rows with one: Table 2 has more galaxies than Galaxy Zoo 2."""

DECLINATIONS: Final = (-11.0, 70.0)
"""Range of declinations in SDSS [degrees]."""

MIN_FOR_POOL: Final = 16
"""Minimum number of galaxies for which starting several processes saves time."""


def simulate_survey(
    out: Path,
    n: int,
    seed: int = 0,
    *,
    workers: int | None = None,
    overwrite: bool = False,
    progress: bool = True,
) -> None:
    """Writes a simulated survey: images, mapping, Table 2 and the true parameters.

    The same ``n`` and ``seed`` give the same files for any number of workers. Galaxy number i, its object id,
    votes and position depend only on ``seed`` and i.

    Args:
        out: The folder to create, atomically.
        n: The number of galaxies with an image.
        seed: The random seed. Negative seeds are reserved for pre-training; the command line does not accept
            them.
        workers: The number of processes that simulate images; by default one per core.
        overwrite: Whether to replace an existing simulated survey in ``out``.
        progress: Whether to show a progress bar.

    Raises:
        GalaxyError: An argument is out of range, or the folder cannot be written or must not be replaced.
    """
    _check_arguments(n, seed, workers)
    with new_folder(out, overwrite=overwrite, contents=SURVEY_CONTENTS) as folder:
        images = folder / IMAGES_FOLDER
        images.mkdir(parents=True)
        truth = list(_write_images(images, n, seed, workers or cores(), progress))
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
    """Adds the true parameters of simulated galaxies to a sample, as columns that a model can learn.

    Args:
        sample: A CSV made by :func:`data_prep.samples.extract.extract`; it is replaced.
        raw: The simulated survey.
    """
    truth = pd.read_csv(raw / TRUTH_FILE).drop(columns="asset_id")
    joined = pd.read_csv(sample, dtype={"asset_id": "str"}).merge(truth, on="objid", how="left")
    with new_file(sample) as partial:
        joined.to_csv(partial, index=False)


def _check_arguments(n: int, seed: int, workers: int | None) -> None:
    if n < 1:
        raise GalaxyError(f"n is {n}: it must be at least 1")
    if abs(seed) > MAX_SEED:
        raise GalaxyError(f"seed is {seed}: it must be from 0 to {MAX_SEED}")
    if workers is not None and workers < 1:
        raise GalaxyError(f"workers is {workers}: it must be at least 1; omit it to use all cores")


def _write_image(images: Path, seed: int, index: int) -> Galaxy:
    """Writes the image of galaxy number ``index``, whose asset id is ``index + 1``."""
    galaxy, generators = draw_numbered_galaxy(seed, index)
    (images / f"{index + 1}.jpg").write_bytes(render_cutout(galaxy, generators.image))
    return galaxy


def _write_images(images: Path, n: int, seed: int, workers: int, progress: bool) -> Iterator[Galaxy]:
    """Writes all images and yields the galaxies in order."""
    write = partial(_write_image, images, seed)
    if workers == 1 or n < MIN_FOR_POOL:
        yield from _with_progress(map(write, range(n)), n, progress)
        return
    # The start method "spawn" behaves alike on all systems. SciPy's transforms use one thread by default, so
    # the processes do not compete for cores.
    spawn = multiprocessing.get_context("spawn")
    try:
        with ProcessPoolExecutor(min(workers, n), mp_context=spawn, initializer=_ignore_interrupts) as pool:
            try:
                yield from _with_progress(pool.map(write, range(n), chunksize=8), n, progress)
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise
    except BrokenProcessPool:
        raise GalaxyError(
            "a process that simulates images was killed (possibly out of memory): use fewer workers; in your "
            'own script, call simulate_survey inside if __name__ == "__main__":'
        ) from None


def _ignore_interrupts() -> None:
    """Ignores Ctrl-C in a worker process, since the parent process ends its workers in order."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _with_progress(galaxies: Iterable[Galaxy], n: int, progress: bool) -> Iterator[Galaxy]:
    return iter(progress_bar(galaxies, total=n, desc="simulate", unit=" galaxies", shown=progress))


def _write_tables(folder: Path, truth: list[Galaxy], seed: int) -> None:
    """Writes the mapping, Table 2 and the true parameters."""
    n = len(truth)
    objids = object_ids(seed, n + math.ceil(IMAGELESS_SHARE * n))
    mapping = pd.DataFrame({"objid": objids[:n], "sample": "original", "asset_id": np.arange(1, n + 1)})
    mapping.to_csv(folder / MAPPING_FILE, index=False, columns=list(MAPPING_COLUMNS))
    _make_table2(objids, seed).to_csv(folder / TABLE2_FILE, index=False, columns=list(TABLE2_COLUMNS))
    parameters = pd.DataFrame([dataclasses.asdict(galaxy) for galaxy in truth]).round(4)
    mapping.drop(columns="sample").join(parameters).to_csv(folder / TRUTH_FILE, index=False)


def _make_table2(objids: NDArray[np.int64], seed: int) -> pd.DataFrame:
    """Returns the positions, within the SDSS declinations, and votes of all galaxies, by right ascension."""
    # The import takes 0.2 s, and the processes that render images do not need it.
    from astropy.coordinates import Angle

    rows = []
    for index, objid in enumerate(objids):
        galaxy, generators = draw_numbered_galaxy(seed, index)
        hours = generators.position.uniform(0.0, 24.0)
        # Uniform on the sphere: the same number of galaxies per square degree at all declinations.
        declination = np.degrees(np.arcsin(generators.position.uniform(*np.sin(np.radians(DECLINATIONS)))))
        position = {"RA": hours, "DEC": declination}
        rows.append({"OBJID": objid} | position | draw_votes(galaxy, generators.votes))
    table = pd.DataFrame(rows)
    ra, dec = Angle(table["RA"], "hourangle"), Angle(table["DEC"], "deg")
    table["RA"] = ra.to_string(sep=":", precision=2, pad=True)
    table["DEC"] = dec.to_string(sep=":", precision=1, pad=True, alwayssign=True)
    return table.sort_values("RA", kind="stable")
