"""Saves figures as PNG and PDF."""

from pathlib import Path
from typing import Any, Final

from matplotlib.figure import Figure

from data_prep.common.files import new_file

FORMATS: Final[dict[str, dict[str, Any]]] = {
    "png": {"dpi": 200, "metadata": {"Software": None}},
    "pdf": {"metadata": {"CreationDate": None}},
}
"""The formats of all figures, with arguments of ``Figure.savefig``. The same figure gives the same bytes."""


def save_figure(figure: Figure, path: Path) -> None:
    """Saves a figure as PNG, with 200 pixels per inch, and as PDF; the same figure gives the same bytes.

    Each file is written atomically, and replaces an existing one.

    Args:
        figure: The figure.
        path: The path without a suffix; ``.png`` and ``.pdf`` are appended.

    Raises:
        GalaxyError: A file cannot be written.
    """
    for suffix, options in FORMATS.items():
        with new_file(path.with_name(f"{path.name}.{suffix}")) as partial:
            figure.savefig(partial, format=suffix, **options)
