"""Convolution and pooling on the CPU in the layouts that oneDNN itself chooses.

PyTorch hands oneDNN its tensors channels last, and pools them by kernels of its own, which keep a 64-bit
index of each maximum and write most of the gradient twice. In oneDNN's layouts convolutions are faster, and
poolings, which keep one byte of each maximum, several times as fast. The function is the same, and so are
its gradients, to rounding.

Without them, a training step of the reference CNN takes 1.25 times as long in float32, and 1.4 times in
bfloat16 (64 images of 224 x 224, 2 cores with AVX-512 and AMX).
"""

from functools import cache
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
        and not torch.compiler.is_compiling()
        and _works_in(dtype)
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
            case nn.Conv2d() if values.dtype == torch.bfloat16:
                values = _Convolution.apply(values, layer.weight, layer.bias, layer)
            case nn.Conv2d() | nn.MaxPool2d():
                values = layer(values)
            case nn.ReLU():
                values = torch.relu(values)  # The gradient of a pooling needs its result unchanged.
            case _:
                raise TypeError(f"oneDNN's layouts are not known to {layer}")
    return values.to_dense()


@cache
def _works_in(dtype: torch.dtype) -> bool:
    """Tries a step: not every processor has bfloat16, and PyTorch does not promise the operations for it."""
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
    """A convolution in bfloat16 of values in oneDNN's layout: ``nn.Conv2d`` takes those in float32 only.

    Its two operations are PyTorch's own, not of its public interface: ``_works_in`` tries them first.
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
