"""Finds the texts of a figure, and those that are cut off or overlap."""

import itertools

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Text


def shown_texts(figure):
    """Returns the texts that are drawn, with their boxes in pixels."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    hidden = {
        id(tick.label2)
        for axes in figure.axes
        for axis in (axes.xaxis, axes.yaxis)
        for tick in axis.majorTicks
    }
    found = {}
    for text in figure.findobj(lambda artist: isinstance(artist, Text)):
        if text.get_text().strip() and text.get_visible() and id(text) not in hidden:
            box = text.get_window_extent(canvas.get_renderer())
            if box.width and text.get_alpha() != 0:
                found[text] = box
    return found


def misplaced(figure):
    """Returns the texts outside the figure, and the pairs of horizontal or upright texts that overlap."""
    boxes = {text: box for text, box in shown_texts(figure).items() if _is_drawn(text, figure)}
    page = figure.bbox
    outside = [
        text.get_text()
        for text, box in boxes.items()
        if box.x0 < page.x0 or box.x1 > page.x1 or box.y0 < page.y0 or box.y1 > page.y1
    ]
    straight = {text: box for text, box in boxes.items() if text.get_rotation() in (0, 90)}
    overlapping = [
        (one.get_text(), other.get_text())
        for one, other in itertools.combinations(straight, 2)
        if straight[one].padded(-1).overlaps(straight[other])
    ]
    return outside, overlapping


def _is_drawn(text, figure):
    """Returns whether a text is not the label of a tick outside the limits, which is not drawn."""
    for axes in figure.axes:
        for axis in (axes.xaxis, axes.yaxis):
            for tick in axis.majorTicks:
                if text is tick.label1:
                    low, high = sorted(axis.get_view_interval())
                    slack = 1e-9 * (high - low)
                    return tick.label1.get_visible() and low - slack <= tick.get_loc() <= high + slack
    return True


def legend_texts(figure):
    """Returns the labels of all legends."""
    return [text.get_text() for legend in figure.legends for text in legend.get_texts()]
