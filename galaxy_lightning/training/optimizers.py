"""The optimisers, Adam as Keras computes it and AdamW, and the schedule."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

from data_prep.common.errors import GalaxyError

OptimizerName = Literal["keras_adam", "adamw"]
Schedule = Literal["constant", "one_cycle"]
Groups = Sequence[tuple[Sequence[nn.Parameter], float]]
"""Parameters, each part with the multiple of the learning rate that it learns at."""


@dataclass(frozen=True)
class Optimization:
    """An optimiser and the schedule of its learning rate.

    Args:
        optimizer: ``keras_adam``, Adam as Keras computes it, or ``adamw`` (Loshchilov & Hutter 2019).
        learning_rate: The step size; of ``one_cycle`` the highest.
        adam_epsilon: Keeps divisions from exploding.
        weight_decay: AdamW's, of kernels; vectors, that is biases and normalisations, have none.
        schedule: ``constant``, or ``one_cycle``; see :func:`one_cycle`.

    Raises:
        GalaxyError: A setting is out of range.
    """

    optimizer: OptimizerName
    learning_rate: float
    adam_epsilon: float
    weight_decay: float
    schedule: Schedule

    def __post_init__(self) -> None:
        require(self.learning_rate > 0, "learning_rate", "above 0", self.learning_rate)
        require(self.adam_epsilon > 0, "adam_epsilon", "above 0", self.adam_epsilon)
        require(self.weight_decay >= 0, "weight_decay", "at least 0", self.weight_decay)

    @property
    def ends_at_zero(self) -> bool:
        """Whether the learning rate falls to nothing: then a fit's newest weights are its best ones."""
        return self.schedule != "constant"

    def make(self, groups: Groups) -> torch.optim.Optimizer:
        """Makes an optimiser that has not made a step yet.

        Args:
            groups: What is to be learnt.

        Raises:
            GalaxyError: Weight decay was asked of ``keras_adam``.
        """
        if self.optimizer == "keras_adam":
            if self.weight_decay:
                raise GalaxyError("keras_adam has no weight decay: set --model.optimizer adamw")
            scaled = [
                {"params": list(parameters), "lr": self.learning_rate * multiple}
                for parameters, multiple in groups
            ]
            return KerasAdam(scaled, self.learning_rate, self.adam_epsilon)
        split = [
            {
                "params": [weights for weights in parameters if (weights.ndim > 1) == decays],
                "lr": self.learning_rate * multiple,
                "weight_decay": self.weight_decay * decays,
            }
            for parameters, multiple in groups
            for decays in (True, False)
        ]
        used = [group for group in split if group["params"]]
        return torch.optim.AdamW(used, self.learning_rate, eps=self.adam_epsilon)


def require(holds: bool, setting: str, range_: str, value: float) -> None:
    """Stops at a setting of the model that is out of range.

    Args:
        holds: Whether it is in range.
        setting: Its name.
        range_: The range, in words.
        value: Its value.

    Raises:
        GalaxyError: It is out of range.
    """
    if not holds:
        raise GalaxyError(f"model.{setting} must be {range_}, not {value}")


def one_cycle(optimizer: torch.optim.Optimizer, steps: int) -> torch.optim.lr_scheduler.OneCycleLR:
    """Makes a schedule that raises the learning rate during the first 15% of all steps, then lowers it to 0.

    Source: Smith & Topin 2018. The shares and factors were chosen by cross-validation; see
    docs/galaxy_cnn.md.

    Args:
        optimizer: What it steers.
        steps: How many steps there are.
    """
    return torch.optim.lr_scheduler.OneCycleLR(
        optimizer,
        [group["lr"] for group in optimizer.param_groups],
        total_steps=steps,
        pct_start=0.15,
        div_factor=10,
        final_div_factor=1000,
    )


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
        self,
        parameters: Iterable[Tensor] | Iterable[dict[str, Any]],
        learning_rate: float = 1e-3,
        epsilon: float = 1e-7,
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
