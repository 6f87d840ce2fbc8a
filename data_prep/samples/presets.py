"""The label rules that come with the package, found by name from any folder."""

from pathlib import Path
from typing import Final

from data_prep.common.errors import GalaxyError
from data_prep.common.paths import expand_path
from data_prep.common.suggestions import nearest

_FOLDERS: Final = (Path(__file__).parents[1] / "labels", Path(__file__).parents[2] / "configs/labels")
"""The folder of the presets in an installed package, and in a clone of the repository."""


def preset_folder() -> Path | None:
    """Returns the folder of the presets, or None if they are not installed."""
    return next((folder for folder in _FOLDERS if folder.is_dir()), None)


def preset_names() -> list[str]:
    """Returns the names of the presets: ``gz1_threshold``, ``gz2_three`` and so on."""
    folder = preset_folder()
    return sorted(path.stem for path in folder.glob("*.yaml")) if folder else []


def find_rules(name_or_path: str) -> Path:
    """Finds label rules: a preset by its name, or a file.

    Args:
        name_or_path: The name of a preset; otherwise, the path of a file.

    Raises:
        GalaxyError: There is neither.
    """
    presets, folder = preset_names(), preset_folder()
    if folder and name_or_path in presets:
        return folder / f"{name_or_path}.yaml"
    path = Path(expand_path(name_or_path) if name_or_path.startswith(("~", "$")) else name_or_path)
    try:
        if path.is_file():
            return path
        exists = path.exists()
    except OSError:  # The name is too long.
        raise GalaxyError(f"label rules {name_or_path[:100]!r}: not a valid file name") from None
    if exists or path.suffix in (".yaml", ".yml") or len(path.parts) > 1:
        raise GalaxyError(f"label rules {path}: {'not a file' if exists else 'no such file'}")
    raise GalaxyError(
        f"unknown label rules {name_or_path!r}{nearest(name_or_path, presets)}: name a YAML file, or one of "
        f"{', '.join(presets)}"
    )
