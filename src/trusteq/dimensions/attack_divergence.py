"""Does the compressed model break under the same attacks as the large one?

An adversary changes a text a little at a time until a model is wrong about it. This metric attacks both models with the
same adversary and compares how they fall: how much accuracy is left, which examples break, after how many questions,
and whether the text that fools one fools the other."""

import dataclasses
from collections.abc import Callable, Sequence
from contextlib import closing
from typing import Any

import numpy as np

from trusteq.arrays import as_objects
from trusteq.attack.attacking import FIELDS, attack_each, check_attack, is_of_textattack, read_sentences, said_under
from trusteq.attack.outcomes import Outcome, check_pair, read_outcome, read_outcomes
from trusteq.attack.recipes import Attack
from trusteq.attack.whole_texts import WHOLE
from trusteq.attack.word_vectors import WordVectors, open_vectors
from trusteq.checks import brief, check_choice, check_integer, check_number, failure
from trusteq.dimensions.plots.attacks import plot
from trusteq.dimensions.record import Dimension, Entry, Figures, as_columns, common, redrawn_from
from trusteq.groups import Groups, count_of, design, groups_for, some_of
from trusteq.intervals import share_interval
from trusteq.kinds.text import as_texts
from trusteq.models.open import ClassifierOptions
from trusteq.models.predictor import Predictor
from trusteq.models.probing import Interrupted, open_models
from trusteq.options import with_signature
from trusteq.overlap import expected_share
from trusteq.resampling import Columns
from trusteq.rows import Rows
from trusteq.wording import percent, points

TRANSFERS = 256  # pairs of outcomes that wait until their texts are shown to the other model together

EDGE = 0.1  # as the margin: where both models are nearer to an end, no gap can be as large


@dataclasses.dataclass(frozen=True)
class AttackOptions(ClassifierOptions):
    """What a comparison under attack can be asked.

    Args:
        attack: "textbugger", "deepwordbug", "bert_attack", "typos", "distraction" (a sentence beside the text),
            "options" (a question's wrong options in another order), "reordered" (all its options in another order),
            "wording" (a language model's prompt said otherwise), an attack composed of parts (see the card), or one of
            TextAttack's: "textattack:NAME", a recipe class, or a function from a model wrapper to an attack.
        target: a class that the attack has to lead to; without it any wrong class will do.
        attack_field: which text of a pair may change, "first" or "second".
        max_queries: how many distinct questions an attack may put to the model about one example.
        word_vectors: for textbugger: a file in the usual text format (in code also a mapping from word to vector);
            without it the large model's own input embeddings of whole words, where it has them.
        similarity: for textbugger and bert_attack: an encoder that the text must stay similar to the original for
            (cosine of 0.8 and more): a path or a Hub id (in code also a callable from texts to vectors, or a model and
            its tokenizer).
        masked_model: for bert_attack: a masked language model: a path or a Hub id (in code also a model and its
            tokenizer, or a callable that takes a list of [text, [start, end]] and gives a list of words for each).
        rate: for typos: the chance of a slip at each letter (default: 0.05).
        sentences: for distraction: a text file with a sentence per line (in code also a list), of which five are drawn
            for each text (default: five that have nothing to do with anything).
        wordings: for wording: a list of prompts with the same fields (default: an introduction, quotation marks, names
            in capitals, and empty lines added to the prompt).
        labels: a dict from class name to class number, where the two models name their classes differently.
        device, dtype: where and in which type transformers models run; a model that was handed over is copied for
            another.
        engine: what answers for transformers models: "torch", "openvino", "onnxruntime", or "auto": OpenVINO on a
            processor, where it is installed and there are questions enough; the figures are the same.
        trust_remote_code: allow a checkpoint to run code of its own.
        confidence_level: level of the intervals, between 0 and 1; None for no intervals.
        seed: of the random choices of the attack; every example has a seed of its own from it.
        details: add the key `details` with every example's outcomes for both models, which `plot` draws.
    """

    attack: Any = "textbugger"
    target: int | str | None = None
    attack_field: str = "second"
    max_queries: int | None = None
    word_vectors: Any = None
    similarity: Any = None
    masked_model: Any = None
    rate: float | None = None
    sentences: Any = None
    wordings: Any = None

    def __post_init__(self) -> None:
        super().__post_init__()
        check_attack(self.attack)
        check_choice("attack_field", self.attack_field, tuple(FIELDS))
        if self.max_queries is not None:
            check_integer("max_queries", self.max_queries, at_least=1)
            object.__setattr__(self, "max_queries", int(self.max_queries))
        if self.rate is not None:
            check_number("rate", self.rate, above=0, below=1)
        for name, recipes in (
            ("word_vectors", ("textbugger",)),
            ("similarity", ("textbugger", "bert_attack")),
            ("masked_model", ("bert_attack",)),
            ("rate", ("typos",)),
            ("sentences", ("distraction",)),
            ("wordings", ("wording",)),
        ):
            if getattr(self, name) is not None and self.attack not in recipes:
                raise ValueError(f"{name} is for {' and '.join(recipes)}, got it with {self.attack_name}")
        read_sentences(self.sentences)
        if self.wordings is not None and not (isinstance(self.wordings, list | tuple) and self.wordings):
            raise ValueError(f"wordings must be a list of prompts, got {brief(self.wordings)}")
        if self.masked_model is None and self.attack == "bert_attack":
            raise ValueError("bert_attack needs masked_model: a path, a Hub id, (model, tokenizer) or a callable")
        if self.target is not None and isinstance(self.attack, str) and self.attack in WHOLE:
            raise ValueError(f"target is for attacks on words; {self.attack} takes whatever makes a model wrong")
        if self.target is not None and is_of_textattack(self.attack):
            raise ValueError("target is for the attacks of this metric; a TextAttack attack has a goal of its own")

    @property
    def attack_name(self) -> str:
        """What messages and the signature call the attack."""
        if isinstance(self.attack, str):
            return self.attack
        return "composed" if isinstance(self.attack, Attack) else getattr(self.attack, "__name__", "function")

    def written(self) -> Any:
        """The options as one line can hold them: objects by the name of their type."""
        named = {
            name: value if isinstance(value, str) or value is None else type(value).__name__
            for name in ("word_vectors", "similarity", "masked_model", "sentences")
            for value in [getattr(self, name)]
        }
        fields = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        return WrittenOptions(**{**fields, **named, "attack": self.attack_name})


@dataclasses.dataclass(frozen=True)
class WrittenOptions(AttackOptions):
    """Options that were checked before, for the signature."""

    def __post_init__(self) -> None:
        pass


def compute(rows: Rows, options: AttackOptions) -> Figures:
    """The figures of attacks that were made elsewhere."""
    arrays = rows.whole()
    collected = Collected(options, groups=rows.groups)
    for index, pair in enumerate(zip(arrays["predictions"], arrays["large_predictions"], strict=True)):
        compressed, large = (read_outcome(f"example {index}:", outcome) for outcome in pair)
        check_pair(index, compressed, large)
        collected.add(index, compressed, large)
    return collected.result() or {}


def read(name: str, values: Any) -> np.ndarray:
    """Outcomes of attacks that were made elsewhere, as dicts."""
    return as_objects([outcome.as_dict() for outcome in read_outcomes(name, values)])


def compare_models(
    texts: Any,
    references: Any,
    model: Any,
    large_model: Any,
    options: AttackOptions,
    keep: Callable[[Any], Any] = lambda partial: partial,
    groups: Any = None,
) -> Figures:
    """Both models are attacked on every text; `keep` gets the figures so far where that breaks off."""
    texts = as_texts("texts", texts)
    codes = groups_for(groups, "texts", texts)
    predictors = open_models({"large_model": large_model, "model": model}, options)
    vectors = None
    if options.attack == "textbugger":
        vectors = open_vectors(options.word_vectors, predictors["large_model"])
    collected = Collected(options, predictors, vectors, codes)
    try:
        ready = dataclasses.replace(options, word_vectors=vectors)
        with closing(attack_each(texts, references, predictors, None, ready)) as outcomes:
            for index, name, outcome in outcomes:
                collected.take(index, name, outcome)
        collected.ask_transfers()
    except (Interrupted, KeyboardInterrupt) as interrupted:
        partial = keep(collected.result())
        if isinstance(interrupted, Interrupted):
            interrupted.partial = partial
        raise
    return with_signature(DIMENSION.name, collected.result() or {}, options.written(), count_of(codes))


class Collected:
    """What the figures need of the examples so far: a few numbers each; their texts only for details."""

    def __init__(
        self,
        options: AttackOptions,
        predictors: dict[str, Predictor] | None = None,
        vectors: WordVectors | None = None,
        groups: Groups = None,
    ):
        self.options, self.predictors = options, predictors or {}
        self.before = {name: predictor.truncated for name, predictor in self.predictors.items()}
        self.half: dict[int, dict[str, Outcome]] = {}
        self.waiting: dict[int, dict[str, Outcome]] = {}
        self.rows: list[tuple[int, Row, Row]] = []
        self.entries: list[dict[str, Any]] = []
        self.vectors, self.groups = vectors, groups

    def take(self, index: int, name: str, outcome: Outcome) -> None:
        """An outcome of either model; once those of both are there, the pair waits to be shown to the other model."""
        pair = self.half.setdefault(index, {})
        pair[name] = outcome
        if len(pair) == 2:
            self.waiting[index] = self.half.pop(index)
            if len(self.waiting) >= TRANSFERS:
                self.ask_transfers()

    def ask_transfers(self) -> None:
        """Show the texts that fooled one model to the other one, where that was right when clean."""
        for name, other in (("model", "large_model"), ("large_model", "model")):
            fooled = [
                pair[name]
                for pair in self.waiting.values()
                if pair[name].status == "broken" and pair[other].status != "skipped"
            ]
            if fooled:
                try:
                    said = said_under(self.predictors[other], fooled)
                except Exception as error:
                    message = f"{other} failed at the texts that fool {name} ({failure(error)})"
                    raise Interrupted(message) from error
                for outcome, label in zip(fooled, said, strict=True):
                    outcome.transfers = label != outcome.right
        self.add_waiting()

    def add_waiting(self) -> None:
        for index, pair in self.waiting.items():
            self.add(index, pair["model"], pair["large_model"])
        self.waiting = {}

    def add(self, index: int, compressed: Outcome, large: Outcome) -> None:
        self.rows.append((index, summarize(compressed), summarize(large)))
        if self.options.details:
            self.entries.append({"index": index, "outcome": compressed.as_dict(), "large_outcome": large.as_dict()})

    def result(self) -> dict[str, Any] | None:
        """The figures of all pairs so far; None where there is none."""
        self.add_waiting()
        if not self.rows:
            return None
        compressed, large = columns([row for _, row, _ in self.rows]), columns([row for *_, row in self.rows])
        groups = some_of(self.groups, [index for index, *_ in self.rows])
        figures = finish(compressed, large, self.options.confidence_level, groups)
        for name, key in (("model", "truncated_texts"), ("large_model", "large_truncated_texts")):
            if name in self.predictors:
                figures[key] = self.predictors[name].truncated - self.before[name]
        if self.predictors and self.options.attack == "textbugger":
            figures["word_vectors"] = len(self.vectors or ())
        if not self.options.details:
            return figures
        self.entries.sort(key=lambda entry: entry["index"])
        source = self.vectors.source if self.vectors else None
        attack = self.options.attack_name if self.predictors else None
        return figures | {"details": {"attack": attack, "word_vectors": source, "per_example": self.entries}}


Row = tuple[int, ...]
Table = dict[str, np.ndarray]
NAMES = ("right", "broken", "queries", "changed", "changeable", "transfers")


def summarize(outcome: Outcome) -> Row:
    """What the figures need of one example: a few numbers; `transfers` is -1 where nobody knows."""
    transfers = -1 if outcome.transfers is None else int(outcome.transfers)
    right, broken = outcome.status != "skipped", outcome.status == "broken"
    return right, broken, outcome.queries, outcome.changed_words, outcome.changeable, transfers


def columns(rows: Sequence[Row]) -> Table:
    found = dict(zip(NAMES, np.array(rows, dtype=np.int64).T, strict=True))
    return found | {name: found[name].astype(bool) for name in ("right", "broken", "changeable")}


def finish(compressed: Table, large: Table, level: float | None, groups: Groups = None) -> dict[str, Any]:
    """The figures of both models' columns.

    >>> broken = (True, True, 5, 1, True, 0)  # right when clean, broken, 5 questions, 1 word, changeable, no transfer
    >>> withstood = (True, False, 9, 0, True, -1)
    >>> result = finish(columns([broken, broken]), columns([broken, withstood]), level=None)
    >>> result["accuracy_fall"], result["large_accuracy_fall"], result["broken_jaccard"], result["transfer_to_large"]
    (1.0, 0.5, 0.5, 0.0)
    """
    n = len(compressed["right"])
    result: dict[str, Any] = {}
    models = (("", compressed), ("large_", large))
    for prefix, model in models:
        right, broken = int(model["right"].sum()), int(model["broken"].sum())
        result[f"{prefix}accuracy"] = right / n
        result[f"{prefix}attacked_accuracy"] = (right - broken) / n
        result[f"{prefix}accuracy_fall"] = share(broken, right)
        result[f"{prefix}success_rate"] = share(broken, right)
    for name in ("accuracy", "attacked_accuracy", "accuracy_fall", "success_rate"):
        result[f"{name}_gap"] = result[name] - result[f"large_{name}"]
    both = compressed["right"] & large["right"]
    first, second = compressed["broken"][both], large["broken"][both]
    shared, either = int((first & second).sum()), int((first | second).sum())
    result["broken_jaccard"] = share(shared, either, nothing=1.0)
    result["expected_broken_jaccard"] = expected_share(int(first.sum()), int(second.sum()), int(both.sum()))
    if level is not None:
        low, high = fall_gap_interval(compressed, large, level, groups)
        result["accuracy_fall_gap_low"], result["accuracy_fall_gap_high"] = low, high
        broke = first | second
        moves = (first & second) - result["broken_jaccard"] * broke
        low, high = share_interval(shared, either, level, design(moves, some_of(groups, both), broke))
        result["broken_jaccard_low"], result["broken_jaccard_high"] = low, high
    for name, one, other in (("transfer_to_large", compressed, large), ("transfer_from_large", large, compressed)):
        transfers = one["transfers"][one["broken"] & other["right"]]
        if (transfers >= 0).all():
            result[name] = share(int(transfers.sum()), len(transfers))
    for prefix, model in models:
        result[f"{prefix}mean_queries"] = mean_or_zero(model["queries"][model["right"]])
        result[f"{prefix}mean_changed_words"] = mean_or_zero(model["changed"][model["broken"]])
        result[f"{prefix}unchangeable_texts"] = int((model["right"] & ~model["changeable"]).sum())
    return result | {"examples": n}


def share(part: int, whole: int, nothing: float = 0.0) -> float:
    return part / whole if whole else nothing


def mean_or_zero(values: np.ndarray) -> float:
    return float(values.mean()) if len(values) else 0.0


def fall_gap_interval(compressed: Table, large: Table, level: float, groups: Groups = None) -> tuple[float, float]:
    """Interval of the difference of two relative falls on the same examples.

    A fall is a ratio, the broken of the right, so its error comes by the delta method; examples that both models had
    right make the two errors go together. As in Bonett and Price (2012) two examples are added, one that broke either
    model alone: where all were right, the interval is theirs.
    """
    right, large_right = int(compressed["right"].sum()), int(large["right"].sum())
    broken, large_broken = int(compressed["broken"].sum()), int(large["broken"].sum())
    both = compressed["right"] & large["right"]
    first, second = compressed["broken"][both], large["broken"][both]
    moves = sum(
        sign * (model["broken"] - share(int(model["broken"].sum()), of) * model["right"]) / max(of, 1)
        for sign, model, of in ((1, compressed, right), (-1, large, large_right))
    )
    effect = design(np.asarray(moves), groups)
    count = effect.alone
    n, large_n = count(right) + 2, count(large_right) + 2
    fall, large_fall = (count(broken) + 1) / n, (count(large_broken) + 1) / large_n
    together = count(int((first & second).sum())) + fall * large_fall * (count(int(both.sum())) + 2)
    together -= large_fall * (count(int(first.sum())) + 1) + fall * (count(int(second.sum())) + 1)
    variance = fall * (1 - fall) / n + large_fall * (1 - large_fall) / large_n - 2 * together / (n * large_n)
    reach = effect.quantile(level) * max(variance, 0.0) ** 0.5
    gap, center = share(broken, right) - share(large_broken, large_right), fall - large_fall
    return max(-1.0, min(center - reach, gap)), min(1.0, max(center + reach, gap))


def settings(options: Any) -> dict[str, Any]:
    asked = {"attack": options.attack, "seed": options.seed, "max_queries": options.max_queries}
    return asked | (options.attack_options or {})


def measure(work: Any, compressed: str, large: str, options: Any, level: float) -> Figures:
    sides = []
    for source, target in ((compressed, large), (large, compressed)):
        moved = work.transfers[source, target]
        sides.append([work.outcomes[source][i] | {"transfers": moved.get(i)} for i in work.attacked])
    groups = some_of(work.groups, work.attacked)
    figures = DIMENSION.of(predictions=sides[0], large_predictions=sides[1], groups=groups, **common(options, level))
    for shown in figures["details"]["per_example"]:
        shown["index"] = work.attacked[shown["index"]]
    return figures


def sums(work: Any, compressed: str, large: str, options: Any) -> Columns:
    own, larges = (np.array([work.outcomes[name][i]["status"] for i in work.attacked]) for name in (compressed, large))
    return as_columns(work.attacked, own == "broken", own != "skipped", larges == "broken", larges != "skipped")


def hidden(figures: Figures) -> str | None:
    """Two models of which nearly all breaks, or nothing does, break alike whatever they are."""
    falls = figures["accuracy_fall"], figures["large_accuracy_fall"]
    if min(falls) > 1 - EDGE:
        return "The attack breaks nearly everything, which hides any difference: let it ask less (max_queries)."
    if max(falls) < EDGE:
        return "The attack breaks hardly anything, which hides any difference: take a stronger one, or other texts."
    return None


def told(f: Figures, entry: Entry, compressed: str, large: str) -> str:
    own, larges = (fallen(f, prefix) for prefix in ("", "large_"))
    gap = f"a gap of {points(f['accuracy_fall_gap'])}"
    return f"Under attack the accuracy of {compressed} falls {own}, and that of {large} {larges}: {gap}"


def fallen(f: Figures, prefix: str) -> str:
    """From what to what, and by which share of it, since that is what is compared."""
    clean, attacked = percent(f[f"{prefix}accuracy"]), percent(f[f"{prefix}attacked_accuracy"])
    return f"from {clean.removesuffix(' %')} to {attacked}, by {percent(f[f'{prefix}accuracy_fall'])} of it"


DIMENSION = Dimension(
    name="attack_divergence",
    place=6,
    question="Breaks the same way?",
    asks=(
        "An attacker changes a text a little, trying to keep its meaning, until the model changes its mind. This "
        "compares how much accuracy each model loses, and whether what fools one also fools the other."
    ),
    options=AttackOptions,
    inputs=("predictions", "large_predictions"),
    compute=compute,
    read=read,
    plot=plot,
    headline="accuracy_fall_gap",
    kind="gap",
    words={"accuracy_fall_gap": "gap of the share of accuracy lost", "broken_jaccard": "overlap of what breaks"},
    direction=("more lost", "less lost"),
    told=told,
    needs="attacks",
    counted="attacked examples",
    count=lambda work, figures: len(work.attacked),
    hidden=hidden,
    settings=settings,
    margin=0.1,
    alone=0.1,
    measure=measure,
    redrawn=redrawn_from(sums, "gap"),
)
