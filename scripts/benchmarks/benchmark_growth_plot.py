"""The picture of benchmark_growth.py: time and memory against size on log-log axes, with the slope of each line."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

FITTED = 3  # of the largest sizes
# Colours that stay apart for colour-blind eyes (Okabe and Ito), and a marker for each.
STYLES = {
    "prediction_error_jaccard": ("#0072B2", "o"),
    "calibration_gap": ("#D55E00", "s"),
    "ood_divergence": ("#009E73", "^"),
    "representation_overlap": ("#5B3A6B", "D"),
    "representation_overlap, queries=1,000": ("#CC79A7", "d"),
    "attribution_alignment": ("#E69F00", "v"),
    "attack_divergence": ("#56B4E9", "X"),
}


def slope(sizes: Any, values: Any) -> float:
    """Of the straight line through the largest sizes on log-log axes, by least squares.

    >>> round(slope([1, 10, 100, 1000], [7.0, 8.0, 80.0, 800.0]), 6)
    1.0
    """
    x, y = (np.log(np.asarray(part[-FITTED:], dtype=float)) for part in (sizes, values))
    return float(np.polyfit(x, y, 1)[0])


@dataclass(frozen=True)
class Growth:
    """What was measured of one series."""

    name: str
    sizes: tuple[int, ...]
    points: list[dict[str, float]]

    def values(self, what: str) -> list[float]:
        return [found[what] for found in self.points]

    def slope(self, what: str) -> float:
        return slope(self.sizes, self.values(what))


def picture(found: list[Growth]) -> Any:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 6), layout="constrained")
    panels = figure.subplots(1, 2, sharex=True)
    draw_panel(panels[0], found, "seconds", "time of a call", time)
    draw_panel(panels[1], found, "added", "memory that a call and its inputs add (1 MiB or less: as 1)", memory)
    labels = [f"{g.name}: time {g.slope('seconds'):.2f}, memory {g.slope('added'):.2f}" for g in found]
    handles, _ = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=2, frameon=False, title="slopes", fontsize=9.5)
    figure.suptitle("How time and memory grow with the data: slope 1 is in proportion, 2 with the square", fontsize=11)
    return figure


def save(figure: Any, path: Path) -> None:
    """As a PNG of few colours, which takes a third of the bytes."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from PIL import Image

    canvas = FigureCanvasAgg(figure)
    figure.set_dpi(150)
    canvas.draw()
    image = Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")
    path.parent.mkdir(parents=True, exist_ok=True)
    image.quantize(128).save(path, optimize=True)


def draw_panel(axis: Any, found: list[Growth], what: str, title: str, tick: Callable[[float], str]) -> None:
    from matplotlib.ticker import LogLocator, NullFormatter

    for growth in found:
        color, marker = STYLES[growth.name]
        line = {"color": color, "marker": marker, "markersize": 7, "markeredgecolor": "white", "linewidth": 1.8}
        axis.plot(growth.sizes, growth.values(what), **line, label=growth.name)
    axis.set(xscale="log", yscale="log", xlabel="rows, points or texts")
    for side, told in ((axis.xaxis, count), (axis.yaxis, tick)):
        side.set_major_locator(LogLocator(numticks=20))
        side.set_major_formatter(lambda value, _, told=told: told(value))
        side.set_minor_formatter(NullFormatter())
    axis.set_title(title, loc="left", fontsize=10)
    axis.set_axisbelow(True)
    axis.grid(color="#E5E5E5", linewidth=0.8)
    axis.spines[["top", "right"]].set_visible(False)


def count(value: float) -> str:
    return f"{value / 1e6:g}M" if value >= 1e6 else f"{value:,.0f}"


def time(seconds: float) -> str:
    """
    >>> time(1e-4), time(0.01), time(100)
    ('0.1 ms', '10 ms', '100 s')
    """
    return f"{seconds:g} s" if seconds >= 0.9 else f"{seconds * 1e3:g} ms"


def memory(mebibytes: float) -> str:
    return f"{mebibytes:,.0f} MiB"
