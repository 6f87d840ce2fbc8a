"""Runs the real commands, each in a process of its own, and says what they took."""

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
    """What a command took.

    Attributes:
        seconds: From its start to its end.
        memory_mb: Peak of its own memory in megabytes: without the pages of files that it has mapped, which
            the system takes back whenever it needs them. 0 where the system does not tell.
    """

    seconds: float
    memory_mb: float


def run(words: Sequence[str | Path], folder: Path | None = None) -> Cost:
    """Runs ``python`` with these words; shows what it printed only where it fails.

    Args:
        words: Its arguments.
        folder: Where it runs; here when left out.

    Raises:
        SystemExit: The command failed.
    """
    began = time.perf_counter()
    with subprocess.Popen(  # noqa: S603 - the words are this program's own.
        [sys.executable, *map(str, words)],
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
    ) as process:
        said: list[str] = []
        assert process.stderr is not None
        reader = threading.Thread(target=lambda stream: said.append(stream.read()), args=[process.stderr])
        reader.start()
        peak = 0.0
        while process.poll() is None:
            peak = max(peak, own_memory_mb(process.pid) or 0.0)
            time.sleep(_POLL_SECONDS)
        seconds = time.perf_counter() - began
        reader.join()
    if process.returncode:
        raise SystemExit(f"python {' '.join(map(str, words))} failed:\n{''.join(said)[-2000:]}")
    return Cost(seconds, peak)


class Survey:
    """Simulated galaxies, and as many rows and files of them as a benchmark asks for.

    Args:
        folder: An empty folder for all of it.
        galaxies: How many different galaxies to simulate.
    """

    def __init__(self, folder: Path, galaxies: int) -> None:
        self.folder = folder
        self.raw = folder / "raw"
        run(["-m", "data_prep", "simulate", "--out", self.raw, "--n", str(galaxies)])
        sample = folder / "sample.csv"
        run(["-m", "data_prep", "extract", "--raw", self.raw, "--out", sample, "--n", "all"])
        self._rows = pd.read_csv(sample, dtype={"asset_id": "str", "path": "str"})

    def files(self, n: int) -> list[Path]:
        """Returns ``n`` image files, the same ones again and again."""
        return [self.raw / path for path in self._repeated(n)["path"]]

    def sample(self, n: int) -> Path:
        """Writes a sample of ``n`` galaxies that takes the files again and again."""
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
        """Makes a folder of ``n`` image files: further names of the same ones."""
        folder = self.folder / f"images_{n}"
        if not folder.exists():
            folder.mkdir()
            for number, file in enumerate(self.files(n)):
                os.link(file, folder / f"{number:06}.jpg")
        return folder

    def _repeated(self, n: int) -> pd.DataFrame:
        return self._rows.iloc[np.arange(n) % len(self._rows)]
