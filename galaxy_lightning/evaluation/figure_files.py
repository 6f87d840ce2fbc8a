"""Saves figures as PNG and PDF."""

from pathlib import Path
from typing import Final

from matplotlib.figure import Figure

from data_prep.common.files import new_file

DPI: Final = 200
"""Resolution of the PNG files."""


def save_figure(figure: Figure, path: Path) -> None:
    """Saves a figure as PNG, with 200 pixels per inch, and as PDF; the same figure gives the same bytes.

    Each file is written atomically, and replaces an existing one.

    Args:
        figure: The figure.
        path: The path without a suffix; ``.png`` and ``.pdf`` are appended.

    Raises:
        GalaxyError: A file cannot be written.
    """
    with new_file(path.with_name(f"{path.name}.png")) as partial:
        figure.savefig(partial, dpi=DPI, metadata={"Software": None})
    with new_file(path.with_name(f"{path.name}.pdf")) as partial:
        figure.savefig(partial, metadata={"CreationDate": None})
