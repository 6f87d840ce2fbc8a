"""Refuses galaxy arrays that do not fit a model, or that would give meaningless scores."""

from collections.abc import Sequence

from data_prep.arrays.format import GalaxyArrays
from data_prep.common.errors import GalaxyError
from galaxy_lightning.data.seen_galaxies import SeenGalaxies
from galaxy_lightning.networks.adaptation import listed


def require_compatible(arrays: GalaxyArrays, classes: Sequence[str], image_size: int, bands: int) -> None:
    """Refuses galaxy arrays with other classes, another image size or other bands than the model's.

    Args:
        arrays: The galaxy arrays.
        classes: The model's classes, in order.
        image_size: Side of the model's images in pixels.
        bands: Number of bands of the model's images.

    Raises:
        GalaxyError: The arrays and the model differ.
    """
    if arrays.classes != list(classes):
        raise GalaxyError(
            f"{arrays.folder} has {listed(arrays.classes)}, but the model has {listed(classes)}: use arrays "
            "with the model's classes in the same order, or train a model on these (fit takes the classes "
            "from the arrays)"
        )
    if arrays.image_size != image_size:
        raise GalaxyError(
            f"{arrays.folder} has images of {arrays.image_size} pixels, but the model needs {image_size}: "
            f"train a model on these (fit takes the size from the arrays), or make the arrays with --crop "
            f"{image_size}"
        )
    if len(arrays.bands) != bands:
        raise GalaxyError(
            f"{arrays.folder} has images of {len(arrays.bands)} bands ({', '.join(arrays.bands)}), but the "
            f"model needs {bands}: train a model on these (fit takes the bands from the arrays)"
        )


def require_unseen(arrays: GalaxyArrays, split: str, seen: SeenGalaxies) -> None:
    """Refuses a split with galaxies on which the initial weights were trained.

    Args:
        arrays: The galaxy arrays.
        split: ``"val"`` or ``"test"``.
        seen: The galaxies on which the initial weights were trained.

    Raises:
        GalaxyError: The split contains such galaxies.
    """
    if count := seen.count(arrays, split):
        total = len(arrays.rows(split))
        raise GalaxyError(
            f"the initial weights were trained on {count:,} of the {total:,} {split} galaxies of "
            f"{arrays.folder} (or on galaxies with the same ids or file names), so scores on them would be "
            "biased: use other weights or other arrays"
        )
