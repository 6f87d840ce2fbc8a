"""The command ``export``: a trained model as a file that other programs use."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from data_prep.common.errors import GalaxyError
from data_prep.common.files import refuse_existing
from data_prep.common.libraries import require_libraries
from data_prep.common.paths import expand_path, quoted, user_path
from data_prep.common.progress import print_progress
from galaxy_lightning.cli.checkpoint_names import find_checkpoints
from galaxy_lightning.cli.descriptions import command_parser
from galaxy_lightning.cli.embedding_options import add_overwrite
from galaxy_lightning.cli.explain_command import add_network_option
from galaxy_lightning.evaluation.verdict import labelled
from galaxy_lightning.program import PROGRAM
from galaxy_lightning.shipped_models import DEFAULT_MODEL, MODELS
from galaxy_lightning.tables.formats import require_suffix

_LIBRARIES: Final = {"onnx": ("onnx", "onnxscript", "onnxruntime"), "pt2": (), "hub": ("safetensors",)}
"""The libraries that each format needs."""
_HUB: Final = "hub"
_UNFITTED: Final = "not known: the model is not calibrated, and neither are the probabilities of the export"


def run(args: Sequence[str]) -> None:
    """Writes a trained model in a format of other programs.

    Args:
        args: The command line after ``export``.

    Raises:
        GalaxyError: The model cannot be read or exported, or the file exists.
    """
    parser = command_parser("export", "--run RUN --format {onnx,pt2,hub} [options]")
    text = f"run folders or checkpoints, or a model of the package (default: {DEFAULT_MODEL})"
    parser.add_argument("--run", metavar="RUN", nargs="+", default=[DEFAULT_MODEL], help=text)
    parser.add_argument("--format", choices=tuple(_LIBRARIES), required=True, help="the format")
    parser.add_argument(
        "--out",
        type=user_path,
        metavar="PATH",
        help="file (.onnx or .pt2) or folder to write (default: next to the checkpoint; for a model of the "
        "package, in the current folder)",
    )
    add_network_option(parser)
    add_overwrite(parser)
    options = parser.parse_args(args)
    require_libraries(*_LIBRARIES[options.format])
    runs = [each if each in MODELS else expand_path(each) for each in options.run]
    checkpoints = find_checkpoints(runs)
    is_folder = options.format == _HUB
    if is_folder and len(checkpoints) > 1:
        raise GalaxyError("a folder for the hub holds one network: name one run")
    out = options.out or _default_path(runs[0], checkpoints[0], options.format)
    if not is_folder:
        require_suffix(out, (f".{options.format}",), "--out")
        refuse_existing(out, overwrite=options.overwrite)
        if out.is_dir():
            raise GalaxyError(f"--out {out} is a folder: name a file in it")
    # torch takes seconds to import.
    from galaxy_lightning.evaluation.calibration import Calibrations
    from galaxy_lightning.export.classifier import require_numbers
    from galaxy_lightning.export.hub_folder import CONTENTS, export_hub
    from galaxy_lightning.export.metadata import describe_export
    from galaxy_lightning.export.program_files import export_onnx, export_pt2
    from galaxy_lightning.runtime.noise import quieten
    from galaxy_lightning.training.ensemble import load_ensemble

    quieten()
    if is_folder:
        refuse_existing(out, overwrite=options.overwrite, contents=CONTENTS)
    ensemble = load_ensemble(checkpoints, options.network).eval()
    require_numbers(ensemble)
    metadata = describe_export(ensemble)
    if is_folder:
        name = runs[0] if runs[0] in MODELS else options.out.name if options.out else metadata["model"]
        model, trained = ensemble.members[0], ensemble.trained[0]
        export_hub(model, trained, metadata, out, name, overwrite=options.overwrite)
        checked = None
    else:
        print_progress("Exporting and checking the model, which may take a minute")
        checked = (export_onnx if options.format == "onnx" else export_pt2)(ensemble, metadata, out)
    names = ", ".join(metadata["classes"])
    networks = f"{len(checkpoints)} networks " if len(checkpoints) > 1 else ""
    print(labelled("Model", f"{networks}{metadata['model']}: {names}"))
    calibration = Calibrations(ensemble.calibration)
    uncertain = calibration.describe(metadata["views"]["zooms"]) if calibration.main.is_fitted else _UNFITTED
    print(labelled("Uncertain", uncertain))
    if checked is not None:
        print(
            labelled("Checked", f"the probabilities differ by at most {checked:.1g} from those of the model")
        )
    print(labelled("Saved to", str(out)))
    if is_folder:
        # Absolute, since some names alone mean published weights.
        weights = f"--model.weights {quoted(out.resolve())}"
        print(labelled("Next", f"{PROGRAM} fit {metadata['option']} {weights} --data.arrays ARRAYS"))


def _default_path(run: str, checkpoint: Path, format: str) -> Path:
    """Returns the path next to the checkpoint; of a model of the package, in the current folder."""
    if run in MODELS:
        return Path(f"{run}_hub" if format == _HUB else f"{run}.{format}")
    folder = Path(run) if Path(run).is_dir() else checkpoint.parent
    return folder / (_HUB if format == _HUB else f"model.{format}")
