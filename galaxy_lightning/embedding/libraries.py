"""The optional libraries of tables of features."""

from importlib.util import find_spec
from typing import Final

from data_prep.common.errors import GalaxyError

PARQUET: Final = {"pyarrow": "parquet"}
"""What a table of features needs: modules, and the extras that install them."""
SEARCH: Final = PARQUET | {"sklearn": "explain"}
"""What a search in a table needs."""


def require_extras(modules: dict[str, str]) -> None:
    """Checks that libraries are installed, without importing them.

    Args:
        modules: The names of their modules, and of the extras of this package that install them.

    Raises:
        GalaxyError: One is missing.
    """
    if missing := [name for name in modules if find_spec(name) is None]:
        extras = ",".join(dict.fromkeys(modules[name] for name in missing))
        raise GalaxyError(
            f"missing libraries: {', '.join(missing)}: run pip install 'galaxy-lightning[{extras}]'"
        )
