"""Explains the classification of a galaxy."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt
import torch

from data_prep.arrays.format import GalaxyArrays, id_column
from data_prep.common.errors import GalaxyError
from galaxy_lightning.explain.attribution import METHODS, grad_cam
from galaxy_lightning.explain.experts import expert_probabilities, ring_profiles
from galaxy_lightning.explain.neighbours import nearest_rows, training_rows
from galaxy_lightning.explain.opening import Galaxy, OpenedModel
from galaxy_lightning.networks.backbone import Backbone

NEAREST: Final = 5
"""Number of similar training galaxies."""
MAX_PROFILES: Final = 200
"""Maximum number of training galaxies of each class in its mean ring profile."""


@dataclass(frozen=True)
class Similar:
    """A training galaxy that the model sees as similar.

    Attributes:
        name: Its id.
        label: The name of its class.
        image: uint8 ``[H, H, bands]``.
        distance: Distance of the features, in standard deviations.
    """

    name: str
    label: str
    image: npt.NDArray[np.uint8]
    distance: float


@dataclass(frozen=True)
class Reference:
    """What is known about the training galaxies, to compare others with.

    Attributes:
        arrays: The galaxy arrays.
        rows: ``[M]`` rows of the training galaxies.
        features: ``[M, features]``.
        profiles: ``[2, rings]`` mean ring profile of each class and its standard deviation; empty if the
            network has no ring profiles.
    """

    arrays: GalaxyArrays
    rows: npt.NDArray[np.int64]
    features: npt.NDArray[np.float32]
    profiles: Mapping[str, npt.NDArray[np.float64]]


@dataclass(frozen=True)
class Explanation:
    """Why a galaxy got its class.

    Attributes:
        galaxy: The galaxy.
        classes: The class names, in order.
        probabilities: ``[classes]`` calibrated probabilities.
        explained: The number of the class that the maps refer to.
        maps: ``[h, h]`` attribution map by method; positive where the image speaks for the class.
        notes: Why methods or comparisons are missing.
        experts: ``[classes]`` probabilities by expert.
        radii: ``[rings]`` radii of the ring profile, as fractions of half the image's side.
        profile: ``[rings]`` brightness of the galaxy; None if the network has no ring profiles.
        class_profiles: ``[2, rings]`` mean and standard deviation of the training galaxies of each class.
        similar: The most similar training galaxies.
    """

    galaxy: Galaxy
    classes: list[str]
    probabilities: npt.NDArray[np.float64]
    explained: int
    maps: Mapping[str, npt.NDArray[np.float32]]
    notes: list[str] = field(default_factory=list)
    experts: Mapping[str, npt.NDArray[np.float64]] = field(default_factory=dict)
    radii: npt.NDArray[np.float64] | None = None
    profile: npt.NDArray[np.float64] | None = None
    class_profiles: Mapping[str, npt.NDArray[np.float64]] = field(default_factory=dict)
    similar: list[Similar] = field(default_factory=list)

    @property
    def predicted(self) -> str:
        """The name of the most probable class."""
        return self.classes[int(self.probabilities.argmax())]

    @property
    def label(self) -> str | None:
        """The name of the true class; None if unknown."""
        return None if self.galaxy.label is None else self.classes[self.galaxy.label]


def learn_reference(opened: OpenedModel) -> Reference | None:
    """Computes features and ring profiles of the training galaxies; None without galaxy arrays.

    Args:
        opened: The model.
    """
    arrays, predictor = opened.arrays, opened.predictor
    if arrays is None or not len(rows := training_rows(arrays)):
        return None
    generator, profiles = np.random.default_rng(0), {}
    for number, name in enumerate(arrays.classes):
        chosen = generator.permutation(rows[arrays.labels[rows] == number])[:MAX_PROFILES]
        if not len(chosen):
            continue
        found = ring_profiles(predictor.model.network, predictor.view(arrays.images[chosen]))
        if found is None:
            break
        profiles[name] = np.stack([found.brightness.mean(axis=0), found.brightness.std(axis=0)])
    return Reference(arrays, rows, predictor.features(arrays.images, rows), profiles)


def explain(
    galaxy: Galaxy, opened: OpenedModel, reference: Reference | None, explained: int | None = None
) -> Explanation:
    """Explains the classification of a galaxy.

    Args:
        galaxy: The galaxy.
        opened: The model.
        reference: The training galaxies, if they are available.
        explained: The number of the class to explain; the predicted class by default.

    Raises:
        GalaxyError: The image has another side or other bands than those of the model.
    """
    predictor, model = opened.predictor, opened.predictor.model
    images, classes = galaxy.image[None], list(model.classes)
    probabilities = predictor.probabilities(images)[0]
    explained = int(probabilities.argmax()) if explained is None else explained
    views, network = predictor.view(images), model.network
    maps: dict[str, npt.NDArray[np.float32]] = {}
    notes: list[str] = []
    for name, method in METHODS.items():
        if method is grad_cam and not isinstance(network, Backbone):
            continue
        try:
            maps[name] = method(network, views, torch.tensor([explained], device=views.device))[0]
        except GalaxyError as error:
            notes.append(f"no {name}: {error}")
    profile = ring_profiles(network, views)
    return Explanation(
        galaxy,
        classes,
        probabilities,
        explained,
        maps,
        notes,
        {
            name: found[0]
            for name, found in expert_probabilities(
                network, views, len(classes), model.inference.calibration.temperature
            ).items()
        },
        None if profile is None else profile.radii,
        None if profile is None else profile.brightness[0],
        {} if reference is None else reference.profiles,
        [] if reference is None else _find_similar(galaxy, opened, reference),
    )


def _find_similar(galaxy: Galaxy, opened: OpenedModel, reference: Reference) -> list[Similar]:
    """Finds the most similar training galaxies, without the galaxy itself."""
    arrays = reference.arrays
    features = opened.predictor.features(galaxy.image[None])
    positions, distances = nearest_rows(features, reference.features, NEAREST + 1)
    names = arrays.catalog[id_column(arrays.catalog)]
    found = [
        Similar(
            str(names.iloc[row]),
            arrays.classes[arrays.labels[row]],
            arrays.images[row],
            float(distance),
        )
        for row, distance in zip(reference.rows[positions[0]], distances[0], strict=True)
        if not np.array_equal(arrays.images[row], galaxy.image)  # Also a file of a training galaxy.
    ]
    return found[:NEAREST]
