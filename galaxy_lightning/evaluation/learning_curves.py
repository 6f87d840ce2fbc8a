"""Learning curves: losses and accuracies of the training and validation galaxies by epoch."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from galaxy_lightning.evaluation.colours import INK, PAPER, model_colours
from galaxy_lightning.evaluation.figure_layout import (
    REFERENCE_LINE,
    Entries,
    label_axes,
    make_figure,
    reference_key,
)
from galaxy_lightning.evaluation.figure_text import legend_names, shorten_title

_SPLITS: Final = {"train": "--", "val": "-"}
"""Line style of each split."""
_THIN: Final = 0.7
_THICK: Final = 1.8


def plot_learning_curves(
    histories: Mapping[str, Sequence[pd.DataFrame]],
    metric: str,
    best_epochs: Mapping[str, Sequence[int | None]] | None = None,
    baselines: Mapping[str, float] | None = None,
    colours: Mapping[str, str] | None = None,
) -> Figure:
    """Plots a metric of the training and the validation galaxies of several models against the epoch.

    Args:
        histories: The ``history.csv`` of each run, by model.
        metric: ``"loss"`` or ``"accuracy"``.
        best_epochs: The epoch whose weights are used, of each run by model, counted from 0 as in
            ``history.csv``; None if unknown.
        baselines: Values to compare with by label, as dotted lines.
        colours: The colours by model; by default those of :func:`model_colours`.

    Returns:
        The figure, 5.2 inches wide. The training is dashed, and the validation is solid. A model of several
        runs has a thin line for each, and a thick line for the mean in the epochs that all of them have.
        Epochs are counted from 1.
    """
    colours = colours or model_colours(list(histories))
    runs_of = {name: [run for run in runs if len(run)] for name, runs in histories.items()}
    marked = {
        name: [best for best, run in zip(epochs, histories[name], strict=True) if len(run)]
        for name, epochs in (best_epochs or {}).items()
    }
    models: Entries = [
        (Line2D([], [], color=colours[name], linewidth=3), shown)
        for name, shown in zip(histories, legend_names(list(histories)), strict=True)
    ]
    has_mean = any(len(runs) > 1 for runs in runs_of.values())
    has_best = any(best is not None for bests in marked.values() for best in bests)
    all_runs = [run for runs in runs_of.values() for run in runs]
    keys = [*_keys(all_runs, (metric,), "weights used" if has_best else None)]
    keys += _mean_keys() if has_mean else ()
    keys += [(reference_key(), label) for label in baselines or ()]
    figure, (axes,) = make_figure(5.2, [2.9], "", [models, keys])
    faint = min(0.45, max(0.15, 6 / max(len(all_runs), 1)))
    for number, (name, runs) in enumerate(runs_of.items()):
        bests = marked.get(name) or [None] * len(runs)
        # Points of single epochs lie beside each other.
        shift = 0.06 * (number - (len(runs_of) - 1) / 2) if max(map(len, all_runs)) == 1 else 0
        _draw_model(axes, runs, bests, metric, colours[name], faint, shift)
    _finish(axes, all_runs, metric, baselines)
    return figure


def plot_run_curves(history: pd.DataFrame, best_epoch: int | None, name: str) -> Figure:
    """Plots the loss and the accuracy of one run, side by side.

    Args:
        history: The ``history.csv`` of the run.
        best_epoch: The epoch whose weights are used, counted from 0; None if unknown.
        name: Name of the model.

    Returns:
        The figure, 8.4 inches wide.
    """
    colour = model_colours([name])[name]
    best = None if best_epoch is None else f"weights used (epoch {best_epoch + 1})"
    keys = _keys([history], ("loss", "accuracy"), best, colour)
    figure, panels = make_figure(8.4, [2.55], shorten_title(name), [list(keys)], columns=2)
    for axes, metric in zip(panels, ("loss", "accuracy"), strict=True):
        _draw_model(axes, [history], [best_epoch], metric, colour)
        _finish(axes, [history], metric, None)
    return figure


def _draw_model(
    axes: Axes,
    runs: Sequence[pd.DataFrame],
    best_epochs: Sequence[int | None],
    metric: str,
    colour: str,
    faint: float = 0.45,
    shift: float = 0,
) -> None:
    """Draws the runs of one model, their mean, and their best epochs, shifted along the x axis."""
    for split, line in _SPLITS.items():
        curves = [run.set_index("epoch")[f"{split}_{metric}"].dropna() for run in runs]
        several = len(curves) > 1
        for curve in curves:
            width, alpha = (_THIN, faint) if several else (_THICK, None)
            style = {"color": colour, "linestyle": line, "linewidth": width, "alpha": alpha}
            _draw_curve(axes, curve, split, shift, style)
        if several:
            mean = pd.concat(curves, axis=1).dropna().mean(axis=1).sort_index()
            style = {"color": colour, "linestyle": line, "linewidth": _THICK}
            _draw_curve(axes, mean, split, shift, style)
    for run, best in zip(runs, best_epochs, strict=True):
        point = _best_point(run, best, metric)
        if point is not None:
            epoch, value = point
            axes.plot(epoch + shift, value, color=colour, zorder=4, **_star(8 if len(runs) > 1 else 11))


def _draw_curve(
    axes: Axes, curve: "pd.Series[float]", split: str, shift: float, style: dict[str, Any]
) -> None:
    """Draws a curve; a single epoch is a point."""
    points = _point(split, style["color"]) if len(curve) == 1 else {}
    axes.plot(curve.index + 1 + shift, curve, **style, **points)


def _point(split: str, colour: str) -> dict[str, Any]:
    """Returns how the point of a single epoch is drawn: open for the training."""
    return {"marker": "o", "markersize": 5, "markerfacecolor": PAPER if split == "train" else colour}


def _best_point(run: pd.DataFrame, best: int | None, metric: str) -> tuple[float, float] | None:
    """Returns the epoch, from 1, and the value of the best epoch: of the validation, else of the training."""
    rows = run[run["epoch"] == best]
    for split in ("val", "train"):
        values = rows[f"{split}_{metric}"].dropna()
        if len(values):
            return float(rows["epoch"].iloc[0]) + 1, float(values.iloc[0])
    return None


def _star(size: float) -> dict[str, Any]:
    """Returns how a best epoch is drawn."""
    return {
        "marker": "*",
        "markersize": size,
        "linestyle": "none",
        "markeredgecolor": PAPER,
        "markeredgewidth": 0.6,
    }


def _keys(
    runs: Sequence[pd.DataFrame], metrics: Sequence[str], best: str | None, colour: str = INK
) -> Iterator[tuple[Line2D, str]]:
    """Yields the entries of the legend that explain the lines or points, and the star."""
    for split, label in (("train", "training"), ("val", "validation")):
        columns = [f"{split}_{metric}" for metric in metrics]
        epochs = [int(run[columns].notna().any(axis=1).sum()) for run in runs]
        if not any(epochs):
            continue
        style = (
            {"linestyle": _SPLITS[split], "linewidth": _THICK} if max(epochs) > 1 else {"linestyle": "none"}
        )
        points = _point(split, colour) if 1 in epochs else {}
        yield Line2D([], [], color=colour, **style, **points), label
    if best:
        yield Line2D([], [], color=colour, **_star(11)), best


def _mean_keys() -> Iterator[tuple[Line2D, str]]:
    """Yields the entries of the legend that explain thick and thin lines."""
    yield Line2D([], [], color=INK, linewidth=_THICK), "mean of all runs"
    yield Line2D([], [], color=INK, linewidth=_THIN, alpha=0.6), "single runs"


def _finish(
    axes: Axes, runs: Sequence[pd.DataFrame], metric: str, baselines: Mapping[str, float] | None
) -> None:
    """Draws the values to compare with; sets labels and limits."""
    for value in (baselines or {}).values():
        axes.axhline(value, **REFERENCE_LINE)
    label_axes(axes, "Epoch", metric.capitalize())
    axes.xaxis.set_major_locator(MaxNLocator(8, steps=[1, 2, 5, 10], integer=True, min_n_ticks=1))
    axes.yaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 2.5, 5, 10]))
    axes.ticklabel_format(axis="y", scilimits=(-3, 4))
    last = max((float(run["epoch"].max()) + 1 for run in runs if len(run)), default=1.0)
    margin = 0.03 * (last - 1) if last > 1 else 0.5
    axes.set_xlim(1 - margin, last + margin)
    values = _finite([run[[f"{split}_{metric}" for split in _SPLITS]].to_numpy().ravel() for run in runs])
    values = np.append(values, list((baselines or {}).values()))
    if len(values):
        low, high = float(values.min()), float(values.max())
        usual = float(np.quantile(values, 0.95)) - low
        if metric == "loss" and usual > 0:  # An outlier, at the start of a fit say, does not set the limit.
            high = min(high, low + 3 * usual)
        margin = 0.06 * (high - low) or 0.05 * abs(high) or 0.05
        axes.set_ylim(low - margin, high + margin)


def _finite(parts: Sequence[npt.NDArray[np.float64]]) -> npt.NDArray[np.float64]:
    """Returns the finite values of all parts."""
    values = np.concatenate([np.empty(0), *parts])
    return np.asarray(values[np.isfinite(values)])
