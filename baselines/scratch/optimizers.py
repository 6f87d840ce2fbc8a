"""Optimisers, which update weights from gradients."""

from abc import ABC, abstractmethod
from collections.abc import Sequence

import numpy as np

from baselines.scratch.layer import Array, Layer


class Optimizer(ABC):
    """Updates the parameters of layers in place to decrease the loss.

    An optimiser stores a state for each parameter, so each network needs its own optimiser.
    """

    def __init__(self) -> None:
        self.steps = 0

    def step(self, layers: Sequence[Layer]) -> None:
        """Performs one step with the gradients of the latest backward pass.

        Args:
            layers: The layers of the network, the same in each step.
        """
        self.steps += 1
        for number, layer in enumerate(layers):
            for name, parameter in layer.parameters.items():
                self._update(f"{number}.{name}", parameter, layer.gradients[name])

    @abstractmethod
    def _update(self, name: str, parameter: Array, gradient: Array) -> None:
        """Updates a parameter in place.

        Args:
            name: The parameter's name, unique in the network.
            parameter: The parameter to update.
            gradient: dL/d parameter, which must not be changed.
        """


class SGD(Optimizer):
    """Stochastic gradient descent: each step subtracts ``learning_rate`` times the gradient of a batch.

    With momentum, each parameter has a velocity that accumulates earlier gradients, which averages out the
    noise between batches: ``v = momentum * v - learning_rate * g``, ``w = w + v``, as in Keras.
    """

    def __init__(self, learning_rate: float, momentum: float = 0.0) -> None:
        super().__init__()
        self.learning_rate = learning_rate
        self.momentum = momentum
        self._velocities: dict[str, Array] = {}

    def _update(self, name: str, parameter: Array, gradient: Array) -> None:
        if name not in self._velocities:
            self._velocities[name] = np.zeros_like(parameter)
        velocity = self._velocities[name]
        velocity *= self.momentum
        velocity -= self.learning_rate * gradient
        parameter += velocity


class Adam(Optimizer):
    """Adam (Kingma & Ba 2015): momentum, with a step size for each parameter that adapts to its gradients.

    Running means of the gradient ``g`` and of its square give the step:

    - ``m = beta_1 * m + (1 - beta_1) * g``
    - ``v = beta_2 * v + (1 - beta_2) * g^2``
    - ``w = w - alpha * m / (sqrt(v) + epsilon)``

    Both means start at zero and are too small by a factor of ``1 - beta^t`` after ``t`` steps. This is
    corrected by ``alpha = learning_rate * sqrt(1 - beta_2^t) / (1 - beta_1^t)``, as at the end of the paper's
    section 2 and in Keras. PyTorch adds epsilon to the corrected ``sqrt(v)`` instead, which differs slightly
    in the first steps.
    """

    def __init__(
        self, learning_rate: float = 1e-3, beta_1: float = 0.9, beta_2: float = 0.999, epsilon: float = 1e-7
    ) -> None:
        super().__init__()
        self.learning_rate = learning_rate
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon
        self._means: dict[str, Array] = {}
        self._mean_squares: dict[str, Array] = {}

    def _update(self, name: str, parameter: Array, gradient: Array) -> None:
        if name not in self._means:
            self._means[name] = np.zeros_like(parameter)
            self._mean_squares[name] = np.zeros_like(parameter)
        mean, mean_square = self._means[name], self._mean_squares[name]
        mean += (1 - self.beta_1) * (gradient - mean)
        mean_square += (1 - self.beta_2) * (np.square(gradient) - mean_square)
        bias_correction = float(np.sqrt(1 - self.beta_2**self.steps) / (1 - self.beta_1**self.steps))
        parameter -= self.learning_rate * bias_correction * mean / (np.sqrt(mean_square) + self.epsilon)
