"""What does the audit say as a table? In the terminal, and in LaTeX as the two papers lay theirs out."""

import re
import textwrap
import unicodedata
from typing import Any

from .report_words import (
    DIMENSIONS,
    Audit,
    Entry,
    Pair,
    answer,
    between,
    clean,
    headline_of,
    interval_name,
    measured,
    models_of,
    number,
    status,
    would_settle,
)

WIDTH = 100
COLUMNS = (("dimension", 24), ("figure", 22), ("value", 7), ("interval", 16), ("twin", 7), ("verdict", 12))


def verdict_table(audit: Audit) -> str:
    """One block a pair, for a terminal of 100 columns without colours.

    >>> entry = {"status": "done", "verdict": "different", "headline": "jaccard", "kind": "overlap", "value": 0.6,
    ...          "low": 0.5, "high": 0.7, "floor": None, "examples_needed": None, "divergence": 0.4,
    ...          "divergence_low": 0.3, "divergence_high": 0.5, "margin": 0.25}
    >>> pair = {"compressed": "tiny", "large": "large", "role": "compressed",
    ...         "dimensions": {"prediction_error_jaccard": entry}}
    >>> print(verdict_table({"pairs": [pair], "settings": {"confidence_level": 0.95}, "models": {}, "signature": "s"}))
    tiny against large: no. Of 1 dimension: different in 1. There is no twin: two large models that
      differ by their seed alone may differ as much.
      dimension                 figure                    value  95 % interval        twin  verdict
      prediction_error_jaccard  jaccard                   0.600  [0.500, 0.700]          -  different
      prediction_error_jaccard: apart by +0.400 [+0.300, +0.500], margin 0.250
    <BLANKLINE>
    s
    """
    blocks = [block(pair, interval_name(audit)) for pair in audit["pairs"]]
    return "\n\n".join([*blocks, clean(audit["signature"])])


def block(pair: Pair, interval: str) -> str:
    names = f"{shorten(clean(pair['compressed']))} against {shorten(clean(pair['large']))}"
    says = answer(pair)
    title = f"{names}: the seed noise" if pair["role"] == "twin" else f"{names}: {says.word.lower()}. {says.sentence}"
    lines = wrapped(title, "")
    lines.append(row("dimension", "figure", "value", interval, "twin", "verdict"))
    notes = []
    for name, entry in pair["dimensions"].items():
        found = status(entry)
        if entry["status"] != "done":
            lines.append(row(name, "-", "-", "-", "-", found))
            notes += wrapped(f"{name} {found}: {clean(entry['reason'])}", "  ")
            continue
        kind = entry["kind"]
        lines.append(
            row(name, entry["headline"], number(entry["value"], kind), ends(entry), twin_of(entry), verdict_word(found))
        )
        if entry["verdict"] is not None:
            notes += wrapped(f"{name}: {held_against(name, entry)}", "  ")
    return "\n".join([*lines, *notes])


def held_against(dimension: str, entry: Entry) -> str:
    """What the verdict is about: the excess over the twin, or where there is none the divergence itself."""
    what = "apart by" if entry["floor"] is None else "beyond the twin by"
    low, high = (number(entry[f"divergence{end}"], "gap") for end in ("_low", "_high"))
    says = f"{what} {number(entry['divergence'], 'gap')} [{low}, {high}], margin {number(entry['margin'])}"
    if entry["verdict"] == "inconclusive" and entry["examples_needed"]:
        return f"{says}; {would_settle(dimension, entry['examples_needed'])}"
    return says


def verdict_word(found: str) -> str:
    return "" if found == "reference" else found


def twin_of(entry: Entry) -> str:
    return "-" if entry["floor"] is None else number(entry["floor"], entry["kind"])


def ends(entry: Entry) -> str:
    if entry["low"] is None:
        return "-"
    return f"[{number(entry['low'], entry['kind'])}, {number(entry['high'], entry['kind'])}]"


def row(*cells: str) -> str:
    out = []
    for (name, width), cell in zip(COLUMNS, cells, strict=True):
        cell = cell if len(cell) <= width else cell[: width - 1] + "…"
        out.append(cell.rjust(width) if name in ("value", "twin") else cell.ljust(width))
    return ("  " + "  ".join(out)).rstrip()


def wrapped(text: str, indent: str) -> list[str]:
    """Lines that fit, also where characters are two columns wide."""
    wide = any(unicodedata.east_asian_width(character) in "WF" for character in text)
    room = (WIDTH - len(indent)) // (2 if wide else 1)
    return [indent + line for line in textwrap.wrap(text, room, subsequent_indent="  ")]


def shorten(name: str) -> str:
    return name if len(name) <= 40 else f"{name[:20]}…{name[-19:]}"


# LaTeX. Both files need \usepackage{booktabs}.


def pairwise_tables(audit: Audit) -> str:
    """Paper A's layout: for every dimension a matrix of all models."""
    names = list(audit["models"])
    tables = []
    for name in measured(audit):
        rows = [[latex(a), *(cell(between(audit, name, a, b)) if a != b else "--" for b in names)] for a in names]
        caption = f"{DIMENSIONS[name].question} {headline_of(audit, name)}, row against column."
        tables.append(table(caption, f"tab:{name.replace('_', '-')}", ["", *map(latex, names)], rows))
    return "\n".join([preamble(audit), *tables])


def cell(found: tuple[float, str] | None) -> str:
    return "" if found is None else math(number(*found))


def models_table(audit: Audit) -> str:
    """Paper B's layout: a model a row, its size and accuracy, alignment with the large model, and calibration."""
    calibration = [("ece", "ECE"), ("mce", "MCE"), ("brier", "Brier"), ("nll", "NLL")]
    large = next(iter(models_of(audit, "large")), None)
    pairs = {pair["compressed"]: pair for pair in audit["pairs"] if pair["large"] == large}
    aligned = {name: alignment(figures_of(pair, "attribution_alignment")) for name, pair in pairs.items()}
    size = next((size for size, _ in aligned.values() if size), "")
    rows = []
    for name, model in audit["models"].items():
        figures = figures_of(pairs.get(name), "calibration_gap")
        if name == large:
            found = [figures_of(pair, "calibration_gap") for pair in pairs.values()]
            figures = next(({key: f[f"large_{key}"] for key, _ in calibration} for f in found if f), {})
        count, megabytes = model["parameters"], model["megabytes"]
        rows.append(
            [
                latex(name),
                "" if count is None else f"{count / 1e6:.1f}",
                "" if megabytes is None else f"{megabytes:.1f}",
                f"{100 * model['accuracy']:.2f}",
                aligned.get(name, ("", ""))[1],
                *(f"{figures[key]:.4f}" if key in figures else "" for key, _ in calibration),
            ]
        )
    head = ["model", "M params", "MB", r"accuracy (\%)", f"alignment{size}", *(name for _, name in calibration)]
    caption = f"Alignment of explanations with {latex(large)}, and calibration." if large else "Calibration."
    return "\n".join([preamble(audit), table(caption, "tab:models", head, rows, escaped=True)])


def figures_of(pair: Pair | None, dimension: str) -> dict[str, Any]:
    return (pair or {}).get("dimensions", {}).get(dimension, {}).get("figures", {})


def alignment(figures: dict[str, Any]) -> tuple[str, str]:
    """The Jaccard of the first K, and with several runs its variance, as paper B prints it.

    >>> alignment({"jaccard_at_10": 0.4567, "jaccard_at_10_variance": 0.00012})
    (' @10', '0.457 (0.00012)')
    """
    key = next((key for key in figures if re.fullmatch(r"jaccard_at_\d+", key)), None)
    if key is None:
        return "", ""
    variance = figures.get(f"{key}_variance")
    return f" @{key.rpartition('_')[2]}", f"{figures[key]:.3f}" + (f" ({variance:.2g})" if variance is not None else "")


def preamble(audit: Audit) -> str:
    needs = "\\usepackage{booktabs}; names in other than Latin letters need XeLaTeX or LuaLaTeX"
    return f"% {clean(audit['signature'])}\n% {needs}\n"


def table(caption: str, label: str, head: list[str], rows: list[list[str]], escaped: bool = False) -> str:
    body = [" & ".join(line) + r" \\" for line in rows]
    return "\n".join(
        [
            r"\begin{table}[t]",
            r"\centering",
            rf"\caption{{{caption if escaped else latex(caption)}}}",
            rf"\label{{{label}}}",
            rf"\begin{{tabular}}{{l{'r' * (len(head) - 1)}}}",
            r"\toprule",
            " & ".join(head) + r" \\",
            r"\midrule",
            *body,
            r"\bottomrule",
            r"\end{tabular}",
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
    >>> math("-0.100"), math("0.200")
    ('$-$0.100', '0.200')
    """
    return re.sub(r"^[-+]", lambda match: f"${match[0]}$", text)
