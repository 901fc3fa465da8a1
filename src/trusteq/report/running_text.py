"""How is an audit of running text shown? In a terminal, and as a page by itself, from the same rows.

The rows are those of llama-perplexity, by its names where it has one; verdicts and their sentences come from the audit
(audit/running_text.py)."""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from trusteq.dimensions.next_token import ERRORS
from trusteq.dimensions.registry import DIMENSIONS
from trusteq.report.forest import strip
from trusteq.report.geometry import in_margins, reach
from trusteq.report.page import template
from trusteq.report.queries import judged
from trusteq.report.terminal import row, wrapped
from trusteq.report.words import Audit, Pair, answer, floor_kind, interval, status, value_of
from trusteq.wording import NOTHING, clean, number, plain, shorten, signed

QUESTIONS = {name: one.question for name, one in DIMENSIONS.items()} | {ERRORS.name: ERRORS.question}
HEADLINES = {name: word for one in (*DIMENSIONS.values(), ERRORS) for name, word in one.words.items()}
WORDS = {"max": "maximum", "min": "minimum"}
HINTS = {
    "the rest": "",
    "KL divergence": "How many nats the compressed model wastes on a token of which the large one is the truth.",
    "Change of the right token's probability": "In points: negative where the compressed model finds it less likely.",
}


class Row(NamedTuple):
    name: str
    key: str
    write: Callable[[float], str]


def digits(value: float) -> str:
    """
    >>> digits(0.0018), digits(12.345), digits(1200.0)
    ('0.0018', '12.35', '1200')
    """
    size = abs(value)
    return signed(f"{value:.0f}" if size >= 1000 else f"{value:.2f}" if size >= 10 else f"{value:.4f}")


def in_percent(value: float) -> str:
    return signed(f"{100 * value:.2f} %")


def change(value: float) -> str:
    return signed(f"{100 * value:+.3f}")


def spread(key: str, write: Callable[[float], str], percentiles: tuple[str, ...]) -> Iterator[Row]:
    for percentile in percentiles:
        name = WORDS.get(percentile, percentile.replace("p", "").replace("_", ".") + " %")
        yield Row("median" if percentile == "median" else name, f"{key}_{percentile}", write)


OF_DIVERGENCE = ("max", "p99_9", "p99", "p95", "p90", "median", "p10", "p5", "p1", "p0_1", "min")
OF_CHANGE = ("max", "p99_9", "p99", "p95", "p90", "p75", "median", "p25", "p10", "p5", "p1", "p0_1", "min")
TABLES: dict[str, list[Row]] = {
    "The next token": [
        Row("probability on other tokens", "moved_probability", in_percent),
        Row("same top token", "same_top", in_percent),
        Row("RMS change of the right token's probability", "right_change_rms", in_percent),
        Row("mean size of that change", "right_change_size", in_percent),
    ],
    "Perplexity": [
        Row("perplexity", "perplexity", digits),
        Row("of large", "large_perplexity", digits),
        Row("ratio", "perplexity_ratio", digits),
        Row("difference", "perplexity_gap", digits),
        Row("correlation of the logarithms", "log_perplexity_correlation", digits),
        Row("surprise beyond what it expects, nats", "surprise_gap", digits),
        Row("that of large", "large_surprise_gap", digits),
    ],
    "KL divergence": [Row("mean", "kl_mean", digits), *spread("kl", digits, OF_DIVERGENCE)],
    "Change of the right token's probability": [
        Row("mean", "right_change_mean", change),
        *spread("right_change", change, OF_CHANGE),
    ],
}


def cells(pair: Pair, one: Row) -> tuple[str, str]:
    """A figure and its interval, as they are written."""
    figures = pair["figures"]
    value, low, high = (figures.get(f"{one.key}{end}") for end in ("", "_low", "_high"))
    between = "" if low is None or high is None else f"{one.write(low)} to {one.write(high)}"
    return "without bound" if value is None else one.write(value), between


def about(found: Audit) -> str:
    data = found["data"]
    cut = "windows as llama.cpp cuts them" if found["settings"]["windows"] == "stretches" else "windows"
    texts = f"{data['documents']:,} documents of {data['name']}" if data["documents"] else data["name"]
    return f"{data['tokens']:,} tokens, in {data['windows']:,} {cut} of up to {data['context']:,}: {texts}"


def notes(found: Audit) -> list[str]:
    """What was left out, what is estimated, and what the verdicts are held against."""
    said = list(found["noticed"])
    figures = [(pair["name"], pair["figures"]) for pair in found["pairs"]]
    means = [(name, own["kl_mean"], own.get("kl_mean_sampling_error")) for name, own in figures]
    if some := [f"{name} {100 * error / mean:.2g} %" for name, mean, error in means if error and mean]:
        listed = ", ".join(some)
        said.append(f"The KL divergences are unbiased estimates from the base file; their standard errors: {listed}.")
    if found["settings"]["floor"]:
        said.append("Held against the large model itself in other numbers (rounding).")
    else:
        said.append("There is no floor: what rounding or other kernels would change is not taken off.")
    said.append(
        "The kernels of llama.cpp and of transformers differ by more than rounding to 8 bits does, even with the same "
        "weights: compare models that were run by the same program."
    )
    return said


def figure_lines(found: Audit) -> str:
    """For a terminal of 100 columns."""
    level = f"{100 * found['settings']['confidence_level']:.4g} % interval"
    lines = [*wrapped(clean(about(found)), ""), ""]
    for pair in found["pairs"]:
        name = shorten(clean(pair["name"]), 40)
        says = answer(pair)
        title = f"{name}: the floor" if pair["role"] == "twin" else f"{name}: {says.word.lower()}. {says.summary}"
        lines += wrapped(title, "")
        lines.append(row("dimension", "figure", "value", level, "floor", "verdict"))
        told = []
        for key, entry in pair["dimensions"].items():
            if entry["status"] != "done":
                told += wrapped(f"{key} {entry['status']}: {clean(entry['reason'])}", "  ")
                continue
            figures = (
                entry["headline"],
                value_of(entry),
                interval(entry) or NOTHING,
                number(entry["floor"], floor_kind(entry)),
            )
            lines.append(row(key, *figures, status(entry)))
            told += wrapped(clean(entry["sentence"]), "  ") if entry["verdict"] else []
        lines += told
        for title, rows in TABLES.items():
            lines.append(f"  {title}")
            for one in rows:
                value, between = cells(pair, one)
                lines.append(f"    {one.name:<44}{value:>12}  {between}".rstrip())
        lines.append("")
    lines += [line for one in notes(found) for line in wrapped(clean(one), "")]
    return "\n".join(lines)


def page(found: Audit) -> str:
    pairs = found["pairs"]
    ends = reach(found)
    return str(
        template("report/running_text.html").render(
            about=about(found),
            answers=[{"name": pair["name"], **answer(pair)._asdict()} for pair in judged(found)],
            names=[pair["name"] + (" (floor)" if pair["role"] == "twin" else "") for pair in pairs],
            tables=[
                {
                    "title": title,
                    "hint": HINTS.get(title, ""),
                    "rows": [(one.name, [cells(pair, one) for pair in pairs]) for one in rows],
                }
                for title, rows in TABLES.items()
            ],
            dimensions=[dimension(found, name, ends) for name in ERRORS_FIRST if name in pairs[0]["dimensions"]],
            level=f"{100 * found['settings']['confidence_level']:.4g} % interval",
            notes=notes(found),
            settings=[(name, plain(value)) for name, value in (found["settings"] | found["run"]["versions"]).items()],
            signature=found["signature"],
        )
    )


ERRORS_FIRST = tuple(DIMENSIONS)


def dimension(found: Audit, name: str, ends: tuple[float, float]) -> dict[str, Any]:
    """One question, answered of every model: its figure, where it lies in margins, and the verdict's sentence."""
    from markupsafe import Markup

    rows = []
    for pair in found["pairs"]:
        entry = pair["dimensions"][name]
        span = in_margins(entry)
        shown: dict[str, Any] = {"name": pair["name"], "status": status(entry), "strip": ""}
        shown |= {"value": value_of(entry) or NOTHING, "interval": "", "told": entry.get("reason") or ""}
        if span:
            shown |= {"interval": interval(entry), "told": entry["sentence"]}
        if span and entry["verdict"]:  # the floor is where the margins begin
            shown["strip"] = Markup(strip(entry, ends))
        rows.append(shown)
    asks = ERRORS.asks if name == ERRORS.name else DIMENSIONS[name].asks
    done = [one["dimensions"][name] for one in found["pairs"] if one["dimensions"][name]["status"] == "done"]
    headline = HEADLINES.get(done[0]["headline"], done[0]["headline"].replace("_", " ")) if done else ""
    return {"question": QUESTIONS[name], "asks": asks, "rows": rows, "headline": headline}
