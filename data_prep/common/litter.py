"""What systems leave in folders, which is nobody's data."""

from typing import Final

LITTER: Final = (".DS_Store", "Thumbs.db", "desktop.ini", "@eaDir", "__MACOSX")
"""What operating systems and network drives leave in folders that are looked at."""
_LITTER: Final = frozenset(name.lower() for name in LITTER)


def is_litter(name: str) -> bool:
    """Says whether a file or folder is hidden, or one that systems leave in folders, and not the user's."""
    return name.startswith(".") or name.lower() in _LITTER
