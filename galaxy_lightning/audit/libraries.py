"""The libraries of the extra ``explain``, which explanations and audits need."""

from importlib.util import find_spec
from typing import Final

from data_prep.common.errors import GalaxyError

ATTRIBUTION: Final = ("captum", "sklearn")
"""What an explanation needs."""
AUDIT: Final = (*ATTRIBUTION, "cleanlab", "photutils", "skimage", "umap")
"""What an audit needs."""


def require_libraries(modules: tuple[str, ...]) -> None:
    """Checks that libraries are installed, without importing them.

    Args:
        modules: The names of their modules.

    Raises:
        GalaxyError: One is missing.
    """
    if missing := [name for name in modules if find_spec(name) is None]:
        raise GalaxyError(
            f"missing libraries: {', '.join(missing)}: install the extra 'explain' (pip install "
            "'galaxy-lightning[explain]')"
        )
