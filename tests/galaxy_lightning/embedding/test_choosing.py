"""The choice of the galaxies to label next."""

import numpy as np
import pytest

from data_prep.common.errors import GalaxyError
from galaxy_lightning.embedding import choosing
from galaxy_lightning.embedding.choosing import choose_next, gradient_embeddings
from tests.galaxy_lightning.embedding.made_tables import draw_features


def draw(number, seed=0, classes=3):
    return draw_features(number, seed=seed), np.random.default_rng(seed).dirichlet(np.ones(classes), number)


def test_the_gradient_embeddings_are_the_gradients_of_the_loss():
    import torch

    features, probabilities = draw(5)
    weights = torch.zeros(3, 6, requires_grad=True)
    for galaxy in range(5):
        # The logits are those of the probabilities, whatever the weights are.
        logits = (
            torch.from_numpy(np.log(probabilities[galaxy]))
            + (weights - weights.detach()).double() @ torch.from_numpy(features[galaxy]).double()
        )
        loss = torch.nn.functional.cross_entropy(logits, torch.tensor(probabilities[galaxy].argmax()))
        (gradient,) = torch.autograd.grad(loss, weights)
        expected = gradient_embeddings(features[galaxy : galaxy + 1], probabilities[galaxy : galaxy + 1])
        np.testing.assert_allclose(gradient.numpy().reshape(1, -1), expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("number", [1, 7, 50, 80])
def test_the_choice_is_distinct_and_depends_only_on_the_seed(number):
    features, probabilities = draw(50)
    chosen = choose_next(features, probabilities, number, seed=3)
    assert len(chosen) == len(set(chosen.tolist())) == min(number, 50)
    assert chosen.min() >= 0
    assert chosen.max() < 50
    assert np.array_equal(chosen, choose_next(features, probabilities, number, seed=3))
    if number == 7:
        assert not np.array_equal(chosen, choose_next(features, probabilities, number, seed=4))


def test_uncertain_galaxies_of_all_kinds_are_chosen():
    # 300 galaxies of one kind, of which the model is certain, and 4 small groups of uncertain ones.
    generator, kinds = np.random.default_rng(0), 4
    centres = 10 * np.eye(6)[:kinds]
    uncertain = np.repeat(centres, [40, 10, 5, 2], axis=0)
    features = np.vstack([np.repeat([[0, 0, 0, 0, 10, 0]], 300, axis=0), uncertain])
    features += generator.normal(0, 0.1, features.shape)
    probabilities = np.vstack(
        [np.tile([0.999, 0.0005, 0.0005], (300, 1)), np.tile([0.4, 0.35, 0.25], (57, 1))]
    )
    group = np.repeat([-1, 0, 1, 2, 3], [300, 40, 10, 5, 2])
    for seed in range(10):
        chosen = choose_next(features, probabilities, kinds, seed)
        assert sorted(group[chosen].tolist()) == [0, 1, 2, 3], seed
    # The most uncertain ones alone would nearly always be of the most frequent kind.
    random = generator.choice(np.flatnonzero(group >= 0), (1000, kinds))
    assert np.mean([len(set(group[each])) == kinds for each in random]) < 0.05


def test_galaxies_that_are_all_alike_or_certain_are_filled_up():
    for probabilities in (np.tile([1.0, 0, 0], (9, 1)), np.tile([0.5, 0.3, 0.2], (9, 1))):
        chosen = choose_next(np.ones((9, 4)), probabilities, 5)
        assert len(set(chosen.tolist())) == 5


def test_only_the_most_uncertain_galaxies_are_considered(monkeypatch):
    monkeypatch.setattr(choosing, "MAX_CANDIDATES", 20)
    features, probabilities = draw(200)
    chosen = choose_next(features, probabilities, 5)
    p = probabilities
    most = np.argsort((p * np.log(p)).sum(axis=1))[:20]
    assert set(chosen.tolist()) <= set(most.tolist())
    # Embeddings with many values leave fewer, but twice the wanted number.
    monkeypatch.setattr(choosing, "_MAX_NUMBERS", 12 * 18)
    assert set(choose_next(features, probabilities, 5).tolist()) <= set(most[:12].tolist())
    assert len(choose_next(features, probabilities, 15)) == 15


def test_what_cannot_be_used_is_refused():
    features, probabilities = draw(5)
    with pytest.raises(GalaxyError, match="one row per galaxy"):
        choose_next(features[:4], probabilities, 2)
    with pytest.raises(GalaxyError, match="at least 1"):
        choose_next(features, probabilities, 0)
    features[2, 1] = np.nan
    with pytest.raises(GalaxyError, match="finite"):
        choose_next(features, probabilities, 2)
