"""The command line of the baselines: ``python -m baselines fit|compare|parity|to-torch|to-keras``.

Each command imports what it needs only when it runs, so that ``--help`` is immediate.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from jsonargparse import ArgumentParser, Namespace
from jsonargparse.typing import PositiveFloat, PositiveInt, restricted_number_type

from data_prep.arrays.format import GalaxyArrays
from data_prep.common.commands import Commands, options_without
from data_prep.common.paths import quoted, user_path

PROGRAM = "python -m baselines"
_Seed = restricted_number_type("Seed", int, [(">=", 0), ("<", 2**32)])  # What Keras takes.
_Momentum = restricted_number_type("Momentum", float, [(">=", 0), ("<", 1)])


def main(args: Sequence[str] | None = None) -> None:
    """Runs one command.

    Args:
        args: The command line's words; by default those the program was started with.
    """
    _make_commands().main(args)


def _make_commands() -> Commands:
    """Makes the parsers of all commands."""
    commands = Commands(
        PROGRAM,
        "Baseline models, and the comparison of any number of models on identical splits.",
    )
    _add_fits(
        commands.add_group(
            "fit",
            "Fit a baseline on galaxy arrays and write a run folder.",
            "MODEL --data ARRAYS --out RUN [options]",
        )
    )

    compare = commands.add(
        "compare",
        "--data ARRAYS --out REPORT",
        "Train models on the same split, and compare them with each other and with existing runs. "
        "Writes report.html, report.md, metrics.json and figures. If interrupted, run the same command "
        "again: complete runs are kept."
        f"\nExample:\n{PROGRAM} compare --data ARRAYS --out REPORT --models galaxy_cnn keras --seeds 0 1",
        _compare,
    )
    _add_data(compare)
    compare.add_argument(
        "--out", type=user_path, required=True, metavar="REPORT", help="folder to create, or to resume in"
    )
    compare.add_argument(
        "--models",
        nargs="*",
        type=str,
        default=["galaxy_cnn", "keras", "reference_cnn", "scratch", "majority"],
        metavar="MODEL",
        help="models to train: keras, scratch, scratch-full, majority, or a config of galaxy_lightning, by "
        "its name (galaxy_cnn) or path; an empty list trains none",
    )
    compare.add_argument("--seeds", nargs="+", type=_Seed, default=[0], metavar="SEED", help="one run each")
    compare.add_argument(
        "--runs",
        nargs="*",
        type=user_path,
        default=[],
        metavar="RUN",
        help="existing run folders to include",
    )

    parity = commands.add(
        "parity",
        "--data ARRAYS",
        "Show that the Keras CNN and reference_cnn are the same network. "
        "Layers side by side; outputs from the same weights; training from the same weights on the same "
        "batches. About three minutes for images of 224 pixels on two cores.",
        _parity,
    )
    _add_data(parity)
    parity.add_argument("--galaxies", type=PositiveInt, default=64, help="galaxies to compare outputs on")
    parity.add_argument("--steps", type=PositiveInt, default=50, help="training steps")
    parity.add_argument("--batch-size", type=PositiveInt, default=32, help="galaxies per step")
    parity.add_argument(
        "--precision",
        type=Literal["float64", "float32"],
        default="float64",
        help="precision of both; in float32, rounding differences grow during training",
    )
    _add_seed(parity, "of weights and batches")

    to_torch = commands.add(
        "to-torch",
        "--weights FILE --data ARRAYS --out FILE",
        "Convert the weights of a Keras CNN to PyTorch. "
        "Writes a checkpoint of reference_cnn, for python -m galaxy_lightning test and predict.",
        _to_torch,
    )
    to_torch.add_argument(
        "--weights", type=user_path, required=True, metavar="FILE", help="a Keras run, or its model.keras"
    )
    _add_data(to_torch, "galaxy arrays that it was trained on")
    to_torch.add_argument("--out", type=user_path, required=True, metavar="FILE", help=".ckpt to write")

    to_keras = commands.add(
        "to-keras",
        "--ckpt-path FILE --out FILE",
        "Convert the weights of a reference_cnn to Keras. Writes a .keras file for keras.saving.load_model.",
        _to_keras,
    )
    to_keras.add_argument(
        "--ckpt-path",
        type=user_path,
        required=True,
        metavar="FILE",
        help="checkpoint, or the run folder that holds it",
    )
    to_keras.add_argument("--out", type=user_path, required=True, metavar="FILE", help=".keras to write")
    for command in (to_torch, to_keras):
        command.add_argument("--overwrite", action="store_true", help="replace an existing file")
    return commands


def _add_fits(fits: Commands) -> None:
    """Adds the models that can be fitted."""

    def add(name: str, description: str) -> ArgumentParser:
        def fit(options: Namespace) -> None:
            _fit(name, options)

        command = fits.add(name, "--data ARRAYS --out RUN", description, fit)
        command.add_argument(
            "--config", action="config", help="YAML file of options; later options override it"
        )
        _add_data(command)
        command.add_argument(
            "--out", type=user_path, required=True, metavar="RUN", help="run folder to create"
        )
        command.add_argument("--overwrite", action="store_true", help="replace an existing run")
        return command

    def add_training(command: ArgumentParser, epochs: int, learning_rate: float, optimiser: str) -> None:
        command.add_argument(
            "--epochs", type=PositiveInt, default=epochs, help="passes through the training galaxies"
        )
        command.add_argument("--batch-size", type=PositiveInt, default=64, help="galaxies per step")
        command.add_argument(
            "--learning-rate", type=PositiveFloat, default=learning_rate, help=f"of {optimiser}"
        )
        _add_seed(command, "of weights, shuffling and dropout")

    add("majority", "The floor: always the most common class. Sees no image.")
    add_training(
        add("keras", "The reference's Keras CNN, on TensorFlow. In mixed_float16 on a GPU."), 15, 1e-3, "Adam"
    )
    scratch = add(
        "scratch",
        "A small CNN in NumPy and for loops, on images of 32 x 32 pixels. As the reference specified it: one "
        "convolution of 16 filters, max-pooling, a dense layer. The reference's own settings, with which it "
        "hardly learns, are in configs/baselines/scratch_reference.yaml.",
    )
    add_training(scratch, 40, 0.01, "stochastic gradient descent")
    scratch.add_argument("--momentum", type=_Momentum, default=0.9, help="of the same")
    scratch.add_argument(
        "--engine",
        type=Literal["loops", "vectorized"],
        default="vectorized",
        help="loops computes the same in plain for loops, in a thousand times the time",
    )
    add_training(
        add("scratch-full", "The Keras CNN's architecture in NumPy, on whole images."), 15, 1e-3, "Adam"
    )


def _add_data(parser: ArgumentParser, what: str = "folder made by preprocess") -> None:
    parser.add_argument("--data", type=user_path, required=True, metavar="ARRAYS", help=what)


def _add_seed(parser: ArgumentParser, what: str) -> None:
    parser.add_argument("--seed", type=_Seed, default=0, help=f"seed {what}")


def _open(folder: Path) -> GalaxyArrays:
    from data_prep.arrays.format import open_arrays

    arrays = open_arrays(folder)
    arrays.verify()
    return arrays


def _fit(model: str, options: Namespace) -> None:
    from data_prep.common.files import refuse_existing

    if not options.overwrite:  # Before anything slow; the fit itself says what may be replaced.
        refuse_existing(options.out, overwrite=False)
    arrays = _open(options.data)
    settings: dict[str, Any] = options_without(options, "data", "out")
    if model == "majority":
        from baselines.majority import fit_majority as fit
    elif model == "keras":
        from baselines.keras_cnn.network import fit_keras as fit
    elif model == "scratch":
        from baselines.scratch.training import fit_scratch as fit
    else:
        from baselines.scratch.training import fit_scratch_full as fit
    accuracies = fit(arrays, options.out, **settings)
    found = ", ".join(f"{split} {accuracy:.3f}" for split, accuracy in accuracies.items())
    print(f"{model}: accuracy {found}; the run is in {options.out}")


def _compare(options: Namespace) -> None:
    from baselines.comparison.compare import compare

    arrays = _open(options.data)
    lines = compare(arrays, options.out, options.models, options.seeds, options.runs)
    print("\n".join(lines))


def _parity(options: Namespace) -> None:
    from baselines.keras_cnn.parity import measure_parity, parity_report

    arrays = _open(options.data)
    parity = measure_parity(arrays, **options_without(options, "data"))
    print("\n".join(parity_report(parity, options.data, options.steps)))


def _to_torch(options: Namespace) -> None:
    from baselines.keras_cnn.weights import checkpoint_from_keras
    from data_prep.common.files import refuse_existing

    refuse_existing(options.out, overwrite=options.overwrite)
    checkpoint_from_keras(options.weights, _open(options.data), options.out)
    print(f"The checkpoint is {options.out}")
    print(f"next: python -m galaxy_lightning test --ckpt_path {quoted(options.out)}")


def _to_keras(options: Namespace) -> None:
    from baselines.keras_cnn.weights import keras_from_checkpoint
    from data_prep.common.files import refuse_existing

    refuse_existing(options.out, overwrite=options.overwrite)
    keras_from_checkpoint(options.ckpt_path, options.out)
    print(f"The Keras model is {options.out}; open it with keras.saving.load_model")
