"""Is the compressed model as alert to out-of-distribution inputs as the large one?

A model that is to be trusted has to notice inputs unlike those it was trained on. This metric compares how well the two
models' scores separate such rows from ordinary ones, and whether both raise the flag over the same rows."""

import dataclasses
import math
from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from scipy.special import entr, stdtrit

from trusteq.arrays import Arrays, check_columns, check_finite, check_labels
from trusteq.checks import check_choice, check_number
from trusteq.dimensions.plots.colors import COMPRESSED, LARGE
from trusteq.dimensions.record import Dimension, Entry, Figures, common, gaps_from
from trusteq.groups import ALONE, Design, Groups, units_of
from trusteq.intervals import LEAST_UNITS, share_interval
from trusteq.options import Options, details_of
from trusteq.overlap import expected_share, kappa
from trusteq.resampling import Weights
from trusteq.rows import Rows
from trusteq.strangeness import OF_TEXTS
from trusteq.wording import percent, points

PERFECT = 0.999  # an AUROC beyond which there is nothing to compare
INSIDE, CHANCE = "#B8B8B8", "#777777"


@dataclasses.dataclass(frozen=True)
class OodOptions(Options):
    score: str = "msp"
    keep: float = 0.95
    from_logits: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choice("score", self.score, ("msp", "energy", "entropy", "max_logit", "given"))
        check_number("keep", self.keep, above=0, below=1)
        check_choice("from_logits", self.from_logits, (True, False))
        if self.score in ("energy", "max_logit") and not self.from_logits:
            raise ValueError(f'score="{self.score}" is made of logits: give rows of logits and from_logits=True')
        if self.score == "given" and self.from_logits:
            raise ValueError('score="given" takes the scores as they are, so from_logits=True has no meaning with it')


def compute(rows: Rows, options: OodOptions) -> Figures:
    kinds = {"score": np.float64, "large_score": np.float64, "outside": np.bool_}
    examples: Arrays = {name: np.empty(rows.count, kind) for name, kind in kinds.items()}
    start = 0
    for piece in rows.map(lambda start, arrays: validate(arrays, options, start)):
        stop = start + len(piece["outside"])
        for name, values in piece.items():
            examples[name][start:stop] = values
        start = stop
    return finish(summarize(examples, options, rows.groups), options)


# validate: a piece of what came in becomes one score per example and model, and "out of distribution" or not.


def validate(arrays: Arrays, options: OodOptions, start: int = 0) -> Arrays:
    """Rows or scores to `score`, `large_score`; references to `outside`. Nothing else is kept of a row."""
    return {
        "score": score_rows("predictions", arrays["predictions"], options, start),
        "large_score": score_rows("large_predictions", arrays["large_predictions"], options, start),
        "outside": check_kinds(arrays["references"], start),
    }


def score_rows(name: str, rows: np.ndarray, options: OodOptions, start: int) -> np.ndarray:
    """One number per row, higher = further out of distribution."""
    if options.score == "given":
        if rows.ndim != 1 or rows.dtype.kind == "O":
            what = "strings" if rows.dtype.kind == "O" else f"rows of shape {rows.shape}"
            raise ValueError(f'{name} needs one score (a number) per example for score="given", got {what}')
        check_finite(name, rows, start)
        return rows.astype(np.float64)
    if rows.ndim == 1 and rows.dtype.kind != "O":
        kind = "logits" if options.from_logits else "probabilities"
        needed = f'{name} needs a row of {kind} per example for score="{options.score}"'
        raise ValueError(f'{needed}, got one number; if these are scores, pass score="given"')
    columns = check_columns(name, rows, options.from_logits, start)
    if options.score == "entropy":
        return sum(map(entr, columns))
    top = columns.max(axis=0)
    if options.score == "msp":
        return 1 - top
    highest = rows.max(axis=1).astype(np.float64)
    return np.log(top) - highest if options.score == "energy" else -highest


def check_kinds(references: np.ndarray, start: int) -> np.ndarray:
    """References of 1 and 0 as "out of distribution" and not."""
    labels = check_labels("references", references, start)
    if labels.dtype.kind == "O":
        raise ValueError("references must be 1 (out of distribution) or 0 (in distribution), got strings")
    if labels.min() < 0 or labels.max() > 1:
        row = int(np.argmax((labels < 0) | (labels > 1)))
        what = "1 (out of distribution) or 0 (in distribution)"
        raise ValueError(f"references must be {what}, got {labels[row]} in row {start + row}")
    return labels.astype(bool)


# summarize: scores to each model's ranking, and to the rows it flags. Ranks need all rows at once.


class Estimate(NamedTuple):
    """A figure, and how far each row moves it: figure - truth is the rows' mean, within each kind, of `moves`."""

    value: float
    moves: np.ndarray | None


class Cut(NamedTuple):
    """A threshold that keeps a share of the in-distribution rows, and how far chance may well shift it.

    `low` and `high` are the thresholds 1.5 standard errors of the kept share away, `span` the share between them.
    """

    threshold: float
    low: float
    high: float
    span: float


class Ranking:
    """One model's rows in order of their scores, counted per distinct score; equal scores are one step."""

    def __init__(self, scores: np.ndarray, outside: np.ndarray, groups: Groups = None):
        inside = None if groups is None else groups[~outside]
        self.together = 1.0 if inside is None else len(inside) / units_of(inside)  # rows of a group
        whole: Any = np.int32 if len(scores) < 2**31 else np.int64  # a count of rows, of which there are many arrays
        self.order = np.argsort(scores).astype(whole)
        ordered, self.outside = scores[self.order], outside[self.order]
        ends = np.append(ordered[1:] != ordered[:-1], True)
        self.values = ordered[ends]
        del ordered
        self.out_upto = np.cumsum(self.outside, dtype=whole)[ends]
        self.in_upto = np.flatnonzero(ends).astype(whole) + whole(1) - self.out_upto
        self.n_out, self.n_in = int(self.out_upto[-1]), int(self.in_upto[-1])

    @property
    def out_here(self) -> np.ndarray:
        return np.diff(self.out_upto, prepend=self.out_upto.dtype.type(0))

    @property
    def in_here(self) -> np.ndarray:
        return np.diff(self.in_upto, prepend=self.in_upto.dtype.type(0))

    @property
    def size(self) -> np.ndarray:
        return self.out_here + self.in_here

    def per_row(self, out_moves: np.ndarray, in_moves: np.ndarray) -> np.ndarray:
        """What each kind of row has at each distinct score, handed to the rows in the order in which they came."""
        if len(self.values) < len(self.order):
            out_moves, in_moves = np.repeat(out_moves, self.size), np.repeat(in_moves, self.size)
        np.copyto(out_moves, in_moves, where=~self.outside)
        del in_moves
        moves = np.empty(len(self.order))
        moves[self.order] = out_moves
        return moves

    def auroc(self, with_moves: bool) -> Estimate:
        """Pairs in the right order, ties half; the moves are the placements of DeLong, DeLong and Clarke-Pearson."""
        value = auroc_of(self.out_here, self.in_here)
        if not with_moves:
            return Estimate(value, None)
        in_below = (self.in_upto - self.in_here / 2) / self.n_in
        return Estimate(value, self.per_row(in_below, (self.n_out - self.out_upto + self.out_here / 2) / self.n_out))

    def aupr(self, with_moves: bool) -> Estimate:
        """Mean precision at the out-of-distribution rows.

        A row moves it by the precision at its own score, where it is one of those rows, and by what it adds to the
        precision at every lower score p = out / (out + in): in / (out + in)^2 or -out / (out + in)^2.
        """
        out_here = self.out_here
        out_from, in_from = self.n_out - self.out_upto + out_here, self.n_in - self.in_upto + self.in_here
        out_moves = out_from / (out_from + in_from)  # the precision, for now
        value = float(out_here @ out_moves) / self.n_out
        if not with_moves:
            return Estimate(value, None)
        in_moves = (out_from + in_from).astype(np.float64)
        in_moves **= -2
        in_moves *= out_here  # the weight, for now
        del out_here
        adds = in_moves * in_from
        del in_from
        out_moves += np.cumsum(adds, out=adds)
        del adds
        in_moves *= out_from
        del out_from
        np.cumsum(in_moves, out=in_moves)
        in_moves *= -self.n_in / self.n_out
        return Estimate(value, self.per_row(out_moves, in_moves))

    def fpr95(self, scores: np.ndarray, outside: np.ndarray, with_moves: bool) -> Estimate:
        """Out-of-distribution rows that the threshold lets pass; the others move it by moving the threshold."""
        cut = self.cut(0.95)
        at, low, high = (self.out_upto[np.searchsorted(self.values, x)] / self.n_out for x in cut[:3])
        if not with_moves:
            return Estimate(float(at), None)
        slope = (high - low) / cut.span if cut.span else 0.0
        return Estimate(float(at), np.where(outside, 1.0, -slope) * (scores <= cut.threshold))

    def cut(self, keep: float) -> Cut:
        rank = max(1, math.ceil(keep * self.n_in - 1e-9))  # 0.07 * 100 is 7.000000000000001
        units = self.n_in / self.together
        reach = round(self.together * max(1, round(1.5 * math.sqrt(units * keep * (1 - keep)))))
        low, high = max(1, rank - reach), min(self.n_in, rank + reach)
        at, below, above = self.values[np.searchsorted(self.in_upto, [rank, low, high])].tolist()
        return Cut(at, below, above, (high - low) / self.n_in)


def auroc_of(higher: np.ndarray, lower: np.ndarray) -> float:
    """From how many of each kind there are at every score, from the lowest: pairs in the right order, ties half.

    >>> auroc_of(np.array([0, 1, 1]), np.array([1, 1, 0]))
    0.875
    """
    return float(higher @ (np.cumsum(lower) - lower / 2)) / (int(higher.sum()) * int(lower.sum()))


class Model(NamedTuple):
    """One model's figures, its threshold, and what a plot of it needs."""

    figures: dict[str, float]
    cut: Cut
    curves: dict[str, Any]


class Summary(NamedTuple):
    """What the result is made of: both models, by how much each row moves their gaps, and how many rows both flag, the
    compressed one, the large one."""

    compressed: Model
    large: Model
    moves: dict[str, np.ndarray]
    outside: np.ndarray
    groups: Groups
    flagged: tuple[int, int, int]
    jaccard_error: float


def summarize(examples: Arrays, options: OodOptions, groups: Groups) -> Summary:
    """Both models' figures, one after the other, and how many rows both, the one and the other flag."""
    outside = examples["outside"]
    if outside.all() or not outside.any():
        kinds = ("out-of-distribution rows (1)", "in-distribution rows (0)")
        have, need = kinds if outside.all() else reversed(kinds)
        raise ValueError(f"references hold only {have}; {need} are needed too")
    scores = [examples["score"], examples["large_score"]]
    moves: dict[str, np.ndarray] = {}
    compressed, large = (rank_model(values, outside, groups, options, moves) for values in scores)
    flags = [values > model.cut.threshold for values, model in zip(scores, (compressed, large), strict=True)]
    both, one, other = (int(np.count_nonzero(flag)) for flag in (flags[0] & flags[1], *flags))
    error = 0.0
    if options.confidence_level is not None and one + other:
        error = jaccard_error(scores, flags, [compressed.cut, large.cut], outside, groups)
    return Summary(compressed, large, moves, outside, groups, (both, one, other), error)


def rank_model(
    scores: np.ndarray, outside: np.ndarray, groups: Groups, options: OodOptions, moves: dict[str, np.ndarray]
) -> Model:
    """A model's figures. What its rows move is left in `moves`, or taken off what the other model's do there."""
    ranking, with_moves = Ranking(scores, outside, groups), options.confidence_level is not None
    figures = {}
    for name, estimate in (
        ("auroc", ranking.auroc),
        ("aupr", ranking.aupr),
        ("fpr95", partial(ranking.fpr95, scores, outside)),
    ):
        figures[name], moved = estimate(with_moves)
        if moved is not None and name in moves:
            moves[name] -= moved
        elif moved is not None:
            moves[name] = moved
    cut = ranking.cut(options.keep)
    return Model(figures, cut, curves(ranking, cut) if options.details else {})


def jaccard_error(
    scores: list[np.ndarray], flags: list[np.ndarray], cuts: list[Cut], outside: np.ndarray, groups: Groups
) -> float:
    """Standard error of the flagged rows' Jaccard, with the noise of both thresholds.

    A row moves the Jaccard by being flagged. An in-distribution row also moves a threshold, and with it the rows that
    lie near: how many of those the other model flags is counted between the cut's `low` and `high`.
    """
    n, both, either = len(outside), flags[0] & flags[1], flags[0] | flags[1]
    union = int(np.count_nonzero(either))
    jaccard = int(np.count_nonzero(both)) / union
    n_out = int(np.count_nonzero(outside))
    moves = (both - jaccard * either) * np.where(outside, n_out / union, (n - n_out) / union)
    for values, flag, other, cut in zip(scores, flags, reversed(flags), cuts, strict=True):
        near = (values > cut.low) & (values <= cut.high)
        shared = np.count_nonzero(near & other)
        alone = np.count_nonzero(near) - shared
        slope = (jaccard * alone - shared) / (union * cut.span) if cut.span else 0.0
        moves += slope * (flag & ~outside)
    return math.sqrt(sum(error for error, _ in errors(moves, outside, groups, unusual=False)))


def errors(moves: np.ndarray, outside: np.ndarray, groups: Groups, unusual: bool = True) -> list[tuple[float, float]]:
    """For each kind of row the squared standard error of its mean move, and how many rows (or groups) there are.

    `unusual`: the rows of a kind count as if the one that moves most had been met once more. A few rows decide the gap
    of two models that hardly err, and a sample that happens to miss them would otherwise look too sure. Groups move by
    the sum of their rows' moves; one that has rows of both kinds moves both together, which is added to the first.
    """
    out: list[tuple[float, float]] = []
    sums = []
    for kind in (outside, ~outside):
        square = moves[kind]
        square -= square.mean()
        n, units, alone = len(square), float(len(square)), 0.0
        if groups is not None:
            units, alone = units_of(groups[kind]), float(square @ square)
            square = np.bincount(groups[kind], square, groups.max() + 1)
            sums.append(square / n)
        square = np.square(square)
        total = max(float(square.sum()), alone) + unusual * float(square.max())
        out.append((total / (n * max(1, n - n / units)), units))
    if groups is not None:
        out[0] = out[0][0] + max(0.0, 2 * float(sums[0] @ sums[1])), out[0][1]
    return out


# finish: figures to the result.


def finish(summary: Summary, options: OodOptions) -> dict[str, Any]:
    n = len(summary.outside)
    result: dict[str, Any] = {}
    for name, compressed in summary.compressed.figures.items():
        large = summary.large.figures[name]
        result |= {name: compressed, f"large_{name}": large, f"{name}_gap": compressed - large}
        if options.confidence_level is not None:
            gap, moves = compressed - large, summary.moves[name]
            interval = gap_interval(gap, moves, summary.outside, summary.groups, options.confidence_level)
            result[f"{name}_gap_low"], result[f"{name}_gap_high"] = interval
    both, one, other = summary.flagged
    either = one + other - both
    jaccard = both / either if either else 1.0
    result |= {"flagged_rate": one / n, "large_flagged_rate": other / n, "flagged_jaccard": jaccard}
    if options.confidence_level is not None:
        together = ALONE if summary.groups is None else of_fewer(summary.groups, summary.outside)
        low, high = jaccard_interval(jaccard, either, summary.jaccard_error, options.confidence_level, together)
        if summary.groups is not None and units_of(summary.groups[~summary.outside]) * (1 - options.keep) < 1:
            low, high = 0.0, 1.0  # the thresholds lie within what a single group has, which tells nothing of others
        result["flagged_jaccard_low"], result["flagged_jaccard_high"] = low, high
    result["expected_flagged_jaccard"] = expected_share(one, other, n)
    result["flagged_kappa"] = kappa(n, both, one, other)
    if options.details:
        large_curves = {f"large_{name}": values for name, values in summary.large.curves.items()}
        result["details"] = {"keep": options.keep, **summary.compressed.curves, **large_curves}
    return result


def gap_interval(
    gap: float, moves: np.ndarray, outside: np.ndarray, groups: Groups, level: float
) -> tuple[float, float]:
    """Paired: from how much further each row moves the one figure (Welch's t over the two kinds of rows).

    Where no row tells the models apart, one out-of-distribution row (or group) that does so in full is taken as met. A
    single one of a kind shows no spread: (-1, 1).
    """
    parts = errors(moves, outside, groups)
    if min(n for _, n in parts) < LEAST_UNITS:
        return -1.0, 1.0
    variance = sum(part for part, _ in parts)
    if variance < 1e-24:  # what rounding leaves of zero
        n = parts[0][1]
        parts[0], variance = (1 / (n * (n - 1)), n), 1 / (n * (n - 1))
    freedom = variance**2 / sum(part**2 / (n - 1) for part, n in parts)
    spread = float(stdtrit(freedom, (1 + level) / 2)) * math.sqrt(variance)
    return max(-1.0, gap - spread), min(1.0, gap + spread)


def of_fewer(groups: np.ndarray, outside: np.ndarray) -> Design:
    """As many rows count as one as there are in a group; the spread is known of as few groups as the fewer kind has."""
    units = [units_of(groups), units_of(groups[outside]), units_of(groups[~outside])]
    return Design(len(groups) / units[0], min(units) - 1)


def jaccard_interval(
    jaccard: float, either: float, error: float, level: float, together: Design
) -> tuple[float, float]:
    """Wilson's interval, with as many trials as give this standard error; equal or disjoint sets: all flagged rows."""
    trials = jaccard * (1 - jaccard) / error**2 if error and 0 < jaccard < 1 else together.alone(either)
    return share_interval(jaccard * trials, trials, level, together._replace(effect=1.0))


# plot: the same figures for the eye.


def curves(ranking: Ranking, cut: Cut, bins: int = 40, points: int = 400) -> dict[str, Any]:
    """Histograms of the scores and the ROC curve, as short plain lists; far-out scores are counted in the end bins."""
    rows = np.cumsum(ranking.size)
    low, high = ranking.values[np.searchsorted(rows, np.array([0.002, 0.998]) * rows[-1])]
    low, high = min(low, cut.threshold), max(high, cut.threshold)
    width = float(high / bins - low / bins) or 1 / bins
    with np.errstate(over="ignore"):  # scores may be as large as floats can be
        below = math.ceil(min(bins, (cut.threshold - low) / width))  # the threshold is an edge; its equals lie below
        edges = cut.threshold + width * np.arange(-below, bins + 2 - below)
        place = np.ceil(((ranking.values - cut.threshold) / width).clip(-below, bins)) + below - 1
    place = place.clip(0, bins).astype(int)
    out_flagged = np.append(1, 1 - ranking.out_upto / ranking.n_out)
    in_flagged = np.append(1, 1 - ranking.in_upto / ranking.n_in)
    chosen = np.arange(len(out_flagged))
    if len(chosen) > points:
        chosen = np.unique(np.searchsorted(-out_flagged - in_flagged, np.linspace(-2, 0, points)).clip(0, chosen[-1]))
    chosen = chosen[::-1]
    at = np.searchsorted(ranking.values, cut.threshold) + 1
    return {
        "threshold": cut.threshold,
        "in_flagged": float(in_flagged[at]),
        "out_flagged": float(out_flagged[at]),
        "edges": edges.tolist(),
        "in_counts": np.bincount(place, ranking.in_here, bins + 1).astype(int).tolist(),
        "out_counts": np.bincount(place, ranking.out_here, bins + 1).astype(int).tolist(),
        "roc_in_flagged": in_flagged[chosen].tolist(),
        "roc_out_flagged": out_flagged[chosen].tolist(),
    }


def plot(result: dict[str, Any]) -> Any:
    """The scores of both kinds of rows with each model's threshold, and both ROC curves; a matplotlib Figure."""
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    details = details_of(result, "ood_divergence")
    figure = Figure(figsize=(11, 5.4), layout=ConstrainedLayoutEngine(w_pad=0.1, h_pad=0.1, hspace=0.06))
    grid = figure.add_gridspec(2, 2, width_ratios=(1.1, 1))
    top, bottom, right = (figure.add_subplot(grid[place]) for place in ((0, 0), (1, 0), (slice(None), 1)))
    plot_scores(top, details, "", "compressed", COMPRESSED, "///")
    plot_scores(bottom, details, "large_", "large", LARGE, "\\\\\\")
    bottom.set_xlabel("score (higher = further out of distribution)")
    plot_roc(right, result)
    return figure


def plot_scores(axis: Any, details: dict[str, Any], prefix: str, name: str, color: str, hatch: str) -> None:
    """One model's scores, in distribution above the line and out of it below, and what lies beyond the threshold."""
    edges, threshold = np.array(details[prefix + "edges"]), details[prefix + "threshold"]
    axis.axvspan(threshold, edges[-1] + (edges[-1] - edges[0]) / 4, color="#F2F2F2", zorder=0)
    for kind, sign, style in [
        ("in", 1, {"facecolor": INSIDE, "edgecolor": "#777777"}),
        ("out", -1, {"facecolor": "white", "edgecolor": color, "hatch": hatch}),
    ]:
        counts = np.array(details[f"{prefix}{kind}_counts"])
        axis.stairs(sign * counts / counts.max(), edges, fill=True, linewidth=1.1, **style)
    axis.axhline(0, color="black", linewidth=0.8)
    axis.axvline(threshold, color="black", linestyle="--", linewidth=1.2)
    kept = f"{100 * details['keep']:.4g} %"
    axis.set_title(f"{name}: the threshold keeps {kept} of in-distribution rows", loc="left", fontsize=11)
    shares = [f"{100 * details[f'{prefix}{kind}_flagged']:.1f} % flagged" for kind in ("in", "out")]
    axis.set_yticks([0.55, -0.55], [f"in distribution:\n{shares[0]}", f"out of distribution:\n{shares[1]}"])
    axis.set(ylim=(-1.3, 1.3), xlim=(edges[0], edges[-1] + (edges[-1] - edges[0]) * 0.04))
    axis.tick_params(axis="y", length=0)
    axis.spines[["top", "right", "left"]].set_visible(False)


def plot_roc(axis: Any, result: dict[str, Any]) -> None:
    """Both ROC curves, with the thresholds marked on them; the thin dashes stay visible where the curves are equal."""
    details = result["details"]
    axis.plot([0, 1], [0, 1], ":", color=CHANCE, label="chance, 0.500")
    for prefix, name, color, line, width, marker, size in [
        ("", "compressed", COMPRESSED, "-", 2.8, "o", 11),
        ("large_", "large", LARGE, (0, (4, 2)), 1.6, "s", 7),
    ]:
        x, y = details[prefix + "roc_in_flagged"], details[prefix + "roc_out_flagged"]
        axis.plot(x, y, linestyle=line, color=color, linewidth=width, label=f"{name}, {result[prefix + 'auroc']:.3f}")
        at = details[prefix + "in_flagged"], details[prefix + "out_flagged"]
        axis.plot(*at, marker, color=color, markersize=size, markeredgecolor="white", zorder=3, clip_on=False)
    title = f"AUROC gap {result['auroc_gap']:+.3f}"
    overlap = f"Flagged Jaccard {result['flagged_jaccard']:.2f}"
    if "auroc_gap_low" in result:
        title += f" ({result['auroc_gap_low']:+.3f} to {result['auroc_gap_high']:+.3f})"
        overlap += f" ({result['flagged_jaccard_low']:.2f} to {result['flagged_jaccard_high']:.2f})"
    overlap += f", chance {result['expected_flagged_jaccard']:.2f}"
    axis.set_title(f"{title}\n{overlap}".replace("-", "\N{MINUS SIGN}"), loc="left", fontsize=11)
    axis.set(xlabel="in-distribution rows flagged", ylabel="out-of-distribution rows flagged", box_aspect=1)
    axis.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
    axis.legend(loc="lower right", frameon=False, title="AUROC (marks: the thresholds)", alignment="left")
    axis.spines[["top", "right"]].set_visible(False)


def measure(work: Any, compressed: str, large: str, options: Any, level: float) -> Figures:
    inside, outside = len(work.gold), len(work.ood[compressed])
    found = DIMENSION.of(
        predictions=np.concatenate(both_kinds(work, compressed)),
        references=np.repeat([0, 1], [inside, outside]),
        large_predictions=np.concatenate(both_kinds(work, large)),
        groups=both_groups(work, inside, outside),
        **settings_for(work, options),
        **common(options, level),
    )
    found["details"]["of_the_text"] = bool(work.strangeness)
    return found


def both_kinds(work: Any, model: str) -> tuple[np.ndarray, np.ndarray]:
    """What is known of ordinary inputs and of those out of distribution: probabilities, or how unsure the model was."""
    if work.confidence:
        return 1 - work.confidence[model], 1 - work.ood[model]
    if work.strangeness:
        return work.strangeness[model], work.ood[model]
    return work.probabilities[model], work.ood[model]


def settings_for(work: Any, options: Any) -> dict[str, Any]:
    return settings(options) | ({"score": "given"} if work.confidence or work.strangeness else {})


def both_groups(work: Any, inside: int, outside: int) -> Groups:
    """Of the ordinary texts and of those out of distribution, which belong to no group of the others."""
    if work.groups is None and work.ood_groups is None:
        return None
    groups = np.arange(inside) if work.groups is None else work.groups
    ood_groups = np.arange(outside) if work.ood_groups is None else work.ood_groups
    return np.concatenate([groups, ood_groups + groups.max() + 1])


def redrawn(work: Any, others: Sequence[str], large: str, options: Any) -> np.ndarray:
    """The size of every model's AUROC gap; ordinary rows and those out of distribution are drawn each by themselves."""
    inside = Weights(len(work.gold), options.seed, groups=work.groups)
    outside = Weights(len(work.ood[large]), options.seed + 1, groups=work.ood_groups)
    asked = OodOptions(**settings_for(work, options))

    def of(name: str) -> np.ndarray:
        scores, out_scores = (score_rows(name, rows, asked, 0) for rows in both_kinds(work, name))
        return redrawn_auroc(scores, out_scores, inside, outside)

    fewer = min((inside, outside), key=lambda weights: weights.units or np.inf)
    return fewer.spread(gaps_from(work, DIMENSION.name, of, others, large))


def flagged(work: Any, model: str, options: Any) -> np.ndarray:
    """Which texts a model takes to be out of distribution: the ordinary ones first, then those that are."""
    asked = OodOptions(**settings_for(work, options))
    inside, outside = (score_rows(model, rows, asked, 0) for rows in both_kinds(work, model))
    scores, is_outside = np.concatenate([inside, outside]), np.repeat([False, True], [len(inside), len(outside)])
    groups = both_groups(work, len(inside), len(outside))
    return np.asarray(scores > Ranking(scores, is_outside, groups).cut(asked.keep).threshold)


def redrawn_auroc(scores: np.ndarray, out_scores: np.ndarray, inside: Weights, outside: Weights) -> np.ndarray:
    """One model's AUROC in every draw, from how often each block of the one kind lies below each of the other."""
    below = np.empty((inside.blocks, outside.blocks))
    for block in range(inside.blocks):
        ordered = np.sort(scores[inside.block == block])
        count = (np.searchsorted(ordered, out_scores) + np.searchsorted(ordered, out_scores, side="right")) / 2
        below[block] = np.bincount(outside.block, count, outside.blocks)
    pairs = inside.of(np.ones((len(scores), 1)))[:, 0] * outside.of(np.ones((len(out_scores), 1)))[:, 0]
    return np.einsum("db,db->d", inside.weight @ below, outside.weight) / pairs


def settings(options: Any) -> dict[str, Any]:
    return {"score": "given" if options.score in OF_TEXTS else options.score or "msp", "keep": options.keep}


def count(work: Any, figures: Figures) -> int:
    return len(work.gold) + len(next(iter(work.ood.values())))


def hidden(figures: Figures) -> str | None:
    """Two models that tell all apart are alike in this whatever they are."""
    if min(figures["auroc"], figures["large_auroc"]) > PERFECT:
        return "Both models tell all of these apart, which hides any difference: take inputs that are nearer to theirs."
    return None


def told(f: Figures, entry: Entry, compressed: str, large: str) -> str:
    own, larges = (percent(f[f"{prefix}auroc"]) for prefix in ("", "large_"))
    less_sure = f"{compressed} is less sure of a text out of distribution than of an ordinary one in {own} of cases"
    if entry.get("details", {}).get("of_the_text"):
        less_sure = f"To {compressed} a text out of distribution is stranger than an ordinary one in {own} of cases"
    return f"{less_sure}, and {large} in {larges}: a gap of {points(f['auroc_gap'])}"


DIMENSION = Dimension(
    name="ood_divergence",
    place=4,
    question="As alert to out-of-distribution inputs?",
    asks=(
        "A model should be less sure of itself on texts of another kind than it was made for (out-of-distribution). "
        "This mixes such texts with ordinary ones and compares how well each model tells the two kinds apart (AUROC): "
        "how often it is less sure of a text of the other kind than of an ordinary one."
    ),
    options=OodOptions,
    compute=compute,
    plot=plot,
    headline="auroc_gap",
    kind="gap",
    words={
        "auroc_gap": "gap of the AUROC",
        "fpr95_gap": "gap of the out-of-distribution texts that pass (FPR at 95 %)",
        "flagged_jaccard": "overlap of what is flagged",
    },
    direction=("more alert", "less alert"),
    told=told,
    hidden=hidden,
    needs="ood",
    counted="examples in and out of distribution",
    count=count,
    settings=settings,
    margin=0.03,
    alone=0.03,
    measure=measure,
    redrawn=redrawn,
)
