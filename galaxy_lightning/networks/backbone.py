"""Networks trained on other images, with a fresh head for galaxies."""

import re
from itertools import groupby
from pathlib import Path
from typing import Any, Final, Self

import torch
from torch import Tensor, nn
from torch.nn import functional

from data_prep.common.errors import GalaxyError
from galaxy_lightning.networks.network import Network
from galaxy_lightning.networks.sources import HUB, NONE, from_timm, from_torchvision
from galaxy_lightning.networks.weight_files import reason

_NORMALISATIONS: Final = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm)
_STEM: Final = re.compile(r"(cls|class)_token|pos_embed|patch_embed|conv_proj|encoder\.pos_embedding")
_BLOCK: Final = re.compile(
    r"(encoder\.layers|\w*features|\w*layers|\w*blocks|\w*stages|transformers|trunk_output)\.\w+|\w+"
)
"""What of a parameter's name tells its block: a child of the trunk, or of the network itself."""


class Backbone(Network):
    """A network of torchvision or timm whose classification head is a fresh one for galaxies.

    Images are normalised as the network's weights expect them, and resized where it takes one size only.

    Args:
        name: A classification network of torchvision (``resnet18``) or, with the extra ``timm``, one of
            timm (``timm:convnext_nano``), of a Hugging Face repository
            (``hf_hub:mwalmsley/zoobot-encoder-convnext_nano``) or of a folder that holds such a repository's
            ``config.json`` and weights (``local-dir:<folder>``).
        classes: How many classes it tells apart.
        image_size: Side of its images in pixels.
        weights: What it starts from: ``hub``, the weights that its makers publish (of ``local-dir``, the
            folder's); ``none``, random ones; or the path of a file of weights.
        unfrozen: How many of its last blocks are trained besides the head; without it, all of it is.
        layer_decay: Learning rate of a block as a fraction of the next one's, towards the input (Bao et
            al. 2022, BEiT); the head's is 1.

    Attributes:
        name: What a run calls it: its architecture.
        architecture: The name that builds the same network again, with ``weights="none"`` and no hub.
        input_size: Height and width of the images that it takes, where it takes no other.
        blocks: Names of the parameters of each block, from the input to the output, without the head's.

    Raises:
        GalaxyError: There is no such network, its weights cannot be loaded or do not fit, or a setting is out
            of range.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        name: str,
        classes: int,
        image_size: int,
        weights: str = HUB,
        unfrozen: int | None = None,
        layer_decay: float = 1.0,
    ) -> None:
        super().__init__()
        if weights not in (HUB, NONE) and not Path(weights).is_file():
            raise GalaxyError(f"there is no file {weights}: --model.weights takes {HUB}, {NONE} or a file")
        if not 0 < layer_decay <= 1:
            raise GalaxyError(f"model.layer_decay must be above 0 and at most 1, not {layer_decay}")
        source = (from_timm if ":" in name else from_torchvision)(name, classes, weights)
        self.model, self._head, self.layer_decay = source.model, source.head, layer_decay
        self.name = self.architecture = source.architecture
        self.input_size = source.input_size
        # Kept with the weights: they belong together, also where the name alone tells other ones.
        for key, values in (("mean", source.mean), ("std", source.std)):
            self.register_buffer(key, torch.tensor(values).expand(3).reshape(3, 1, 1).clone())
        self._require_images_of(image_size, name)
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
            images: float ``[B, 3, H, W]`` in [0, 1].

        Returns:
            ``[B, classes]``.
        """
        if self.input_size not in (None, tuple(images.shape[-2:])):
            # In float32: not every device resizes in bfloat16.
            resized = functional.interpolate(images.float(), self.input_size, mode="bilinear", antialias=True)
            images = resized.to(images.dtype)
        logits: Tensor = self.model((images - self.mean) / self.std)
        return logits

    def train(self, mode: bool = True) -> Self:
        """Sets training or evaluation; the statistics of frozen batch normalisations stay as they are."""
        super().train(mode)
        for layer in self.modules():
            if isinstance(layer, _NORMALISATIONS) and layer.affine and not layer.weight.requires_grad:
                layer.eval()
        return self

    def parameter_groups(self) -> list[tuple[list[nn.Parameter], float]]:
        """Returns the trainable parameters with their learning rates, the head's first.

        Returns:
            Groups of parameters, each parameter in one of them, and the factor of their learning rate.
        """
        groups: dict[float, list[nn.Parameter]] = {1.0: self.head_parameters}
        parameters = dict(self.model.named_parameters())
        for depth, block in enumerate(reversed(self.blocks), start=1):
            trained = [parameters[name] for name in block if parameters[name].requires_grad]
            if trained:
                groups.setdefault(self.layer_decay**depth, []).extend(trained)
        return [(trained, factor) for factor, trained in groups.items()]

    def _freeze(self, unfrozen: int, name: str) -> None:
        """Excludes all but the head and the last blocks from training."""
        frozen = len(self.blocks) - unfrozen
        if unfrozen < 0 or frozen < 0:
            raise GalaxyError(
                f"{name} has {len(self.blocks)} blocks besides its head: --model.unfrozen takes 0 to "
                f"{len(self.blocks)}, not {unfrozen}"
            )
        for block in self.blocks[:frozen]:
            for parameter in block:
                self.model.get_parameter(parameter).requires_grad_(False)

    def _require_images_of(self, size: int, name: str) -> None:
        """Tries one image, for what its many makers demand of sizes is written down nowhere."""
        try:
            with torch.no_grad():
                self.eval()(torch.zeros(1, 3, size, size))
        except Exception as error:
            raise GalaxyError(
                f"{name} does not take images of {size} pixels ({reason(error)}): prepare them at another "
                "size, or take another network"
            ) from error


def _blocks(model: Any, head: tuple[str, ...]) -> list[list[str]]:
    """Names of the parameters of each block of a network, from the input to the output, without the head's.

    They are split as timm splits its networks, and by the children of the trunk otherwise.
    """
    parameters = {name: w for name, w in model.named_parameters() if not name.startswith(head)}
    try:
        matcher = model.group_matcher(coarse=True)
    except (AttributeError, AssertionError):  # Not timm's, or one of the few of timm's that cannot tell.
        runs = groupby(parameters, key=_block_name)
    else:
        from timm.models import group_parameters

        order = group_parameters(model, matcher, reverse=True)
        runs = groupby(sorted(parameters, key=order.__getitem__), key=order.__getitem__)
    blocks: list[list[str]] = []
    for _, run in runs:
        names = list(run)
        if blocks and all(parameters[name].ndim < 2 for name in names):
            blocks[-1] += names  # A normalisation belongs to what it normalises.
        else:
            blocks.append(names)
    return blocks


def _block_name(parameter: str) -> str:
    """Names the block of a parameter."""
    found = _BLOCK.match(parameter)
    return "stem" if _STEM.match(parameter) or found is None else found[0]
