"""The model card of a folder for the Hugging Face hub (Mitchell et al. 2019), from a run folder."""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import yaml

from data_prep.common.errors import GalaxyError
from data_prep.common.files import sha256
from data_prep.common.json_files import read_json
from data_prep.common.json_values import is_integer, is_number
from galaxy_lightning.audit.results import AUDIT
from galaxy_lightning.audit.results import SUMMARY as AUDIT_SUMMARY
from galaxy_lightning.evaluation.measures import metric_title
from galaxy_lightning.networks.weight_folders import TRAINED_ON
from galaxy_lightning.program import PROGRAM
from galaxy_lightning.runs.names import BEST_CHECKPOINT, METRICS, PREDICTIONS, RUN
from galaxy_lightning.training.checkpoints import CheckpointInfo

_LICENCES: Final = re.compile(r"mit|apache-2\.0|bsd-[23]-clause|cc0-1\.0|cc-by(-sa|-nc)?-[34]\.0|gpl-[23]\.0")
"""Names of licences that are those of the hub."""
_TEST: Final = "test"
_COUNTS: Final = ("galaxies", "left_out")
_SETTINGS: Final = (
    *("optimizer", "learning_rate", "schedule", "batch_size", "epochs", "augment", "targets", "mixup"),
    *("label_smoothing", "weight_decay", "colour_jitter", "grey"),
)


def make_card(
    trained: CheckpointInfo, metadata: Mapping[str, Any], input_size: Sequence[int] | None, name: str
) -> str:
    """Returns a model card as Markdown with a YAML header.

    Args:
        trained: The contents of the checkpoint. ``run.json``, ``test/metrics.json`` and the audit in its
            folder are read if they are there; those of another checkpoint are not used.
        metadata: The metadata of the export.
        input_size: Height and width of the images that its network takes in timm; None if timm does not have
            the network.
        name: The name of the model.

    Raises:
        GalaxyError: A file of the run is damaged.
    """
    folder = trained.path.parent
    about = _read(folder / RUN)
    test = _read_test(trained.path)
    audit = _read_audit(trained.path)
    header = yaml.safe_dump(
        _header(trained, metadata, test, for_timm=input_size is not None, name=name),
        sort_keys=False,
        allow_unicode=True,
        width=100,
    )
    sections = [
        f"# {_plain(name)}",
        _plain(trained.card.text("title") or "Classifies galaxy images by morphology."),
        *_use(metadata, input_size),
        *_classes(trained, metadata),
        *_images(metadata),
        *_training(trained, about),
        *_results(trained, test, metadata),
        *_audit(audit),
        *_limits(trained, metadata),
        *_origin(trained),
    ]
    return f"---\n{header}---\n\n" + "\n\n".join(sections) + "\n"


def _read(path: Path) -> dict[str, Any]:
    return read_json(path) if path.is_file() else {}


def _read_test(checkpoint: Path) -> dict[str, Any]:
    """Returns the results of these weights on test galaxies; nothing if there are none."""
    path = checkpoint.parent / _TEST / METRICS
    content = _read(path)
    if content.get("checkpoint_sha256") != sha256(checkpoint):
        return {}
    metrics = _numbers(content.get("metrics"))
    if "accuracy" not in metrics or not all(is_integer(content.get(name)) for name in _COUNTS):
        raise GalaxyError(f"{path} is damaged: run test again")
    return {"metrics": metrics, **{name: content[name] for name in _COUNTS}}


def _read_audit(checkpoint: Path) -> dict[str, float]:
    """Returns the figures of an audit of these weights; nothing if there is none."""
    run = checkpoint.parent
    summary, predictions = _read(run / AUDIT / AUDIT_SUMMARY), run / PREDICTIONS
    # While a fit that was resumed is incomplete, the predictions are those of the older weights.
    if checkpoint.name != BEST_CHECKPOINT or not (run / RUN).is_file() or not predictions.is_file():
        return {}
    if summary.get("predictions") != sha256(predictions):
        return {}
    return {
        name: value
        for section in (*(summary.get(name) for name in ("colour", "wrong_labels", "label_limit")), summary)
        for name, value in _numbers(section).items()
    }


def _numbers(content: object) -> dict[str, Any]:
    """Returns the entries of a JSON object that are numbers."""
    entries = content if isinstance(content, dict) else {}
    return {str(name): value for name, value in entries.items() if is_number(value)}


def _header(
    trained: CheckpointInfo,
    metadata: Mapping[str, Any],
    test: Mapping[str, Any],
    *,
    for_timm: bool,
    name: str,
) -> dict[str, Any]:
    """Returns the YAML header that the hub reads."""
    header: dict[str, Any] = {}
    licence = (trained.card.text("licence") or "").strip().lower()
    if licence:
        known = _LICENCES.fullmatch(licence) is not None
        header["license"] = licence if known else "other"
        header |= {} if known else {"license_name": licence[:80]}
    header["library_name"] = "timm" if for_timm else "galaxy-lightning"
    header["pipeline_tag"] = "image-classification"
    header["tags"] = ["image-classification", "astronomy", "galaxies", "galaxy-morphology", metadata["model"]]
    header["metrics"] = ["accuracy"]
    if test:
        measured = [
            {"type": key, "name": metric_title(key), "value": test["metrics"][key]}
            for key in ("accuracy", "f1", "recall")
            if key in test["metrics"]
        ]
        task = {"type": "image-classification"}
        dataset = {"name": "held-out test galaxies", "type": "galaxy-images", "split": _TEST}
        result = {"task": task, "dataset": dataset, "metrics": measured}
        header["model-index"] = [{"name": name, "results": [result]}]
    return header


def _use(metadata: Mapping[str, Any], input_size: Sequence[int] | None) -> Iterator[str]:
    yield "## Use"
    threshold, bands = metadata["calibration"]["threshold"], len(metadata["input"]["bands"])
    temperature = metadata["calibration"]["temperature"][0]
    views = metadata["views"]["zooms"] * (8 if metadata["views"]["eight_views"] else 1)
    if input_size is not None:
        height, width = input_size
        yield (
            "```python\nimport timm\n\n"
            'model = timm.create_model("local-dir:FOLDER", pretrained=True).eval()\n'
            f"# images: float [N, {bands}, {height}, {width}] in [0, 1], normalised by mean and std in "
            "config.json\n"
            f"probabilities = (model(images) / {temperature:.6g}).softmax(dim=1)\n```"
        )
    yield (
        "To train on your own galaxies from these weights (`pip install galaxy-lightning`):\n\n"
        f"```\n{PROGRAM} fit {metadata['option']} --model.weights FOLDER --data.arrays ARRAYS\n```"
    )
    averaged = f", averaged over {views} views of each galaxy and" if views > 1 else ","
    if threshold is None:
        texts = ["The probabilities are not calibrated."]
    else:
        texts = [f"The logits{averaged} divided by {temperature:.4g}, give calibrated probabilities."]
        target = f"{100 * metadata['calibration']['target_accuracy']:.3g}%"
        texts += [
            f"No threshold reaches an accuracy of {target}."
            if threshold > 1
            else f"A galaxy is uncertain if its highest probability is below {threshold:.3f}."
        ]
    yield " ".join([*texts, "`galaxy_lightning` in `config.json` has all settings."])


def _classes(trained: CheckpointInfo, metadata: Mapping[str, Any]) -> Iterator[str]:
    yield "## Classes"
    counts = trained.card.counts
    rows = [
        (_plain(name), _plain(metadata["class_descriptions"].get(name, "")), f"{counts.get(name, 0):,}")
        for name in metadata["classes"]
    ]
    columns = 3 if counts else 2
    yield _table(("class", "meaning", "training galaxies")[:columns], [row[:columns] for row in rows])


def _images(metadata: Mapping[str, Any]) -> Iterator[str]:
    yield "## Images"
    bands, crop = ", ".join(metadata["input"]["bands"]), metadata["input"]["crop"]
    scale, survey = metadata["pixel_scale"], metadata["survey"]
    yield (
        f"8-bit images with the bands {_plain(bands)}; the central {crop} x {crop} pixels. Pixel scale: "
        f"{'unknown' if scale is None else f'{_plain(str(scale))} arcsec per pixel'}."
        + (f" Survey: {_plain(survey)}." if survey else "")
    )


def _training(trained: CheckpointInfo, about: Mapping[str, Any]) -> Iterator[str]:
    yield "## Training"
    texts = [text for name in ("data", "labels", "images") if (text := trained.card.text(name))]
    yield from map(_plain, texts)
    total = len(trained.trained_on.objids) or len(trained.trained_on.pixels)
    own = sum(trained.card.counts.values()) or total
    others = f", and {total - own:,} others for its initial weights" if own < total else ""
    if not trained.card.counts and trained.pretrained:
        others = ", including those of its initial weights"
    yield f"{own:,} training galaxies{others}; `{TRAINED_ON}` lists them."
    settings = trained.hyperparameters | trained.data_settings
    if isinstance(recorded := about.get("hyperparameters"), dict):
        settings |= recorded
    rows = [(name, _plain(str(settings[name]))) for name in _SETTINGS if settings.get(name) is not None]
    extra = [("seed", about.get("seed")), ("seconds", about.get("seconds")), ("device", about.get("device"))]
    rows += [(name, _plain(str(value))) for name, value in extra if value is not None]
    yield _table(("setting", "value"), rows)


def _results(trained: CheckpointInfo, test: Mapping[str, Any], metadata: Mapping[str, Any]) -> Iterator[str]:
    yield "## Results"
    lines = list(trained.card.describe_results())
    if lines:
        yield "Cross-validation; each galaxy is classified by a model that was not trained on it:"
        yield "\n".join(f"- {line}" for line in lines)
    if test:
        rest = f" ({test['left_out']:,} more were left out)" if test["left_out"] else ""
        yield f"On {test['galaxies']:,} held-out test galaxies{rest}:"
        rows = [(_plain(metric_title(name)), f"{value:.3f}") for name, value in test["metrics"].items()]
        yield _table(("measure", "value"), rows)
    if not lines and not test:
        yield f"None are known: `{PROGRAM} test` measures them, then export again."
    calibration = metadata["calibration"]
    if calibration["threshold"] is not None and calibration["threshold"] <= 1:
        yield (
            f"{100 * calibration['coverage']:.0f}% of the validation galaxies are above the threshold, with "
            f"a target accuracy of {100 * calibration['target_accuracy']:.3g}%."
        )


def _audit(audit: Mapping[str, float]) -> Iterator[str]:
    """Yields what the classifications depend on, as far as an audit has measured it."""
    rows = [
        (text, form.format(**audit))
        for name, text, form in (
            ("colour_reliance", "colour reliance (0: none, 1: colour alone)", "{colour_reliance:.3f}"),
            ("flagged", "labels that are likely wrong", "{flagged:,} of {galaxies:,}"),
            ("accuracy_limit", "estimated limit of the accuracy, from the votes", "{accuracy_limit:.3f}"),
        )
        if name in audit and "galaxies" in audit
    ]
    if rows:
        yield "## Audit"
        yield _table(("measure", "value"), rows)


def _limits(trained: CheckpointInfo, metadata: Mapping[str, Any]) -> Iterator[str]:
    limits = trained.card.texts.get("limits") or []
    texts = [limits] if isinstance(limits, str) else limits
    yield "## Not for"
    untested = "Images of another survey, with other colours or another pixel scale, were not tested."
    if metadata["calibration"]["threshold"] is not None:
        untested += " The probabilities are calibrated for the shares of the classes in the training."
    yield "\n".join(f"- {_plain(text)}" for text in texts) or untested


def _origin(trained: CheckpointInfo) -> Iterator[str]:
    texts = {name: trained.card.text(name) for name in ("retraining", "credit", "licence")}
    if lines := [f"- {name}: {_plain(text)}" for name, text in texts.items() if text]:
        yield "## Origin"
        yield "\n".join(lines)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _plain(text: str) -> str:
    """Escapes what Markdown would read as markup."""
    return re.sub(r"([\\`*\[\]<>|])", r"\\\1", " ".join(text.split()))
