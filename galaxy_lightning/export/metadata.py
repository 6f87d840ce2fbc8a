"""What an exported file says about itself."""

from shlex import quote
from typing import Any, Final

from data_prep.common.environment import describe_environment
from data_prep.schema import COLOURS
from galaxy_lightning.training.ensemble import Ensemble

SHAPE: Final = ("batch", "height", "width")
"""The names of the input's dimensions before the bands."""
FORMAT: Final = 1
"""Version of the metadata."""
INPUT: Final = "images"
OUTPUT: Final = "probabilities"
"""The names of the input and the output in an ONNX file."""


def describe_export(ensemble: Ensemble) -> dict[str, Any]:
    """Returns the metadata of an exported model, as JSON types.

    Args:
        ensemble: The network, or several.

    Returns:
        ``format``; ``model``, the networks, and ``option``, the option of ``fit`` for the first;
        ``classes`` and ``class_descriptions``; ``input`` and ``output``; ``images``: how image files become
        pixels (see :class:`data_prep.images.image_settings.ImageSettings`), and ``pixel_scale`` in arcsec per
        pixel, as far as known; ``survey``; ``views``, those of the first network; ``calibration``;
        ``networks`` and ``parameters``, their numbers; ``versions``.
    """
    first, trained = ensemble.members[0], ensemble.trained[0]
    settings, calibration = trained.images.settings, ensemble.calibration
    fitted = calibration.is_fitted
    network, backbone = first.hparams["network"], first.hparams["backbone"]
    scale = trained.images.pixel_scale or trained.images.relative_scale
    return {
        "format": FORMAT,
        "model": " + ".join(dict.fromkeys(member.network.name for member in ensemble.members)),
        "option": f"--model.backbone {quote(backbone)}" if backbone else f"--model.network {network}",
        "classes": list(ensemble.classes),
        "class_descriptions": dict(trained.class_descriptions),
        "input": {
            "name": INPUT,
            "dtype": "uint8",
            "shape": [*SHAPE, first.bands],
            "bands": list(settings.bands if settings else COLOURS[: first.bands]),
            "crop": first.image_size,
        },
        "output": {"name": OUTPUT, "dtype": "float32", "shape": ["batch", len(ensemble.classes)]},
        "images": settings.to_json() if settings else None,
        "pixel_scale": scale if isinstance(scale, float | None) else str(scale),
        "survey": trained.images.survey,
        "views": {"zooms": first.inference.zooms, "eight_views": first.inference.eight_views},
        "calibration": {
            "temperature": [member.inference.calibration.temperature for member in ensemble.members],
            "temperature_of_mean": calibration.temperature if len(ensemble.members) > 1 else None,
            "target_accuracy": calibration.target_accuracy,
            "threshold": calibration.threshold if fitted else None,
            "coverage": calibration.coverage if fitted else None,
        },
        "networks": len(ensemble.members),
        "parameters": sum(
            values.numel() for member in ensemble.members for values in member.network.parameters()
        ),
        "versions": describe_environment("torch")["versions"],
    }
