"""What does the audit say in a terminal?"""

import textwrap
import unicodedata
from collections.abc import Sequence

from trusteq.audit.advice import next_steps, too_small
from trusteq.audit.sentences import how_far, record_of, too_close, when_settled
from trusteq.report.preferred import preference
from trusteq.report.queries import ORDER_SAYS, in_order, judged
from trusteq.report.slices import worst_lines
from trusteq.report.words import (
    ANSWER_TAKES,
    Audit,
    Pair,
    answer,
    counted_says,
    floor_kind,
    floor_word,
    held_says,
    interval_name,
    labels_say,
    left_out,
    looks_say,
    simulated,
    status,
    task_says,
    unread,
)
from trusteq.wording import NOTHING, and_so_on, clean, number, shorten

WIDTH = 100
COLUMNS = (("dimension", 24), ("figure", 22), ("value", 7), ("interval", 16), ("floor", 7), ("verdict", 12))
LONGEST_NAME = 40


def verdict_table(audit: Audit) -> str:
    """One block per pair, for a terminal of 100 columns without colours; then what else there is to know.

    >>> entry = {"status": "done", "verdict": "inconclusive", "headline": "jaccard", "kind": "overlap", "value": 0.6,
    ...          "low": 0.5, "high": 0.7, "floor": None, "expected": 0.2, "examples": 90, "examples_needed": 1200,
    ...          "divergence": 0.4, "divergence_low": 0.3, "divergence_high": 0.5, "margin": 0.44,
    ...          "open_because": None}
    >>> pair = {"compressed": "tiny", "large": "large", "role": "compressed",
    ...         "dimensions": {"prediction_error_jaccard": entry}}
    >>> print(verdict_table({"pairs": [pair], "settings": {"confidence_level": 0.95}, "models": {}, "signature": "s",
    ...                      "data": {"unlabelled": 3, "examples": 90, "groups": 45, "duplicates": 0,
    ...                               "duplicates_apart": 0, "ood_duplicates": 0}}))
    The task: 90 examples.
    <BLANKLINE>
    tiny against large: not settled. Of 1 dimension: inconclusive in 1.
      dimension                 figure                    value  95 % interval        twin  verdict
      prediction_error_jaccard  jaccard                   0.600  0.500 to 0.700          –  inconclusive
      prediction_error_jaccard: 0.40 from a full overlap (0.30 to 0.50; allowed 0.44). Too close to call
        with 90 examples; about 1,200 would decide.
    <BLANKLINE>
    A Yes takes “equivalent” in all 6 dimensions; a single “different” makes a No. Anything else is not
      settled: a dimension is inconclusive, was left out or could not be measured, or a slice of the
      texts is different.
    There is no twin: two large models that differ only by their seed may differ as much.
    90 examples in 45 groups.
    3 rows without a label were left out.
    s
    """
    sure = f"Stopped when sure: {looks_say(audit)}." if "looks" in audit else ""
    held = held_says(audit)
    takes = ANSWER_TAKES if judged(audit) else ""
    order = ORDER_SAYS if len(judged(audit)) > 1 else ""
    told = (
        order,
        takes,
        held,
        sure,
        counted_says(audit),
        left_out(audit),
        labels_say(audit),
        simulated(audit),
        unread(audit),
    )
    notes = [line for text in told for line in wrapped(clean(text), "")]
    head = wrapped(clean(task_says(audit)), "")
    if small := too_small(audit):
        head += wrapped(clean(f"{small.says}{' The command with enough of them is below.' * bool(small.line)}"), "")
    blocks = ["\n".join(head)] + [block(pair, interval_name(audit), floor_word(audit)) for pair in in_order(audit)]
    slices = [line for text in worst_lines(audit) for line in wrapped(clean(text), "  " * text.startswith("  "))]
    blocks += ["\n".join(slices)] if slices else []
    return "\n\n".join([*blocks, "\n".join([*notes, clean(audit["signature"])])])


def what_next(audit: Audit, words: Sequence[str] | None = None) -> str:
    """Which model to take, and what to do for those that are different or open; every command on a line of its own.

    >>> what_next({"pairs": [], "models": {}})
    ''
    """
    lines = wrapped(preference(audit), "")
    if (small := too_small(audit, words)) and small.line:
        lines += ["next for any Yes, with enough examples:", clean(f"  {small.line}")]
    for step in next_steps(audit, words):
        lines += wrapped(clean(f"next for {and_so_on(step.models)}: {step.says}"), "")
        lines.append(clean(f"  {step.line}"))
    return "\n".join(lines)


def block(pair: Pair, interval_name: str, floor: str) -> str:
    large = shorten(clean(pair["large"]), LONGEST_NAME)
    names = f"{shorten(clean(pair['compressed']), LONGEST_NAME)} against {large}"
    says = answer(pair)
    title = f"{names}: the floor" if pair["role"] == "twin" else f"{names}: {says.word.lower()}. {clean(says.summary)}"
    lines, notes = [*wrapped(title, ""), row("dimension", "figure", "value", interval_name, floor, "verdict")], []
    for name, entry in pair["dimensions"].items():
        found = status(entry)
        if entry["status"] != "done":
            lines.append(row(name, *[NOTHING] * 4, found))
            notes += wrapped(f"{name} {found}: {clean(entry['reason'])}", "  ")
            continue
        kind = entry["kind"]
        ends = f"{number(entry['low'], kind)} to {number(entry['high'], kind)}" if entry["low"] is not None else NOTHING
        cells = (entry["headline"], number(entry["value"], kind), ends, number(entry["floor"], floor_kind(entry)))
        lines.append(row(name, *cells, found if entry["verdict"] else ""))
        if entry["verdict"]:
            parts = [
                f"{name}: {how_far(entry, large, aside=record_of(name).aside)}.",
                *too_close(name, entry),
                *when_settled(name, entry),
            ]
            notes += wrapped(" ".join(parts), "  ")
    return "\n".join([*lines, *notes])


def row(*cells: str) -> str:
    out = []
    for (name, width), cell in zip(COLUMNS, cells, strict=True):
        cell = shorten(cell, width)
        out.append(cell.rjust(width) if name in ("value", "floor") else cell.ljust(width))
    return ("  " + "  ".join(out)).rstrip()


def wrapped(text: str, indent: str) -> list[str]:
    """Lines that fit, also where characters are two columns wide."""
    wide = any(unicodedata.east_asian_width(character) in "WF" for character in text)
    room = (WIDTH - len(indent)) // (2 if wide else 1)
    return [indent + line for line in textwrap.wrap(text, room, subsequent_indent="  ")]


def figure_table(result: dict[str, float]) -> str:
    """Figures of both models with their gap, then those of the pair; intervals in brackets."""
    both = [name for name in result if f"large_{name}" in result]
    seen = {key for name in both for key in (f"large_{name}", f"{name}_gap")}
    seen |= {f"{name}_{end}" for name in result for end in ("low", "high")}
    width = max(map(len, result))
    lines = []
    if both:
        lines.append(f"  {'':{width}}  {'compressed':>10}  {'large':>10}  {'gap':>10}")
    for name in both + [name for name in result if name not in {*seen, *both}]:
        columns = [name, f"large_{name}", f"{name}_gap"] if name in both else [name]
        cells = [number(result[key]) if key in result else "" for key in columns]
        low, high = (result.get(f"{columns[-1]}_{end}") for end in ("low", "high"))
        interval = "" if low is None or high is None else f"  [{number(low)}, {number(high)}]"
        lines.append(f"  {name:{width}}" + "".join(f"  {text:>10}" for text in cells).rstrip() + interval)
    return "\n".join(lines)
