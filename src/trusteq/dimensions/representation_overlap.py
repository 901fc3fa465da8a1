"""Does the compressed model see the same neighbours as the large one?

Two models can give the same answers and still arrange the examples differently inside. This metric asks both which
points lie nearest to each point, compares the two sets, and sets beside them what chance alone would share."""

import dataclasses
import math
from functools import partial
from typing import Any

import numpy as np

from trusteq.arrays import Arrays, as_rows, check_finite
from trusteq.checks import check_integer, check_sizes
from trusteq.cka import cka
from trusteq.dimensions.plots.colors import BOTH
from trusteq.dimensions.record import Dimension, Entry, Figures, as_columns, common, redrawn_from
from trusteq.intervals import jackknife_interval, padded_mean_interval
from trusteq.options import Options, details_of
from trusteq.overlap import expected_jaccard
from trusteq.resampling import Columns
from trusteq.rows import Rows
from trusteq.wording import percent


@dataclasses.dataclass(frozen=True)
class OverlapOptions(Options):
    k: Any = (10,)
    queries: int | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "k", check_sizes("k", self.k))
        if self.queries is not None:
            check_integer("queries", self.queries, at_least=1)


def compute(rows: Rows, options: OverlapOptions) -> Figures:
    return finish(summarize(validate(rows.whole(), options), options), options)


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
    nearest, large_nearest = (neighbors(rows, queries, max(options.k)) for rows in (compressed, large))
    alignment, without_one = cka(compressed, large, leave_one_out=options.confidence_level is not None)
    return {
        "points": np.array([len(compressed)]),
        "queries": queries,
        "jaccard": np.stack([row_jaccard(nearest[:, :k], large_nearest[:, :k]) for k in options.k]),
        "cka": np.array([alignment]),
        "cka_without_one": without_one,
    }


def row_jaccard(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Row by row the Jaccard of two sets of the same size.

    >>> row_jaccard(np.array([[1, 2], [1, 2]]), np.array([[2, 3], [2, 1]])).round(3).tolist()
    [0.333, 1.0]
    """
    both = np.sort(np.concatenate([a, b], axis=1), axis=1)
    shared = (both[:, 1:] == both[:, :-1]).sum(axis=1)
    return shared / (2 * a.shape[1] - shared)


def neighbors(rows: np.ndarray, queries: np.ndarray, k: int) -> np.ndarray:
    """The k nearest other rows of each queried row by cosine, nearest first, of equals the one that comes first.

    >>> neighbors(np.array([[1.0, 0.0], [0.0, 1.0], [2.0, 1.0], [2.0, 1.0]]), np.array([0, 3]), 2).tolist()
    [[2, 3], [2, 0]]

    The largest of each row of similarities are found in two steps. Columns are dealt out to `blocks` hands; the k + 1
    hands with the highest maxima hold the k + 1 highest similarities, so that only those few are looked at.
    """
    n = len(rows)
    points, point_of = directions(rows)
    depth = math.isqrt(n // (4 * (k + 1))) or 1
    blocks = -(-n // depth)
    nearest = np.empty((len(queries), k), dtype=np.int32)
    size = max(32, 2**21 // n)
    similarity = np.full((size, depth * blocks), -np.inf, dtype=rows.dtype)
    for start in range(0, len(queries), size):
        asked = queries[start : start + size]
        each = np.arange(len(asked))
        table = similarity[: len(asked)]
        if len(points) == n:
            np.matmul(points[asked], points.T, out=table[:, :n])
        else:
            distinct = points[point_of[asked]] @ points.T
            distinct[each, point_of[asked]] *= 2  # a point's own duplicates come before all others
            np.take(distinct, point_of, axis=1, out=table[:, :n], mode="clip")
        table[each, asked] = -np.inf
        nearest[start : start + size] = highest(table, k, blocks)
    return nearest


def directions(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The distinct rows, scaled to length 1 (zero stays zero), in the order of their first appearance; and for each
    row which of them it is. Equal rows share one, since a product may round differently from place to place."""
    scale = np.maximum(rows.max(axis=1), -rows.min(axis=1))  # first by the largest entry: squares cannot overflow
    points = rows / np.where(scale > 0, scale, 1)[:, None]
    points += 0.0  # -0.0 is 0.0
    seen: dict[bytes, int] = {}
    point_of = np.array([seen.setdefault(row.tobytes(), len(seen)) for row in points])
    if len(seen) < len(points):
        points = points[np.unique(point_of, return_index=True)[1]]
    squares = np.einsum("ij,ij->i", points, points)
    points /= np.sqrt(np.where(squares > 0, squares, 1))[:, None]
    return points, point_of


def highest(table: np.ndarray, k: int, blocks: int) -> np.ndarray:
    """The columns of the k highest entries of each row, highest first, of equals the leftmost."""
    maxima = table.reshape(len(table), -1, blocks).max(axis=1)
    best = np.argpartition(maxima, blocks - k - 1, axis=1)[:, None, blocks - k - 1 :]
    columns = (best + np.arange(0, table.shape[1], blocks)[:, None]).reshape(len(table), -1)
    values = np.take_along_axis(table, columns, axis=1)
    best = np.argpartition(values, values.shape[1] - k - 1, axis=1)[:, values.shape[1] - k - 1 :]
    columns, values = np.take_along_axis(columns, best, axis=1), np.take_along_axis(values, best, axis=1)
    order = np.lexsort((columns, -values), axis=1)
    columns, values = np.take_along_axis(columns, order, axis=1), np.take_along_axis(values, order, axis=1)
    tied = np.flatnonzero(values[:, k - 1] == values[:, k])  # which of the equals are in was chance: look at the row
    if len(tied):
        columns[tied, :k] = highest_of_tied(table[tied], values[tied, k - 1], k)
    return columns[:, :k]


def highest_of_tied(table: np.ndarray, least: np.ndarray, k: int) -> np.ndarray:
    """As `highest`, where the k-th highest entry of each row is known to be `least` and others may equal it."""
    above, equal = table > least[:, None], table == least[:, None]
    wanted = k - above.sum(axis=1, dtype=np.int32)
    equal &= equal.cumsum(axis=1, dtype=np.int32) <= wanted[:, None]
    columns = np.nonzero(above | equal)[1].reshape(len(table), k)
    order = np.argsort(-np.take_along_axis(table, columns, axis=1), axis=1, kind="stable")
    return np.take_along_axis(columns, order, axis=1)


# finish: the points' Jaccards to means with their chance level, and everything to figures.


def finish(summary: Arrays, options: OverlapOptions) -> dict[str, Any]:
    n, level = int(summary["points"][0]), options.confidence_level
    result: dict[str, Any] = {}
    for k, values in zip(options.k, summary["jaccard"], strict=True):
        key, mean, expected = f"neighbor_jaccard_at_{k}", float(values.mean()), expected_jaccard(k, k, n - 1)
        result[key] = mean
        if level is not None:
            result[f"{key}_low"], result[f"{key}_high"] = padded_mean_interval(values, level)
        result[f"expected_{key}"] = expected
        result[f"chance_corrected_{key}"] = (mean - expected) / (1 - expected) if k < n - 1 else 1.0
    result["cka"] = float(summary["cka"][0])
    if level is not None:
        result["cka_low"], result["cka_high"] = jackknife_interval(result["cka"], summary["cka_without_one"], level)
    if options.details:
        per_point = {f"neighbor_jaccard_at_{k}": v.tolist() for k, v in zip(options.k, summary["jaccard"], strict=True)}
        result["details"] = {"points": n, "k": options.k, "queries": summary["queries"].tolist(), **per_point}
    return result


# plot: the same figures for the eye.


def plot(result: dict[str, Any]) -> Any:
    """How the points' overlaps are spread for each K, beside the chance level; a matplotlib Figure."""
    from matplotlib.figure import Figure

    table = details_of(result, "representation_overlap")
    sizes, asked = table["k"], len(table["queries"])
    figure = Figure(figsize=(8, 1.4 + 1.5 * len(sizes)), layout="constrained")
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
        k=options.neighbors,
        queries=queries if queries < len(work.gold) else None,
        **common(options, level),
    )


def sums(work: Any, compressed: str, large: str, options: Any, details: Figures) -> Columns:
    shares = details[f"neighbor_jaccard_at_{options.neighbors[0]}"]
    return as_columns(details["queries"], shares, np.ones(len(shares)))


def told(f: Figures, entry: Entry, compressed: str, large: str) -> str:
    count, share, chance = entry["headline"].rpartition("_")[2], percent(entry["value"]), percent(entry["expected"])
    near = f"Of the {count} nearest neighbours of a text in {compressed} or {large}"
    return f"{near}, {share} are neighbours in both; chance alone would give {chance}."


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
