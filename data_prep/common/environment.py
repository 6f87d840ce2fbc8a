"""The processor, platform and package versions that measurements of speed and memory depend on."""

import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any


def package_version() -> str:
    """Returns the version of this package; ``unknown`` if it is not installed."""
    try:
        return version("galaxy-lightning")
    except PackageNotFoundError:
        return "unknown"


def describe_environment(*packages: str) -> dict[str, Any]:
    """Returns a description of this process and its machine.

    Args:
        packages: Further distributions whose versions to include, if they are installed.

    Returns:
        ``processor``, ``platform`` and ``versions``.
    """
    versions = {"python": platform.python_version()}
    for name in ("galaxy-lightning", "numpy", *packages):
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            continue
    return {
        "processor": _processor(),
        "platform": platform.platform(),
        "versions": versions,
    }


def _processor() -> str:
    """Returns the processor's model name."""
    info = Path("/proc/cpuinfo")
    if info.is_file():
        for line in info.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
