"""Does the compressed model see the same neighbours as the large one?

Two models can give the same answers and still arrange the examples differently inside. This metric asks both which
points lie nearest to each point, compares the two sets, and sets beside them what chance alone would share."""

import dataclasses
from functools import partial
from typing import Any

import numpy as np

from trusteq.arrays import Arrays, as_rows, check_finite
from trusteq.checks import check_integer, check_sizes
from trusteq.cka import cka
from trusteq.dimensions.plots.colors import BOTH
from trusteq.dimensions.record import Dimension, Entry, Figures, as_columns, common, measured, redrawn_from
from trusteq.groups import ALONE, Groups, design, some_of
from trusteq.intervals import jackknife_interval, padded_mean_interval
from trusteq.neighbors import moves, neighbors, neighbors_among, row_jaccard
from trusteq.options import Options, details_of
from trusteq.overlap import expected_jaccard
from trusteq.resampling import Columns
from trusteq.rows import Rows
from trusteq.wording import percent


@dataclasses.dataclass(frozen=True)
class OverlapOptions(Options):
    k: Any = (10,)
    queries: int | None = None
    among: int | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "k", check_sizes("k", self.k))
        if self.queries is not None:
            check_integer("queries", self.queries, at_least=1)
        if self.among is not None:
            check_integer("among", self.among, at_least=max(self.k))


def compute(rows: Rows, options: OverlapOptions) -> Figures:
    return finish(summarize(validate(rows.whole(), options), options), options, rows.groups)


# validate: what came in becomes two tables of floats, and the points that will be asked for their neighbours.


def validate(arrays: Arrays, options: OverlapOptions) -> Arrays:
    for name in ("predictions", "large_predictions"):
        rows = arrays[name]
        if rows.ndim != 2 or rows.dtype.kind == "O":
            what = f"{len(rows)} strings" if rows.dtype.kind == "O" else f"shape {rows.shape}"
            raise ValueError(f"{name} needs an embedding, a row of numbers, per example, got {what}")
        check_finite(name, rows)
    n = len(rows)
    if max(options.k) > n - 1:
        raise ValueError(f"k must be at most the number of other points, {n - 1}, got {max(options.k)}")
    queries = np.arange(n)
    if options.queries is not None:
        if options.queries > n:
            raise ValueError(f"queries must be at most the number of points, {n}, got {options.queries}")
        queries = np.sort(np.random.default_rng(options.seed).choice(n, options.queries, replace=False))
    tables = {name: rows if rows.dtype.kind == "f" else rows.astype(np.float64) for name, rows in arrays.items()}
    return tables | {"queries": queries}


# summarize: the two sets of neighbours to one Jaccard per point and K, and the two tables to their cka.


def summarize(tables: Arrays, options: OverlapOptions) -> Arrays:
    compressed, large, queries = tables["predictions"], tables["large_predictions"], tables["queries"]
    n, level = len(compressed), options.confidence_level
    others = min(options.among or n - 1, n - 1)
    wanted = min(max(options.k) + 1, others)

    def nearest_of(rows: np.ndarray) -> np.ndarray:
        if others == n - 1:
            return neighbors(rows, queries, wanted)
        return neighbors_among(rows, queries, wanted, others, options.seed)

    nearest, large_nearest = nearest_of(compressed), nearest_of(large)
    alignment, without_one = cka(compressed, large, leave_one_out=level is not None)
    return {
        "points": np.array([n, others]),
        "queries": queries,
        "jaccard": np.stack([row_jaccard(nearest[:, :k], large_nearest[:, :k]) for k in options.k]),
        "moves": np.stack([moves(nearest[:, : k + 1], large_nearest[:, : k + 1], queries, k, n) for k in options.k]),
        "cka": np.array([alignment]),
        "cka_without_one": without_one,
    }


# finish: the points' Jaccards to means with their chance level, and everything to figures.


def finish(summary: Arrays, options: OverlapOptions, groups: Groups) -> dict[str, Any]:
    of_queries = some_of(groups, summary["queries"])
    (n, others), level = summary["points"].tolist(), options.confidence_level
    result: dict[str, Any] = {}
    for k, values, moved in zip(options.k, summary["jaccard"], summary["moves"], strict=True):
        key, mean, expected = f"neighbor_jaccard_at_{k}", float(values.mean()), expected_jaccard(k, k, others)
        result[key] = mean
        if level is not None:
            interval = padded_mean_interval(moved, level, design(moved - moved.mean(), of_queries))
            result[f"{key}_low"], result[f"{key}_high"] = interval
        result[f"expected_{key}"] = expected
        result[f"chance_corrected_{key}"] = (mean - expected) / (1 - expected) if k < others else 1.0
    result["cka"] = float(summary["cka"][0])
    if level is not None:
        without = summary["cka_without_one"]
        together = design(without - without.mean(), groups) if len(without) else ALONE
        result["cka_low"], result["cka_high"] = jackknife_interval(result["cka"], without, level, together)
    if options.details:
        per_point = {
            f"{name}_at_{k}": values.tolist()
            for name, tables in (("neighbor_jaccard", summary["jaccard"]), ("moves", summary["moves"]))
            for k, values in zip(options.k, tables, strict=True)
        }
        asked = {"points": n, "among": others, "k": options.k, "queries": summary["queries"].tolist()}
        result["details"] = asked | per_point
    return result


# plot: the same figures for the eye.


def plot(result: dict[str, Any]) -> Any:
    """How the points' overlaps are spread for each K, beside the chance level; a matplotlib Figure."""
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    table = details_of(result, "representation_overlap")
    sizes, asked = table["k"], len(table["queries"])
    figure = Figure(figsize=(8, 1.4 + 1.5 * len(sizes)), layout=ConstrainedLayoutEngine(w_pad=0.1))
    panels = figure.subplots(len(sizes), 1, sharex=True, squeeze=False)[:, 0]
    for axis, k in zip(panels, sizes, strict=True):
        key = f"neighbor_jaccard_at_{k}"
        values = np.array(table[key])
        step = -(-k // 50)  # neighbours to a bar
        share = 100 * np.bincount(np.rint(2 * k * values / (1 + values)).astype(int) // step) / asked
        shared = np.minimum(np.arange(len(share)) * step + (step - 1) / 2, k)
        width = np.minimum(0.8 * step * 2 * k / (2 * k - shared) ** 2, 0.04)
        axis.bar(shared / (2 * k - shared), share, width=width, color=BOTH, label="points with this Jaccard")
        height = 1.25 * share.max()
        axis.axvline(result[f"expected_{key}"], color="#888888", linestyle="--", label="two random sets (chance)")
        lines = [f"mean {result[key]:.3f}", f"chance {result[f'expected_{key}']:.3f}"]
        label = "mean"
        if f"{key}_low" in result:
            low, high = result[f"{key}_low"], result[f"{key}_high"]
            axis.hlines(height, low, high, color="black", linewidth=2.5)
            lines.insert(1, f"({low:.3f} to {high:.3f})")
            label = "mean and its interval"
        axis.plot(result[key], height, "D", color="black", markersize=5, label=label)
        axis.locator_params(axis="y", nbins=5)
        axis.set_yticks([tick for tick in axis.get_yticks() if tick <= 100])
        axis.set(ylim=(0, 1.2 * height), xlim=(-0.03, 1.03), ylabel="% of points")
        axis.text(1.02, 0.5, "\n".join(lines), transform=axis.transAxes, va="center")
        axis.set_title(f"{k} nearest neighbours" if k > 1 else "the nearest neighbour", loc="left", fontsize=10)
        axis.spines[["top", "right"]].set_visible(False)
    panels[-1].set_xlabel("overlap of a point's neighbours in the two models (Jaccard)")
    title = f"Same neighbours? {asked:,} of {table['points']:,} points asked; cka {result['cka']:.3f}"
    figure.suptitle(title, fontsize=11)
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=3, frameon=False)
    return figure


def measure(work: Any, compressed: str, large: str, options: Any, level: float) -> Figures:
    queries = min(options.queries, len(work.gold))
    return DIMENSION.of(
        predictions=work.embeddings[compressed],
        large_predictions=work.embeddings[large],
        groups=work.groups,
        k=options.neighbors,
        among=options.among,
        queries=queries if queries < len(work.gold) else None,
        **common(options, level),
    )


def sums(work: Any, compressed: str, large: str, options: Any) -> Columns:
    details = measured(DIMENSION, work, compressed, large, options)["details"]
    moved = details[f"moves_at_{options.neighbors[0]}"]
    return as_columns(details["queries"], moved, np.ones(len(moved)))


def told(f: Figures, entry: Entry, compressed: str, large: str) -> str:
    count = entry["headline"].rpartition("_")[2]
    return f"{compressed} and {large} share {percent(entry['value'])} of a text's {count} nearest neighbours"


DIMENSION = Dimension(
    name="representation_overlap",
    place=3,
    question="Same neighbours?",
    asks=(
        "A model turns every text into a point, and texts that it takes to be alike lie close together. For each text, "
        "this compares its nearest neighbours in the two models: shared neighbours as a share of all of them."
    ),
    options=OverlapOptions,
    inputs=("predictions", "large_predictions"),
    read=partial(as_rows, labels=False),
    compute=compute,
    plot=plot,
    headline="neighbor_jaccard_at_{neighbors}",
    kind="overlap",
    expected="expected_neighbor_jaccard_at_{neighbors}",
    words={"neighbor_jaccard_at_K": "overlap of the K nearest neighbours", "cka": "likeness of the two spaces (CKA)"},
    told=told,
    needs="embeddings",
    least=lambda options: max(options.neighbors) + 2,
    margin=0.2,
    alone=0.5,
    measure=measure,
    redrawn=redrawn_from(sums, "overlap"),
)
