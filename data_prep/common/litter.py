"""Files that operating systems create in folders, and that are not data."""

from typing import Final

LITTER: Final = (".DS_Store", "Thumbs.db", "desktop.ini", "@eaDir", "__MACOSX")
"""Files and folders that operating systems and network drives create when a folder is viewed."""
_LITTER: Final = frozenset(name.lower() for name in LITTER)


def is_litter(name: str) -> bool:
    """Returns whether a file or folder is hidden or was created by the operating system."""
    return name.startswith(".") or name.lower() in _LITTER
