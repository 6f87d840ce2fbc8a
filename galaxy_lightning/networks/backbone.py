"""Networks of torchvision and timm, pretrained on other images, with a new head."""

import re
from itertools import groupby
from pathlib import Path
from typing import Any, Final, Self

import torch
from torch import Tensor, nn
from torch.nn import functional

from data_prep.common.errors import GalaxyError
from galaxy_lightning.networks.adaptation import Classes
from galaxy_lightning.networks.network import Network
from galaxy_lightning.networks.sources import HUB, NONE, from_timm, from_torchvision
from galaxy_lightning.networks.weight_files import describe_error, read_normalisation

_NORMALISATIONS: Final = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm)
_STEM: Final = re.compile(r"(cls|class)_token|pos_embed|patch_embed|conv_proj|encoder\.pos_embedding")
_BLOCK: Final = re.compile(
    r"(encoder\.layers|\w*features|\w*layers|\w*blocks|\w*stages|transformers|trunk_output)\.\w+|\w+"
)
"""The part of a parameter's name that identifies its block: a child of the trunk, or of the network."""


class Backbone(Network):
    """A network of torchvision or timm with a new classification head.

    Images are normalised as the weights require, and resized if the network takes one size only. If they do
    not have three bands, the filters of the first convolution are adapted
    (:func:`galaxy_lightning.networks.adaptation.adapt_filters`), and all bands are normalised alike.

    Args:
        name: A classification network of torchvision (``resnet18``) or, with the extra ``timm``, of timm
            (``timm:convnext_nano``), of a Hugging Face repository
            (``hf_hub:mwalmsley/zoobot-encoder-convnext_nano``) or of a folder with the ``config.json`` and
            weights of such a repository (``local-dir:<folder>``).
        classes: Number of classes, or their names: the head of a checkpoint is kept if it has the same names.
        image_size: Side of the images in pixels.
        weights: Initial weights: ``hub``, the published weights (of ``local-dir``, those in the folder);
            ``none``, random weights; or the path of a file of weights.
        unfrozen: Number of final blocks to train besides the head; all if None.
        layer_decay: Learning rate of a block relative to that of the block after it (Bao et al. 2022, BEiT);
            the head's factor is 1.
        bands: Number of bands of the images.

    Attributes:
        name: Name of the network in run records: the architecture.
        architecture: Name from which the same network can be made with ``weights="none"``, without a hub.
        input_size: Height and width of the images if the network takes one size only.
        blocks: Names of the parameters of each block, from input to output, without the head.

    Raises:
        GalaxyError: The network is unknown, its weights cannot be loaded or do not fit, or a setting is out
            of range.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        name: str,
        classes: Classes,
        image_size: int,
        weights: str = HUB,
        unfrozen: int | None = None,
        layer_decay: float = 1.0,
        bands: int = 3,
    ) -> None:
        super().__init__()
        self.bands = bands
        if weights not in (HUB, NONE) and not Path(weights).is_file():
            raise GalaxyError(f"there is no file {weights}: --model.weights takes {HUB}, {NONE} or a file")
        if not 0 < layer_decay <= 1:
            raise GalaxyError(f"model.layer_decay must be above 0 and at most 1, not {layer_decay}")
        source = (from_timm if ":" in name else from_torchvision)(name, classes, weights, bands)
        self.model, self._head, self.layer_decay = source.model, source.head, layer_decay
        self.name = self.architecture = source.architecture
        self.heads = tuple(f"model.{name}" for name in source.head)
        self.input_size, self.notes = source.input_size, source.notes
        # Part of the state_dict: weights from a file or folder may need another normalisation than the
        # weights that timm knows by the same name.
        own = None if weights in (HUB, NONE) else read_normalisation(Path(weights))
        mean, std = own or (source.mean, source.std)
        for key, values in (("mean", mean), ("std", std)):
            tensor = torch.tensor(values).reshape(-1)
            if len(tensor) != bands:  # Other bands than those of the weights.
                tensor = tensor.mean().expand(bands)
            self.register_buffer(key, tensor.reshape(bands, 1, 1).clone())
        self._require_image_size(image_size, name)
        self.blocks = _blocks(self.model, self._head)
        if unfrozen is not None:
            self._freeze(unfrozen, name)
        self.train()

    @property
    def head_parameters(self) -> list[nn.Parameter]:
        """The parameters of the classification head."""
        return [weights for name, weights in self.model.named_parameters() if name.startswith(self._head)]

    def forward(self, images: Tensor) -> Tensor:
        """Computes the logits.

        Args:
            images: float ``[B, bands, H, W]`` in [0, 1].

        Returns:
            ``[B, classes]``.
        """
        if self.input_size not in (None, tuple(images.shape[-2:])):
            # In float32, because some devices cannot resize bfloat16 images.
            resized = functional.interpolate(images.float(), self.input_size, mode="bilinear", antialias=True)
            images = resized.to(images.dtype)
        logits: Tensor = self.model((images - self.mean) / self.std)
        return logits

    def train(self, mode: bool = True) -> Self:
        """Sets training or evaluation mode; frozen batch normalisations stay in evaluation mode."""
        super().train(mode)
        for layer in self.modules():
            if isinstance(layer, _NORMALISATIONS) and layer.affine and not layer.weight.requires_grad:
                layer.eval()
        return self

    def parameter_groups(self) -> list[tuple[list[nn.Parameter], float]]:
        """Returns groups of trainable parameters, the head first, each with its learning-rate factor."""
        groups: dict[float, list[nn.Parameter]] = {1.0: self.head_parameters}
        parameters = dict(self.model.named_parameters())
        for depth, block in enumerate(reversed(self.blocks), start=1):
            trained = [parameters[name] for name in block if parameters[name].requires_grad]
            if trained:
                groups.setdefault(self.layer_decay**depth, []).extend(trained)
        return [(trained, factor) for factor, trained in groups.items()]

    def _freeze(self, unfrozen: int, name: str) -> None:
        """Freezes all parameters except those of the head and the last blocks."""
        frozen = len(self.blocks) - unfrozen
        if unfrozen < 0 or frozen < 0:
            raise GalaxyError(
                f"{name} has {len(self.blocks)} blocks before its head: --model.unfrozen must be 0 to "
                f"{len(self.blocks)}, not {unfrozen}"
            )
        for block in self.blocks[:frozen]:
            for parameter in block:
                self.model.get_parameter(parameter).requires_grad_(False)

    def _require_image_size(self, size: int, name: str) -> None:
        """Tests the network with one image; the libraries do not state which sizes their networks accept."""
        try:
            with torch.no_grad():
                self.eval()(torch.zeros(1, self.bands, size, size))
        except Exception as error:
            raise GalaxyError(
                f"{name} does not accept images of {size} pixels ({describe_error(error)}): choose another "
                "--model.backbone, or make the arrays with another --crop"
            ) from error


def _blocks(model: Any, head: tuple[str, ...]) -> list[list[str]]:
    """Returns the names of the parameters of each block, from input to output, without the head.

    timm defines the blocks of its networks; in other networks, a block is a child of the trunk.
    """
    parameters = {name: w for name, w in model.named_parameters() if not name.startswith(head)}
    try:
        matcher = model.group_matcher(coarse=True)
    except (AttributeError, AssertionError):  # Not timm's, or without groups in timm.
        runs = groupby(parameters, key=_block_name)
    else:
        from timm.models import group_parameters

        order = group_parameters(model, matcher, reverse=True)
        runs = groupby(sorted(parameters, key=order.__getitem__), key=order.__getitem__)
    blocks: list[list[str]] = []
    for _, run in runs:
        names = list(run)
        if blocks and all(parameters[name].ndim < 2 for name in names):
            blocks[-1] += names  # A normalisation belongs to the layer before it.
        else:
            blocks.append(names)
    return blocks


def _block_name(parameter: str) -> str:
    """Returns the name of the block of a parameter."""
    found = _BLOCK.match(parameter)
    return "stem" if _STEM.match(parameter) or found is None else found[0]
