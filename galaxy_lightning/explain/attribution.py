"""Attribution maps: which pixels of a galaxy speak for a class, and which against it.

All maps refer to one class and to the logit of the network, without zooms and calibration. What a pixel is
compared with is the sky of the image.
"""

from collections.abc import Callable
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import torch
from scipy.ndimage import gaussian_filter
from torch import Tensor, nn

from data_prep.common.errors import GalaxyError
from galaxy_lightning.networks.network import Network

STEPS: Final = 32
"""Number of steps of the integral of integrated gradients."""
WINDOW: Final = 1 / 7
"""Side of the window that occlusion moves over the image, as a fraction of the image's side."""
SMOOTHING: Final = 1 / 56
"""Standard deviation of the Gaussian that smooths maps of gradients, as a fraction of the image's side."""

Maps = npt.NDArray[np.float32]


def integrated_gradients(network: Network, views: Tensor, classes: Tensor, steps: int = STEPS) -> Maps:
    """Computes integrated gradients (Sundararajan et al. 2017) from the sky to the image, with captum.

    The sum of a map is the difference between the logits of the image and of the sky.

    Args:
        network: The network, in evaluation mode.
        views: ``[N, bands, h, h]``, the network's input.
        classes: ``[N]`` the class of each map.
        steps: Number of steps of the integral.

    Returns:
        ``[N, h, h]``, the sum over bands, smoothed.
    """
    from captum.attr import IntegratedGradients

    method = IntegratedGradients(network, multiply_by_inputs=True)
    maps = method.attribute(
        views, baselines=sky_images(views), target=classes, n_steps=steps, internal_batch_size=64
    )
    return _smooth(maps.sum(dim=1))


def occlusion(network: Network, views: Tensor, classes: Tensor) -> Maps:
    """Computes by how much the logit falls if a window shows the sky (Zeiler & Fergus 2014), with captum.

    Args:
        network: The network, in evaluation mode.
        views: ``[N, bands, h, h]``, the network's input.
        classes: ``[N]`` the class of each map.

    Returns:
        ``[N, h, h]``.
    """
    from captum.attr import Occlusion

    side = max(round(WINDOW * views.shape[-1]), 1)
    with torch.no_grad():
        maps = Occlusion(network).attribute(
            views,
            sliding_window_shapes=(views.shape[1], side, side),
            strides=(views.shape[1], max(side // 2, 1), max(side // 2, 1)),
            baselines=sky_images(views),
            target=classes,
            perturbations_per_eval=16,
        )
    return np.asarray(maps.mean(dim=1).cpu().numpy(), dtype=np.float32)


def grad_cam(network: Network, views: Tensor, classes: Tensor) -> Maps:
    """Computes Grad-CAM maps (Selvaraju et al. 2017) of the last convolution, with captum.

    Args:
        network: The network, in evaluation mode.
        views: ``[N, bands, h, h]``, the network's input.
        classes: ``[N]`` the class of each map.

    Returns:
        ``[N, h, h]``, not negative.

    Raises:
        GalaxyError: The network has no late convolution with several positions.
    """
    from captum.attr import LayerAttribution, LayerGradCam

    layer = _last_convolution(network, views[:1])
    maps = LayerGradCam(network, layer).attribute(views, target=classes, relu_attributions=True)
    side = (views.shape[-2], views.shape[-1])
    resized = LayerAttribution.interpolate(maps, side, interpolate_mode="bilinear")
    return np.asarray(resized[:, 0].detach().cpu().numpy(), dtype=np.float32)


def sky_images(views: Tensor) -> Tensor:
    """Returns images of the sky: the median of each band.

    Args:
        views: ``[N, bands, h, h]``.
    """
    return views.flatten(2).median(dim=2).values[..., None, None].expand_as(views)


METHODS: Final[dict[str, Callable[[Network, Tensor, Tensor], Maps]]] = {
    "integrated gradients": integrated_gradients,
    "occlusion": occlusion,
    "Grad-CAM": grad_cam,
}
"""The methods, by name. Grad-CAM suits backbones, whose last convolution still has several positions."""


def _last_convolution(network: Network, view: Tensor) -> nn.Module:
    """Returns the last convolution with at least 4 x 4 positions, if it is late in the network."""
    used: list[tuple[nn.Module, Any]] = []

    def note(layer: nn.Module, _: Any, output: Tensor) -> None:
        used.append((layer, output.shape))

    layers = [layer for layer in network.modules() if isinstance(layer, nn.Conv2d | nn.Linear)]
    hooks = [layer.register_forward_hook(note) for layer in layers]
    try:
        with torch.no_grad():
            network(view)
    finally:
        for hook in hooks:
            hook.remove()
    # Transformers begin with a convolution, which says little about what follows.
    found = [
        layer
        for layer, shape in used[len(used) // 2 :]
        if isinstance(layer, nn.Conv2d) and len(shape) == 4 and min(shape[-2:]) >= 4
    ]
    if not found:
        raise GalaxyError(
            f"{network.name} has no late convolution with several positions, which Grad-CAM needs: "
            "integrated gradients and occlusion apply to all networks"
        )
    return found[-1]


def _smooth(maps: Tensor) -> Maps:
    """Smooths ``[N, h, h]`` maps."""
    values = maps.detach().float().cpu().numpy()
    sigma = SMOOTHING * values.shape[-1]
    return np.asarray(gaussian_filter(values, (0, sigma, sigma)), dtype=np.float32)
