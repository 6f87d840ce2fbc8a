"""Adam with its epsilon where Keras has it."""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor


class KerasAdam(torch.optim.Adam):
    """Adam as Keras computes it, so that a fit can be followed step by step.

    Kingma & Ba (2015) give two forms. PyTorch's divides by ``sqrt(v / (1 - beta_2^t)) + epsilon``;
    Keras's, the one at the end of their section 2, by ``sqrt(v) + epsilon``, and puts the
    correction into the step size. So Keras's epsilon acts as PyTorch's would at ``epsilon / sqrt(1 -
    beta_2^t)``: 32 times as large in the first step, and hardly another after a few thousand.

    Args:
        parameters: What is to be learnt.
        learning_rate: Step size.
        epsilon: Keras's epsilon.
    """

    def __init__(
        self, parameters: Iterable[Tensor], learning_rate: float = 1e-3, epsilon: float = 1e-7
    ) -> None:
        super().__init__(parameters, lr=learning_rate, eps=epsilon)
        for group in (self.defaults, *self.param_groups):  # A group that is added later takes the defaults.
            group.update(steps=0, keras_epsilon=epsilon)
        self.register_step_pre_hook(_set_epsilon)


def _set_epsilon(optimizer: torch.optim.Optimizer, args: Any, kwargs: Any) -> None:
    """Sets PyTorch's epsilon for the step that is about to be made."""
    for group in optimizer.param_groups:
        group["steps"] += 1
        correction = 1 - group["betas"][1] ** group["steps"]
        group["eps"] = group["keras_epsilon"] / correction**0.5
