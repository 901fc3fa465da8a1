"""The figures of any number of rows, from the sums that an engine made of them: by the dimensions' own formulas.

What takes more than sums is not among them: the classwise calibration error, and intervals where bins are cut at
quantiles. Intervals come from the spread between blocks of groups; without groups, from the second moments that the
sums hold, given the form of blocks with just that spread."""

import dataclasses
from typing import Any

import numpy as np

from trusteq.checks import brief, check_choice
from trusteq.dimensions import calibration_gap, prediction_error_jaccard
from trusteq.dimensions.ood_divergence import auroc_of
from trusteq.groups import Design
from trusteq.intervals import BLOCKS, block_mean_interval
from trusteq.options import Options, with_signature
from trusteq.records.summary import FINE, Summary

SIDES = ("", "large_")
UNKNOWN = ("label_agreement", "wrong_to_other_wrong", "answer_change_rate")  # unless it is known who said the same
NOISE = 1e-12  # of an eigenvalue of correlations
DISTANCES = {"kl": "kl_divergence", "js": "js_divergence"}
Figures = dict[str, Any]


@dataclasses.dataclass(frozen=True)
class SumOptions(Options):
    """What the figures can be asked.

    Args:
        binning: "uniform", the bins that were summed; or "quantile", as many bins cut where the histograms allow, for
            a calibration error without an interval.
        convention: "usual", as the sums were made; another takes the rows.
    """

    binning: str = "uniform"
    convention: str = "usual"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choice("binning", self.binning, ("uniform", "quantile"))
        if self.convention != "usual":
            raise ValueError(
                f"sums are of the usual convention, got {brief(self.convention)}: give calibration_gap rows"
            )


def finish(summary: Summary, options: SumOptions | None = None) -> dict[str, Figures]:
    """By dimension the figures that the sums give; under `answers` what lies beside them."""
    options = options or SumOptions()
    common: Figures = {"confidence_level": options.confidence_level, "seed": options.seed, "details": options.details}
    found = {"prediction_error_jaccard": errors(summary, prediction_error_jaccard.ErrorOptions(**common))}
    if summary.bins:
        if (options.binning == "quantile" or options.details) and not summary.histograms:
            raise ValueError("quantile bins and details need histograms: summarize without histograms=False")
        own = calibration_gap.CalibrationOptions(**common, n_bins=summary.bins, binning=options.binning)
        found["calibration_gap"] = calibration(summary, own)
    return found | {"answers": answers(summary, options)}


# Errors: the cells by who was right, and whether the answers are the same.


def outcomes_of(summary: Summary) -> np.ndarray:
    """How many rows have each outcome, as prediction_error_jaccard numbers them; a row per block of groups, or one."""
    counts = summary.arrays["outcomes"] if summary.grouped else cells_of(summary)[..., 0].sum(axis=(3, 4)).reshape(1, 8)
    right, large_right, same = np.arange(8) >> 2 & 1, np.arange(8) >> 1 & 1, np.arange(8) & 1
    ordered = np.empty_like(counts)
    ordered[:, (1 - right) + 2 * (1 - large_right) + 4 * same] = counts
    return ordered


def cells_of(summary: Summary) -> np.ndarray:
    """The axes are: right, large right, same, bin, large bin; then the count and the sums."""
    bins = max(1, summary.bins)
    return summary.arrays["cells"].reshape(2, 2, 2, bins, bins, -1)


def errors(summary: Summary, options: prediction_error_jaccard.ErrorOptions) -> Figures:
    blocks = outcomes_of(summary)
    counts = blocks.sum(axis=0)
    one_each = [prediction_error_jaccard.summarize(example(outcome))["counts"] for outcome in range(8)]
    sums = {"counts": counts @ np.stack(one_each)}
    if "overlap" in summary.sums:
        sums["capa"] = np.array([total(summary, name) for name in CAPA])
        sums["classes"] = np.array([total(summary, "classes")])
    spread = among_blocks(blocks) if summary.grouped else prediction_error_jaccard.alone
    result = prediction_error_jaccard.finish(sums, options, spread)
    if not summary.answers:
        result = {name: value for name, value in result.items() if not name.startswith(UNKNOWN)}
    return with_signature("prediction_error_jaccard", result, options)


CAPA = ("overlap", "gold_probability", "large_gold_probability")


def example(outcome: int) -> dict[str, np.ndarray]:
    wrong, large_wrong, agree = (np.array([bool(outcome >> bit & 1)]) for bit in range(3))
    return {"right": ~wrong, "large_right": ~large_wrong, "agree": agree}


def total(summary: Summary, name: str) -> float:
    return float(summary.arrays["cells"][:, 1 + summary.sums.index(name)].sum())


def among_blocks(blocks: np.ndarray) -> prediction_error_jaccard.Spread:
    """The design effect of groups, from how the outcomes of blocks of whole groups differ: the variance between blocks
    against that of as many rows that stand alone."""

    def spread(moves: np.ndarray, held: np.ndarray) -> Design:
        sizes, alone = blocks @ held, float(blocks.sum(axis=0) @ moves**2)
        units = sizes.sum() ** 2 / max((sizes**2).sum(), 1e-300)
        if units < 1 + 1e-9:
            return Design(freedom=0.0)
        between = float(((blocks @ moves) ** 2).sum()) * units / (units - 1)
        return Design(max(1.0, between / alone) if alone else 1.0, units - 1)

    return spread


# Calibration: the cells by bin, and the histograms.


def calibration(summary: Summary, options: calibration_gap.CalibrationOptions) -> Figures:
    cells, grouped = cells_of(summary), summary.grouped
    n = cells[..., 0].sum()
    outcomes = outcomes_of(summary)
    rows = outcomes.sum(axis=1) if grouped else np.full(BLOCKS, n / BLOCKS)
    sums = {"rows": rows, "only_right": np.array([cells[1, 0, ..., 0].sum(), cells[0, 1, ..., 0].sum()])}
    if summary.answers:
        sums["agree"] = np.array([cells[:, :, 1, ..., 0].sum()])
    if "loyalty" in summary.sums:
        sums["loyalty"] = blocks_of(summary, "loyalty")
    means = means_of(summary, cells)
    residuals = summary.arrays["residuals"] if grouped else residuals_of(cells)
    edges = {}
    for i, (side, name) in enumerate(zip(SIDES, ("predictions", "large_predictions"), strict=True)):
        right, own_bin = (0, 3) if i == 0 else (1, 4)
        by_bin = cells.sum(axis=tuple({0, 1, 2, 3, 4} - {right, own_bin}))  # right, bin, count and sums
        own = {"bin_rows": by_bin[..., 0].sum(axis=0), "bin_right": by_bin[1, :, 0], "means": means[:, i]}
        own |= {"bin_confidence": by_bin[..., 1 + i].sum(axis=0), "bins": residuals[:, i]}
        edges[name] = np.arange(summary.bins + 1)[None] / summary.bins
        if summary.histograms:
            fine = summary.arrays[f"{side}histogram"]
            own |= {"smooth": on_grid(fine), "histogram": in_few(fine)}
        if options.binning == "quantile":
            cut, edges[name] = at_quantiles(fine, summary.bins)
            own |= cut
        sums |= {side + key: values for key, values in own.items()}
    together = calibration_gap.Together()
    if grouped:
        spread, share = among_blocks(outcomes), outcomes.sum(axis=0) / n
        gap = prediction_error_jaccard.LARGE_WRONG - prediction_error_jaccard.WRONG
        designs = [spread(moves - share @ moves, np.ones(8)) for moves in (gap, prediction_error_jaccard.AGREE)]
        together = calibration_gap.Together(float(n**2 / (rows**2).sum()), *designs)
    return with_signature("calibration_gap", calibration_gap.finish(sums, edges, options, together), options)


def means_of(summary: Summary, cells: np.ndarray) -> np.ndarray:
    """Blocks, then the two models, then right, confidence and, where they are summed, Brier score and log loss."""
    pairs = [("brier", "brier_gap_squared"), ("nll", "nll_gap_squared")] if "brier" in summary.sums else []
    if summary.grouped:
        right = [summary.arrays["outcomes"] @ (np.arange(8) >> bit & 1) for bit in (2, 1)]
        found = [np.stack(right, axis=1)]
        for name in ("confidence", *(name for name, _ in pairs)):
            found.append(np.stack([blocks_of(summary, side + name) for side in SIDES], axis=1))
        return np.stack(found, axis=2)
    count, own, large = (cells[..., i] for i in range(3))
    first = np.stack([cells[1, ..., 0].sum(), cells[:, 1, ..., 0].sum(), own.sum(), large.sum()])
    products = np.empty((4, 4))  # right, large right, confidence, large confidence
    products[0, 0], products[1, 1], products[0, 1] = first[0], first[1], count[1, 1].sum()
    products[0, 2:] = own[1].sum(), large[1].sum()
    products[1, 2:] = own[:, 1].sum(), large[:, 1].sum()
    products[2, 2], products[3, 3], products[2, 3] = (cells[..., 3 + i].sum() for i in range(3))
    products = np.triu(products) + np.triu(products, 1).T
    found = [alike_blocks(first, products, count.sum()).reshape(BLOCKS, 2, 2).transpose(0, 2, 1)]
    for name, squared in pairs:
        sums = [total(summary, side + name) for side in SIDES]
        gap = alike_blocks(np.array([sums[0] - sums[1]]), np.array([[total(summary, squared)]]), count.sum())
        large_part = np.full((BLOCKS, 1), sums[1] / BLOCKS)
        found.append(np.stack([gap + large_part, large_part], axis=1))
    return np.concatenate(found, axis=2)


def residuals_of(cells: np.ndarray) -> np.ndarray:
    """Blocks, then the two models, then their bins: right less confidence."""
    bins = cells.shape[3]
    right, large_right = (np.arange(2.0).reshape(shape) for shape in ((2, 1, 1, 1, 1), (1, 2, 1, 1, 1)))
    count, own, large, own_squared, large_squared, both = (cells[..., i] for i in range(6))
    axes = (0, 1, 2)
    first = (right * count - own).sum(axis=(*axes, 4)), (large_right * count - large).sum(axis=(*axes, 3))
    products = np.zeros((2 * bins, 2 * bins))
    products[:bins, :bins] = np.diag((right * count - 2 * right * own + own_squared).sum(axis=(*axes, 4)))
    squares = large_right * count - 2 * large_right * large + large_squared
    products[bins:, bins:] = np.diag(squares.sum(axis=(*axes, 3)))
    across = (right * large_right * count - right * large - large_right * own + both).sum(axis=axes)
    products[:bins, bins:], products[bins:, :bins] = across, across.T
    return alike_blocks(np.concatenate(first), products, count.sum()).reshape(BLOCKS, 2, bins)


def blocks_of(summary: Summary, name: str) -> np.ndarray:
    """A sum over rows, by block."""
    if summary.grouped:
        return summary.arrays["totals"][:, summary.sums.index(name)]
    squared = f"{name}_squared"
    n = summary.arrays["cells"][:, 0].sum()
    return alike_blocks(np.array([total(summary, name)]), np.array([[total(summary, squared)]]), n)[:, 0]


def alike_blocks(sums: np.ndarray, products: np.ndarray, n: float) -> np.ndarray:
    """Sums of 256 blocks of equal size that add up to `sums` and scatter as rows do with these sums of products.

    >>> blocks = alike_blocks(np.array([3.0]), np.array([[5.0]]), n=4)
    >>> low, high = block_mean_interval(blocks[:, 0], np.full(BLOCKS, 4 / BLOCKS), 0.95)
    >>> round(low, 3), round(high, 3)  # 3/4 and 3.18 times the root of (5 - 9/4) / (3 * 4)
    (-0.773, 2.273)
    """
    scatter = products - np.outer(sums, sums) / n
    size = np.sqrt(np.maximum(scatter.diagonal(), 0))
    size[size == 0] = 1.0
    values, vectors = np.linalg.eigh(scatter / np.outer(size, size))
    values[values < NOISE] = 0
    root = (vectors * np.sqrt(values)) @ vectors.T * size * np.sqrt((BLOCKS - 1) / BLOCKS)  # the one that is symmetric
    waves = np.cos(np.pi / BLOCKS * np.outer(np.arange(BLOCKS) + 0.5, np.arange(1, len(sums) + 1)))
    blocks = sums / BLOCKS + waves * np.sqrt(2 / BLOCKS) @ root
    blocks[0] += sums - blocks.sum(axis=0)  # what rounding left
    return blocks


# Histograms: for wrong and right, in each of 2048 cells, how many, their confidence and its square.


def on_grid(fine: np.ndarray) -> np.ndarray:
    """The residuals on calibration_gap's grid: two cells of the histogram lie between the same two of its points."""
    below = (np.arange(FINE) - 1) // 2
    right = np.arange(2.0)[:, None]
    count, confidence, squared = (fine[..., i] for i in range(3))
    residual = (right * count - confidence).sum(axis=0)
    part = (calibration_gap.GRID * (right * confidence - squared)).sum(axis=0) - (below + 0.5) * residual
    grid = np.zeros((1, calibration_gap.GRID))
    np.add.at(grid[0], np.maximum(below, 0), residual - part)
    np.add.at(grid[0], np.minimum(below + 1, calibration_gap.GRID - 1), part)
    return grid


def in_few(fine: np.ndarray) -> np.ndarray:
    """For a plot, where a cell that lies across an edge goes where its middle is."""
    few = calibration_gap.HISTOGRAM
    return np.bincount(((np.arange(FINE) + 0.5) / FINE * few).astype(int), fine[..., 0].sum(axis=0), few)


def at_quantiles(fine: np.ndarray, bins: int) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """The sums of bins of as equal counts as the cells allow, and the edges."""
    count = fine[..., 0].sum(axis=0)
    upto = np.concatenate([[0], np.cumsum(count)])
    wanted = upto[-1] * np.arange(1, bins) / bins
    above = np.searchsorted(upto, wanted)
    cuts = np.where(wanted - upto[above - 1] < upto[above] - wanted, above - 1, above)
    cuts = np.concatenate([[0], cuts, [FINE]])
    sums = np.diff(np.concatenate([np.zeros((2, 1, 3)), fine.cumsum(axis=1)], axis=1)[:, cuts], axis=1)
    rows, right, confidence = sums[..., 0].sum(axis=0), sums[1, :, 0], sums[..., 1].sum(axis=0)
    found = {"bin_rows": rows, "bin_right": right, "bin_confidence": confidence, "bins": (right - confidence)[None]}
    return found, cuts[None] / FINE


# Beside the dimensions.


def answers(summary: Summary, options: SumOptions) -> Figures:
    """How many there are; how far apart the distributions are; and how well confidence tells right from wrong, as an
    AUROC with what the cells of the histogram hide of it."""
    n = summary.arrays["cells"][:, 0].sum()
    found: Figures = {"rows": int(n), **{f"{which}_rows": rows for which, rows in summary.rows.items()}}
    for name in (name for name in DISTANCES if name in summary.sums):
        found[DISTANCES[name]] = total(summary, name) / n
        if options.confidence_level is not None:
            rows = outcomes_of(summary).sum(axis=1) if summary.grouped else np.full(BLOCKS, n / BLOCKS)
            units = float(n**2 / (rows**2).sum()) if summary.grouped else None
            low, high = block_mean_interval(blocks_of(summary, name), rows, options.confidence_level, units)
            found |= {f"{DISTANCES[name]}_low": max(low, 0.0), f"{DISTANCES[name]}_high": high}
    if summary.histograms:
        counts = {side: summary.arrays[f"{side}histogram"][..., 0] for side in SIDES}
        found |= aurocs("confidence_auroc", {side: (right, wrong) for side, (wrong, right) in counts.items()})
    return found


def out_of_distribution(inside: Summary, outside: Summary) -> Figures:
    """The AUROC of ood_divergence with the score "msp": how well less confidence tells the one task from the other."""
    if not (inside.histograms and outside.histograms):
        raise ValueError("the AUROC needs histograms of both tasks: summarize both without histograms=False")
    counts = {side: [one.arrays[f"{side}histogram"][..., 0].sum(axis=0) for one in (inside, outside)] for side in SIDES}
    return aurocs("auroc", {side: (here, there) for side, (here, there) in counts.items()})


def aurocs(name: str, counts: dict[str, tuple[np.ndarray, np.ndarray]]) -> Figures:
    """Of both models, from counts per cell of what should be higher and what should be lower; `_within` is how far the
    figure may lie from that of the rows, since within a cell nothing is known of their order."""
    found: Figures = {}
    for side, (higher, lower) in counts.items():
        pairs = higher.sum() * lower.sum()
        if not pairs:
            return {}
        found[side + name] = auroc_of(higher, lower)
        found[f"{side}{name}_within"] = float(higher @ lower / pairs / 2)
    found[f"{name}_gap"] = found[name] - found[f"large_{name}"]
    return found
