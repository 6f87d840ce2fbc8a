"""The help of the training commands: the options that most users need, in plain words.

Lightning's Trainer has about fifty options, documented for programmers. All of them work; few are shown.
"""

import inspect
from argparse import SUPPRESS, Action
from collections.abc import Iterable
from typing import Any, Final

from lightning.pytorch import Trainer

from data_prep.common.plain_help import PlainHelp
from galaxy_lightning.data.datamodule import GalaxyDataModule
from galaxy_lightning.training.module import GalaxyClassifier

_DEVICE_TEXTS: Final = {
    "accelerator": "hardware to use: auto, cpu, gpu, mps",
    "devices": "number of devices, or a list of them: 2, or [0, 3]",
    "num_nodes": "number of machines",
    "strategy": "how several devices share the work: auto, ddp, ...",
    "precision": "float format: 32-true, bf16-mixed or 16-mixed",
}
_TRAINING_TEXTS: Final = {
    "max_epochs": "number of passes through the training galaxies",
    "max_time": "maximum duration of the fit: DD:HH:MM:SS",
    "limit_train_batches": "train on a part of the galaxies: a number of batches, or a fraction such as 0.1",
    "accumulate_grad_batches": "batches per optimiser step",
    "gradient_clip_val": "maximum norm of the gradient",
    "callbacks": "Lightning callbacks to add, by class path",
    "fast_dev_run": "run a single batch of everything and save nothing, to check that the fit works",
}
_TEXTS: Final = {
    "config": "YAML file of options, or the name of a shipped config; may be repeated; later files and "
    "options override earlier ones. A config can name classes and so run code: use only files you trust",
    "print_config": "print the resolved configuration and exit",
    "ckpt_path": "checkpoint or run folder; for predict also several",
    **{f"trainer.{name}": text for name, text in (_DEVICE_TEXTS | _TRAINING_TEXTS).items()},
}
_HIDDEN: Final = (
    "model",
    "data",
    "trainer",
    "data.auxiliary",
    "weights_only",
    "return_predictions",
    "verbose",
)
_FIT_OPTIONS: Final = ("seed_everything", "augment", "targets", "simulate", "simulate_seed", *_TRAINING_TEXTS)
"""Options that only the help of ``fit`` shows, besides those of the model."""


def _summary(documented: object) -> str:
    """Returns the first line of a docstring, which jsonargparse uses as the heading of a class's options."""
    return (inspect.getdoc(documented) or "").partition("\n")[0].rstrip(".")


_HEADINGS: Final = {
    _summary(Trainer.__init__): "Trainer (Lightning's other options work too)",
    _summary(GalaxyClassifier): "Model",
    _summary(GalaxyDataModule): "Data",
}


class TrainingHelp(PlainHelp):
    """Shows the options that most users need.

    Args:
        prog: The program's name and the command.
    """

    def __init__(self, prog: str, *args: Any, **kwargs: Any) -> None:
        super().__init__(prog, *args, **kwargs)  # type: ignore[no-untyped-call]
        self._command = prog.split()[-1]

    def start_section(self, heading: str | None) -> None:
        """Replaces the heading of a group of options by a short one."""
        short = _HEADINGS.get(heading or "", heading)
        super().start_section(short if short in (*_HEADINGS.values(), "options") else "Checkpoint")

    def add_arguments(self, actions: Iterable[Action]) -> None:
        """Adds the options of a group, except the hidden ones."""
        super().add_arguments([action for action in actions if self._is_shown(action.dest)])

    def _is_shown(self, option: str) -> bool:
        """Returns whether the help of the command shows an option."""
        group, _, name = option.rpartition(".")
        if option in _HIDDEN or option.endswith((".help", ".seed")):
            return False
        if self._command != "fit" and (group == "model" or name in _FIT_OPTIONS):
            return False
        if option in ("data.images", "data.pixel_scale") and self._command != "predict":
            return False
        return group != "trainer" or option in _TEXTS

    def _get_help_string(self, action: Action) -> str:
        text = _TEXTS.get(action.dest)
        if text is None:
            return super()._get_help_string(action).replace("``", "")
        has_default = action.default not in (None, False, SUPPRESS)
        return f"{text} (default: %(default)s)" if has_default else text
