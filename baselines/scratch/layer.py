"""The interface of all layers: functions of inputs and parameters, with their derivatives."""

from abc import ABC, abstractmethod
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.floating[Any]]
"""A float32 or float64 array. Layers preserve the type of their inputs."""

Engine = Literal["loops", "vectorized"]
"""The implementation of a layer: readable for loops, or fast matrix products."""


class Layer(ABC):
    """A step of a network, ``outputs = f(inputs, parameters)``, and its derivatives.

    Because of the chain rule, a layer needs no knowledge of the others. Let ``L`` be the loss, a scalar.
    ``backward`` receives ``dL/d outputs``, which the next layer has computed, and computes

    - ``dL/d inputs = dL/d outputs * d outputs/d inputs``, for the previous layer, and
    - ``dL/d parameters = dL/d outputs * d outputs/d parameters``, for the optimiser,

    both summed over all outputs. A gradient has the shape of the array that it refers to.

    ``backward`` refers to the latest ``forward``, whose inputs the layer stores. The returned arrays are
    buffers that the next ``forward`` or ``backward`` may overwrite: copy them to keep them. Allocating large
    arrays for every batch would take longer than the arithmetic.

    Attributes:
        parameters: The learned parameters by name; most layers have none.
        gradients: dL/d parameters by the same names, from the latest ``backward``.
    """

    def __init__(self) -> None:
        self.parameters: dict[str, Array] = {}
        self.gradients: dict[str, Array] = {}
        self._memory: dict[str, npt.NDArray[Any]] = {}

    @abstractmethod
    def forward(self, inputs: Array, *, training: bool = False) -> Array:
        """Computes the outputs, and stores the arrays that ``backward`` needs.

        Args:
            inputs: A batch; its first axis is the image.
            training: Whether this is a training step; only dropout depends on it.

        Returns:
            The outputs; the first axis is the image.
        """

    @abstractmethod
    def backward(self, gradient: Array) -> Array:
        """Applies the chain rule, and stores the gradients of the parameters in ``gradients``.

        Args:
            gradient: dL/d outputs, with the shape of the outputs.

        Returns:
            dL/d inputs, with the shape of the inputs.
        """

    def penalty(self) -> float:
        """Returns the regularisation term of the layer's weights in the loss; 0 by default."""
        return 0.0

    def _buffer(self, name: str, shape: tuple[int, ...], dtype: npt.DTypeLike) -> npt.NDArray[Any]:
        """Returns an array to write to, reusing its memory between calls.

        Allocating memory page by page takes longer than writing to it. A smaller batch uses the beginning of
        the memory of a larger one.

        Args:
            name: The name of the buffer; each name has separate memory.
            shape: The shape of the array.
            dtype: The type of its elements.

        Returns:
            A contiguous array with undefined content.
        """
        count = int(np.prod(shape))
        memory = self._memory.get(name)
        if memory is None or memory.size < count or memory.dtype != dtype:
            memory = self._memory[name] = np.empty(count, dtype)
        return memory[:count].reshape(shape)


class TwoEngineLayer(Layer):
    """A layer with two implementations, selected by ``engine``.

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
