"""Convolution and pooling on the CPU in the layouts that oneDNN itself chooses.

PyTorch hands oneDNN its tensors channels last, and pools them by kernels of its own, which keep a 64-bit
index of each maximum and write most of the gradient twice. In oneDNN's layouts convolutions are faster, and
poolings, which keep one byte of each maximum, several times as fast. The function is the same, and so are
its gradients, to rounding.
"""

from typing import Any, Final

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

_TYPES: Final = (torch.float32, torch.bfloat16)


def accepts(images: Tensor) -> bool:
    """Says whether :func:`run` can compute what comes from these images, on this machine.

    Args:
        images: ``[B, C, H, W]``.
    """
    dtype = _dtype(images)
    return bool(
        images.device.type == "cpu"
        and dtype in _TYPES
        and torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
        and torch.backends.mkldnn.enabled
        and torch.backends.cpu.get_cpu_capability().startswith("AVX")
        and (dtype == torch.float32 or torch.ops.mkldnn._is_mkldnn_bf16_supported())
        and not torch.compiler.is_compiling()
    )


def run(layers: nn.Sequential, images: Tensor) -> Tensor:
    """Computes what the layers make of images, as ``layers(images)`` does.

    Args:
        layers: Convolutions, max-poolings and ReLUs.
        images: ``[B, C, H, W]``, such as :func:`accepts` accepts.

    Returns:
        ``[B, features, h, w]``, in the type of the images or of autocast.

    Raises:
        TypeError: A layer is of another kind.
    """
    values: Tensor = images.to(_dtype(images)).to_mkldnn()
    for layer in layers:
        match layer:
            case nn.Conv2d():
                values = _Convolution.apply(values, layer.weight, layer.bias, layer)
            case nn.MaxPool2d():
                window = (layer.kernel_size, layer.stride, layer.padding, layer.dilation)
                values = torch.ops.aten.mkldnn_max_pool2d(values, *map(_pair, window), layer.ceil_mode)
            case nn.ReLU():
                values = torch.relu(values)
            case _:
                raise TypeError(f"oneDNN's layouts are not known to {layer}")
    return values.to_dense()


class _Convolution(torch.autograd.Function):
    """A convolution of values in oneDNN's layout by weights as they are; torch's own takes no bfloat16."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, weight: Tensor, bias: Tensor | None, layer: nn.Conv2d) -> Tensor:
        ctx.layer, ctx.has_bias = layer, bias is not None
        ctx.save_for_backward(values, weight)
        bias = bias if bias is None else bias.to(values.dtype)
        result: Tensor = torch.ops.aten.mkldnn_convolution(
            values, weight.to(values.dtype), bias, layer.padding, layer.stride, layer.dilation, layer.groups
        )
        return result

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None, None]:
        layer: nn.Conv2d = ctx.layer
        values, weight = ctx.saved_tensors
        wanted = [*ctx.needs_input_grad[:2], ctx.has_bias and ctx.needs_input_grad[2]]
        of_values, of_weight, of_bias = torch.ops.aten.convolution_backward(
            gradient,
            values,
            weight.to(values.dtype),
            [layer.out_channels],
            layer.stride,
            layer.padding,
            layer.dilation,
            False,
            [0, 0],
            layer.groups,
            wanted,
        )
        return (
            of_values if wanted[0] else None,
            of_weight.to(weight.dtype) if wanted[1] else None,
            of_bias.to(weight.dtype) if wanted[2] else None,
            None,
        )


def _dtype(images: Tensor) -> torch.dtype:
    """Returns the type that the layers compute in."""
    if torch.is_autocast_enabled("cpu"):
        return torch.get_autocast_dtype("cpu")
    return images.dtype


def _pair(value: int | tuple[int, ...]) -> list[int]:
    return [value, value] if isinstance(value, int) else list(value)
