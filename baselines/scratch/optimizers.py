"""From gradients to new weights."""

from abc import ABC, abstractmethod
from collections.abc import Sequence

import numpy as np

from baselines.scratch.layer import Array, Layer


class Optimizer(ABC):
    """Changes the parameters of layers, in place, so that the loss goes down.

    An optimiser remembers something of earlier steps for each parameter; so each network needs one
    of its own.
    """

    def __init__(self) -> None:
        self.steps = 0

    def step(self, layers: Sequence[Layer]) -> None:
        """Takes one step, with the gradients of the latest backward pass.

        Args:
            layers: The layers of a network, the same every time.
        """
        self.steps += 1
        for place, layer in enumerate(layers):
            for name, parameter in layer.parameters.items():
                self._update(f"{place}.{name}", parameter, layer.gradients[name])

    @abstractmethod
    def _update(self, name: str, parameter: Array, gradient: Array) -> None:
        """Changes one parameter in place.

        Args:
            name: Which of the network's parameters it is.
            parameter: Its present value, to be changed.
            gradient: dL/d parameter, to be left as it is.
        """


class SGD(Optimizer):
    """Stochastic gradient descent: downhill by ``learning_rate`` times the gradient of one batch.

    With momentum, each parameter has a velocity that earlier gradients built up, which evens out
    the batches' noise: ``v = momentum * v - learning_rate * g``, ``w = w + v``, in Keras's form.
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
    """Adam (Kingma & Ba 2015): momentum, and a learning rate for each parameter by its own gradients.

    Running means of the gradient and of its square, ``m = beta_1 * m + (1 - beta_1) * g`` and
    ``v = beta_2 * v + (1 - beta_2) * g^2``, give the step ``w = w - alpha * m / (sqrt(v) + epsilon)``.
    Both means begin at zero and are too small at first, by ``1 - beta^t`` after ``t`` steps, for
    which ``alpha = learning_rate * sqrt(1 - beta_2^t) / (1 - beta_1^t)`` makes up. This is the form
    at the end of the paper's section 2, and Keras's; PyTorch adds epsilon to the corrected
    ``sqrt(v)`` instead, which differs by a little in the first steps.
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
