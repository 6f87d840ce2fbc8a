"""Shares the CPU cores of a command among fits that run at once."""

import contextlib
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from data_prep.common.errors import GalaxyError
from data_prep.common.threads import cores
from galaxy_lightning.runs.writer import FITS_AT_ONCE

_THREADS: Final = ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")
"""The numbers of threads of PyTorch, NumPy and TensorFlow; their worker threads are on the same cores."""


@dataclass(frozen=True)
class Share:
    """The cores of a fit.

    Attributes:
        number: The number of cores.
        at_once: The number of fits that run at once.
        cores: Which cores these are; None if the system does not let a command choose them.
    """

    number: int
    at_once: int
    cores: frozenset[int] | None = None

    def environment(self, processes: int = 1) -> dict[str, str]:
        """Returns environment variables with the number of threads: one for each core, or fewer if so set.

        A batch script of SLURM often sets ``OMP_NUM_THREADS`` to all cores of the job. The user's value also
        limits TensorFlow.

        Args:
            processes: The number of processes that share the cores.
        """
        most = max(self.number // processes, 1)
        default = _at_most(most, os.environ.get(_THREADS[0]))
        variables = {name: _at_most(most, os.environ.get(name) or default) for name in _THREADS}
        return variables | {FITS_AT_ONCE: str(self.at_once)}

    @contextlib.contextmanager
    def pinned(self) -> Iterator[None]:
        """Pins the calling thread, and the processes that it starts, to these cores."""
        if sys.platform != "linux" or self.cores is None:
            yield
            return
        before = os.sched_getaffinity(0)
        with contextlib.suppress(OSError):  # The cores of a container may have been changed meanwhile.
            os.sched_setaffinity(0, self.cores)
        try:
            yield
        finally:
            with contextlib.suppress(OSError):
                os.sched_setaffinity(0, before)


def _at_most(most: int, threads: str | None) -> str:
    """Limits the value of a variable with a number of threads, of which OpenMP also reads a list."""
    number = (threads or "").partition(",")[0].strip()
    return threads if threads and not (number.isdecimal() and int(number) > most) else str(most)


def share_cores(at_once: int) -> list[Share]:
    """Returns equal shares of the cores that this command may use, so that all fits have as many threads.

    Args:
        at_once: The number of fits that run at once, at most that of the cores.
    """
    number = cores() // at_once
    if sys.platform != "linux":
        return [Share(number, at_once)] * at_once
    available = sorted(os.sched_getaffinity(0))
    slices = [available[start * number : (start + 1) * number] for start in range(at_once)]
    return [Share(number, at_once, frozenset(each)) for each in slices]


def count_at_once(asked: int, fits: int) -> int:
    """Returns how many fits to train at once: not more than there are cores, or fits.

    The fits that are complete count too: a resumed command gives each fit as many threads as before.

    Args:
        asked: The value of ``--jobs``.
        fits: The number of fits of the command.

    Raises:
        GalaxyError: The value is invalid.
    """
    if asked < 1:
        raise GalaxyError(f"--jobs {asked} must be at least 1")
    return max(min(asked, cores(), fits), 1)


def describe_at_once(asked: int, at_once: int) -> str:
    """Returns how many fits are trained at once, and why these are fewer than the user has asked for.

    Args:
        asked: The value of ``--jobs``.
        at_once: The number of fits that are trained at once.
    """
    line = "Training one fit at a time"
    if at_once > 1:
        line = f"Training up to {at_once} fits at once, each on {_count(cores() // at_once, 'core')}"
    if at_once < asked:
        line += f" (--jobs {asked}, but only {_count(at_once, 'core' if at_once == cores() else 'fit')})"
    return line


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
