"""Measures the private memory of a process, which excludes the pages of mapped files.

The galaxy arrays are memory-mapped. Pages that have been read stay in memory until another program needs the
memory, and count as resident: a process that uses 1 GB would seem to use as much as the arrays.
"""

import sys
import threading
from pathlib import Path
from types import TracebackType
from typing import Final, Self

_INTERVAL: Final = 0.05
"""Seconds between two measurements; one takes a few hundredths of a millisecond."""


def own_memory_mb(process: int | str = "self") -> float | None:
    """Returns the current private memory of a process in megabytes.

    Shared memory is excluded too, because it includes mapped files on an in-memory file system.

    Args:
        process: The process id; by default that of this process.

    Returns:
        The memory, or None if the system does not report it or there is no such process.
    """
    try:
        status = Path(f"/proc/{process}/status").read_text(encoding="utf-8")
    except OSError:
        return None
    kibibytes = (line.split()[1] for line in status.splitlines() if line.startswith("RssAnon:"))
    value = next(kibibytes, None)
    return None if value is None else int(value) * 1024 / 1e6


class PeakMemory:
    """Measures this process's peak private memory, as a context manager or with ``start`` and ``stop``.

    Linux records only the peak of all resident memory, so a thread samples the private memory at regular
    intervals. Other systems report no private memory: there, the result is the peak of all resident memory
    since the start of the process, including mapped pages.
    """

    def __init__(self) -> None:
        self._peak: float | None = None
        self._thread: threading.Thread | None = None
        self._ended = threading.Event()

    def start(self) -> None:
        """Starts or resumes the measurement; an earlier peak is kept."""
        self._sample()
        if self._thread is None and self._peak is not None:
            self._ended.clear()
            self._thread = threading.Thread(target=self._run, name="peak-memory", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """Stops the measurement."""
        if self._thread is not None:
            self._sample()
            self._ended.set()
            self._thread.join()
            self._thread = None

    @property
    def mb(self) -> float | None:
        """The peak so far in megabytes, or None if the system does not report it."""
        peak = _peak_resident_mb() if self._peak is None else self._peak
        return None if peak is None else round(peak, 1)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _run(self) -> None:
        while not self._ended.wait(_INTERVAL):
            self._sample()

    def _sample(self) -> None:
        memory = own_memory_mb()
        if memory is not None:
            self._peak = max(memory, self._peak or 0.0)


def _peak_resident_mb() -> float | None:
    """Returns the peak of all resident memory in megabytes; None on Windows."""
    try:
        import resource
    except ImportError:
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak * (1 if sys.platform == "darwin" else 1024) / 1e6
