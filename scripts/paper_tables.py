"""How do the papers print it? Their tables in their own layout, our intervals, chance levels and floors beside them.

Nothing is measured here: every figure comes from a metric's result. A table prints as Markdown and as LaTeX. "Floor" is
the large model and its twin, of which only the seed differs: a compressed model that is no further from the large one
than that is as near as anybody can say.
"""

import re
from dataclasses import dataclass
from typing import Any

import protocols
from protocols import Protocol

Pair = tuple[str, str]  # the smaller model of the two, the larger one
Figures = dict[str, Any]

FLOOR = "floor: twin (only the seed differs)"
NONE_PUBLISHED = "The paper's figures are not at hand here."


@dataclass(frozen=True)
class Table:
    title: str
    head: list[str]
    rows: list[list[str]]
    notes: tuple[str, ...] = ()


def tables(protocol: Protocol, records: dict[str, Figures], figures: dict[str, Any]) -> list[Table]:
    """All tables of a paper, from the records of training and the figures of every pair."""
    if protocol.paper == "trust":
        return trust_tables(protocol, records, figures["audits"])
    return miniature_tables(protocol, records, figures)


def plain(records: dict[str, Figures], figures: dict[str, Any]) -> dict[str, Any]:
    """All figures behind the tables, as json can hold them."""
    answers = {
        name: {" / ".join(pair): one for pair, one in found.items()} for name, found in figures["answers"].items()
    }
    audits = {
        name: {
            "signature": one["signature"],
            "models": one["models"],
            "pairs": {
                pair["name"]: {
                    dimension: {key: value for key, value in entry.items() if key != "details"}
                    for dimension, entry in pair["dimensions"].items()
                }
                for pair in one["pairs"]
            },
        }
        for name, one in figures["audits"].items()
    }
    return {"training": records, "answers": answers, "audits": audits}


# Paper A: matrices of all models, row against column.


KINDS = (  # title, whose figures, which one, the most that is possible, published for the pairs with BERT-large
    ("Prediction errors: Jaccard of the error sets", "errors", "jaccard", "max_jaccard", "0.22 to 0.528"),
    (
        "Data representation: Jaccard of the 10 nearest neighbours",
        "neighbors",
        "neighbor_jaccard_at_10",
        "",
        "0.03 to 0.05",
    ),
    ("Data distribution: Jaccard of what is flagged as strange", "strangeness", "flagged_jaccard", "", ""),
    ("Adversarial attack: Jaccard of what breaks", "attacks", "broken_jaccard", "", ""),
)


def miniature_tables(protocol: Protocol, records: dict[str, Figures], figures: dict[str, Any]) -> list[Table]:
    attacks = of_audit(figures["audits"]["sentiment-attack"], "attack_divergence", protocol)
    pairs = figures["answers"] | {"attacks": attacks}
    found = [models_in_a(protocol, records, pairs)]
    for title, kind, key, most, published in KINDS:
        note = f"Published for the compressed models with BERT-large: {published}." if published else NONE_PUBLISHED
        found.append(matrix(protocol, title, pairs[kind], key))
        found.append(pair_list(protocol, f"{title}, pair by pair", pairs[kind], key, most, note))
    return found


def models_in_a(protocol: Protocol, records: dict[str, Figures], pairs: dict[str, dict[Pair, Figures]]) -> Table:
    rows = []
    for name in names_of(protocol):
        record, paper = records[f"qa/{name}"], stands(protocol, name)
        errors, strange, attacks = (one_side(pairs[kind], name) for kind in ("errors", "strangeness", "attacks"))
        wrong = protocols.ERRORS.get(paper)
        cells = [name, paper, str(record["layers"]), f"{record['parameters'] / 1e6:.1f}", cell(errors, "error_rate")]
        cells += ["" if wrong is None else f"{wrong:,} of {protocols.QUESTIONS:,}", cell(strange, "auroc")]
        cells += [cell(attacks, key) for key in ("accuracy", "attacked_accuracy", "accuracy_fall")]
        gap = pairs["attacks"].get((name, protocol.large))
        cells += ["" if gap is None else between(gap, "accuracy_fall_gap"), known(protocols.FALL.get(paper))]
        rows.append(cells)
    head = ["model", "stands for", "layers", "M params", "QA errors", "published", "OOD AUROC", "accuracy", "attacked"]
    head += ["fall", "gap of the fall to large, 95 %", "published fall"]
    notes = ("QA errors: the share of questions that are not answered as in the gold answers.", comparable(protocol))
    return Table(f"Models of paper A ({data_of(protocol)})", head, rows, notes)


def matrix(protocol: Protocol, title: str, pairs: dict[Pair, Figures], key: str) -> Table:
    names = [member.name for member in protocol.members]
    rows = []
    for row in names:
        cells = [pairs.get((row, column)) or pairs.get((column, row)) for column in names]
        rows.append([row, *("-" if one is None else number(one[key]) for one in cells)])
    return Table(title, ["", *names], rows)


def pair_list(protocol: Protocol, title: str, pairs: dict[Pair, Figures], key: str, most: str, note: str) -> Table:
    """Every pair with interval, chance and, where there is one, the most that is possible; the floor comes first."""
    shown = {pair: one for pair, one in pairs.items() if "twin" not in pair or pair == ("twin", protocol.large)}
    rows = []
    for pair, one in sorted(shown.items(), key=lambda item: item[0][0] != "twin"):
        paper = (stands(protocol, pair[0]), stands(protocol, pair[1]))
        cells = [FLOOR, ""] if pair[0] == "twin" else [f"{pair[1]} / {pair[0]}", f"{paper[1]} / {paper[0]}"]
        cells += [number(one[key]), interval(one, key), number(one[f"expected_{key}"])]
        cells += [number(one[most])] if most else []
        rows.append([*cells, known(protocols.JACCARD.get(paper) if key == "jaccard" else None)])
    head = ["pair", "stands for", "ours", "95 %", "chance", *(["most possible"] if most else []), "published"]
    return Table(title, head, rows, (note, comparable(protocol)))


def published_errors(pairs: dict[Pair, Figures], questions: int) -> Table:
    """Paper A's table from lists of errors alone."""
    rows = []
    for (small, large), one in pairs.items():
        published = {pair_key(pair): value for pair, value in protocols.JACCARD.items()}.get(pair_key((small, large)))
        counts = [one["shared_errors"] + one[f"{side}_only_errors"] for side in ("large", "compressed")]
        cells = [f"{large} / {small}", *(f"{count:,}" for count in counts), number(one["jaccard"])]
        cells += [interval(one, "jaccard"), number(one["expected_jaccard"]), number(one["max_jaccard"])]
        rows.append([*cells, number(one["chance_corrected_jaccard"]), known(published)])
    head = [
        "pair",
        "errors",
        "of the second",
        "jaccard",
        "95 %",
        "chance",
        "most possible",
        "chance-corrected",
        "published",
    ]
    return Table(f"Prediction errors of {questions:,} questions: Jaccard of the error sets", head, rows)


def pair_key(pair: Pair) -> frozenset[str]:
    """Names as people write them: BERT-large, bert_large and large are one.

    >>> pair_key(("distil_bert", "BERT-large")) == pair_key(("large", "DistilBERT"))
    True
    """
    return frozenset(re.sub(r"bert|[^a-z]", "", name.casefold()) for name in pair)


# Paper B: a model a row.


def trust_tables(protocol: Protocol, records: dict[str, Figures], audits: dict[str, Figures]) -> list[Table]:
    return [
        models_in_b(protocol, records, audits),
        aligned(protocol, audits),
        *(alignment_list(protocol, name, one) for name, one in audits.items()),
        calibration(protocol, audits),
        calibration_gaps(protocol, audits),
    ]


def models_in_b(protocol: Protocol, records: dict[str, Figures], audits: dict[str, Figures]) -> Table:
    rows = []
    for name in names_of(protocol):
        record, paper = records[f"nli/{name}"], stands(protocol, name)
        cells = [
            name,
            paper,
            str(record["layers"]),
            f"{record['parameters'] / 1e6:.1f}",
            f"{record['megabytes']:.1f}",
        ]
        for task in protocol.tasks:
            model = audits[f"{task.name}-lime"]["models"][role(protocol, name)]
            ends = f"[{100 * model['accuracy_low']:.1f}, {100 * model['accuracy_high']:.1f}]"
            published = protocols.ACCURACY[task.name].get(paper)
            cells += [f"{100 * model['accuracy']:.2f} {ends}", "" if published is None else f"{published:.2f}"]
        rows.append(cells)
    head = ["model", "stands for", "layers", "M params", "MB", "NLI accuracy", "published", "PI accuracy", "published"]
    return Table(f"Models of paper B ({data_of(protocol)})", head, rows, (comparable(protocol),))


def aligned(protocol: Protocol, audits: dict[str, Figures]) -> Table:
    """Paper B's own table: mean and variance over the runs."""
    columns = {name: of_audit(one, "attribution_alignment", protocol) for name, one in audits.items()}
    rows = []
    for name in names_of(protocol)[1:]:
        pair = (name, protocol.large)
        cells = [FLOOR if name == "twin" else name]
        for found in columns.values():
            one = found.get(pair)
            cells.append(
                "failed" if one is None else f"{number(one['jaccard_at_10'])} ({one['jaccard_at_10_variance']:.1e})"
            )
        rows.append(cells)
    return Table(
        f"Interpretability alignment with {protocol.large}: Jaccard of the 10 first words, mean (variance) over 3 runs",
        ["model", *columns],
        rows,
        (NONE_PUBLISHED,),
    )


def alignment_list(protocol: Protocol, name: str, audit: Figures) -> Table:
    rows = []
    for pair in compared(audit, protocol):
        entry = pair["dimensions"]["attribution_alignment"]
        label = FLOOR if pair["role"] == "twin" else pair["compressed"]
        if entry["status"] != "done":
            rows.append([label, entry["status"], *[""] * 8])
            continue
        one = entry["figures"]
        cells = [
            label,
            number(one["jaccard_at_10"]),
            interval(one, "jaccard_at_10"),
            number(one["expected_jaccard_at_10"]),
        ]
        cells += [number(one[key]) for key in ("self_jaccard_at_10", "large_self_jaccard_at_10", "alignment_at_10")]
        rows.append([*cells, *judgement(entry, pair), str(one["examples_used"])])
    head = [
        "model",
        "ours",
        "95 %",
        "chance",
        "with itself",
        "large with itself",
        "alignment",
        "excess, 95 %",
        "verdict",
    ]
    notes = (
        "With itself: under other seeds of the explainer. Alignment: 0 is chance, 1 the explainer's own agreement.",
        "Excess: by how much less than the twin's; what the verdict is about.",
    )
    return Table(f"Interpretability alignment, {name}", [*head, "texts"], rows, notes)


def calibration(protocol: Protocol, audits: dict[str, Figures]) -> Table:
    keys = {"ece": "ECE", "mce": "MCE", "brier": "Brier", "nll": "log loss"}
    rows = []
    for name in names_of(protocol):
        cells = [name]
        for task in protocol.tasks:
            found = of_audit(audits[f"{task.name}-lime"], "calibration_gap", protocol)
            cells += [cell(one_side(found, name), key) for key in keys]
        rows.append(cells)
    head = ["model", *(f"{task.name} {word}" for task in protocol.tasks for word in keys.values())]
    return Table("Calibration, 10 bins of equal size", head, rows, (NONE_PUBLISHED,))


def calibration_gaps(protocol: Protocol, audits: dict[str, Figures]) -> Table:
    rows = []
    for task in protocol.tasks:
        for pair in compared(audits[f"{task.name}-lime"], protocol):
            entry = pair["dimensions"]["calibration_gap"]
            label = FLOOR if pair["role"] == "twin" else pair["compressed"]
            if entry["status"] == "done":
                one = entry["figures"]
                cells = [between(one, f"{key}_gap") for key in ("ece", "brier", "nll")]
                rows.append([task.name, label, *cells, *judgement(entry, pair)])
            else:
                rows.append([task.name, label, entry["status"], *[""] * 4])
    head = [
        "task",
        "model",
        "gap of ECE, 95 %",
        "gap of Brier, 95 %",
        "gap of log loss, 95 %",
        "excess, 95 %",
        "verdict",
    ]
    return Table(f"Calibration similarity with {protocol.large}", head, rows)


def judgement(entry: Figures, pair: Figures) -> list[str]:
    if pair["role"] == "twin":
        return ["", ""]
    ends = f"[{number(entry['divergence_low'])}, {number(entry['divergence_high'])}]"
    return [f"{number(entry['divergence'])} {ends}", entry["verdict"]]


# Models by the paper's names, and pairs of an audit by ours.


def names_of(protocol: Protocol) -> list[str]:
    return [*(member.name for member in protocol.members), "twin"]


def stands(protocol: Protocol, name: str) -> str:
    """The paper's model in whose place ours is; a twin is in nobody's."""
    return "" if name == "twin" else protocol.member(name).stands_for


def role(protocol: Protocol, name: str) -> str:
    """What an audit calls the model."""
    return "large" if name == protocol.large else name


def of_audit(audit: Figures, dimension: str, protocol: Protocol) -> dict[Pair, Figures]:
    """A dimension's figures of every pair where it was measured."""
    called = {"large": protocol.large}
    return {
        (pair["compressed"], called.get(pair["large"], pair["large"])): pair["dimensions"][dimension]["figures"]
        for pair in audit["pairs"]
        if pair["dimensions"].get(dimension, {}).get("status") == "done"
    }


def compared(audit: Figures, protocol: Protocol) -> list[Figures]:
    """The pairs with the large model, the twin last."""
    return sorted(
        (pair for pair in audit["pairs"] if pair["large"] == "large"), key=lambda pair: pair["role"] == "twin"
    )


def one_side(pairs: dict[Pair, Figures], name: str) -> Figures:
    """A model's own figures, from any pair that it is in; none where all of them failed."""
    for (small, large), one in pairs.items():
        if small == name:
            return one
        if large == name:
            return {key.removeprefix("large_"): value for key, value in one.items() if key.startswith("large_")}
    return {}


def data_of(protocol: Protocol) -> str:
    return "; ".join(f"{task.name}: {task.data}" for task in protocol.tasks)


def comparable(protocol: Protocol) -> str:
    if protocol.scale == "full":
        return "Published: the paper's figures, from the same models and data; its seeds and rows may be others."
    return "Published: the paper's figures, from full-size models and other data: not comparable with ours."


# Cells.


def number(value: float) -> str:
    return f"{value:.3f}"


def cell(figures: Figures, key: str) -> str:
    return number(figures[key]) if key in figures else "failed"


def known(published: float | None) -> str:
    return "" if published is None else number(published)


def interval(figures: Figures, key: str) -> str:
    return f"[{number(figures[f'{key}_low'])}, {number(figures[f'{key}_high'])}]"


def between(figures: Figures, key: str) -> str:
    return f"{figures[key]:+.3f} {interval(figures, key)}"


# Tables as text.


def markdown(tables: list[Table]) -> str:
    """
    >>> print(markdown([Table("Two", ["", "a"], [["b", "0.5"]], ("So.",))]))
    **Two**
    <BLANKLINE>
    |     |   a |
    | --- | --: |
    | b   | 0.5 |
    <BLANKLINE>
    So.
    """
    return "\n\n".join("\n\n".join([f"**{table.title}**", grid(table), *table.notes]) for table in tables)


def grid(table: Table) -> str:
    lines = [table.head, *table.rows]
    widths = [max(3, *(len(line[i]) for line in lines)) for i in range(len(table.head))]
    texts = [
        "| " + " | ".join(cell.rjust(width) if i else cell.ljust(width) for i, (cell, width) in enumerate(cells)) + " |"
        for cells in (list(zip(line, widths, strict=True)) for line in lines)
    ]
    rule = "| " + " | ".join("-" * (width - 1) + (":" if i else "-") for i, width in enumerate(widths)) + " |"
    return "\n".join([texts[0], rule, *texts[1:]])


def latex(tables: list[Table]) -> str:
    """All tables, each with what has to be known to read it; needs \\usepackage{booktabs}."""
    return "% \\usepackage{booktabs}\n" + "\n".join(map(one_latex, tables))


def one_latex(table: Table) -> str:
    caption = " ".join([f"{table.title}.", *table.notes])
    body = [" & ".join(map(escaped, line)) + r" \\" for line in table.rows]
    return "\n".join(
        [
            r"\begin{table}[t]",
            r"\centering",
            rf"\caption{{{escaped(caption)}}}",
            rf"\begin{{tabular}}{{l{'r' * (len(table.head) - 1)}}}",
            r"\toprule",
            " & ".join(map(escaped, table.head)) + r" \\",
            r"\midrule",
            *body,
            r"\bottomrule",
            r"\end{tabular}",
            r"\end{table}",
            "",
        ]
    )


def escaped(text: str) -> str:
    r"""
    >>> print(escaped("95 % of a_b"))
    95 \% of a\_b
    """
    return re.sub(r"[&%$#_{}]", lambda match: f"\\{match[0]}", text).replace("~", r"\textasciitilde{}")
