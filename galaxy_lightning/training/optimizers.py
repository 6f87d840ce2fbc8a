"""The optimisers, Adam as in Keras and AdamW, and the learning-rate schedule."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

from data_prep.common.errors import GalaxyError

OptimizerName = Literal["keras_adam", "adamw"]
Schedule = Literal["constant", "one_cycle"]
Groups = Sequence[tuple[Sequence[nn.Parameter], float]]
"""Groups of parameters, each with its learning-rate factor."""


@dataclass(frozen=True)
class Optimization:
    """An optimiser and the schedule of its learning rate.

    Args:
        optimizer: ``keras_adam``, Adam as in Keras, or ``adamw`` (Loshchilov & Hutter 2019).
        learning_rate: The learning rate; with ``one_cycle``, its maximum.
        adam_epsilon: Epsilon in the denominator of the step.
        weight_decay: Weight decay of ``adamw``; not applied to biases and normalisation parameters.
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
        check_range(self.learning_rate > 0, "learning_rate", "above 0", self.learning_rate)
        check_range(self.adam_epsilon > 0, "adam_epsilon", "above 0", self.adam_epsilon)
        check_range(self.weight_decay >= 0, "weight_decay", "at least 0", self.weight_decay)

    @property
    def ends_at_zero(self) -> bool:
        """Whether the learning rate falls to zero, so that the last weights of a fit are the best."""
        return self.schedule != "constant"

    def make_optimizer(self, groups: Groups) -> torch.optim.Optimizer:
        """Makes an optimiser.

        Args:
            groups: The parameters to train.

        Raises:
            GalaxyError: The weight decay of ``keras_adam`` is not zero.
        """
        if self.optimizer == "keras_adam":
            if self.weight_decay:
                raise GalaxyError("keras_adam has no weight decay: use --model.optimizer adamw")
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


def check_range(in_range: bool, setting: str, allowed: str, value: float) -> None:
    """Refuses a setting of the model that is out of range.

    Args:
        in_range: Whether the value is in range.
        setting: Name of the setting.
        allowed: The range, in words.
        value: The value.

    Raises:
        GalaxyError: The value is out of range.
    """
    if not in_range:
        raise GalaxyError(f"model.{setting} must be {allowed}, not {value}")


def one_cycle(optimizer: torch.optim.Optimizer, steps: int) -> torch.optim.lr_scheduler.OneCycleLR:
    """Makes a schedule that raises the learning rate in the first 15% of the steps, then lowers it to zero.

    Source: Smith & Topin 2018. Fraction and factors were chosen by cross-validation; see docs/galaxy_cnn.md.

    Args:
        optimizer: The optimiser.
        steps: Total number of steps.
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
    """Adam as in Keras, so that each step equals that of the Keras network.

    Kingma & Ba (2015) give two forms. PyTorch divides by ``sqrt(v / (1 - beta_2^t)) + epsilon``. Keras uses
    the form at the end of their section 2, which divides by ``sqrt(v) + epsilon`` and corrects the bias in
    the step size. Keras's epsilon therefore equals a PyTorch epsilon of ``epsilon / sqrt(1 - beta_2^t)``,
    which is 32 times as large in the first step and almost the same after a few thousand steps.

    Args:
        parameters: The parameters to train.
        learning_rate: The learning rate.
        epsilon: Keras's epsilon.
    """

    def __init__(
        self,
        parameters: Iterable[Tensor] | Iterable[dict[str, Any]],
        learning_rate: float = 1e-3,
        epsilon: float = 1e-7,
    ) -> None:
        super().__init__(parameters, lr=learning_rate, eps=epsilon)
        for group in (self.defaults, *self.param_groups):  # Groups added later use the defaults.
            group.update(steps=0, keras_epsilon=epsilon)
        self.register_step_pre_hook(_set_epsilon)


def _set_epsilon(optimizer: torch.optim.Optimizer, args: Any, kwargs: Any) -> None:
    """Sets PyTorch's epsilon for the next step."""
    for group in optimizer.param_groups:
        group["steps"] += 1
        correction = 1 - group["betas"][1] ** group["steps"]
        group["eps"] = group["keras_epsilon"] / correction**0.5
