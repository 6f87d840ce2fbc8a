"""Whole explanations."""

import numpy as np
import pytest
import torch

from galaxy_lightning.explain.experts import ring_profiles
from galaxy_lightning.explain.explanation import NEAREST, explain, learn_reference
from galaxy_lightning.explain.opening import OpenedModel, find_galaxies, open_model
from galaxy_lightning.explain.predictor import Predictor
from galaxy_lightning.training.module import GalaxyClassifier


@pytest.fixture(scope="module")
def opened(small_arrays, make_checkpoint):
    return open_model(make_checkpoint(small_arrays))


@pytest.fixture(scope="module")
def reference(opened):
    return learn_reference(opened)


def test_a_galaxy_is_explained(opened, reference):
    arrays, predictor = opened.arrays, opened.predictor
    row = int(arrays.rows("train")[4])
    (galaxy,) = find_galaxies([str(arrays.catalog["objid"].iloc[row])], opened)
    found = explain(galaxy, opened, reference)
    np.testing.assert_allclose(found.probabilities, predictor.probabilities(arrays.images[row : row + 1])[0])
    assert found.predicted == arrays.classes[found.explained]
    assert found.label == arrays.catalog["label"].iloc[row]
    assert list(found.maps) == ["integrated gradients", "occlusion"]
    assert all(each.shape == (64, 64) and np.isfinite(each).all() for each in found.maps.values())
    assert list(found.experts) == ["shapes", "rings"]
    assert found.profile.shape == found.radii.shape
    assert found.notes == []
    # The similar galaxies are training galaxies, but not the galaxy itself.
    training = arrays.catalog.iloc[arrays.rows("train")].astype({"objid": str}).set_index("objid")
    assert len({each.name for each in found.similar} - {galaxy.name}) == NEAREST
    assert [training["label"][each.name] for each in found.similar] == [each.label for each in found.similar]
    distances = [each.distance for each in found.similar]
    assert distances == sorted(distances)
    assert distances[0] > 0.01


def test_another_class_can_be_explained(opened, reference):
    (galaxy,) = find_galaxies([str(opened.arrays.catalog["objid"].iloc[0])], opened)
    one, other = (explain(galaxy, opened, reference, explained=number).maps for number in (0, 2))
    for method, values in one.items():
        assert not np.allclose(values, other[method])


def test_the_class_profiles_are_those_of_the_training_galaxies(opened, reference):
    arrays = opened.arrays
    assert list(reference.profiles) == arrays.classes
    for number, name in enumerate(arrays.classes):
        rows = [row for row in arrays.rows("train") if arrays.labels[row] == number]
        view = opened.predictor.view(arrays.images[rows])
        brightness = ring_profiles(opened.predictor.model.network, view).brightness
        np.testing.assert_allclose(
            reference.profiles[name], [brightness.mean(axis=0), brightness.std(axis=0)]
        )


def test_without_arrays_nothing_is_compared(opened):
    alone = opened._replace(arrays=None)
    assert learn_reference(alone) is None
    (galaxy,) = find_galaxies([str(opened.arrays.catalog["objid"].iloc[0])], opened)
    found = explain(galaxy._replace(label=None), alone, None)
    assert found.notes == []
    assert found.label is None
    assert found.similar == []
    assert found.class_profiles == {}


def test_a_backbone_has_grad_cam_maps_and_no_profile(opened):
    torch.manual_seed(0)
    model = GalaxyClassifier(backbone="timm:test_resnet", weights="none", image_size=64)
    of_backbone = OpenedModel(Predictor(model), opened.trained, opened.arrays)
    reference = learn_reference(of_backbone)
    assert reference.profiles == {}
    (galaxy,) = find_galaxies([str(opened.arrays.catalog["objid"].iloc[0])], of_backbone)
    found = explain(galaxy, of_backbone, reference)
    assert list(found.maps) == ["integrated gradients", "occlusion", "Grad-CAM"]
    assert found.profile is None
    assert found.experts == {}
    assert len(found.similar) == NEAREST
