"""Layers that turn with the galaxy: convolutions over the eight symmetries of the square.

A galaxy has no preferred direction. Group convolutions (Cohen & Welling 2016, "p4m") build that in:
each filter is applied in its four quarter turns and their mirror images, so that turning or
mirroring the image only permutes what comes out. What a network has learnt of an arm that opens to the
left it knows of all eight, with an eighth of the weights.

Feature maps are ``[B, 8 * C, H, W]``: C channels for each of the eight elements of the group, element by
element. Element ``g`` mirrors left and right where ``g >= 4``, then turns by ``g % 4`` quarters.
"""

import math
from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional

ELEMENTS: Final = 8


def transform(images: Tensor, element: int) -> Tensor:
    """Applies an element of the group.

    Args:
        images: ``[..., H, H]``.
        element: Its number.
    """
    mirrored = images.flip(-1) if element >= 4 else images
    return torch.rot90(mirrored, element % 4, dims=(-2, -1))


def _multiply() -> list[list[int]]:
    """Makes the group's table: ``[g][h]`` is the element that does ``h``, then ``g``."""
    corners = torch.arange(4).view(2, 2)
    number = {tuple(transform(corners, g).flatten().tolist()): g for g in range(ELEMENTS)}
    return [
        [number[tuple(transform(transform(corners, h), g).flatten().tolist())] for h in range(ELEMENTS)]
        for g in range(ELEMENTS)
    ]


_TABLE: Final = _multiply()
_INVERSE: Final = [row.index(0) for row in _TABLE]


class DihedralLift(nn.Module):
    """The first convolution: from an image to feature maps over the group.

    Args:
        inputs: Channels of the image.
        outputs: Channels for each element.
        kernel: Side of the filters.
        stride: 1 with an odd kernel, 2 with an even one and images of even side: then what a filter sees
            is centred, and stays so when the image is turned.
    """

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int) -> None:
        super().__init__()
        self.stride = stride
        self.weight = nn.Parameter(torch.empty(outputs, inputs, kernel, kernel))
        nn.init.normal_(self.weight, std=math.sqrt(2 / (inputs * kernel**2)))  # He et al. 2015.

    def forward(self, images: Tensor) -> Tensor:
        """Takes ``[B, inputs, H, W]`` to ``[B, 8 * outputs, H / stride, W / stride]``."""
        filters = torch.cat([transform(self.weight, g) for g in range(ELEMENTS)])
        padding = (self.weight.shape[-1] - 1) // 2
        return functional.conv2d(images, _channels_last(filters), stride=self.stride, padding=padding)


class DihedralConv(nn.Module):
    """A convolution over the group: from feature maps to feature maps.

    Args:
        inputs: Channels that come in, for each element.
        outputs: Channels that go out, for each element.
        kernel: Side of the filters, odd; the maps keep their size.
    """

    weight_of: Tensor

    def __init__(self, inputs: int, outputs: int, kernel: int = 3) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(outputs, inputs * ELEMENTS, kernel, kernel))
        nn.init.normal_(self.weight, std=math.sqrt(2 / (inputs * ELEMENTS * kernel**2)))
        # Which weight stands where in the filter of output element g over input element h: the filter
        # is a function on the group, and g moves it as it moves an image, by h -> g^-1 h.
        numbers = torch.arange(ELEMENTS * kernel**2).view(ELEMENTS, kernel, kernel)
        moved = [
            transform(numbers[[_TABLE[_INVERSE[g]][h] for h in range(ELEMENTS)]], g) for g in range(ELEMENTS)
        ]
        self.register_buffer("weight_of", torch.stack(moved).flatten(), persistent=False)

    def forward(self, maps: Tensor) -> Tensor:
        """Takes ``[B, 8 * inputs, H, W]`` to ``[B, 8 * outputs, H, W]``."""
        outputs, inputs, kernel, _ = self.weight.shape
        filters = (
            self.weight.reshape(outputs, inputs // ELEMENTS, ELEMENTS * kernel**2)
            .index_select(2, self.weight_of)
            .view(outputs, inputs // ELEMENTS, ELEMENTS, ELEMENTS, kernel, kernel)
            .permute(2, 0, 3, 1, 4, 5)
            .reshape(ELEMENTS * outputs, inputs, kernel, kernel)
        )
        return functional.conv2d(maps, _channels_last(filters), padding=kernel // 2)


class DihedralNorm(nn.Module):
    """Batch normalisation with one scale, shift, mean and variance for all eight versions of a channel.

    While it trains, each version is normalised by its own mean and variance over the batch: galaxies lie
    at all angles, so the eight estimate the same, and it takes a quarter of the time.

    Args:
        num_features: Channels for each element.
        start: What the scales begin with.
    """

    running_mean: Tensor
    running_var: Tensor

    def __init__(self, num_features: int, start: float = 1.0) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.full((num_features,), start))
        self.bias = nn.Parameter(torch.zeros(num_features))
        self.register_buffer("running_mean", torch.zeros(num_features))
        self.register_buffer("running_var", torch.ones(num_features))

    def forward(self, input: Tensor) -> Tensor:
        """Takes ``[B, 8 * num_features, H, W]`` to the same."""
        statistics = (self.running_mean, self.running_var)
        mean, variance, scale, shift = (
            values.repeat(ELEMENTS) for values in (*statistics, self.weight, self.bias)
        )
        normalised = functional.batch_norm(input, mean, variance, scale, shift, self.training)
        if self.training:  # The copies have been brought up to date: what they agree on is kept.
            for kept, updated in zip(statistics, (mean, variance), strict=True):
                kept.copy_(updated.detach().view(ELEMENTS, -1).mean(dim=0))
        return normalised


def over_elements(features: Tensor) -> Tensor:
    """Returns what is left when the direction is forgotten: mean and maximum over the group.

    Args:
        features: ``[B, 8 * C]``.

    Returns:
        ``[B, 2 * C]``, the same for all eight views of a galaxy.
    """
    each = features.view(len(features), ELEMENTS, -1)
    return torch.cat([each.mean(dim=1), each.amax(dim=1)], dim=1)


def _channels_last(filters: Tensor) -> Tensor:
    return filters.contiguous(memory_format=torch.channels_last)
