"""Adapts weights to other classes, and to images with another number of bands."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor

Classes = int | Sequence[str]
"""The number of classes, or their names in order."""

_SHOWN: Final = 6
"""Maximum number of class names in a sentence."""


@dataclass(frozen=True)
class BandLayers:
    """The parameters of a network whose shape depends on the number of bands of the images.

    Attributes:
        filters: Names of the weights of the first convolutions, ``[outputs, bands + others, k, k]``.
        others: Number of further input channels of these convolutions, after the bands.
        unadaptable: Name prefixes of other parameters that images with another number of bands need anew.
    """

    filters: tuple[str, ...] = ()
    others: int = 0
    unadaptable: tuple[str, ...] = ()


@dataclass(frozen=True)
class Adaptation:
    """What weights are adapted to when a network loads them.

    Attributes:
        head: Name prefixes of the parameters of the network's head.
        classes: Names of the network's classes, if known.
        keep_head: Also load a head of the same shape if the names of either classes are unknown; otherwise
            the head stays freshly initialised.
        bands: Number of bands of the images.
        band_layers: The network's layers that depend on it.
    """

    head: tuple[str, ...]
    classes: Sequence[str] | None = None
    keep_head: bool = False
    bands: int = 3
    band_layers: BandLayers = BandLayers()


def class_count(classes: Classes) -> int:
    """Returns the number of classes."""
    return classes if isinstance(classes, int) else len(classes)


def class_names(classes: Classes) -> list[str] | None:
    """Returns the names of the classes, if they are known."""
    return None if isinstance(classes, int) else list(classes)


def adapt_filters(weights: Tensor, bands: int) -> Tensor:
    """Adapts the filters of a first convolution to images with another number of bands, as timm does.

    For one band, the filters are summed over their bands: a grey image gives the same features as three equal
    bands did. For several bands, the filters of the old bands are repeated in turn, or cut off, and scaled by
    the ratio of the numbers of bands, so that the features keep their magnitude.

    Args:
        weights: ``[outputs, old bands, k, k]``.
        bands: New number of bands.

    Returns:
        ``[outputs, bands, k, k]``.
    """
    old = weights.shape[1]
    if bands == old:
        return weights
    exact = weights.float()  # Weights may be in half precision.
    if bands == 1:
        adapted = exact.sum(dim=1, keepdim=True)
    else:
        adapted = exact[:, torch.arange(bands) % old] * (old / bands)
    return adapted.to(weights.dtype)


def adapt_bands(state: dict[str, Tensor], own: Mapping[str, Tensor], adaptation: Adaptation) -> int | None:
    """Adapts the first convolutions of loaded weights to the number of bands of a network.

    Args:
        state: The loaded weights by name; changed in place.
        own: The network's own weights by name.
        adaptation: What the weights are adapted to.

    Returns:
        The number of bands of the loaded weights, if it was another one; otherwise None.
    """
    adapted, bands, layers = None, adaptation.bands, adaptation.band_layers
    for name in layers.filters:
        filters = state.get(name)
        if filters is None or filters.ndim != 4 or own[name].shape[1] != bands + layers.others:
            continue
        old = filters.shape[1] - layers.others
        if old > 0 and old != bands:
            adapted = old
            state[name] = torch.cat([adapt_filters(filters[:, :old], bands), filters[:, old:]], dim=1)
    return adapted


def bands_note(old: int, bands: int, layers: BandLayers) -> str:
    """Returns a sentence for the user on weights that were adapted to another number of bands.

    Args:
        old: Number of bands of the weights.
        bands: Number of bands of the images.
        layers: The layers of the network that depend on it.
    """
    adapted = [f"first layer adapted to {_count_bands(bands)}"] if layers.filters else []
    anew = ", ".join(prefix.removesuffix(".") for prefix in layers.unadaptable)
    changes = adapted + ([f"random initial weights in {anew}"] if anew else [])
    return f"The weights are for {_count_bands(old)}: {', '.join(changes)}"


def adapt_head(
    state: dict[str, Tensor],
    own: Mapping[str, Tensor],
    adaptation: Adaptation,
    old: Sequence[str] | None,
) -> tuple[bool, str | None]:
    """Adapts the head of loaded weights to the classes of a network.

    The head is kept if the class names are the same, and its rows are reordered if their order differs.

    Args:
        state: The loaded weights by name; changed in place.
        own: The network's own weights by name.
        adaptation: What the weights are adapted to.
        old: Names of the classes of the loaded weights, if known.

    Returns:
        Whether the loaded head can be used, and a sentence for the user unless the classes are the same.
    """
    head, classes = adaptation.head, adaptation.classes
    names = [name for name in own if name.startswith(head)]
    fits = all(name in state and state[name].shape == own[name].shape for name in names)
    if classes is None or old is None:
        kept = fits and adaptation.keep_head
        place = "Head kept" if kept else "New head"
        note = f"{place} for {listed(classes)}: the weights do not name their classes" if classes else None
        return kept, note if names else None
    new, previous = listed(classes), f"the weights have {listed(old)}"
    if list(classes) == list(old):
        return fits, None if fits else f"New head for {new}: the weights have none that fits"
    if not names:
        return True, f"All weights kept for {new}: {previous}, but the network does not define `heads`"
    if fits and sorted(classes) == sorted(old) and _has_row_per_class(names, own, head, len(classes)):
        rows = [list(old).index(name) for name in classes]
        state.update({name: state[name][rows] for name in names})
        return True, f"Head reordered for {new}: {previous}"
    return False, f"New head for {new}: {previous}"


def _has_row_per_class(
    names: Sequence[str], own: Mapping[str, Tensor], head: tuple[str, ...], classes: int
) -> bool:
    """Returns whether each part of the head is a single layer, with one row of weights per class."""
    layers = [name for name in names if own[name].ndim > 1]
    return len(layers) == len(head) and all(own[name].shape[:1] == (classes,) for name in names)


def listed(classes: Sequence[str]) -> str:
    """Returns the names of classes, abbreviated if there are many."""
    shown = ", ".join(classes[:_SHOWN])
    return f"the classes {shown}" + (f", ... ({len(classes)})" if len(classes) > _SHOWN else "")


def _count_bands(number: int) -> str:
    return "1 band" if number == 1 else f"{number} bands"
