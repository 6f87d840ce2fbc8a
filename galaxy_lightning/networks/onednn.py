"""Convolution and pooling on the CPU in oneDNN's own memory layouts.

By default, PyTorch passes channels-last tensors to oneDNN, and pools with its own kernels, which store a
64-bit index per maximum and write most of the gradient twice. In oneDNN's layouts, convolution is faster, and
pooling, which stores one byte per maximum, is several times as fast. Outputs and gradients are equal up to
rounding.

Without these layouts, a training step of the reference CNN takes 1.25 times as long in float32, and 1.4 times
in bfloat16 (64 images of 224 x 224, 2 cores with AVX-512 and AMX).
"""

from functools import cache
from typing import Any, Final

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

_TYPES: Final = (torch.float32, torch.bfloat16)


def accepts(images: Tensor) -> bool:
    """Returns whether :func:`run` can process these images on this machine.

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
        and not torch.compiler.is_compiling()
        and _supports_dtype(dtype)
    )


def run(layers: nn.Sequential, images: Tensor) -> Tensor:
    """Applies the layers to images, as ``layers(images)`` does.

    Args:
        layers: Convolutions, max-poolings and ReLUs.
        images: ``[B, C, H, W]``, for which :func:`accepts` returns True.

    Returns:
        ``[B, features, h, w]``, in the type of the images or of autocast.

    Raises:
        TypeError: A layer is of another type.
    """
    values: Tensor = images.to(_dtype(images)).to_mkldnn()
    for layer in layers:
        match layer:
            case nn.Conv2d() if values.dtype == torch.bfloat16:
                values = _Convolution.apply(values, layer.weight, layer.bias, layer)
            case nn.Conv2d() | nn.MaxPool2d():
                values = layer(values)
            case nn.ReLU():
                values = torch.relu(values)  # The gradient of a pooling needs its result unchanged.
            case _:
                raise TypeError(f"{layer} is not supported in oneDNN's layouts")
    return values.to_dense()


@cache
def _supports_dtype(dtype: torch.dtype) -> bool:
    """Tries a training step: some processors lack bfloat16, and its operations are private in PyTorch."""
    images = torch.zeros(1, 1, 4, 4, dtype=dtype)
    try:
        with torch.inference_mode(False), torch.enable_grad(), torch.autocast("cpu", enabled=False):
            convolution = nn.Conv2d(1, 1, 3, device="meta").to_empty(device="cpu")  # Draws no random numbers.
            values = run(nn.Sequential(convolution, nn.MaxPool2d(2), nn.ReLU()), images)
            torch.autograd.grad(values.sum(), convolution.weight)
    except (AttributeError, RuntimeError, TypeError):
        return False
    return True


class _Convolution(torch.autograd.Function):
    """A bfloat16 convolution in oneDNN's layout, which ``nn.Conv2d`` supports in float32 only.

    The two operations are private in PyTorch, so ``_supports_dtype`` tries them first.
    """

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
        output_mask = [*ctx.needs_input_grad[:2], ctx.has_bias and ctx.needs_input_grad[2]]
        values_gradient, weight_gradient, bias_gradient = torch.ops.aten.convolution_backward(
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
            output_mask,
        )
        return (
            values_gradient if output_mask[0] else None,
            weight_gradient.to(weight.dtype) if output_mask[1] else None,
            bias_gradient.to(weight.dtype) if output_mask[2] else None,
            None,
        )


def _dtype(images: Tensor) -> torch.dtype:
    """Returns the type in which the layers compute."""
    if torch.is_autocast_enabled("cpu"):
        return torch.get_autocast_dtype("cpu")
    return images.dtype
