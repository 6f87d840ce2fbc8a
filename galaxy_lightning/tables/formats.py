"""The formats of tables, which follow from the suffixes of their names."""

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Final, Literal

from data_prep.common.errors import GalaxyError

Format = Literal["csv", "fits", "votable", "ecsv", "parquet"]

SUFFIXES: Final[dict[str, Format]] = {
    ".csv": "csv",
    ".fits": "fits",
    ".vot": "votable",
    ".xml": "votable",
    ".ecsv": "ecsv",
    ".parquet": "parquet",
}
"""The accepted suffixes, in lower case."""


def require_format(path: Path, option: str = "--out") -> Format:
    """Returns the format of a table to be written, and checks that its library is installed.

    Args:
        path: The table.
        option: The option that names it, for the message.

    Raises:
        GalaxyError: The suffix is unknown, or a library is missing.
    """
    require_suffix(path, tuple(SUFFIXES), option)
    kind = SUFFIXES[path.suffix.lower()]
    if kind == "parquet" and find_spec("pyarrow") is None:
        raise GalaxyError(
            f"{option} {path}: to write Parquet, install pyarrow with: "
            "pip install 'galaxy-lightning[parquet]'"
        )
    return kind


def require_suffix(path: Path, suffixes: Sequence[str], option: str = "--out") -> None:
    """Checks the suffix of a file to be written.

    Args:
        path: The file.
        suffixes: The valid suffixes, in lower case.
        option: The option that names it, for the message.

    Raises:
        GalaxyError: It has another suffix.
    """
    if path.suffix.lower() not in suffixes:
        raise GalaxyError(f"{option} {path}: use a name that ends in {list_suffixes(*suffixes)}")


def list_suffixes(*suffixes: str) -> str:
    """Returns suffixes as words: ``.csv, .fits or .vot``."""
    *others, last = suffixes
    return f"{', '.join(others)} or {last}" if others else last
