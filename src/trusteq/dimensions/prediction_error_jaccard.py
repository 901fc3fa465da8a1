"""Does the compressed model make the same mistakes as the large one?

Two models of equal accuracy can be wrong about different things. This metric compares the two sets of errors: how much
they overlap, what chance alone would give, and the most that their sizes allow."""

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.special import bdtr

from trusteq.arrays import Arrays, check_classes, check_columns, check_labels, top_class
from trusteq.checks import brief, check_choice, check_number
from trusteq.dimensions.plots.colors import BOTH, COMPRESSED, LARGE
from trusteq.dimensions.record import Dimension, Entry, Figures, as_columns, common, redrawn_from
from trusteq.groups import ALONE, Design, Groups, design
from trusteq.intervals import paired_share_gap_interval, share_interval
from trusteq.options import Options, details_of
from trusteq.overlap import expected_share, kappa, relative_to
from trusteq.resampling import Columns
from trusteq.rows import Rows
from trusteq.squad import acceptable, answer_texts, normalize_answer
from trusteq.wording import percent


@dataclasses.dataclass(frozen=True)
class ErrorOptions(Options):
    task: str = "classification"
    from_logits: bool = False
    no_answer_threshold: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choice("task", self.task, ("classification", "exact_match", "squad_v2"))
        check_choice("from_logits", self.from_logits, (True, False))
        check_number("no_answer_threshold", self.no_answer_threshold, above=-1e-9, below=1 + 1e-9)


def compute(rows: Rows, options: ErrorOptions) -> Figures:
    if options.task == "squad_v2":
        examples = validate_squad(rows.whole(), options)
        return finish(summarize(examples), options, among(rows.groups, outcomes_of(examples)))
    each = None if rows.groups is None else np.empty(rows.count, np.int8)

    def counted(start: int, arrays: Arrays) -> Arrays:
        examples = validate(arrays, options, start)
        if each is not None:
            each[start : start + len(examples["right"])] = outcomes_of(examples)
        return summarize(examples)

    return finish(rows.total(counted), options, among(rows.groups, each))


# validate: what came in becomes, per example, "right" for each model and "the same prediction", plus capa's terms.


def validate(arrays: Arrays, options: ErrorOptions, start: int = 0) -> Arrays:
    """Labels or rows to `right`, `large_right`, `agree`; with rows on both sides also the terms of capa."""
    references = arrays["references"]
    labels, columns = {}, {}
    for name in ("predictions", "large_predictions"):
        if arrays[name].ndim == 2 and options.task == "classification":
            columns[name] = check_columns(name, arrays[name], options.from_logits, start)
            references = check_classes("references", references, len(columns[name]), start)
            labels[name] = top_class(columns[name])[0]
        else:
            labels[name] = check_labels(name, arrays[name], start)
    references = check_labels("references", references, start)
    for name, values in labels.items():
        if (values.dtype.kind == "O") != (references.dtype.kind == "O"):
            kinds = ["strings" if v.dtype.kind == "O" else "numbers" for v in (values, references)]
            raise ValueError(f"{name} are {kinds[0]} but references are {kinds[1]}; give labels of one type")
        if options.task == "exact_match" and values.dtype.kind != "O":
            raise ValueError(f'{name} must be strings for task="exact_match", got {values.dtype}')
    classes = [len(rows) for rows in columns.values()]
    if len(set(classes)) == 2:
        raise ValueError(f"predictions have {classes[0]} classes but large_predictions have {classes[1]}")
    for name in columns:
        for other, values in labels.items():
            check_classes(other, values, len(columns[name]), start)
    compressed, large = labels["predictions"], labels["large_predictions"]
    out = {"right": compressed == references, "large_right": large == references, "agree": compressed == large}
    if len(columns) == 2:
        p, q = columns["predictions"], columns["large_predictions"]
        row = np.arange(len(references))
        out |= {"overlap": np.einsum("ij,ij->j", p, q), "gold": p[references, row], "large_gold": q[references, row]}
        out["classes"] = np.array([len(p)])
    return out


def validate_squad(arrays: Arrays, options: ErrorOptions) -> Arrays:
    """SQuAD 2.0 dicts, matched by id: an answer is right when it equals a gold answer after SQuAD's normalization."""
    by_id = {name: squad_by_id(name, values) for name, values in arrays.items()}
    gold = by_id["references"]
    accepted = {key: acceptable(squad_gold(reference)) for key, reference in gold.items()}
    answers: dict[str, list[str]] = {}
    right: dict[str, np.ndarray] = {}
    for name in ("predictions", "large_predictions"):
        if odd := sorted(gold.keys() ^ by_id[name].keys()):
            raise ValueError(
                f"{name} and references hold different ids ({len(odd)} do not match, e.g. {brief(odd[0])})"
            )
        answers[name] = [squad_answer(name, by_id[name][key], options.no_answer_threshold) for key in gold]
        right[name] = np.array([a in accepted[k] for a, k in zip(answers[name], gold, strict=True)])
    agree = np.array(answers["predictions"], dtype=object) == np.array(answers["large_predictions"], dtype=object)
    return {"right": right["predictions"], "large_right": right["large_predictions"], "agree": agree}


def squad_by_id(name: str, values: np.ndarray) -> dict[str, dict[str, Any]]:
    key = "answers" if name == "references" else "prediction_text"
    by_id = {}
    for row, value in enumerate(values):
        if not isinstance(value, dict) or not {"id", key} <= value.keys():
            raise ValueError(f'{name} must be dicts with "id" and "{key}" for task="squad_v2" (row {row} is not)')
        if not isinstance(value["id"], str):
            raise ValueError(f"{name} needs string ids, got {brief(value['id'])} in row {row}")
        by_id[value["id"]] = value
    if len(by_id) < len(values):
        raise ValueError(f"{name} holds the same id more than once")
    return by_id


def squad_answer(name: str, prediction: dict[str, Any], threshold: float) -> str:
    text, absent = prediction["prediction_text"], prediction.get("no_answer_probability", 0.0)
    where = f"for id {brief(prediction['id'])}"
    if not isinstance(text, str):
        raise ValueError(f"{name} needs a string as prediction_text, got {brief(text)} {where}")
    if isinstance(absent, bool) or not isinstance(absent, int | float | np.floating) or not 0 <= absent <= 1:
        raise ValueError(f"{name} needs a no_answer_probability between 0 and 1, got {brief(absent)} {where}")
    return "" if absent > threshold else normalize_answer(text)


def squad_gold(reference: dict[str, Any]) -> list[str]:
    texts = answer_texts(reference["answers"])
    if texts is None:
        raise ValueError(f'references needs answers with a list of strings as "text" (id {brief(reference["id"])})')
    return texts


# summarize: examples to counts and sums, which add up over batches and processes.


def summarize(examples: Arrays) -> Arrays:
    """How many, who was wrong, how often they agree, also when both are wrong, and capa's sums."""
    wrong, large_wrong, agree = ~examples["right"], ~examples["large_right"], examples["agree"]
    both = wrong & large_wrong
    counts = [len(wrong), *map(np.count_nonzero, (both, wrong, large_wrong, agree, both & agree))]
    summary = {"counts": np.array(counts)}
    if "overlap" in examples:
        summary["capa"] = np.array([examples[name].sum() for name in ("overlap", "gold", "large_gold")])
        summary["classes"] = examples["classes"] * len(wrong)
    return summary


# An example has one of eight outcomes, a number of three bits: the compressed model is wrong, the large one is, their
# answers are the same. Of every outcome, whether it is what a figure counts:
WRONG, LARGE_WRONG, AGREE = ((np.arange(8) >> bit & 1).astype(np.float64) for bit in (0, 1, 2))
BOTH_WRONG, EVERY = WRONG * LARGE_WRONG, np.ones(8)
ANY_WRONG = WRONG + LARGE_WRONG - BOTH_WRONG
FLIPS = {
    "flip_rate": ANY_WRONG - BOTH_WRONG,
    "right_to_wrong": WRONG - BOTH_WRONG,
    "wrong_to_right": LARGE_WRONG - BOTH_WRONG,
    "wrong_to_other_wrong": BOTH_WRONG * (1 - AGREE),
    "answer_change_rate": 1 - AGREE,
}
Spread = Callable[[np.ndarray, np.ndarray], Design]  # of how far an outcome moves a figure, and of what is its whole


def outcomes_of(examples: Arrays) -> np.ndarray:
    """The outcome of each example, for what groups have in common."""
    wrong, large_wrong = ~examples["right"], ~examples["large_right"]
    return wrong.astype(np.int8) + 2 * large_wrong.astype(np.int8) + 4 * examples["agree"].astype(np.int8)


def alone(moves: np.ndarray, held: np.ndarray) -> Design:
    return ALONE


def among(groups: Groups, outcomes: np.ndarray | None) -> Spread:
    """What the groups do to a figure, from the outcome of each example."""
    if groups is None or outcomes is None:
        return alone
    return lambda moves, held: design(moves[outcomes], groups, held[outcomes])


# finish: counts to figures.


def finish(summary: Arrays, options: ErrorOptions, spread: Spread = alone) -> dict[str, Any]:
    n, shared, wrong, large_wrong, agree, same_mistake = (int(count) for count in summary["counts"])
    only, large_only = wrong - shared, large_wrong - shared
    either = shared + only + large_only
    jaccard = shared / either if either else 1.0
    expected = expected_share(wrong, large_wrong, n)
    most = min(wrong, large_wrong) / max(wrong, large_wrong) if either else 1.0
    result: dict[str, Any] = {"jaccard": jaccard}
    if options.confidence_level is not None:
        together = spread(BOTH_WRONG - jaccard * ANY_WRONG, ANY_WRONG)
        interval = share_interval(shared, either, options.confidence_level, together)
        result["jaccard_low"], result["jaccard_high"] = interval
    result |= {
        "expected_jaccard": expected,
        "max_jaccard": most,
        "chance_corrected_jaccard": relative_to(jaccard, expected, most),
        "error_consistency": kappa(n, shared, wrong, large_wrong),
        "error_rate": wrong / n,
        "large_error_rate": large_wrong / n,
        "error_rate_gap": (wrong - large_wrong) / n,
    }
    if options.confidence_level is not None:
        together = spread(WRONG - LARGE_WRONG - result["error_rate_gap"], EVERY)
        interval = paired_share_gap_interval(only, large_only, n, options.confidence_level, together)
        result["error_rate_gap_low"], result["error_rate_gap_high"] = interval
    result |= {
        "shared_errors": shared,
        "compressed_only_errors": only,
        "large_only_errors": large_only,
        "negative_flip_rate": only / n,
        "label_agreement": agree / n,
        "mcnemar_p": mcnemar(only, large_only),
    }
    flips = {"flip_rate": only + large_only, "right_to_wrong": only, "wrong_to_right": large_only}
    flips |= {"wrong_to_other_wrong": shared - same_mistake, "answer_change_rate": n - agree}
    for name, count in flips.items():  # from what the large model said to what the compressed one says
        result[name] = count / n
        if options.confidence_level is not None:
            together = spread(FLIPS[name] - result[name], EVERY)
            interval = share_interval(count, n, options.confidence_level, together)
            result[f"{name}_low"], result[f"{name}_high"] = interval
    if "capa" in summary:
        overlap, gold, large_gold = (summary["capa"] / n).tolist()
        result["capa"] = capa(overlap, gold, large_gold, classes=summary["classes"][0] / n)
    if options.details:
        result["details"] = {"examples": n, "both_right": n - either, "shared_errors": shared}
    return result


def capa(overlap: float, gold: float, large_gold: float, classes: float) -> float:
    """Goel et al. 2025: agreement of the probability rows beyond what the two accuracies alone would give."""
    expected = gold * large_gold + (1 - gold) * (1 - large_gold) / (classes - 1)
    return 1.0 if expected > 1 - 1e-12 else (overlap - expected) / (1 - expected)


def mcnemar(only: int, large_only: int) -> float:
    """Exact two-sided binomial test that a discordant example is as likely to go either way."""
    return min(1.0, 2 * float(bdtr(min(only, large_only), only + large_only, 0.5)))


# plot: the same figures for the eye.


def plot(result: dict[str, Any]) -> Any:
    """Whose errors they are, and the Jaccard between its chance level and its maximum; a matplotlib Figure."""
    from matplotlib.figure import Figure

    table = details_of(result, "prediction_error_jaccard")
    figure = Figure(figsize=(8, 4.2), layout="constrained")
    top, bottom = figure.subplots(2, 1, height_ratios=(1.15, 1))
    groups = [
        ("only compressed wrong", result["compressed_only_errors"], COMPRESSED, "//"),
        ("both wrong", result["shared_errors"], BOTH, ""),
        ("only large wrong", result["large_only_errors"], LARGE, "\\\\"),
    ]
    left = 0
    for label, count, color, hatch in groups:
        top.barh(0, count, left=left, color=color, hatch=hatch, edgecolor="white", label=f"{label}: {count:,}")
        left += count
    top.set(yticks=[], xlim=(0, max(left, 1)), xlabel="examples that at least one model got wrong")
    top.set_title(f"{left:,} of {table['examples']:,} examples go wrong in at least one model", loc="left", fontsize=11)
    top.legend(loc="upper center", bbox_to_anchor=(0.5, -0.45), ncols=3, frameon=False)
    jaccard = result["jaccard"]
    bottom.hlines(0, 0, 1, color="#DDDDDD", linewidth=8, zorder=0)
    bottom.hlines(0, result["expected_jaccard"], result["max_jaccard"], color="#AAAAAA", linewidth=8, zorder=1)
    if "jaccard_low" in result:
        bottom.hlines(0, result["jaccard_low"], result["jaccard_high"], color="black", linewidth=2, zorder=2)
    bottom.plot(jaccard, 0, "o", color="black", markersize=9, zorder=3)
    for x, text, offset in [
        (jaccard, f"jaccard {jaccard:.3f}", 14),
        (result["expected_jaccard"], f"chance {result['expected_jaccard']:.3f}", -24),
        (result["max_jaccard"], f"most possible {result['max_jaccard']:.3f}", -40),
    ]:
        align = "left" if x < 0.15 else "right" if x > 0.85 else "center"
        place: dict[str, Any] = {"xytext": (0, offset), "textcoords": "offset points"}
        bottom.annotate(text, (x, 0), **place, ha=align, va="bottom" if offset > 0 else "top", fontsize=10)
        bottom.annotate("", (x, 0), **place, arrowprops={"arrowstyle": "-", "shrinkA": 0, "shrinkB": 0}, zorder=1)
    bottom.set(yticks=[], ylim=(-1.3, 0.7), xlim=(0, 1), xlabel="overlap of the two error sets (Jaccard)")
    for axis in (top, bottom):
        axis.spines[["top", "right", "left"]].set_visible(False)
    return figure


# In an audit: the figures of a pair from work that is done, what its sums are made of, and what was found.


def measure(work: Any, compressed: str, large: str, options: Any, level: float) -> Figures:
    answers = work.labels or work.probabilities
    return DIMENSION.of(
        predictions=answers[compressed],
        references=np.zeros_like(work.gold) if work.labels else work.gold,
        large_predictions=answers[large],
        groups=work.groups,
        **common(options, level),
    )


def sums(work: Any, compressed: str, large: str, options: Any) -> Columns:
    wrong, large_wrong = (~work.right(name) for name in (compressed, large))
    return as_columns(range(len(wrong)), wrong & large_wrong, wrong | large_wrong)


def hidden(figures: Figures) -> str | None:
    """Two models without a mistake overlap fully, whatever they are."""
    if not (figures["error_rate"] or figures["large_error_rate"]):
        return "Neither model makes a mistake, which hides any difference: take more examples, or harder ones."
    return None


def told(f: Figures, entry: Entry, compressed: str, large: str) -> str:
    together = f["shared_errors"] + f["compressed_only_errors"] + f["large_only_errors"]
    if not together:
        return f"Neither {compressed} nor {large} makes a mistake here"
    both = f"{f['shared_errors']:,.0f} of {together:,.0f}"
    return f"{compressed} and {large} share {percent(f['jaccard'])} of their errors, {both}"


DIMENSION = Dimension(
    name="prediction_error_jaccard",
    place=1,
    question="Same mistakes?",
    asks=(
        "Two models of equal accuracy can be wrong about different examples. Of everything that at least one of the "
        "two gets wrong, this is the share that both get wrong."
    ),
    options=ErrorOptions,
    compute=compute,
    plot=plot,
    headline="jaccard",
    kind="overlap",
    expected="expected_jaccard",
    most="max_jaccard",
    words={"jaccard": "overlap of the errors"},
    told=told,
    hidden=hidden,
    margin=0.2,
    alone=0.5,
    measure=measure,
    redrawn=redrawn_from(sums, "overlap"),
)
