"""Of a pair and a dimension: its figures, the one that the verdict is about, and what that is beside the twins."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.special import stdtrit

from trusteq.audit.floors import floor_named, of_compressed
from trusteq.dimensions.record import Dimension, Entry, Figures, measured
from trusteq.dimensions.work import Work
from trusteq.looks import seen
from trusteq.resampling import ends
from trusteq.verdicts import Excess, rejected, tells

SMALLEST = 1e-4  # margin: a report counts in margins


def entry_of(
    dimension: Dimension, work: Work, compressed: str, large: str, options: Any, floors: Sequence[str], judged: bool
) -> Entry:
    """One dimension of one pair: figures, headline, floor, divergence or excess, and the verdict. `floors` are the
    models that `large` (or what the floor is measured from) is compared with as well."""
    floors = [name for name in floors if tells(work.floors[name][dimension.name]["expected"])]
    figures = dict(measured(dimension, work, compressed, large, options))
    details = figures.pop("details")
    key = key_of(dimension.headline, options)
    entry: Entry = {"status": "done", "reason": None, "headline": key, "kind": dimension.kind}
    entry |= {place: figures[key + end] for end, place in ENDS}
    for what, source in (("expected", dimension.expected), ("most", dimension.most)):
        entry[what] = figures[key_of(source, options)] if source else None
    start = compressed if of_compressed(options) else large
    drawn = dimension.redrawn(work, (compressed, *(floors if start == large else ())), large, options)
    if floors and start != large:
        drawn = np.concatenate([drawn, dimension.redrawn(work, floors, start, options)])
    its_own = floor_of(dimension, work, floors, drawn, options)
    entry |= {f"floor{end}": value for (end, _), value in zip(ENDS, its_own, strict=True)}
    excess, shares = excess_of(dimension, work, start, floors, drawn, entry, options)
    excess, chance = seen(excess, work.looks.get(dimension.name))
    examples = dimension.count(work, figures)
    because = why_open(dimension, entry, figures, examples, shares, details.get("groups"))
    verdict = "inconclusive" if because else excess.verdict
    open_yet = verdict == "inconclusive" and not because
    if open_yet and excess.needs_twins:
        because = "The twins differ too much among themselves to say: more twins would decide, not more examples."
    low, high = excess.interval
    entry |= {"divergence": excess.value, "divergence_low": low, "divergence_high": high, "margin": excess.margin}
    entry |= {"seeds": excess.seeds, "one_more": excess.one_more}
    entry |= {"verdict": verdict if judged else None, "examples": examples, "chance": chance}
    entry |= {"examples_needed": excess.needed(examples) if judged and open_yet and not because else None}
    entry |= {"open_because": because if judged else None, "beside": None, "floor_name": None}
    entry |= {"floors": list(floors)}
    if floors:
        floor = floor_named(options.floor, len(floors))
        names = {"large": large, "compressed": compressed, "count": len(floors)}
        entry |= {"beside": floor.beside.format(**names), "floor_name": floor.name.format(**names)}
    return entry | {"figures": figures, "details": details}


ENDS = (("", "value"), ("_low", "low"), ("_high", "high"))


def floor_of(
    dimension: Dimension, work: Work, floors: Sequence[str], drawn: np.ndarray, options: Any
) -> tuple[float | None, ...]:
    """The twin's own figure and interval; of several the mean (of gaps the mean size)."""
    if not floors:
        return None, None, None
    if len(floors) == 1:
        return tuple(work.floors[floors[0]][dimension.name][place] for _, place in ENDS)
    values = np.array([work.floors[name][dimension.name]["value"] for name in floors])
    mean = drawn[1:].mean(axis=0)
    mean += float(np.mean(1 - values if dimension.kind == "overlap" else np.abs(values))) - mean[0]
    low, high = ends(mean, options.confidence_level)
    return (1 - mean[0], 1 - high, 1 - low) if dimension.kind == "overlap" else (mean[0], max(0.0, low), high)


def excess_of(
    dimension: Dimension,
    work: Work,
    start: str,
    floors: Sequence[str],
    drawn: np.ndarray,
    entry: Entry,
    options: Any,
) -> tuple[Excess, bool]:
    """By how much large and compressed diverge more than large and its twins do (or `start` and what stands in for
    them), and whether that is anything.

    Of an overlap the usual margin is a part of what large and twins share beyond chance. That is a figure like the
    others, so it is drawn with them: the interval is wider by what the margin scatters.
    """
    level, name = options.confidence_level, dimension.name
    if not floors:
        margin = margin_alone(dimension, entry, options)
        low, high = ends(drawn[0], level)
        return Excess(float(drawn[0, 0]), max(0.0, low), high, margin, level), True
    twins = drawn[1:].mean(axis=0)
    margins, shares = np.full(len(twins), options.margin_of(name, dimension.margin)), True
    if dimension.kind == "overlap":
        common = 1 - twins - np.mean([work.floors[floor][name]["expected"] for floor in floors])
        shares = ends(common, level)[0] > 0
        if name not in (options.margins or {}):
            margins = np.maximum(margins * common, SMALLEST)
    excess, margin = drawn[0] - twins, float(margins[0])
    low, high = ends(excess - margins + margin, level)
    count = len(floors)
    reach = seeds_reach(dimension, work, start, floors, drawn[1:], options)
    seeds, one_more = reach / count**0.5, reach * (1 + 1 / count) ** 0.5
    return Excess(float(excess[0]), low, high, margin, level, seeds, one_more), shares


def margin_alone(dimension: Dimension, entry: Entry, options: Any) -> float:
    """Without twins: of an overlap, a part of what lies between chance and a full overlap."""
    usual = dimension.alone * (1 - (entry["expected"] or 0.0))
    return float(options.margin_of(dimension.name, max(SMALLEST, usual)))


def seeds_reach(
    dimension: Dimension, work: Work, large: str, floors: Sequence[str], own: np.ndarray, options: Any
) -> float:
    """How far the distance of one more large model may lie from the mean, by seeds alone; 0 where there is one twin.

    Each large model in turn stands where `large` does: what the distances of the others from it vary by, on average,
    without what the examples scatter.
    """
    count = len(floors)
    if count < 2:
        return 0.0
    key = dimension.name, large, *floors
    if key not in work.reaches:
        apart = np.empty((count + 1, count + 1, own.shape[1]))
        for i, one in enumerate((large, *floors)):
            later = floors[i:]
            if later:
                apart[i, i + 1 :] = own if one == large else dimension.redrawn(work, later, one, options)
                apart[i + 1 :, i] = apart[i, i + 1 :]
        around = np.stack([np.delete(apart[i], i, axis=0) for i in range(count + 1)])
        seen = around[..., 0].var(axis=1, ddof=1).mean()
        by_examples = (around[..., 1:] - around[..., :1]).var(axis=1, ddof=1).mean()
        freedom = count * (count + 1) // 2 - 1  # of so many distances
        quantile = float(stdtrit(freedom, (1 + options.confidence_level) / 2))
        work.reaches[key] = float(max(0.0, seen - by_examples) ** 0.5) * quantile
    return work.reaches[key]


def why_open(
    dimension: Dimension, entry: Entry, figures: Figures, examples: int, shares: bool, groups: int | None
) -> str | None:
    """Why nothing can be concluded, whatever the interval says, and what to change."""
    if hidden := dimension.hidden(figures):
        return hidden
    if not tells(entry["expected"]):
        return "Chance alone would give as much, so these examples tell nothing."
    if examples < dimension.fewest:
        return f"{examples:,} {dimension.counted} are too few for a verdict, which takes at least {dimension.fewest}."
    if groups is not None and groups < dimension.fewest_groups:
        few = f"What belongs together counts once, which leaves {groups:,} of {examples:,} {dimension.counted}"
        return f"{few}: too few for a verdict, which takes at least {dimension.fewest_groups}."
    if not shares:
        return "Large and twin may well share no more than chance gives, so the twin says nothing of how near is near."
    return None


def correct(entries: Sequence[Entry], level: float) -> None:
    """Of many verdicts together some will be `different` by chance: Holm's correction takes back those that may be.

    Counted is every verdict, so that anyone can count them: models times dimensions. One that is open for a reason of
    its own cannot become different, and takes part as one that shows nothing.
    """
    chances = [1.0 if entry.get("open_because") else entry["chance"] for entry in entries]
    for entry, stands in zip(entries, rejected(chances, level), strict=True):
        if entry["verdict"] == "different" and not stands:
            entry["verdict"] = "inconclusive"
            among = f"among {len(entries)} verdicts that may be chance (Holm's correction)"
            entry["open_because"] = f"By itself it would be different, but {among}."


def key_of(figure: str, options: Any) -> str:
    return figure.format(k=options.k[0], neighbors=options.neighbors[0])
