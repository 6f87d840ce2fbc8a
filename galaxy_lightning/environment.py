"""What a figure of speed or memory depends on, besides the model."""

import platform
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any


def environment(*packages: str) -> dict[str, Any]:
    """Describes this process and its machine.

    Args:
        packages: Distributions whose versions matter to this model.

    Returns:
        ``peak_memory_mb`` of this process so far, ``processor``, ``platform`` and ``versions``.
    """
    versions = {"python": platform.python_version()}
    for name in ("galaxy-lightning", "numpy", *packages):
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            continue
    return {
        "peak_memory_mb": _peak_memory_mb(),
        "processor": _processor(),
        "platform": platform.platform(),
        "versions": versions,
    }


def _peak_memory_mb() -> float | None:
    """Returns this process's peak resident memory in megabytes, mapped pages included; none on Windows."""
    status = Path("/proc/self/status")
    if status.is_file():  # Linux's getrusage would count what the process that started this one has used.
        for line in status.read_text(encoding="utf-8").splitlines():
            if line.startswith("VmHWM:"):
                return round(int(line.split()[1]) * 1024 / 1e6, 1)
    try:
        import resource
    except ImportError:
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(peak * (1 if sys.platform == "darwin" else 1024) / 1e6, 1)


def _processor() -> str:
    """Returns the processor's model name."""
    info = Path("/proc/cpuinfo")
    if info.is_file():
        for line in info.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
