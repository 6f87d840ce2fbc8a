"""How much memory a process has for itself: without the pages of the files that it has mapped.

The galaxy arrays are mapped. The pages that were read of them stay in memory for as long as nothing else
needs it, and count as resident: a process that uses 1 GB would seem to use as much as the arrays are large.
"""

import sys
import threading
from pathlib import Path
from types import TracebackType
from typing import Final, Self

_SECONDS: Final = 0.05
"""Time between two looks; one takes some hundredths of a millisecond."""


def own_memory_mb(process: int | str = "self") -> float | None:
    """Returns the memory that a process has for itself at this moment, in megabytes.

    Shared memory is left out too: mapped files on a disk that is in memory are counted there.

    Args:
        process: Its number; by default this process.

    Returns:
        The memory; None where the system does not tell, or there is no such process.
    """
    try:
        status = Path(f"/proc/{process}/status").read_text(encoding="utf-8")
    except OSError:
        return None
    found = (line.split()[1] for line in status.splitlines() if line.startswith("RssAnon:"))
    kilobytes = next(found, None)
    return None if kilobytes is None else int(kilobytes) * 1024 / 1e6


class PeakMemory:
    """Finds the peak of this process's own memory, as a context manager or from ``start`` to ``stop``.

    Linux keeps the peak of all resident memory only, so a thread looks at regular times. Other systems tell
    nothing else: there it is the peak of all resident memory since the process began, mapped pages included.
    """

    def __init__(self) -> None:
        self._peak: float | None = None
        self._thread: threading.Thread | None = None
        self._ended = threading.Event()

    def start(self) -> None:
        """Begins to look; it goes on with an earlier peak."""
        self._look()
        if self._thread is None and self._peak is not None:
            self._ended.clear()
            self._thread = threading.Thread(target=self._watch, name="peak-memory", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """Ends the thread, if there is one."""
        if self._thread is not None:
            self._look()
            self._ended.set()
            self._thread.join()
            self._thread = None

    @property
    def mb(self) -> float | None:
        """The peak so far in megabytes; None where the system tells of none."""
        peak = _peak_resident_mb() if self._peak is None else self._peak
        return None if peak is None else round(peak, 1)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _watch(self) -> None:
        while not self._ended.wait(_SECONDS):
            self._look()

    def _look(self) -> None:
        now = own_memory_mb()
        if now is not None:
            self._peak = max(now, self._peak or 0.0)


def _peak_resident_mb() -> float | None:
    """Returns the peak of all resident memory in megabytes; None on Windows."""
    try:
        import resource
    except ImportError:
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak * (1 if sys.platform == "darwin" else 1024) / 1e6
