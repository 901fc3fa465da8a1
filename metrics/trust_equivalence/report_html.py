"""How does the audit look as a page? One file, without scripts and network: first the verdicts, then the rest."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from .report_examples import attack, explanation, some
from .report_page import SIGNS, TEMPLATE
from .report_style import STYLE
from .report_words import (
    DIMENSIONS,
    READS,
    Audit,
    Entry,
    Pair,
    answer,
    between,
    clean,
    figure_name,
    headline_of,
    in_margins,
    interval_name,
    judged,
    measured,
    models_of,
    number,
    parameters,
    plain,
    reach,
    signed,
    status,
    would_settle,
)

DEEPEST = 60  # percent of colour in a cell of a heat map: what stands in it stays easy to read


class Drawn(NamedTuple):
    """A plot as inline SVG, or why there is none."""

    svg: str
    problem: str = ""


Plots = dict[tuple[str, str], Drawn]


def page(audit: Audit, plots: Plots) -> str:
    """The page; `plots` holds what was drawn for (pair, dimension)."""
    import jinja2
    from markupsafe import Markup

    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    main = judged(audit)
    explanations = audit["examples"]["explanations"]
    attacks = [x for x in audit["examples"]["attacks"] if "broken" in (x["small"]["status"], x["large"]["status"])]
    large = clean((models_of(audit, "large") or ["the large model"])[0])
    answers = [answer_of(audit, pair, f"model-{i}") for i, pair in enumerate(main)]
    matrices = matrices_of(audit) if len(audit["models"]) > 2 else []
    return environment.from_string(TEMPLATE).render(
        style=Markup(STYLE),
        title=" · ".join([*(f"{item['name']}: {item['word']}" for item in answers[:3]), "Trust-equivalence audit"]),
        signs=SIGNS,
        large=large,
        answers=answers,
        failures=[
            {"pair": clean(item["pair"]), "question": question(item["dimension"]), "reason": clean(item["reason"])}
            for item in audit["failures"]
        ],
        facts=facts(audit),
        contents=contents(audit, {"matrices": matrices, "explanations": explanations, "attacks": attacks}),
        explained=explained(audit),
        overview=overview(audit, main) if len(main) > 1 else [],
        cards=[card(audit, pair, item) for pair, item in zip(main, answers, strict=True)],
        ticks=ticks(audit),
        has_twin=bool(models_of(audit, "twin")),
        interval_name=interval_name(audit),
        models=[model_row(name, model) for name, model in audit["models"].items()],
        dimensions=[dimension_of(audit, name, plots) for name in measured(audit)],
        matrices=matrices,
        explanations=[explanation(audit, item) for item in some(explanations)],
        more_explanations=len(explanations) - len(some(explanations)),
        attacks=[attack(audit, item) for item in some(attacks)],
        more_attacks=len(attacks) - len(some(attacks)),
        signature=clean(audit["signature"]),
        settings=[(clean(name), plain(value)) for name, value in audit["settings"].items()],
        run=run_rows(audit),
    )


def question(dimension: str) -> str:
    return DIMENSIONS[dimension].question if dimension in DIMENSIONS else dimension


# The head of the page.


def answer_of(audit: Audit, pair: Pair, anchor: str) -> dict[str, str]:
    small, big = (audit["models"].get(pair[key]) for key in ("compressed", "large"))
    says = answer(pair)
    accuracy = ""
    if small and big:
        accuracy = f"By accuracy alone: {small['accuracy']:.1%} against {big['accuracy']:.1%}{of_its_size(small, big)}."
    name = clean(pair["compressed"])
    return {"name": name, "anchor": anchor, "accuracy": accuracy.replace("%", " %"), **says._asdict()}


def of_its_size(small: dict[str, Any], big: dict[str, Any]) -> str:
    """What is gained by it, where anything is.

    >>> of_its_size({"parameters": 6}, {"parameters": 50}), of_its_size({"parameters": 6}, {"parameters": None})
    (', with 12% of the parameters', '')
    """
    few, many = small["parameters"], big["parameters"]
    return f", with {100 * few / many:.2g}% of the parameters" if few and many and few < many else ""


def facts(audit: Audit) -> list[tuple[str, str]]:
    data, twin = audit["data"], models_of(audit, "twin")
    rows = [("data", clean(data["name"])), ("examples", f"{data['examples']:,}")]
    if data["ood_examples"]:
        rows.append(("strange examples", f"{data['ood_examples']:,}"))
    classes = data["classes"]
    rows.append(("classes", ", ".join(map(clean, classes)) if len(classes) <= 4 else f"{len(classes):,}"))
    return [*rows, ("seed noise", f"twin: {clean(twin[0])}" if twin else "no twin was given")]


def contents(audit: Audit, optional: dict[str, Any]) -> list[tuple[str, str]]:
    rows = [("verdicts", "Verdicts"), *((name, question(name).rstrip("?")) for name in measured(audit))]
    names = {"matrices": "Every pair", "explanations": "Where the reasons differ", "attacks": "What breaks them"}
    rows += [(anchor, name) for anchor, name in names.items() if optional[anchor]]
    return [*rows, ("settings", "How it was done")]


def explained(audit: Audit) -> dict[str, str]:
    twin = bool(models_of(audit, "twin"))
    further = "how much further a compressed model is from the large one than the twin is, a second large model that "
    further += "differs from the first by its seed alone"
    return {
        "verdicts": (
            "Each line asks "
            + (further if twin else "how far a compressed model is from the large one")
            + ". It is equivalent where the whole interval lies inside the margin, different where it lies outside, "
            "and inconclusive where it crosses the margin: then more examples are needed. One dimension that differs "
            "is a no; a yes takes all of them."
        ),
        "zero": "as far from the large model as its twin" if twin else "no divergence",
        "models": (
            "Megabytes are those of the weights as they lay in memory: a copy that was pruned or quantized when it was "
            "loaded is no smaller."
        ),
        "matrices": (
            "The figure of each dimension for all pairs of models that were compared. Where it is a gap, it is that of "
            "the model of the row minus that of the column."
        ),
        "explanations": (
            "The texts on which the two models' reasons have least in common, and the words that matter "
            "most to each. A hatched weight speaks against the class that is explained."
        ),
        "attacks": (
            "Texts that the attack changed until a model gave a wrong answer; what was taken out is struck through, "
            "what was put in is underlined."
        ),
    }


# The verdicts.


def overview(audit: Audit, pairs: Sequence[Pair]) -> list[dict[str, Any]]:
    rows = []
    for name in measured(audit):
        entries = [pair["dimensions"].get(name) for pair in pairs]
        cells = [entry and {"found": status(entry), "value": value_of(entry)} for entry in entries]
        rows.append({"anchor": name, "question": question(name), "cells": cells})
    return rows


def card(audit: Audit, pair: Pair, says: dict[str, str]) -> dict[str, Any]:
    rows = [summary_row(audit, name, entry) for name, entry in pair["dimensions"].items()]
    return {**says, "large": clean(pair["large"]), "rows": rows}


def summary_row(audit: Audit, name: str, entry: Entry) -> dict[str, Any]:
    row = {"anchor": name, "question": question(name), "found": status(entry), "strip": strip(audit, entry)}
    if entry["status"] != "done":
        return row | {"name": "", "reason": clean(entry["reason"])}
    needed = entry["examples_needed"] if status(entry) == "inconclusive" else None
    return row | {
        "name": figure_name(entry["headline"]),
        "needed": would_settle(name, needed) if needed else "",
        "value": value_of(entry),
        "interval": interval(entry, "low", "high"),
        "twin": signed(number(entry["floor"], entry["kind"])),
        "twin_interval": interval(entry, "floor_low", "floor_high"),
    }


def strip(audit: Audit, entry: Entry) -> dict[str, Any] | None:
    """Places on the summary's line, in percent of its length, and what it shows in words."""
    span, ends = in_margins(entry), reach(audit)
    if span is None:
        return None
    low, high = percent(span.low, ends), percent(span.high, ends)
    floor = [percent(end, ends) for end in span.floor or ()]
    label = f"Divergence {number(entry['divergence'])}"
    if entry["divergence_low"] is not None:
        label += f", between {number(entry['divergence_low'])} and {number(entry['divergence_high'])}"
    return {
        "zero": percent(0, ends),
        "margin": percent(1, ends),
        "bar": (low, round(high - low, 2)),
        "dot": percent(span.middle, ends) if ends[0] <= span.middle <= ends[1] else None,
        "beyond": f"{span.middle:.0f}x " if span.middle > ends[1] else "",
        "off": ["left"] * (span.low < ends[0]) + ["right"] * (span.high > ends[1]),
        "floor": (floor[0], round(floor[1] - floor[0], 2)) if floor else None,
        "label": f"{label}; margin {number(entry['margin'])}",
    }


def ticks(audit: Audit) -> list[tuple[float, str, str]]:
    """Where they are, what they say, and on which side of their line."""
    ends = reach(audit)
    zero = "twin" if models_of(audit, "twin") else "0"
    more = [(percent(x, ends), f"{x}x", "") for x in range(3, int(ends[1]) + 1, 2)]
    return [(percent(0, ends), zero, "before"), (percent(1, ends), "margin", "after"), *more]


def percent(value: float, ends: tuple[float, float]) -> float:
    """
    >>> percent(1, (0, 4)), percent(9, (0, 4))
    (25.0, 100.0)
    """
    return round(100 * min(max((value - ends[0]) / (ends[1] - ends[0]), 0.0), 1.0), 2)


def model_row(name: str, model: dict[str, Any]) -> dict[str, str]:
    size = model["megabytes"]
    return {
        "name": clean(name),
        "role": clean(model["role"]),
        "parameters": parameters(model),
        "megabytes": "-" if size is None else f"{size:.1f}",
        "accuracy": number(model["accuracy"]),
        "interval": interval(model, "accuracy_low", "accuracy_high"),
        "source": clean(model["source"]),
    }


def value_of(entry: Entry) -> str:
    return signed(number(entry["value"], entry["kind"])) if entry["status"] == "done" else ""


def interval(entry: Entry, low: str, high: str) -> str:
    if entry[low] is None or entry[high] is None:
        return ""
    kind = entry.get("kind", "overlap")
    return signed(f"{number(entry[low], kind)} to {number(entry[high], kind)}")


# The dimensions.


def dimension_of(audit: Audit, name: str, plots: Plots) -> dict[str, Any]:
    order = {"compressed": 0, "twin": 1, "other": 2}
    pairs = sorted((p for p in audit["pairs"] if name in p["dimensions"]), key=lambda pair: order[pair["role"]])
    pairs = [pair for pair in pairs if pair["role"] != "other"] or pairs
    entries = [pair["dimensions"][name] for pair in pairs]
    kinds = {entry["kind"] for entry in entries if entry["status"] == "done"}
    if not kinds and len({entry["reason"] for entry in entries}) == 1:
        pairs, entries = pairs[:1], entries[:1]  # why nothing was measured is said once
    cells = [
        dimension_cell(pair, entry, plots.get((pair["name"], name), Drawn("")), first=pair is pairs[0])
        for pair, entry in zip(pairs, entries, strict=True)
    ]
    reads = [f"The figure: {headline_of(audit, name)}."] * bool(kinds)
    return {
        "anchor": name,
        "question": question(name),
        "asks": DIMENSIONS[name].asks,
        "reads": " ".join([*reads, *(READS[kind] for kind in READS if kind in kinds)]),
        "cells": cells,
    }


def dimension_cell(pair: Pair, entry: Entry, drawn: Drawn, first: bool) -> dict[str, Any]:
    from markupsafe import Markup

    small, large = clean(pair["compressed"]), clean(pair["large"])
    cell = {"compressed": small, "large": large, "open": first, "found": status(entry), "headline": value_of(entry)}
    if entry["status"] != "done":
        return cell | {"reason": clean(entry["reason"])}
    return cell | {
        "reason": "",
        "sentence": clean(entry["sentence"]),
        "numbers": numbers(entry),
        "svg": Markup(drawn.svg),
        "plot_failed": clean(drawn.problem),
        "label": f"compressed: {small}; large: {large}",
        "figures": [(key, plain(value)) for key, value in entry["figures"].items()],
    }


def numbers(entry: Entry) -> list[dict[str, str]]:
    def one(name: str, value: str, interval: str = "") -> dict[str, str]:
        return {"name": name, "value": signed(value), "interval": interval}

    kind = entry["kind"]
    rows = [one(figure_name(entry["headline"]), number(entry["value"], kind), interval(entry, "low", "high"))]
    if entry["floor"] is not None:
        rows.append(one("the twin's", number(entry["floor"], kind), interval(entry, "floor_low", "floor_high")))
    for key, name in (("expected", "by chance alone"), ("most", "the most possible")):
        if entry[key] is not None:
            rows.append(one(name, number(entry[key], kind)))
    if entry["verdict"] is not None:
        name = f"{'beyond the twin' if entry['floor'] is not None else 'divergence'}; margin {number(entry['margin'])}"
        ends = interval(entry | {"kind": "gap"}, "divergence_low", "divergence_high")
        rows.append(one(name, number(entry["divergence"], "gap"), ends))
    needed = entry["examples_needed"]
    return [*rows, one("examples", f"{entry['examples']:,}", f"about {needed:,} would settle it" if needed else "")]


# Every pair.


def matrices_of(audit: Audit) -> list[dict[str, Any]]:
    """One a dimension where compressed models were compared among themselves; else one, of the pairs with the large."""
    every = any(pair["role"] == "other" for pair in audit["pairs"])
    names, all_models = measured(audit), list(audit["models"])
    if every:
        return [
            {
                "question": question(name),
                "name": headline_of(audit, name),
                "columns": [clean(column) for column in all_models],
                "rows": [
                    {"name": clean(row), "cells": [cell_of(audit, name, row, column) for column in all_models]}
                    for row in all_models
                ],
            }
            for name in names
        ]
    large = audit["pairs"][0]["large"]
    others = [name for name in all_models if name != large]
    rows = [
        {
            "name": question(name),
            "more": headline_of(audit, name),
            "cells": [cell_of(audit, name, other, large) for other in others],
        }
        for name in names
    ]
    title = f"Against {clean(large)}"
    return [{"question": title, "name": "", "columns": [clean(name) for name in others], "rows": rows}]


def cell_of(audit: Audit, name: str, row: str, column: str) -> dict[str, Any] | None:
    found = between(audit, name, row, column)
    if found is None:
        return None
    value, kind = found
    if kind == "overlap":
        return {"value": number(value), "level": round(DEEPEST * max(0.0, value)), "kind": ""}
    entries = [pair["dimensions"].get(name, {"status": "skipped"}) for pair in audit["pairs"]]
    greatest = max(abs(entry["value"]) for entry in entries if entry["status"] == "done") or 1.0
    level, side = round(DEEPEST * abs(value) / greatest), "plus" if value > 0 else "minus"
    return {"value": signed(number(value, "gap")), "level": level, "kind": side}


# The end of the page.


def run_rows(audit: Audit) -> list[tuple[str, str]]:
    run, data = audit["run"], audit["data"]
    rows = [("version", clean(audit["version"])), ("data fingerprint", clean(data["fingerprint"]))]
    rows += [(f"fingerprint of {clean(name)}", clean(model["fingerprint"])) for name, model in audit["models"].items()]
    rows += [
        ("started", clean(run["started"])),
        ("seconds", f"{run['seconds']:.0f}"),
        ("processes", str(run["processes"])),
    ]
    return [*rows, *((clean(name), clean(version)) for name, version in run["versions"].items())]
