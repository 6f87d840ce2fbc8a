"""Finds the texts of a figure that are cut off or overlap."""

import itertools

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Text


def misplaced(figure):
    """Returns the texts outside the figure, and the pairs of horizontal or upright texts that overlap."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    renderer, page = canvas.get_renderer(), figure.bbox
    hidden = set(_hidden_labels(figure))
    texts = [text for text in figure.findobj(Text) if text.get_text().strip() and text not in hidden]
    boxes = {text: text.get_window_extent(renderer) for text in texts if text.get_visible()}
    outside = [
        text.get_text()
        for text, box in boxes.items()
        if box.x0 < page.x0 or box.x1 > page.x1 or box.y0 < page.y0 or box.y1 > page.y1
    ]
    straight = [text for text in boxes if text.get_rotation() in (0, 90)]
    overlapping = [
        (one.get_text(), other.get_text())
        for one, other in itertools.combinations(straight, 2)
        if boxes[one].padded(-1).overlaps(boxes[other])
    ]
    return outside, overlapping


def _hidden_labels(figure):
    """Yields the labels of ticks that are not drawn: those on the other side, or outside the limits."""
    for axes in figure.axes:
        for axis in (axes.xaxis, axes.yaxis):
            low, high = sorted(axis.get_view_interval())
            slack = 1e-9 * (high - low)
            for tick in axis.get_major_ticks():
                yield tick.label2
                if not (tick.label1.get_visible() and low - slack <= tick.get_loc() <= high + slack):
                    yield tick.label1


def legend_texts(figure):
    """Returns the labels of all legends."""
    return [text.get_text() for legend in figure.legends for text in legend.get_texts()]
