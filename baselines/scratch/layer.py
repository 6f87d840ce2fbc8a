"""What every layer is: a function of its inputs and parameters that can also be differentiated."""

from abc import ABC, abstractmethod
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.floating[Any]]
"""float32 or float64. What goes in decides: nothing here changes one into the other."""

Engine = Literal["loops", "vectorized"]
"""How a layer computes: in for loops, to be read, or in matrix products, to be fast."""


class Layer(ABC):
    """One step of a network, ``outputs = f(inputs, parameters)``, and its derivatives.

    The chain rule lets each layer mind its own business. Let ``L`` be the loss, a single number.
    ``backward`` is given ``dL/d outputs``, which the layer after this one has computed, and finds

    - ``dL/d inputs = dL/d outputs * d outputs/d inputs``, for the layer before this one, and
    - ``dL/d parameters = dL/d outputs * d outputs/d parameters``, for the optimiser,

    each summed over all outputs. Every gradient has the shape of what it belongs to.

    ``backward`` belongs to the latest ``forward``, whose inputs the layer remembers. The arrays that
    the two return may be memory that the layer writes to again in its next ``forward`` or
    ``backward``: copy what is to be kept for longer. Making large arrays anew for every batch would
    cost more time than the arithmetic.

    Attributes:
        parameters: What is learnt, by name: empty in most layers.
        gradients: dL/d parameters under the same names, since the latest ``backward``.
    """

    def __init__(self) -> None:
        self.parameters: dict[str, Array] = {}
        self.gradients: dict[str, Array] = {}
        self._memory: dict[str, npt.NDArray[Any]] = {}

    @abstractmethod
    def forward(self, inputs: Array, *, training: bool = False) -> Array:
        """Computes the outputs, and remembers what ``backward`` will need.

        Args:
            inputs: A batch; the first axis counts its images.
            training: Whether the network is being trained or used: only dropout tells these apart.

        Returns:
            The outputs, one per image along the first axis.
        """

    @abstractmethod
    def backward(self, gradient: Array) -> Array:
        """Applies the chain rule, and stores the parameters' gradients in ``gradients``.

        Args:
            gradient: dL/d outputs, in the shape that ``forward`` returned.

        Returns:
            dL/d inputs, in the shape that ``forward`` was given.
        """

    def penalty(self) -> float:
        """Returns what the layer adds to the loss for its own weights; by default nothing."""
        return 0.0

    def _buffer(self, name: str, shape: tuple[int, ...], dtype: npt.DTypeLike) -> npt.NDArray[Any]:
        """Gives memory to write to, the same every time as long as it suffices.

        Fresh memory has to be fetched from the operating system page by page, which takes longer
        than writing to it; a smaller batch uses the beginning of what a larger one was given.

        Args:
            name: What it is for: each name has memory of its own.
            shape: The shape of the array.
            dtype: The type of its numbers.

        Returns:
            A contiguous array with anything in it.
        """
        count = int(np.prod(shape))
        memory = self._memory.get(name)
        if memory is None or memory.size < count or memory.dtype != dtype:
            memory = self._memory[name] = np.empty(count, dtype)
        return memory[:count].reshape(shape)


class TwoEngineLayer(Layer):
    """A layer that is written twice, side by side; ``engine`` says which way it computes.

    Args:
        engine: ``"loops"`` or ``"vectorized"``.
    """

    def __init__(self, engine: Engine) -> None:
        super().__init__()
        self.engine = engine

    def forward(self, inputs: Array, *, training: bool = False) -> Array:
        """See :meth:`Layer.forward`."""
        self._inputs = inputs
        return self._forward_loops(inputs) if self.engine == "loops" else self._forward_vectorized(inputs)

    def backward(self, gradient: Array) -> Array:
        """See :meth:`Layer.backward`."""
        return (
            self._backward_loops(gradient) if self.engine == "loops" else self._backward_vectorized(gradient)
        )

    @abstractmethod
    def _forward_loops(self, inputs: Array) -> Array: ...

    @abstractmethod
    def _forward_vectorized(self, inputs: Array) -> Array: ...

    @abstractmethod
    def _backward_loops(self, gradient: Array) -> Array: ...

    @abstractmethod
    def _backward_vectorized(self, gradient: Array) -> Array: ...
