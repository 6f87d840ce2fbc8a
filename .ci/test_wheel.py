"""Runs the tests on the wheel in dist/, in a new environment and a folder outside the checkout.

Usage: python .ci/test_wheel.py [--python VERSION] [--lowest] [--keep] [-- TESTS AND OPTIONS OF PYTEST]

The tests, and the configs and documents that they read, are those of the source distribution. Needs uv.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import tomllib
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
PACKAGES = ("galaxy_lightning", "data_prep", "baselines")
EXTRAS = "keras,timm,explain,export,tune,loggers,docs,dev"
WHERE = "import galaxy_lightning, data_prep, baselines; print(*galaxy_lightning.__path__)"


def lowest_versions() -> Iterator[str]:
    """Yields the lowest version that pyproject.toml accepts of each library, as a constraint."""
    extras = PROJECT["optional-dependencies"].values()
    for requirement in sorted({*PROJECT["dependencies"], *(line for extra in extras for line in extra)}):
        found = re.match(r"([\w.-]+)(?:\[.*?\])?>=([\w.]+)", requirement)
        if not found:
            sys.exit(f"pyproject.toml gives no lower bound of {requirement}")
        yield f"{found[1]}=={found[2]}"


def main() -> int:
    """Installs the wheel, unpacks the tests and runs them; returns pytest's status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--python", default=sys.executable, help="the version or path of a Python")
    parser.add_argument("--lowest", action="store_true", help="install the lowest versions of all libraries")
    parser.add_argument(
        "--keep", action="store_true", help="keep the environment and the folder of the tests"
    )
    parser.add_argument("pytest", nargs="*", help="tests and options of pytest, after --; default: -n 2")
    options = parser.parse_args()
    stem = f"galaxy_lightning-{PROJECT['version']}"
    wheel, source = ROOT / f"dist/{stem}-py3-none-any.whl", ROOT / f"dist/{stem}.tar.gz"
    if not (wheel.is_file() and source.is_file()):
        sys.exit(f"{wheel} or {source.name} is missing: build them first (make dist)")
    folder = Path(tempfile.mkdtemp(prefix="galaxy_wheel_")).resolve()
    try:
        return test(folder, wheel, source, options)
    finally:
        if options.keep:
            print(f"Kept: {folder}")
        else:
            shutil.rmtree(folder, ignore_errors=True)


def test(folder: Path, wheel: Path, source: Path, options: argparse.Namespace) -> int:
    """Runs the tests in a folder; returns pytest's status."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    environment["GALAXY_WHEEL"] = str(wheel)
    # With pip, which tests use.
    run = ["uv", "venv", "--quiet", "--seed", "--no-project", "--python", options.python, str(folder / "env")]
    subprocess.run(run, check=True)
    python = str(folder / "env" / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python"))
    constraints = folder / "constraints.txt"
    constraints.write_text("\n".join(lowest_versions() if options.lowest else []) + "\n", encoding="utf-8")
    install = ["uv", "pip", "install", "--quiet", "--python", python, "--constraint", str(constraints)]
    subprocess.run([*install, f"galaxy-lightning[{EXTRAS}] @ {wheel.as_uri()}"], check=True)
    with tarfile.open(source) as archive:
        archive.extractall(folder, filter="data")
    tests = next(folder.glob("galaxy_lightning-*"))
    for package in PACKAGES:
        shutil.rmtree(tests / package)
    where = subprocess.run(
        [python, "-c", WHERE], cwd=tests, env=environment, check=True, stdout=subprocess.PIPE, text=True
    ).stdout.strip()
    if not Path(where).is_relative_to(folder / "env"):
        sys.exit(f"the package would be imported from {where}, not from the wheel")
    print(f"Testing {where}", flush=True)
    words = options.pytest or ["-n", "2", "--dist", "worksteal"]
    command = [python, "-m", "pytest", "-p", "no:cacheprovider", *words]
    return subprocess.run(command, cwd=tests, env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
