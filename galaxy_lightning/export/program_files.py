"""Exports classifiers as programs: files that PyTorch alone, or ONNX Runtime, can run."""

import contextlib
import io
import json
import logging
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import torch
from torch.export import Dim, ExportedProgram

from data_prep.common.errors import GalaxyError
from data_prep.common.files import new_file
from data_prep.images.cutouts import centre_corner
from galaxy_lightning.evaluation.ensemble import combine
from galaxy_lightning.export.classifier import ExportedClassifier
from galaxy_lightning.export.metadata import INPUT, OUTPUT, SHAPE
from galaxy_lightning.networks.weight_files import describe_error
from galaxy_lightning.training.ensemble import Ensemble

METADATA: Final = "metadata.json"
"""Name of the metadata in a PyTorch file."""
TOLERANCE: Final = 1e-4
"""Largest difference between the probabilities of a file and those of the model."""
_LARGEST_SIDE: Final = 8192
_LARGEST_ONNX: Final = 1536 << 20
"""Bytes of weights from which PyTorch would put them into another file, beside the ONNX file."""
_LARGEST_BATCH: Final = 2**31 - 1  # Without a limit, old versions of PyTorch refuse one number.

Images = npt.NDArray[np.uint8]
Probabilities = npt.NDArray[np.float32]


def export_pt2(ensemble: Ensemble, metadata: Mapping[str, Any], path: Path) -> float:
    """Writes a model as a PyTorch program (``torch.export``).

    Args:
        ensemble: The network, or several.
        metadata: What the file says about itself.
        path: The file to write.

    Returns:
        The largest difference between the probabilities of the file and those of the model, on test images.

    Raises:
        GalaxyError: The network cannot be exported, its export gives other probabilities, or the file cannot
            be written.
    """
    program, content = _trace(ensemble), io.BytesIO()
    with _explain(ensemble), _quiet():
        torch.export.save(program, content, extra_files={METADATA: json.dumps(metadata)})
        content.seek(0)
        loaded = torch.export.load(content).module()
    with new_file(path) as partial:
        partial.write_bytes(content.getvalue())  # PyTorch aborts the process if a disk is full.
        return _check(ensemble, lambda images: loaded(torch.from_numpy(images)).detach().numpy())


def export_onnx(ensemble: Ensemble, metadata: Mapping[str, Any], path: Path) -> float:
    """Writes a model as an ONNX file; :func:`export_pt2` describes arguments, result and errors."""
    import onnxruntime

    program = _trace(ensemble)
    with _explain(ensemble), _quiet():
        exported = torch.onnx.export(
            program,
            input_names=[INPUT],
            output_names=[OUTPUT],
            dynamic_shapes={INPUT: dict(enumerate(SHAPE))},
            dynamo=True,
            verbose=False,
        )
    assert exported is not None
    tensors = (each.const_value for each in exported.model.graph.initializers.values())
    size = sum(tensor.nbytes for tensor in tensors if tensor is not None)
    if size > _LARGEST_ONNX:
        raise GalaxyError(
            f"the weights have {size / 1e9:.1f} GB, more than an ONNX file holds: export fewer networks, or "
            "use --format pt2"
        )
    exported.model.producer_name = "galaxy-lightning"
    exported.model.metadata_props.update((name, _as_text(value)) for name, value in metadata.items())
    with new_file(path) as partial:
        with _quiet():
            exported.save(partial)
        with _explain(ensemble):
            session = onnxruntime.InferenceSession(partial, providers=["CPUExecutionProvider"])
        return _check(ensemble, lambda images: session.run([OUTPUT], {INPUT: images})[0])


def _as_text(value: Any) -> str:
    """Returns a value of the metadata as ONNX stores it: texts as they are, others as JSON."""
    return value if isinstance(value, str) else json.dumps(value)


def _trace(ensemble: Ensemble) -> ExportedProgram:
    """Traces a model for any number of images of any size."""
    classifier = ExportedClassifier(ensemble).eval().requires_grad_(requires_grad=False)
    # Dimensions of 1, and those of the crop, would count as constants.
    side = classifier.crop + 16
    images = torch.zeros(2, side, side + 2, classifier.bands, dtype=torch.uint8)
    sides = (Dim(name, min=classifier.crop, max=_LARGEST_SIDE) for name in ("height", "width"))
    dimensions = dict(enumerate((Dim("batch", min=1, max=_LARGEST_BATCH), *sides)))
    with _explain(ensemble), _quiet():
        return torch.export.export(classifier, (images,), dynamic_shapes={INPUT: dimensions}, strict=False)


def _check(ensemble: Ensemble, run: Callable[[Images], Probabilities]) -> float:
    """Compares the probabilities of a file with those of the model, for images of different sizes."""
    crop, bands = ensemble.members[0].image_size, ensemble.members[0].bands
    generator, largest = np.random.default_rng(0), 0.0
    for number, height, width in ((1, crop, crop), (3, crop + 1, crop + 30)):
        brightest = generator.integers(1, 256, (number, 1, 1, 1))
        images = (generator.random((number, height, width, bands)) * brightest).astype(np.uint8)
        left, top = centre_corner(width, height, crop)
        with torch.inference_mode():
            own = ensemble.classify(torch.from_numpy(images[:, top : top + crop, left : left + crop].copy()))
        probabilities = own.probabilities[0]
        if len(ensemble.members) > 1:
            unseen = np.zeros(own.probabilities.shape[:2], dtype=bool)
            probabilities = combine(own.probabilities, unseen, ensemble.calibration.temperature).probabilities
        # NumPy's maximum keeps NaN, which Python's may lose.
        largest = float(np.maximum(largest, np.abs(run(images) - probabilities).max()))
    if not largest <= TOLERANCE:
        raise GalaxyError(
            f"the exported {ensemble.members[0].network.name} gives other probabilities than the model (they "
            f"differ by up to {largest:.2g}): it cannot be exported to this format"
        )
    return largest


@contextlib.contextmanager
def _explain(ensemble: Ensemble) -> Iterator[None]:
    """Turns the errors of PyTorch's exporters into one line."""
    try:
        yield
    except (GalaxyError, OSError, MemoryError):
        raise
    except Exception as error:  # They raise whatever they find in the network's code.
        name = ensemble.members[0].network.name
        raise GalaxyError(
            f"PyTorch cannot export {name} ({describe_error(error)}): its code must not depend on the values "
            "or the number of the images"
        ) from error


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Hides the messages of PyTorch's exporters, which report an error as an exception anyway."""
    level = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(level)
