"""The model card of a folder for the Hugging Face hub (Mitchell et al. 2019), from a run folder."""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import yaml

from data_prep.common.errors import GalaxyError
from data_prep.common.files import sha256
from data_prep.common.json_files import read_json
from galaxy_lightning.audit.results import AUDIT
from galaxy_lightning.audit.results import SUMMARY as AUDIT_SUMMARY
from galaxy_lightning.evaluation.measures import metric_title
from galaxy_lightning.networks.weight_folders import TRAINED_ON
from galaxy_lightning.program import PROGRAM
from galaxy_lightning.runs.names import BEST_CHECKPOINT, CONFUSION_CSV, METRICS, PREDICTIONS, RUN
from galaxy_lightning.training.checkpoints import CheckpointInfo

_LICENCES: Final = re.compile(r"mit|apache-2\.0|bsd-[23]-clause|cc0-1\.0|cc-by(-sa|-nc)?-[34]\.0|gpl-[23]\.0")
"""Names of licences that are those of the hub."""
_TEST: Final = "test"
_SETTINGS: Final = (
    *("optimizer", "learning_rate", "schedule", "batch_size", "epochs", "augment", "targets", "mixup"),
    *("label_smoothing", "weight_decay", "colour_jitter", "grey"),
)


def make_card(trained: CheckpointInfo, metadata: Mapping[str, Any], *, for_timm: bool, name: str) -> str:
    """Returns a model card as Markdown with a YAML header.

    Args:
        trained: The contents of the checkpoint. ``run.json``, ``test/metrics.json`` and the audit in its
            folder are read if they are there; those of another checkpoint are not used.
        metadata: The metadata of the export.
        for_timm: Whether timm loads the folder.
        name: The name of the model.

    Raises:
        GalaxyError: A file of the run is damaged.
    """
    folder = trained.path.parent
    about = _read(folder / RUN)
    metrics = _read_test(trained.path)
    audit = _read_audit(trained.path)
    header = yaml.safe_dump(
        _header(trained, metadata, metrics, for_timm=for_timm, name=name),
        sort_keys=False,
        allow_unicode=True,
        width=100,
    )
    sections = [
        f"# {_plain(name)}",
        _plain(trained.card.text("title") or "Classifies galaxy images by morphology."),
        *_use(metadata, for_timm=for_timm),
        *_classes(trained, metadata),
        *_images(metadata),
        *_training(trained, about),
        *_results(trained, metrics, metadata),
        *_audit(audit),
        *_limits(trained),
        *_origin(trained),
    ]
    return f"---\n{header}---\n\n" + "\n\n".join(sections) + "\n"


def _read(path: Path) -> dict[str, Any]:
    return read_json(path) if path.is_file() else {}


def _read_test(checkpoint: Path) -> dict[str, Any]:
    """Returns the metrics of a checkpoint on test galaxies; nothing if there are none."""
    content = _read(checkpoint.parent / _TEST / METRICS)
    tested = content.get("checkpoint")
    if not isinstance(tested, str) or Path(tested).name != checkpoint.name:
        return {}
    metrics = content.get("metrics")
    if not isinstance(metrics, dict) or "accuracy" not in metrics:
        raise GalaxyError(f"{checkpoint.parent / _TEST / METRICS} has no metrics: run test again")
    counts = checkpoint.parent / _TEST / CONFUSION_CSV
    return {**metrics, "galaxies": _count(counts)}


def _read_audit(checkpoint: Path) -> dict[str, Any]:
    """Returns the summary of an audit of these weights; nothing if there is none."""
    summary = _read(checkpoint.parent / AUDIT / AUDIT_SUMMARY)
    predictions = checkpoint.parent / PREDICTIONS
    if checkpoint.name != BEST_CHECKPOINT or not summary or not predictions.is_file():
        return {}
    return summary if summary.get("predictions") == sha256(predictions) else {}


def _count(confusion: Path) -> int | None:
    """Returns the number of galaxies in the table of a confusion matrix."""
    if not confusion.is_file():
        return None
    rows = (line.split(",")[1:] for line in confusion.read_text(encoding="utf-8").splitlines()[1:])
    return sum(int(cell) for row in rows for cell in row if cell.isdecimal())


def _header(
    trained: CheckpointInfo,
    metadata: Mapping[str, Any],
    metrics: Mapping[str, Any],
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
    if metrics:
        measured = [
            {"type": kind, "name": metric_title(key), "value": metrics[key]}
            for key, kind in (("accuracy", "accuracy"), ("f1", "f1"), ("recall", "recall"))
            if key in metrics
        ]
        task = {"type": "image-classification"}
        dataset = {"name": "held-out test galaxies", "type": "galaxy-images", "split": _TEST}
        result = {"task": task, "dataset": dataset, "metrics": measured}
        header["model-index"] = [{"name": name, "results": [result]}]
    return header


def _use(metadata: Mapping[str, Any], *, for_timm: bool) -> Iterator[str]:
    yield "## Use"
    crop, threshold = metadata["input"]["crop"], metadata["calibration"]["threshold"]
    temperature = metadata["calibration"]["temperature"][0]
    views = metadata["views"]["zooms"] * (8 if metadata["views"]["eight_views"] else 1)
    if for_timm:
        yield (
            "```python\nimport timm\n\n"
            'model = timm.create_model("local-dir:FOLDER", pretrained=True).eval()\n'
            f"# images: float [N, {len(metadata['input']['bands'])}, {crop}, {crop}] in [0, 1], normalised "
            "by mean and std in config.json\n"
            f"probabilities = (model(images) / {temperature:.6g}).softmax(dim=1)\n```"
        )
    yield (
        "To train on your own galaxies from these weights (`pip install galaxy-lightning`):\n\n"
        f"```\n{PROGRAM} fit {metadata['option']} --model.weights FOLDER --data.arrays ARRAYS\n```"
    )
    yield (
        f"The logits, divided by {temperature:.4g}, give calibrated probabilities"
        + (f" if they are averaged over {views} views of each galaxy" if views > 1 else "")
        + "."
        + (
            ""
            if threshold is None
            else f" A galaxy is uncertain if its highest probability is below {threshold:.3f}."
        )
        + " `galaxy_lightning` in `config.json` has all settings."
    )


def _classes(trained: CheckpointInfo, metadata: Mapping[str, Any]) -> Iterator[str]:
    yield "## Classes"
    rows = [
        (
            _plain(name),
            _plain(metadata["class_descriptions"].get(name, "")),
            _number(trained.card.counts.get(name)),
        )
        for name in metadata["classes"]
    ]
    yield _table(("class", "meaning", "training galaxies"), rows)


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
    yield f"{own:,} training galaxies{others}; `{TRAINED_ON}` lists them."
    settings = dict(about.get("hyperparameters") or trained.hyperparameters | trained.data_settings)
    rows = [(name, _plain(str(settings[name]))) for name in _SETTINGS if settings.get(name) is not None]
    extra = [("seed", about.get("seed")), ("seconds", about.get("seconds")), ("device", about.get("device"))]
    rows += [(name, _plain(str(value))) for name, value in extra if value is not None]
    yield _table(("setting", "value"), rows)


def _results(
    trained: CheckpointInfo, metrics: Mapping[str, Any], metadata: Mapping[str, Any]
) -> Iterator[str]:
    yield "## Results"
    lines = list(trained.card.describe_results())
    if lines:
        yield "Cross-validation; each galaxy is classified by a model that was not trained on it:"
        yield "\n".join(f"- {line}" for line in lines)
    if metrics:
        number = metrics.get("galaxies")
        yield f"On {number:,} held-out test galaxies:" if number else "On held-out test galaxies:"
        rows = [
            (_plain(metric_title(name)), f"{value:.3f}")
            for name, value in metrics.items()
            if name != "galaxies" and isinstance(value, int | float)
        ]
        yield _table(("measure", "value"), rows)
    if not lines and not metrics:
        yield f"None are known: `{PROGRAM} test` measures them, then export again."
    calibration = metadata["calibration"]
    if calibration["coverage"] is not None:
        yield (
            f"{100 * calibration['coverage']:.0f}% of the validation galaxies are above the threshold, with "
            f"a target accuracy of {100 * calibration['target_accuracy']:.3g}%."
        )


def _audit(audit: Mapping[str, Any]) -> Iterator[str]:
    """Yields what the classifications depend on, as far as an audit has measured it."""
    colour = audit.get("colour", {}).get("colour_reliance")
    wrong, limit = audit.get("wrong_labels", {}).get("flagged"), audit.get("label_limit", {})
    rows = []
    if colour is not None:
        rows.append(("colour reliance (0: none, 1: colour alone)", f"{colour:.3f}"))
    if wrong is not None:
        rows.append(("labels that are likely wrong", f"{wrong:,} of {audit.get('galaxies', 0):,}"))
    if limit.get("accuracy_limit") is not None:
        rows.append(("estimated limit of the accuracy, from the votes", f"{limit['accuracy_limit']:.3f}"))
    if rows:
        yield "## Audit"
        yield _table(("measure", "value"), rows)


def _limits(trained: CheckpointInfo) -> Iterator[str]:
    limits = trained.card.texts.get("limits") or []
    texts = [limits] if isinstance(limits, str) else limits
    yield "## Not for"
    yield "\n".join(f"- {_plain(text)}" for text in texts) or (
        "Images of another survey, with other colours or another pixel scale, were not tested. The "
        "probabilities are calibrated for the shares of the classes among the training galaxies."
    )


def _origin(trained: CheckpointInfo) -> Iterator[str]:
    texts = {name: trained.card.text(name) for name in ("retraining", "credit", "licence")}
    if lines := [f"- {name}: {_plain(text)}" for name, text in texts.items() if text]:
        yield "## Origin"
        yield "\n".join(lines)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _number(value: int | None) -> str:
    return "" if value is None else f"{value:,}"


def _plain(text: str) -> str:
    """Escapes what Markdown would read as markup."""
    return re.sub(r"([\\`*\[\]<>|])", r"\\\1", " ".join(text.split()))
