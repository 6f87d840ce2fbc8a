import numpy as np
import torch

from galaxy_lightning.training.optimizers import KerasAdam


def as_keras_states_it(weight, gradients, learning_rate, epsilon):
    """Keras's Adam for one number, as documented."""
    mean = square = 0.0
    for step, gradient in enumerate(gradients, start=1):
        mean += (gradient - mean) * (1 - 0.9)
        square += (gradient**2 - square) * (1 - 0.999)
        alpha = learning_rate * np.sqrt(1 - 0.999**step) / (1 - 0.9**step)
        weight -= alpha * mean / (np.sqrt(square) + epsilon)
    return weight


def follow(optimizer, weight, gradients):
    for gradient in gradients:
        weight.grad = torch.tensor([gradient], dtype=torch.float64)
        optimizer.step()


def test_it_equals_keras_if_epsilon_matters():
    gradients = np.random.default_rng(0).normal(scale=1e-6, size=30)
    weight = torch.tensor([0.5], dtype=torch.float64, requires_grad=True)
    follow(KerasAdam([weight], 1e-3, 1e-7), weight, gradients)
    expected = as_keras_states_it(0.5, gradients, 1e-3, 1e-7)
    assert abs(weight.item() - expected) < 1e-14
    plain = torch.tensor([0.5], dtype=torch.float64, requires_grad=True)
    follow(torch.optim.Adam([plain], 1e-3, eps=1e-7), plain, gradients)
    assert abs(plain.item() - expected) > 1e-5


def test_it_resumes_from_its_state():
    gradients = np.random.default_rng(1).normal(scale=1e-6, size=20)
    whole = torch.tensor([0.5], dtype=torch.float64, requires_grad=True)
    follow(KerasAdam([whole]), whole, gradients)
    part = torch.tensor([0.5], dtype=torch.float64, requires_grad=True)
    first, second = KerasAdam([part]), KerasAdam([part])
    follow(first, part, gradients[:7])
    second.load_state_dict(first.state_dict())
    follow(second, part, gradients[7:])
    assert torch.equal(part, whole)
