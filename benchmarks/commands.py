"""Runs the real commands in separate processes, and measures their time and memory."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from galaxy_lightning.runtime.memory import own_memory_mb

_POLL_SECONDS = 0.02


@dataclass(frozen=True)
class Cost:
    """The time and memory that a command used.

    Attributes:
        seconds: The duration in seconds.
        memory_mb: The peak memory in megabytes, excluding pages of memory-mapped files, which the system can
            reclaim at any time. 0 if the system does not report it.
    """

    seconds: float
    memory_mb: float


def run(words: Sequence[str | Path], folder: Path | None = None) -> Cost:
    """Runs ``python`` with the given arguments and measures its cost.

    Args:
        words: The arguments.
        folder: The working folder; by default the current one.

    Raises:
        SystemExit: The command failed; the message contains its output.
    """
    start = time.perf_counter()
    with subprocess.Popen(  # noqa: S603 - the words are this program's own.
        [sys.executable, *map(str, words)],
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
    ) as process:
        output: list[str] = []
        assert process.stderr is not None
        reader = threading.Thread(target=lambda stream: output.append(stream.read()), args=[process.stderr])
        reader.start()
        peak = 0.0
        while process.poll() is None:
            peak = max(peak, own_memory_mb(process.pid) or 0.0)
            time.sleep(_POLL_SECONDS)
        seconds = time.perf_counter() - start
        reader.join()
    if process.returncode:
        raise SystemExit(f"python {' '.join(map(str, words))} failed:\n{''.join(output)[-2000:]}")
    return Cost(seconds, peak)


class Survey:
    """A simulated survey, from which benchmarks make samples, arrays and image folders of any size.

    Larger sizes repeat the simulated images.

    Args:
        folder: An empty folder for all files.
        galaxies: The number of galaxies to simulate.
    """

    def __init__(self, folder: Path, galaxies: int) -> None:
        self.folder = folder
        self.raw = folder / "raw"
        run(["-m", "data_prep", "simulate", "--out", self.raw, "--n", str(galaxies)])
        sample = folder / "sample.csv"
        run(["-m", "data_prep", "extract", "--raw", self.raw, "--out", sample, "--n", "all"])
        self._rows = pd.read_csv(sample, dtype={"asset_id": "str", "path": "str"})

    def files(self, n: int) -> list[Path]:
        """Returns ``n`` image files; they repeat if ``n`` exceeds the number of galaxies."""
        return [self.raw / path for path in self._repeated(n)["path"]]

    def sample(self, n: int) -> Path:
        """Writes a sample of ``n`` galaxies with distinct objids; the image files repeat."""
        path = self.folder / f"sample_{n}.csv"
        if not path.exists():
            self._repeated(n).assign(objid=587722981736120000 + np.arange(n)).to_csv(path, index=False)
        return path

    def arrays(self, n: int) -> Path:
        """Makes galaxy arrays of ``n`` galaxies."""
        out = self.folder / f"arrays_{n}"
        if not out.exists():
            run(
                ["-m", "data_prep", "preprocess", "--sample", self.sample(n), "--raw", self.raw, "--out", out]
            )
        return out

    def images(self, n: int) -> Path:
        """Makes a folder of ``n`` image files, which are hard links to the simulated ones."""
        folder = self.folder / f"images_{n}"
        if not folder.exists():
            folder.mkdir()
            for number, file in enumerate(self.files(n)):
                os.link(file, folder / f"{number:06}.jpg")
        return folder

    def _repeated(self, n: int) -> pd.DataFrame:
        return self._rows.iloc[np.arange(n) % len(self._rows)]
