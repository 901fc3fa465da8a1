"""What does the audit say in LaTeX? The verdicts with all that they rest on, and two tables as the two papers lay out
theirs, with intervals. All need the packages booktabs and graphicx."""

import re
from collections.abc import Sequence
from typing import Any

from trusteq.audit.sentences import too_close
from trusteq.dimensions.registry import DIMENSIONS
from trusteq.report.queries import between, headline_of, in_order, judged, measured, models_in_order, models_of
from trusteq.report.words import (
    Audit,
    Entry,
    Pair,
    answer,
    figure_name,
    floor_kind,
    floor_word,
    held_says,
    interval_name,
    megabytes,
    status,
)
from trusteq.wording import clean, number

Row = list[str]


def verdict_tables(audit: Audit) -> str:
    """For every compressed model: each dimension's figure, chance, floor, how much further, n and the verdict."""
    floor = floor_word(audit) if models_of(audit, "twin") else ""
    head = ["question", "figure", *([floor] if floor else []), "chance", "further" if floor else "divergence"]
    head += ["allowed", "verdict"]
    tables = []
    for place, pair in enumerate(judged(audit)):
        says = answer(pair)
        caption = f"Can {clean(pair['compressed'])} stand in for {clean(pair['large'])}? {says.word}. {says.summary} "
        caption += f"“Further”: how much further from it than the {floor}. " if floor else ""
        caption += (
            f"In brackets: {interval_name(audit)}. {held_says(audit)} {made_with(audit, list(pair['dimensions']))}"
        )
        caption += corrected_by(audit)
        rows: list[Row] = []
        for name, entry in pair["dimensions"].items():
            rows += verdict_rows(name, entry, len(head), bool(floor))
        tables.append(latex_table(caption, head, rows, f"tab:verdicts-{place + 1}", notes_on(pair)))
    return "\n".join([preamble(audit), *tables])


def verdict_rows(name: str, entry: Entry, columns: int, floor: bool) -> list[Row]:
    """A dimension's figures, and below them their intervals; n stands below the verdict."""
    question = r"\addlinespace[3pt]" + boxed(DIMENSIONS[name].question)
    if entry["status"] != "done":
        return [[question, *[""] * (columns - 2), latex(status(entry))]]
    kind, of_floor = entry["kind"], floor_kind(entry)
    figures = [number(entry["value"], kind), *([number(entry["floor"], of_floor)] if floor else [])]
    figures += [number(entry["expected"]), number(entry["divergence"], "gap"), number(entry["margin"])]
    ends = [bracketed(entry["low"], entry["high"], kind)]
    ends += [bracketed(entry["floor_low"], entry["floor_high"], of_floor)] if floor else []
    ends += ["", bracketed(entry["divergence_low"], entry["divergence_high"], "gap"), ""]
    first = [question, *map(math, figures), latex(status(entry))]
    return [first, [boxed(figure_name(entry["headline"]), r"\scriptsize"), *ends, small(f"n = {entry['examples']:,}")]]


def boxed(text: str, size: str = "") -> str:
    """In lines of a third of a page, so that a table is not shrunk for a long question."""
    return rf"\parbox[t]{{100pt}}{{\raggedright{size} {latex(text)}\strut}}"


def notes_on(pair: Pair) -> list[str]:
    """Why a verdict is open, or was not given, below the table."""
    found = []
    for name, entry in pair["dimensions"].items():
        why = too_close(name, entry) if entry["status"] == "done" else [entry["reason"]]
        found += [f"{DIMENSIONS[name].question} {said}" for said in why]
    return found


def made_with(audit: Audit, there: Sequence[str]) -> str:
    """What the figures of these dimensions rest on: texts, the way to explain, the attack and the seed."""
    settings, data = audit["settings"], audit["data"]
    said = [f"Data: {clean(data['name'])}, n = {data['examples']:,}"]
    if data["ood_examples"] and "ood_divergence" in there:
        said[0] += f" and {data['ood_examples']:,} out of distribution"
    for key, dimension, how in (
        ("method", "attribution_alignment", "explained by"),
        ("attack", "attack_divergence", "attacked by"),
    ):
        said += [f"{how} {settings[key]}"] if dimension in there and key in settings else []
    return "; ".join([*said, *([f"seed {settings['seed']}"] if "seed" in settings else [])]) + "."


def corrected_by(audit: Audit) -> str:
    count = sum(entry["status"] == "done" for pair in judged(audit) for entry in pair["dimensions"].values())
    return f" All {count} verdicts together are corrected by Holm's method." if count > 1 else ""


ABREAST = 5  # models, of a matrix: more would be shrunk until nobody can read them


def pairwise_tables(audit: Audit) -> str:
    """Paper A's layout: for every dimension a matrix of all models, with an interval below each figure; where all were
    compared with the large model alone, one row per model."""
    of_all = any(pair["role"] == "other" for pair in audit["pairs"])
    tables = [table for name in measured(audit) for table in (matrices if of_all else column)(audit, name)]
    return "\n".join([preamble(audit), *tables])


def column(audit: Audit, name: str) -> list[str]:
    """Of every model beside the large one."""
    rows = []
    for pair in in_order(audit):
        if (entry := pair["dimensions"].get(name)) is None:
            continue
        cells = [""] * 4 + [latex(status(entry))]
        if entry["status"] == "done":
            ends = bracketed(entry["low"], entry["high"], entry["kind"])
            cells = [math(number(entry["value"], entry["kind"])), ends, math(number(entry["expected"]))]
            cells += [f"{entry['examples']:,}", latex(status(entry))]
        rows.append([latex(pair["compressed"]), *cells])
    large = " and ".join(clean(large) for large in dict.fromkeys(pair["large"] for pair in audit["pairs"]))
    caption = f"{DIMENSIONS[name].question} {headline_of(audit, name)}, every model against {large}. "
    caption += f"{made_with(audit, [name])}{corrected_by(audit)}"
    head = ["model", "figure", latex(interval_name(audit)), "chance", "n", "verdict"]
    return [latex_table(caption, head, rows, label_of(name))]


def matrices(audit: Audit, name: str) -> list[str]:
    """In parts that a page is wide enough for."""
    names, found = models_in_order(audit), []
    for first in range(0, len(names), ABREAST):
        columns, rows = names[first : first + ABREAST], list[Row]()
        for one in names:
            rows.append(
                [latex(one), *(cell(between(audit, name, one, other)) if one != other else "--" for other in columns)]
            )
            rows.append(["", *(ends_between(audit, name, one, other) if one != other else "" for other in columns)])
        part = first // ABREAST + 1
        caption = f"{DIMENSIONS[name].question} {headline_of(audit, name)}, row against column"
        caption += f" (part {part} of {-(-len(names) // ABREAST)})" if len(names) > ABREAST else ""
        caption += f"; in brackets: {interval_name(audit)}.{told_of(audit, name)} {made_with(audit, [name])}"
        label = label_of(name) + (f"-{part}" if part > 1 else "")
        found.append(latex_table(caption, ["", *map(latex, columns)], rows, label))
    return found


def label_of(name: str) -> str:
    return f"tab:{name.replace('_', '-')}"


def cell(found: tuple[float, str] | None) -> str:
    return "" if found is None else math(number(*found))


def ends_between(audit: Audit, name: str, row: str, column: str) -> str:
    """The interval of what `between` gives; a gap that turns its sign turns its ends, too."""
    for pair in audit["pairs"]:
        entry = pair["dimensions"].get(name)
        if entry and entry["status"] == "done" and {pair["compressed"], pair["large"]} == {row, column}:
            low, high = entry["low"], entry["high"]
            if entry["kind"] == "gap" and pair["compressed"] != row and low is not None and high is not None:
                low, high = -high, -low
            return bracketed(low, high, entry["kind"])
    return ""


def told_of(audit: Audit, name: str) -> str:
    """On how many examples, and what chance alone would give."""
    entries = [pair["dimensions"][name] for pair in audit["pairs"] if name in pair["dimensions"]]
    done = [entry for entry in entries if entry["status"] == "done"]
    if not done:
        return ""
    counts = [f"{count:,}" for count in sorted(entry["examples"] for entry in done)]
    said = f" n = {span(counts)}."
    chances = sorted(entry["expected"] for entry in done if entry["expected"] is not None)
    return said + (f" Chance alone would give {span([number(chance) for chance in chances])}." if chances else "")


def span(texts: list[str]) -> str:
    """
    >>> span(["0.1", "0.2", "0.3"]), span(["90", "90"])
    ('0.1 to 0.3', '90')
    """
    return texts[0] if len(set(texts)) == 1 else f"{texts[0]} to {texts[-1]}"


def bracketed(low: float | None, high: float | None, kind: str) -> str:
    """
    >>> bracketed(-0.1, 0.25, "gap"), bracketed(None, None, "gap")
    ('{\\\\scriptsize ($-$0.100 to $+$0.250)}', '')
    """
    return "" if low is None or high is None else small(math(f"({number(low, kind)} to {number(high, kind)})"))


def small(text: str) -> str:
    return rf"{{\scriptsize {text}}}"


def models_table(audit: Audit) -> str:
    """Paper B's layout: one row per model, its size and accuracy, alignment with the large model, calibration, and the
    answer over all dimensions; intervals stand below."""
    calibration = [("ece", "ECE"), ("mce", "MCE"), ("brier", "Brier"), ("nll", "NLL")]
    large = next(iter(models_of(audit, "large")), None)
    pairs = {pair["compressed"]: pair for pair in audit["pairs"] if pair["large"] == large}
    aligned = {name: alignment(figures_of(pair, "attribution_alignment")) for name, pair in pairs.items()}
    size = next((size for size, *_ in aligned.values() if size), "")
    rows: list[Row] = []
    for name in models_in_order(audit):
        model, figures = audit["models"][name], figures_of(pairs.get(name), "calibration_gap")
        if name == large:
            found = [figures_of(pair, "calibration_gap") for pair in pairs.values()]
            figures = next(({k: f[f"large_{k}"] for k, _ in calibration if k in f} for f in found if f), {})
        count, (_, alike, ends) = model["parameters"], aligned.get(name, ("", "", ""))
        row = [latex(name), "" if count is None else f"{count / 1e6:.1f}"]
        row += ["" if model["megabytes"] is None else megabytes(model)]
        row += ["" if model["accuracy"] is None else f"{100 * model['accuracy']:.2f}", alike]
        row += [f"{figures[key]:.4f}" if key in figures else "" for key, _ in calibration]
        rows.append([*row, answer(pairs[name]).word if model["role"] == "compressed" and name in pairs else ""])
        low, high = model["accuracy_low"], model["accuracy_high"]
        between_ends = "" if low is None or high is None else small(f"({100 * low:.1f} to {100 * high:.1f})")
        rows.append(["", "", "", between_ends, ends, *[""] * (len(calibration) + 1)])
    head = ["model", "M params", "MB", r"accuracy (\%)", f"alignment{size}", *(name for _, name in calibration)]
    caption = f"Alignment of explanations with {large}, and calibration" if large else "Calibration"
    counts = {pair["dimensions"].get("attribution_alignment", {}).get("examples") for pair in pairs.values()} - {None}
    caption += f"; in brackets: {interval_name(audit)}. {made_with(audit, ['attribution_alignment'] if counts else [])}"
    caption += f" {max(counts):,} examples were explained." if counts else ""
    caption += corrected_by(audit)
    return "\n".join([preamble(audit), latex_table(caption, [*head, "stands in?"], rows, "tab:models")])


def figures_of(pair: Pair | None, dimension: str) -> dict[str, Any]:
    return (pair or {}).get("dimensions", {}).get(dimension, {}).get("figures", {})


def alignment(figures: dict[str, Any]) -> tuple[str, str, str]:
    """The Jaccard of the first K, with several runs its variance, as paper B prints it, and its interval.

    >>> alignment({"jaccard_at_10": 0.4567, "jaccard_at_10_variance": 0.00012})
    (' @10', '0.457 (0.00012)', '')
    """
    key = next((key for key in figures if re.fullmatch(r"jaccard_at_\d+", key)), None)
    if key is None:
        return "", "", ""
    variance = figures.get(f"{key}_variance")
    told = f"{figures[key]:.3f}" + (f" ({variance:.2g})" if variance is not None else "")
    return (
        f" @{key.rpartition('_')[2]}",
        told,
        bracketed(figures.get(f"{key}_low"), figures.get(f"{key}_high"), "overlap"),
    )


def preamble(audit: Audit) -> str:
    needs = "\\usepackage{booktabs,graphicx}; names in other than Latin letters need XeLaTeX or LuaLaTeX"
    return f"% {clean(audit['signature'])}\n% {needs}\n"


NO_WIDER = r"\setlength{\tabcolsep}{4pt}\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}"  # than a line


def latex_table(
    caption: str, head: list[str], rows: list[list[str]], label: str = "", notes: Sequence[str] = ()
) -> str:
    body = [" & ".join(line) + r" \\" for line in rows]
    return "\n".join(
        [
            r"\begin{table}[t]",
            r"\centering\small",
            rf"\caption{{{latex(caption)}}}",
            *([rf"\label{{{label}}}"] if label else []),
            r"\smallskip",
            NO_WIDER + rf"{{\begin{{tabular}}{{l{'r' * (len(head) - 1)}}}",
            r"\toprule",
            " & ".join(head) + r" \\",
            r"\midrule",
            *body,
            r"\bottomrule",
            r"\end{tabular}}",
            *(rf"\par\smallskip\parbox{{\linewidth}}{{\footnotesize {latex(note)}}}" for note in notes),
            r"\end{table}",
            "",
        ]
    )


LATEX = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#", "%": r"\%", "_": r"\_",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "|": r"\textbar{}", '"': "{''}", "[": "{[}", "]": "{]}", "`": r"\textasciigrave{}",
}  # fmt: skip


def latex(text: str) -> str:
    """
    >>> print(latex("100 % of a_b {x}"))
    100 \\% of a\\_b \\{x\\}
    """
    return "".join(LATEX.get(character, character) for character in clean(text))


def math(text: str) -> str:
    """
    >>> math("−0.100"), math("+0.200"), math("0.200")
    ('$-$0.100', '$+$0.200', '0.200')
    """
    return text.replace("+", "$+$").replace("−", "$-$").replace("–", "--")
