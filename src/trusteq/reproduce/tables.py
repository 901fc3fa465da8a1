"""How do the papers print it? Their tables in their own layout, our intervals, chance levels and floors beside them.

Nothing is measured here: every figure comes from a metric's result. "Floor" is the large model and its twin, of which
only the seed differs: a compressed model that is no further from the large one than that is as near as anybody can say.
"""

import re
from collections.abc import Iterator
from typing import Any

from trusteq.intervals import normal_quantile, share_interval
from trusteq.reproduce import protocols
from trusteq.reproduce.printing import Table
from trusteq.reproduce.protocols import Protocol

Pair = tuple[str, str]  # the smaller model of the two, which is the compressed one, and the larger one
Figures = dict[str, Any]
Asked = dict[str, dict[str, int]]  # by task and split, of how many examples

LEVEL = 0.95
FLOOR = "floor: twin (only the seed differs)"
NONE_PUBLISHED = "The paper's figures are not at hand here."


def tables(protocol: Protocol, records: dict[str, Figures], figures: dict[str, Any]) -> list[Table]:
    """All tables of a paper, from the records of training and the figures of every pair."""
    if protocol.paper == "trust":
        return trust_tables(protocol, records, figures["audits"], figures["asked"])
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
    return {"training": records, "asked": figures["asked"], "answers": answers, "audits": audits}


# Paper A: matrices of all models, row against column.

NEIGHBORS = "neighbor_jaccard_at_10"
KINDS = (  # title, whose figures, which one, the most that is possible, published for the pairs with BERT-large
    ("Prediction errors: Jaccard of the error sets", "errors", "jaccard", "max_jaccard", "0.22 to 0.528"),
    ("Data representation: Jaccard of the 10 nearest neighbours", "neighbors", NEIGHBORS, "", "0.03 to 0.05"),
    ("Data distribution: Jaccard of what is flagged as out-of-distribution", "ood", "flagged_jaccard", "", ""),
    ("Adversarial attack: Jaccard of what breaks", "attacks", "broken_jaccard", "", ""),
)


def miniature_tables(protocol: Protocol, records: dict[str, Figures], figures: dict[str, Any]) -> list[Table]:
    attacks = of_audit(figures["audits"]["sentiment-attack"], "attack_divergence", protocol)
    pairs = figures["answers"] | {"attacks": attacks}
    found = [models_in_a(protocol, records, pairs, figures["asked"])]
    for title, kind, key, most, published in KINDS:
        note = f"Published for the compressed models with BERT-large: {published}." if published else NONE_PUBLISHED
        found.append(matrix(protocol, title, pairs[kind], key))
        found.append(pair_list(protocol, f"{title}, pair by pair", pairs[kind], key, most, note))
    return found


def models_in_a(
    protocol: Protocol, records: dict[str, Figures], pairs: dict[str, dict[Pair, Figures]], asked: Asked
) -> Table:
    inside, outside = asked["qa"]["test"], asked["qa"]["ood"]
    attacked = max((one["examples"] for one in pairs["attacks"].values()), default=0)
    rows = []
    for name in names_of(protocol):
        record, paper = records[f"qa/{name}"], stands(protocol, name)
        errors, ood, attacks = (one_side(pairs[kind], name) for kind in ("errors", "ood", "attacks"))
        wrong = protocols.ERRORS.get(paper)
        cells = [name, paper, str(record["layers"]), f"{record['parameters'] / 1e6:.1f}"]
        cells += [of_share(errors, "error_rate", inside)]
        cells += ["" if wrong is None else f"{wrong:,} of {protocols.QUESTIONS:,}", of_auroc(ood, inside, outside)]
        cells += [of_share(attacks, key, attacked) for key in ("accuracy", "attacked_accuracy")]
        gap = pairs["attacks"].get((name, protocol.large))
        cells += [cell(attacks, "accuracy_fall"), "" if gap is None else between(gap, "accuracy_fall_gap")]
        rows.append([*cells, known(protocols.FALL.get(paper))])
    head = ["model", "stands for", "layers", "M params", "QA errors, 95 %", "published", "OOD AUROC, 95 %"]
    head += ["accuracy, 95 %", "attacked, 95 %", "fall", "gap of the fall to large, 95 %", "published fall"]
    notes = (
        "QA errors: the share of questions that are not answered as in the gold answers. AUROC: 0.5 is chance; its "
        f"interval is Hanley and McNeil's. Accuracy and fall are of {attacked:,} attacked texts.",
        comparable(protocol),
    )
    return Table(f"Models of paper A ({data_of(protocol, asked)})", head, rows, notes)


def matrix(protocol: Protocol, title: str, pairs: dict[Pair, Figures], key: str) -> Table:
    names = [member.name for member in protocol.members]
    rows = []
    for row in names:
        cells = [pairs.get((row, column)) or pairs.get((column, row)) for column in names]
        rows.append([row, *("-" if one is None else number(one[key]) for one in cells)])
    return Table(title, ["", *names], rows, ("Intervals and chance stand in the next table, pair by pair.",))


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
    published = {pair_key(pair): value for pair, value in protocols.JACCARD.items()}
    rows = []
    for pair, one in pairs.items():
        counts = [one["shared_errors"] + one[f"{side}_only_errors"] for side in ("large", "compressed")]
        cells = [" / ".join(reversed(pair)), *(f"{count:,}" for count in counts), number(one["jaccard"])]
        cells += [interval(one, "jaccard"), number(one["expected_jaccard"]), number(one["max_jaccard"])]
        rows.append([*cells, number(one["chance_corrected_jaccard"]), known(published.get(pair_key(pair)))])
    head = ["pair", "errors", "of the second", "jaccard", "95 %", "chance", "most possible", "chance-corrected"]
    head += ["published"]
    return Table(f"Prediction errors of {questions:,} questions: Jaccard of the error sets", head, rows)


def pair_key(pair: Pair) -> frozenset[str]:
    """Names as people write them: BERT-large, bert_large and large are one.

    >>> pair_key(("distil_bert", "BERT-large")) == pair_key(("large", "DistilBERT"))
    True
    """
    return frozenset(re.sub(r"bert|[^a-z]", "", name.casefold()) for name in pair)


# Paper B: one row per model.

WORDS = "jaccard_at_10"


def trust_tables(
    protocol: Protocol, records: dict[str, Figures], audits: dict[str, Figures], asked: Asked
) -> list[Table]:
    data = data_of(protocol, asked)
    return [
        models_in_b(protocol, records, audits, data),
        aligned(protocol, audits),
        *(alignment_list(name, one) for name, one in audits.items()),
        calibration(protocol, audits, data),
        calibration_gaps(protocol, audits, data),
    ]


def models_in_b(protocol: Protocol, records: dict[str, Figures], audits: dict[str, Figures], data: str) -> Table:
    rows = []
    for name in names_of(protocol):
        record, paper = records[f"nli/{name}"], stands(protocol, name)
        cells = [name, paper, str(record["layers"]), f"{record['parameters'] / 1e6:.1f}", f"{record['megabytes']:.1f}"]
        for task in protocol.tasks:
            model = audits[f"{task.name}-lime"]["models"][role(protocol, name)]
            ends = f"[{100 * model['accuracy_low']:.1f}, {100 * model['accuracy_high']:.1f}]"
            published = protocols.ACCURACY[task.name].get(paper)
            cells += [f"{100 * model['accuracy']:.2f} {ends}", "" if published is None else f"{published:.2f}"]
        rows.append(cells)
    head = ["model", "stands for", "layers", "M params", "MB", "NLI accuracy", "published", "PI accuracy", "published"]
    return Table(f"Models of paper B ({data})", head, rows, (comparable(protocol),))


def aligned(protocol: Protocol, audits: dict[str, Figures]) -> Table:
    """Paper B's own table: mean and variance over the runs."""
    columns = {name: of_audit(one, "attribution_alignment", protocol) for name, one in audits.items()}
    rows = []
    for name in names_of(protocol)[1:]:
        pair = (name, protocol.large)
        cells = [FLOOR if name == "twin" else name]
        for found in columns.values():
            one = found.get(pair)
            cells.append(f"{number(one[WORDS])} ({one[f'{WORDS}_variance']:.1e})" if one else "failed")
        rows.append(cells)
    title = f"Interpretability alignment with {protocol.large}: Jaccard of the 10 first words"
    notes = (
        "NLI: words by the size of their weight; PI: only those that support the class. Intervals, chance and the "
        "number of texts stand in the next tables.",
        NONE_PUBLISHED,
    )
    return Table(f"{title}, mean (variance) over 3 runs", ["model", *columns], rows, notes)


def alignment_list(name: str, audit: Figures) -> Table:
    head = ["model", "ours", "95 %", "chance", "with itself", "large with itself", "alignment", "excess, 95 %"]
    head += ["verdict", "texts"]
    keys = (f"expected_{WORDS}", f"self_{WORDS}", f"large_self_{WORDS}", "alignment_at_10")
    rows = []
    for label, one, judged in compared(audit, "attribution_alignment"):
        cells = [number(one[WORDS]), interval(one, WORDS), *(number(one[key]) for key in keys)] if one else []
        rows.append(filled([label, *cells, *judged, *([str(one["examples_used"])] if one else [])], head))
    notes = (
        "With itself: under other seeds of the explainer. Alignment: 0 is chance, 1 the explainer's own agreement.",
        "Excess: by how much less than the twin's; what the verdict is about.",
    )
    return Table(f"Interpretability alignment, {name}", head, rows, notes)


def calibration(protocol: Protocol, audits: dict[str, Figures], data: str) -> Table:
    keys = {"ece": "ECE", "mce": "MCE", "brier": "Brier", "nll": "log loss"}
    rows = []
    for name in names_of(protocol):
        cells = [name]
        for task in protocol.tasks:
            found = of_audit(audits[f"{task.name}-lime"], "calibration_gap", protocol)
            cells += [cell(one_side(found, name), key) for key in keys]
        rows.append(cells)
    head = ["model", *(f"{task.name} {word}" for task in protocol.tasks for word in keys.values())]
    notes = (
        "Brier: the sum over classes for NLI, half of it for PI, as the authors have it. Gaps to the large model, with "
        "their intervals, stand in the next table; its excess over the twin is taken without what chance adds to each "
        "error, so that it is not the difference of the two gaps.",
        NONE_PUBLISHED,
    )
    return Table(f"Calibration, 10 bins of equal size ({data})", head, rows, notes)


def calibration_gaps(protocol: Protocol, audits: dict[str, Figures], data: str) -> Table:
    gaps = {"ece": "ECE", "brier": "Brier", "nll": "log loss"}
    head = ["task", "model", *(f"gap of {word}, 95 %" for word in gaps.values()), "excess, 95 %", "verdict"]
    rows = []
    for task in protocol.tasks:
        for label, one, judged in compared(audits[f"{task.name}-lime"], "calibration_gap"):
            cells = [between(one, f"{key}_gap") for key in gaps] if one else []
            rows.append(filled([task.name, label, *cells, *judged], head))
    return Table(f"Calibration similarity with {protocol.large} ({data})", head, rows)


def compared(audit: Figures, dimension: str) -> Iterator[tuple[str, Figures, list[str]]]:
    """Of each pair with the large model, the twin last: its name, its figures, and the excess with its verdict; of one
    that was not measured no figures, and what became of it."""
    pairs = [pair for pair in audit["pairs"] if pair["large"] == "large"]
    for pair in sorted(pairs, key=lambda pair: pair["role"] == "twin"):
        entry = pair["dimensions"][dimension]
        label = FLOOR if pair["role"] == "twin" else pair["compressed"]
        if entry["status"] != "done":
            yield label, {}, [entry["status"]]
        elif pair["role"] == "twin":
            yield label, entry["figures"], ["", ""]
        else:
            excess = f"{number(entry['divergence'])} {interval(entry, 'divergence')}"
            yield label, entry["figures"], [excess, entry["verdict"]]


def filled(cells: list[str], head: list[str]) -> list[str]:
    return cells + [""] * (len(head) - len(cells))


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


def one_side(pairs: dict[Pair, Figures], name: str) -> Figures:
    """A model's own figures, from any pair that it is in; none where all of them failed."""
    for (compressed, large), one in pairs.items():
        if compressed == name:
            return one
        if large == name:
            return {key.removeprefix("large_"): value for key, value in one.items() if key.startswith("large_")}
    return {}


def data_of(protocol: Protocol, asked: Asked) -> str:
    """Each task's data, and of how many examples its figures are."""
    counts = {name: " and ".join(f"{count:,}" for count in one.values()) for name, one in asked.items()}
    return "; ".join(f"{task.name}: {task.data}, {counts[task.name]}" for task in protocol.tasks)


def comparable(protocol: Protocol) -> str:
    if protocol.scale == "full":
        return "Published: the paper's figures, from the same models and data; its seeds and rows may be others."
    return "Published: the paper's figures, from full-size models and other data: not comparable with ours."


# Cells.


def number(value: float) -> str:
    return f"{value:.3f}"


def cell(figures: Figures, key: str) -> str:
    return number(figures[key]) if key in figures else "failed"


def of_share(figures: Figures, key: str, count: int) -> str:
    """With Wilson's interval."""
    if key not in figures:
        return "failed"
    low, high = share_interval(round(figures[key] * count), count, LEVEL)
    return f"{number(figures[key])} [{number(low)}, {number(high)}]"


def of_auroc(figures: Figures, inside: int, outside: int) -> str:
    """With Hanley and McNeil's interval (1982).

    >>> of_auroc({"auroc": 0.75}, 100, 50)
    '0.750 [0.66, 0.84]'
    """
    if "auroc" not in figures:
        return "failed"
    area = figures["auroc"]
    spread = area * (1 - area)
    spread += (outside - 1) * (area / (2 - area) - area**2) + (inside - 1) * (2 * area**2 / (1 + area) - area**2)
    reach = normal_quantile(LEVEL) * (spread / inside / outside) ** 0.5
    return f"{number(area)} [{max(0, area - reach):.2f}, {min(1, area + reach):.2f}]"


def known(published: float | None) -> str:
    return "" if published is None else number(published)


def interval(figures: Figures, key: str) -> str:
    return f"[{number(figures[f'{key}_low'])}, {number(figures[f'{key}_high'])}]"


def between(figures: Figures, key: str) -> str:
    return f"{figures[key]:+.3f} {interval(figures, key)}"
