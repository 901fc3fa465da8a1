"""What does the audit say in LaTeX, laid out as the two papers lay out their tables? Both need the package booktabs."""

import re
from typing import Any

from trusteq.dimensions.registry import DIMENSIONS
from trusteq.report.queries import between, headline_of, measured, models_of
from trusteq.report.words import Audit, Pair, megabytes
from trusteq.wording import clean, number


def pairwise_tables(audit: Audit) -> str:
    """Paper A's layout: for every dimension a matrix of all models."""
    names = list(audit["models"])
    tables = []
    for name in measured(audit):
        rows = [[latex(a), *(cell(between(audit, name, a, b)) if a != b else "--" for b in names)] for a in names]
        caption = f"{DIMENSIONS[name].question} {headline_of(audit, name)}, row against column."
        tables.append(latex_table(caption, ["", *map(latex, names)], rows, f"tab:{name.replace('_', '-')}"))
    return "\n".join([preamble(audit), *tables])


def cell(found: tuple[float, str] | None) -> str:
    return "" if found is None else math(number(*found))


def models_table(audit: Audit) -> str:
    """Paper B's layout: one row per model, its size and accuracy, alignment with the large model, and calibration."""
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
            figures = next(({k: f[f"large_{k}"] for k, _ in calibration if k in f} for f in found if f), {})
        count = model["parameters"]
        rows.append(
            [
                latex(name),
                "" if count is None else f"{count / 1e6:.1f}",
                "" if model["megabytes"] is None else megabytes(model),
                "" if model["accuracy"] is None else f"{100 * model['accuracy']:.2f}",
                aligned.get(name, ("", ""))[1],
                *(f"{figures[key]:.4f}" if key in figures else "" for key, _ in calibration),
            ]
        )
    head = ["model", "M params", "MB", r"accuracy (\%)", f"alignment{size}", *(name for _, name in calibration)]
    caption = f"Alignment of explanations with {large}, and calibration." if large else "Calibration."
    return "\n".join([preamble(audit), latex_table(caption, head, rows, "tab:models")])


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


def latex_table(caption: str, head: list[str], rows: list[list[str]], label: str = "") -> str:
    body = [" & ".join(line) + r" \\" for line in rows]
    return "\n".join(
        [
            r"\begin{table}[t]",
            r"\centering",
            rf"\caption{{{latex(caption)}}}",
            *([rf"\label{{{label}}}"] if label else []),
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
    >>> math("−0.100"), math("+0.200"), math("0.200")
    ('$-$0.100', '$+$0.200', '0.200')
    """
    return text.replace("+", "$+$").replace("−", "$-$")
