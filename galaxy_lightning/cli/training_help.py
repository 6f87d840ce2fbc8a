"""How ``fit --help`` and its like read: the options that most users need, in plain words.

Lightning's Trainer has some fifty options, each explained to programmers. All of them work; only
these are shown.
"""

from argparse import SUPPRESS, Action
from collections.abc import Iterable
from typing import Any, Final

from data_prep.common.plain_help import PlainHelp

_DEVICE_TEXTS: Final = {
    "accelerator": "what to compute on: auto, cpu, gpu, mps",
    "devices": "how many of them, or which: 2, or [0, 3]",
    "num_nodes": "machines of a cluster to work on",
    "strategy": "how several devices share the work: auto, ddp, ...",
    "precision": "32-true, bf16-mixed, 16-mixed, ...",
}
_TRAINING_TEXTS: Final = {
    "max_epochs": "passes through the training galaxies",
    "max_time": "stop after this long: DD:HH:MM:SS",
    "limit_train_batches": "train on a part only: a number of batches, or a fraction such as 0.1",
    "accumulate_grad_batches": "batches that make one optimiser step together",
    "gradient_clip_val": "largest norm of the gradient",
    "callbacks": "Lightning callbacks to add, by class path",
    "fast_dev_run": "run one batch of everything and leave nothing, to see whether it works",
}
_TEXTS: Final = {
    "config": "YAML file of options; may be repeated; later files and options override earlier ones. It can "
    "name classes, and so run code: read a stranger's before you use it",
    "print_config": "print the resolved configuration and exit",
    "ckpt_path": "checkpoint: a .ckpt file, or the run folder that holds it",
    **{f"trainer.{name}": text for name, text in (_DEVICE_TEXTS | _TRAINING_TEXTS).items()},
}
_UNSHOWN: Final = (
    "model",
    "data",
    "trainer",
    "data.auxiliary",
    "weights_only",
    "return_predictions",
    "verbose",
)
_FIT_DATA: Final = ("augment", "simulate")
_HEADINGS: Final = {
    "Customize every aspect of training via flags": "Trainer (Lightning's other options work too)",
    "Sorts galaxy images into classes": "Model",
    "Feeds the galaxy arrays to a model, or, for ``predict``, any folder of images": "Data",
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
        """Names a group of options in the user's words."""
        known = _HEADINGS.get(heading or "", heading)
        super().start_section(known if known in (*_HEADINGS.values(), "options") else "Checkpoint")

    def add_arguments(self, actions: Iterable[Action]) -> None:
        """Adds those options of a group that are shown."""
        super().add_arguments([action for action in actions if self._is_shown(action.dest)])

    def _is_shown(self, option: str) -> bool:
        """Says whether the help shows an option; those of a fit, only the fit's."""
        group, _, name = option.rpartition(".")
        if option in _UNSHOWN or option.endswith((".help", ".seed")):
            return False
        if self._command != "fit" and (group == "model" or name in (*_TRAINING_TEXTS, *_FIT_DATA)):
            return False
        if option == "data.images" and self._command != "predict":
            return False
        return group != "trainer" or option in _TEXTS

    def _get_help_string(self, action: Action) -> str:
        text = _TEXTS.get(action.dest)
        if text is None:
            return super()._get_help_string(action).replace("``", "")
        shown = action.default is not None and action.default is not False and action.default != SUPPRESS
        return f"{text} (default: %(default)s)" if shown else text
