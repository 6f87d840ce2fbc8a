"""Group-equivariant layers: convolutions over the eight symmetries of the square.

A galaxy has no preferred direction. Group convolutions (Cohen & Welling 2016, "p4m") build that in:
each filter is applied in its four quarter turns and their mirror images, so that rotating or mirroring the
image by these only permutes the output. A network that has learnt a spiral arm in one orientation recognises
it in all eight, with an eighth of the weights.

Feature maps are ``[B, 8 * C, H, W]``: C channels for each of the eight elements of the group, element by
element. Element ``g`` mirrors left and right if ``g >= 4``, then rotates by ``g % 4`` quarter turns.
"""

import math
from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional

ELEMENTS: Final = 8
"""Number of elements of the group."""


def transform(images: Tensor, element: int) -> Tensor:
    """Applies an element of the group to images.

    Args:
        images: ``[..., H, H]``.
        element: Number of the element, 0 to 7.
    """
    mirrored = images.flip(-1) if element >= 4 else images
    return torch.rot90(mirrored, element % 4, dims=(-2, -1))


def _multiplication_table() -> list[list[int]]:
    """Returns the group's multiplication table: ``[g][h]`` is the element that applies ``h``, then ``g``."""
    corners = torch.arange(4).view(2, 2)
    number = {tuple(transform(corners, g).flatten().tolist()): g for g in range(ELEMENTS)}
    return [
        [number[tuple(transform(transform(corners, h), g).flatten().tolist())] for h in range(ELEMENTS)]
        for g in range(ELEMENTS)
    ]


_TABLE: Final = _multiplication_table()
_INVERSE: Final = [row.index(0) for row in _TABLE]


class DihedralLift(nn.Module):
    """The first convolution, from images to feature maps over the group.

    Args:
        inputs: Channels of the images.
        outputs: Output channels per group element.
        kernel: Side of the filters.
        stride: 1 with an odd kernel; 2 with an even kernel and images of even side. These combinations keep
            the filters centred, so that the layer is equivariant.
    """

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int) -> None:
        super().__init__()
        self.stride = stride
        self.weight = nn.Parameter(torch.empty(outputs, inputs, kernel, kernel))
        nn.init.normal_(self.weight, std=math.sqrt(2 / (inputs * kernel**2)))  # He et al. 2015.

    def forward(self, images: Tensor) -> Tensor:
        """Maps ``[B, inputs, H, W]`` to ``[B, 8 * outputs, H / stride, W / stride]``."""
        filters = torch.cat([transform(self.weight, g) for g in range(ELEMENTS)])
        padding = (self.weight.shape[-1] - 1) // 2
        return functional.conv2d(images, _channels_last(filters), stride=self.stride, padding=padding)


class DihedralConv(nn.Module):
    """A convolution over the group, from feature maps to feature maps of the same size.

    Args:
        inputs: Input channels per group element.
        outputs: Output channels per group element.
        kernel: Side of the filters, odd.
    """

    weight_index: Tensor

    def __init__(self, inputs: int, outputs: int, kernel: int = 3) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(outputs, inputs * ELEMENTS, kernel, kernel))
        nn.init.normal_(self.weight, std=math.sqrt(2 / (inputs * ELEMENTS * kernel**2)))
        # The index of each weight in the filter from input element h to output element g: the filter is a
        # function on the group, and g moves it as it moves an image, by h -> g^-1 h.
        indices = torch.arange(ELEMENTS * kernel**2).view(ELEMENTS, kernel, kernel)
        moved = [
            transform(indices[[_TABLE[_INVERSE[g]][h] for h in range(ELEMENTS)]], g) for g in range(ELEMENTS)
        ]
        self.register_buffer("weight_index", torch.stack(moved).flatten(), persistent=False)

    def forward(self, maps: Tensor) -> Tensor:
        """Maps ``[B, 8 * inputs, H, W]`` to ``[B, 8 * outputs, H, W]``."""
        outputs, inputs, kernel, _ = self.weight.shape
        filters = (
            self.weight.reshape(outputs, inputs // ELEMENTS, ELEMENTS * kernel**2)
            .index_select(2, self.weight_index)
            .view(outputs, inputs // ELEMENTS, ELEMENTS, ELEMENTS, kernel, kernel)
            .permute(2, 0, 3, 1, 4, 5)
            .reshape(ELEMENTS * outputs, inputs, kernel, kernel)
        )
        return functional.conv2d(maps, _channels_last(filters), padding=kernel // 2)


class DihedralNorm(nn.Module):
    """Batch normalisation that shares scale, shift and running statistics among the eight group elements.

    In training, each group element is normalised by its own batch mean and variance. Galaxies have random
    orientations, so all eight estimate the same quantities, and this takes a quarter of the time.

    Args:
        num_features: Channels per group element.
        initial_scale: Initial value of the scales.
    """

    running_mean: Tensor
    running_var: Tensor

    def __init__(self, num_features: int, initial_scale: float = 1.0) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.full((num_features,), initial_scale))
        self.bias = nn.Parameter(torch.zeros(num_features))
        self.register_buffer("running_mean", torch.zeros(num_features))
        self.register_buffer("running_var", torch.ones(num_features))

    def forward(self, input: Tensor) -> Tensor:
        """Normalises feature maps ``[B, 8 * num_features, H, W]``."""
        statistics = (self.running_mean, self.running_var)
        mean, variance, scale, shift = (
            values.repeat(ELEMENTS) for values in (*statistics, self.weight, self.bias)
        )
        normalised = functional.batch_norm(input, mean, variance, scale, shift, self.training)
        if self.training:  # batch_norm has updated the eight copies: store their mean.
            for shared, copies in zip(statistics, (mean, variance), strict=True):
                shared.copy_(copies.detach().view(ELEMENTS, -1).mean(dim=0))
        return normalised


def pool_elements(features: Tensor) -> Tensor:
    """Returns invariant features: the mean and the maximum over the group elements.

    Args:
        features: ``[B, 8 * C]``.

    Returns:
        ``[B, 2 * C]``, the same for all eight views of a galaxy.
    """
    by_element = features.view(features.shape[0], ELEMENTS, -1)
    return torch.cat([by_element.mean(dim=1), by_element.amax(dim=1)], dim=1)


def _channels_last(filters: Tensor) -> Tensor:
    return filters.contiguous(memory_format=torch.channels_last)
