"""What a figure shows, as plots' tests compare it with the figures that it was drawn from."""

import numpy as np
from matplotlib.text import Text


def texts_of(artist):
    """Every text on a figure or an axis, title and legend included."""
    return [text.get_text() for text in artist.findobj(Text) if text.get_text()]


def segments_of(axis):
    """The ends of every horizontal or vertical line that `hlines` or `vlines` drew, in order."""
    return [np.asarray(part) for lines in axis.collections for part in lines.get_segments()]


def spans_of(axis):
    """From where to where each horizontal line goes."""
    return [tuple(part[:, 0].tolist()) for part in segments_of(axis) if part[0, 1] == part[1, 1]]
