"""Prints the part of requirements.lock that the package and some of its extras need, with its hashes.

Usage: python packaging/runtime_lock.py [--extra NAME]... [--cpu]

The lock says which package each one is required by, so this needs no network.
"""

import argparse
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CUDA = ("cuda-", "nvidia-", "triton")
"""How the names of packages begin that only PyTorch's builds for NVIDIA's GPUs need."""


def requirement_name(requirement: str) -> str:
    """Returns the normalised name of the package that a requirement, or an entry of the lock, is about."""
    found = re.match(r"[\w.-]+", requirement)
    if not found:
        raise ValueError(f"not a requirement: {requirement!r}")
    return re.sub(r"[-_.]+", "-", found[0]).lower()


def lock_entries(lock: str) -> Iterator[tuple[str, list[str], str]]:
    """Yields each entry of a lock: its name, the names of the packages that require it, and its text."""
    for text in re.split(r"^(?=[\w])", lock, flags=re.MULTILINE)[1:]:
        _, _, via = text.partition("# via")
        yield requirement_name(text), [requirement_name(name) for name in re.findall(r"[\w.-]+", via)], text


def runtime_lock(lock: str, project: dict, extras: list[str], *, cpu: bool = False) -> str:
    """Returns the entries of a lock that a project needs.

    Args:
        lock: A lock of ``uv pip compile`` with its comments.
        project: The table ``project`` of pyproject.toml.
        extras: Extras of the project.
        cpu: Whether to leave out the libraries of CUDA, and torch and torchvision, whose builds for the CPU
            are on an index of their own.
    """
    roots = [*project["dependencies"]]
    for extra in extras:
        roots += project["optional-dependencies"][extra]
    needed = {requirement_name(root) for root in roots}
    entries = list(lock_entries(lock))
    while True:
        found = {name for name, required_by, _ in entries if needed.intersection(required_by)} - needed
        if not found:
            break
        needed |= found
    if cpu:
        needed = {
            name for name in needed if name not in ("torch", "torchvision") and not name.startswith(CUDA)
        }
    return "".join(text for name, _, text in entries if name in needed)


def main() -> None:
    """Prints the entries."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--extra", action="append", default=[], help="an extra; may be repeated")
    parser.add_argument("--cpu", action="store_true", help="leave out torch, torchvision and CUDA")
    options = parser.parse_args()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    print(runtime_lock(lock, project, options.extra, cpu=options.cpu), end="")


if __name__ == "__main__":
    main()
