"""The formats of tables, which follow from the suffixes of their names."""

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
    kind = SUFFIXES.get(path.suffix.lower())
    if kind is None:
        raise GalaxyError(f"{option} {path}: use a name that ends in {list_suffixes(*SUFFIXES)}")
    if kind == "parquet" and find_spec("pyarrow") is None:
        raise GalaxyError(
            f"{option} {path}: to write Parquet, install pyarrow with: "
            "pip install 'galaxy-lightning[parquet]'"
        )
    return kind


def list_suffixes(*suffixes: str) -> str:
    """Returns suffixes as words: ``.csv, .fits or .vot``."""
    *others, last = suffixes
    return f"{', '.join(others)} or {last}" if others else last
