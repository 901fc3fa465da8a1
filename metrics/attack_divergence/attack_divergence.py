"""Does the compressed model break under the same attacks as the large one?

An adversary changes a text a little at a time until a model is wrong about it. This metric attacks both models with the
same adversary and compares how they fall: how much accuracy is left, which examples break, after how many questions,
and whether the text that fools one fools the other.
"""

import dataclasses
from collections.abc import Iterable, Iterator
from contextlib import closing
from types import SimpleNamespace
from typing import Any

import datasets
import evaluate
import numpy as np

from .array_metric import ArrayMetric, Options, Rows, check_choice, check_integer, check_number, read_options
from .attack_plots import plot
from .attacking import FIELDS, Interrupted, attack_each, check_attack, is_of_textattack, open_models
from .causal_lm import as_causal_predictor
from .constraints import Constraint, EditDistance, NoStopWord, NoWordTwice, ShareOfWords, Similarity
from .drafts import Draft
from .drawable import drawable
from .edits import DeleteLetter, InsertLetter, KeyboardLetter, SimilarLetter, SubstituteLetter, SwapNeighbours, Typos
from .falls import Row, columns, finish, summarize
from .goals import Targeted, Untargeted
from .inference import inference
from .intervals import share_interval
from .masked_words import MaskedWords
from .outcomes import Outcome, check_pair, read_outcome, read_outcomes
from .predictor import Predictor, check_class_numbers, failure
from .recipes import Attack
from .references import as_texts
from .search import GreedyByImportance, NoSearch
from .side_by_side import side_by_side
from .stop_words import STOP_WORDS
from .textattack_bridge import textattack_program
from .word_vectors import WordVectors, open_vectors

BEHIND_ATTACKING = (
    as_causal_predictor,
    inference,
    Draft,
    drawable,
    share_interval,
    side_by_side,
    STOP_WORDS,
    textattack_program,
)  # the loader copies only what is imported here

TRANSFERS = 256  # pairs of outcomes that wait until their texts are shown to the other model together

_DESCRIPTION = """
Attacks a compressed model and its large counterpart with the same adversary and compares how they fall: how much of the
accuracy is lost, whether the same examples break, and whether the texts that fool one model fool the other.
"""

_CITATION = """
@article{miniature2024,
  title  = {Compressed models are NOT miniature versions of large models},
  journal= {arXiv preprint arXiv:2407.13174},
  year   = {2024}
}
"""

_KWARGS_DESCRIPTION = """
Args:
    texts: the texts to attack, strings or pairs of strings; with references, model and large_model.
    references: the gold labels: class numbers, or class names: those of labels, or else the large model's.
    model, large_model: the compressed and the large model: a callable (list of texts in, rows of probabilities out),
        a transformers pipeline, (model, tokenizer), a local path or a Hub id.
    predictions, large_predictions: instead of all these, the outcomes of attacks made elsewhere on the compressed and
        on the large model: per example a dict with status ("skipped": wrong when clean, "broken" or "withstood"),
        queries and changed_words; for the plots also text, adversarial, label, scores, adversarial_scores; and
        changeable and transfers (does the adversarial text fool the other model?) where they are known.
    attack: "textbugger", "deepwordbug", "bert_attack", "typos", an attack composed of parts (see the card), or one of
        TextAttack's: "textattack:NAME", a recipe class, or a function from a model wrapper to an attack.
    target: a class that the attack has to lead to; without it any wrong class will do.
    attack_field: which text of a pair may change, "first" or "second".
    max_queries: how many distinct questions an attack may put to the model about one example.
    word_vectors: for textbugger: a file in the usual text format or a mapping from word to vector; without it the
        large model's own input embeddings of whole words, where it has them.
    similarity: for textbugger and bert_attack: an encoder that the text must stay similar to the original for (cosine
        of 0.8 and more): a callable from texts to vectors, a path, a Hub id or (model, tokenizer).
    masked_model: for bert_attack: a masked language model: a path, a Hub id, (model, tokenizer), or a callable that
        takes a list of (text, (start, end)) and gives a list of words for each.
    rate: for typos: the chance of a slip at each letter (default 0.05).
    labels: a dict from class name to class number, where the two models name their classes differently.
    device, dtype: where and in which type transformers models run; a model that was handed over is copied for another.
    trust_remote_code: allow a checkpoint to run code of its own.
    confidence_level: level of the intervals, between 0 and 1; None for no intervals.
    seed: of the random choices of the attack; every example has a seed of its own from it.
    details: add the key `details` with every example's outcomes for both models, which `plot` draws.
Returns:
    Of the compressed model, with large_x of the large one and x_gap, their difference:
    accuracy (0 to 1): the share of examples that are right when clean.
    attacked_accuracy (0 to 1): the share that are right and withstand the attack.
    accuracy_fall (0 to 1): the share of the clean accuracy that the attack takes; with accuracy_fall_gap_low and
        accuracy_fall_gap_high.
    success_rate (0 to 1): the share of the attacked examples (those right when clean) that broke.
    Of the pair:
    broken_jaccard (0 to 1): of the examples that both had right and that broke in either model, the share that broke in
        both; with broken_jaccard_low and broken_jaccard_high.
    expected_broken_jaccard (0 to 1): what two unrelated sets of these sizes share.
    transfer_to_large (0 to 1): of the texts that fool the compressed model, where the large one was right when clean,
        the share that fool it too; transfer_from_large: the other way round. Left out where outcomes do not say.
    mean_queries, large_mean_queries: distinct questions per attacked example.
    mean_changed_words, large_mean_changed_words: of the texts that broke.
    unchangeable_texts, large_unchangeable_texts: attacked examples in which nothing may be changed (they withstand).
    examples: how many examples the figures are of.
    With models also truncated_texts and large_truncated_texts: how many of the questions were longer than the model
        can read; with textbugger word_vectors: how many words have a vector (0: no word was substituted by another);
        the details say whose vectors.
Examples:

    >>> import evaluate
    >>> attacks = evaluate.load("metrics/attack_divergence")
    >>> small = [{"status": "broken", "queries": 12, "changed_words": 1, "transfers": False},
    ...          {"status": "broken", "queries": 20, "changed_words": 2, "transfers": True}]
    >>> large = [{"status": "withstood", "queries": 31, "changed_words": 0},
    ...          {"status": "broken", "queries": 25, "changed_words": 3, "transfers": True}]
    >>> result = attacks.compute(predictions=small, large_predictions=large)
    >>> result["accuracy_fall"], result["large_accuracy_fall"], result["broken_jaccard"], result["transfer_to_large"]
    (1.0, 0.5, 0.5, 0.5)

    With models: here two functions that count words, of which one knows a common misspelling.

    >>> import numpy as np
    >>> def positive(words):
    ...     def model(texts):
    ...         score = np.array([sum(words.get(word, 0) for word in text.split()) for text in texts])
    ...         return np.stack([1 / (1 + np.exp(score - 0.5)), 1 / (1 + np.exp(0.5 - score))], axis=1)
    ...     return model
    >>> result = attacks.compute(texts=["a good film", "great acting"], references=[1, 1], attack="deepwordbug",
    ...                          model=positive({"good": 1, "great": 1}),
    ...                          large_model=positive({"good": 1, "great": 1, "acting": 1}))
    >>> result["accuracy_fall"], result["large_mean_changed_words"]
    (1.0, 1.5)
"""


@dataclasses.dataclass(frozen=True)
class AttackOptions(Options):
    attack: Any = "textbugger"
    target: int | str | None = None
    attack_field: str = "second"
    max_queries: int | None = None
    word_vectors: Any = None
    similarity: Any = None
    masked_model: Any = None
    rate: float | None = None
    labels: dict[str, int] | None = None
    device: Any = None
    dtype: Any = None
    trust_remote_code: bool = False

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
        ):
            if getattr(self, name) is not None and self.attack not in recipes:
                raise ValueError(f"{name} is for {' and '.join(recipes)}, got it with {self.attack_name}")
        if self.masked_model is None and self.attack == "bert_attack":
            raise ValueError("bert_attack needs masked_model: a path, a Hub id, (model, tokenizer) or a callable")
        if self.target is not None and is_of_textattack(self.attack):
            raise ValueError("target is for the attacks of this metric; a TextAttack attack has a goal of its own")
        if self.labels is not None:
            check_class_numbers(self.labels)
        check_choice("trust_remote_code", self.trust_remote_code, (True, False))

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
            for name in ("word_vectors", "similarity", "masked_model")
            for value in [getattr(self, name)]
        }
        fields = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        return WrittenOptions(**{**fields, **named, "attack": self.attack_name})


@dataclasses.dataclass(frozen=True)
class WrittenOptions(AttackOptions):
    """Options that were checked before, for the signature."""

    def __post_init__(self) -> None:
        pass


@evaluate.utils.file_utils.add_start_docstrings(_DESCRIPTION, _KWARGS_DESCRIPTION)
class AttackDivergence(ArrayMetric):
    options = AttackOptions
    parts = SimpleNamespace(
        Attack=Attack,
        Untargeted=Untargeted,
        Targeted=Targeted,
        Constraint=Constraint,
        NoStopWord=NoStopWord,
        NoWordTwice=NoWordTwice,
        ShareOfWords=ShareOfWords,
        EditDistance=EditDistance,
        Similarity=Similarity,
        SwapNeighbours=SwapNeighbours,
        DeleteLetter=DeleteLetter,
        InsertLetter=InsertLetter,
        SubstituteLetter=SubstituteLetter,
        SimilarLetter=SimilarLetter,
        KeyboardLetter=KeyboardLetter,
        Typos=Typos,
        word_vectors=open_vectors,
        MaskedWords=MaskedWords,
        GreedyByImportance=GreedyByImportance,
        NoSearch=NoSearch,
    )

    def _info(self) -> evaluate.MetricInfo:
        outcome = {
            "status": datasets.Value("string"),
            "queries": datasets.Value("int64"),
            "changed_words": datasets.Value("int64"),
        }
        return evaluate.MetricInfo(
            description=_DESCRIPTION,
            citation=_CITATION,
            inputs_description=_KWARGS_DESCRIPTION,
            features=datasets.Features({"predictions": outcome, "large_predictions": outcome}),
            reference_urls=["https://arxiv.org/abs/2407.13174", "https://arxiv.org/abs/1812.05271"],
        )

    def compute(
        self,
        *,
        predictions: Any = None,
        references: Any = None,
        texts: Any = None,
        model: Any = None,
        large_model: Any = None,
        **kwargs: Any,
    ) -> dict[str, Any] | None:
        """Compare outcomes that are given, or attack both models on the texts and compare."""
        models = {"texts": texts, "model": model, "large_model": large_model}
        if all(value is None for value in models.values()):
            return super().compute(predictions=predictions, references=references, **kwargs)
        options = read_options(self.options, kwargs)
        if missing := [name for name, value in models.items() if value is None]:
            raise ValueError(f"{missing[0]} is missing: attacking takes texts, references, model and large_model")
        if predictions is not None:
            raise ValueError("give outcomes (predictions, large_predictions) or models to attack, not both")
        texts = as_texts("texts", texts)
        self.partial = None
        predictors = open_models({"large_model": large_model, "model": model}, options)
        vectors = None
        if options.attack == "textbugger":
            vectors = open_vectors(options.word_vectors, predictors["large_model"])
        collected = Collected(options, predictors, vectors)
        try:
            ready = dataclasses.replace(options, word_vectors=vectors)
            with closing(attack_each(texts, references, predictors, None, ready)) as outcomes:
                for index, name, outcome in outcomes:
                    collected.take(index, name, outcome)
            collected.ask_transfers()
        except (Interrupted, KeyboardInterrupt) as interrupted:
            self.partial = collected.result()
            if isinstance(interrupted, Interrupted):
                interrupted.partial = self.partial
            raise
        return self._sign(collected.result() or {}, options.written())

    def attack(
        self,
        texts: Any,
        references: Any,
        models: dict[str, Any],
        indices: dict[str, Iterable[int]] | None = None,
        **kwargs: Any,
    ) -> Iterator[tuple[int, str, dict[str, Any]]]:
        """`(index, name, outcome)` of any number of models, as the attacks end; the first model is the large one.

        `indices` says which texts are attacked for each model (default: all); an outcome does not depend on what else
        is attacked. What comes out is what `compute` takes as predictions, but for `transfers`: sort each model's
        outcomes by index first, since attacks end in another order for every model.

        >>> attacks = AttackDivergence()
        >>> good = lambda texts: [[0.1, 0.9] if "good" in text else [0.9, 0.1] for text in texts]
        >>> [(index, name, outcome)] = attacks.attack(["a good film"], [1], {"large": good}, attack="deepwordbug")
        >>> outcome["status"], outcome["changed_words"], outcome["scores"], outcome["adversarial_scores"]
        ('broken', 1, [0.1, 0.9], [0.9, 0.1])
        """
        options = read_options(self.options, kwargs)
        for index, name, outcome in attack_each(as_texts("texts", texts), references, models, indices, options):
            yield index, name, outcome.as_dict()

    def _rows(self, name: str, values: Any) -> np.ndarray:
        """Outcomes of attacks that were made elsewhere, as dicts."""
        rows = np.empty(len(outcomes := read_outcomes(name, values)), dtype=object)
        rows[:] = [outcome.as_dict() for outcome in outcomes]
        return rows

    def _compute(self, rows: Rows, options: AttackOptions) -> dict[str, Any]:
        arrays = rows.whole()
        collected = Collected(options)
        for index, pair in enumerate(zip(arrays["predictions"], arrays["large_predictions"], strict=True)):
            small, large = (read_outcome(f"example {index}:", outcome) for outcome in pair)
            check_pair(index, small, large)
            collected.add(index, small, large)
        return collected.result() or {}

    def plot(self, result: dict[str, Any], example: int | None = None) -> Any:
        """Accuracy against the number of questions and who broke what, or one example's texts; a matplotlib Figure."""
        return plot(result, example)


class Collected:
    """What the figures need of the examples so far: a few numbers each; their texts only for details."""

    def __init__(
        self,
        options: AttackOptions,
        predictors: dict[str, Predictor] | None = None,
        vectors: WordVectors | None = None,
    ):
        self.options, self.predictors = options, predictors or {}
        self.before = {name: predictor.truncated for name, predictor in self.predictors.items()}
        self.half: dict[int, dict[str, Outcome]] = {}
        self.waiting: dict[int, dict[str, Outcome]] = {}
        self.rows: list[tuple[int, Row, Row]] = []
        self.entries: list[dict[str, Any]] = []
        self.vectors = vectors

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
                (pair[name], pair[name].adversarial or "")
                for pair in self.waiting.values()
                if pair[name].status == "broken" and pair[other].status != "skipped"
            ]
            if fooled:
                try:
                    rows = self.predictors[other]([text for _, text in fooled])
                except Exception as error:
                    message = f"{other} failed at the texts that fool {name} ({failure(error)})"
                    raise Interrupted(message) from error
                for (outcome, _), row in zip(fooled, rows, strict=True):
                    outcome.transfers = bool(row.argmax() != outcome.label)
        self.add_waiting()

    def add_waiting(self) -> None:
        for index, pair in self.waiting.items():
            self.add(index, pair["model"], pair["large_model"])
        self.waiting = {}

    def add(self, index: int, small: Outcome, large: Outcome) -> None:
        self.rows.append((index, summarize(small), summarize(large)))
        if self.options.details:
            self.entries.append({"index": index, "outcome": small.as_dict(), "large_outcome": large.as_dict()})

    def result(self) -> dict[str, Any] | None:
        """The figures of all pairs so far; None where there is none."""
        self.add_waiting()
        if not self.rows:
            return None
        small, large = columns([row for _, row, _ in self.rows]), columns([row for *_, row in self.rows])
        figures = finish(small, large, self.options.confidence_level)
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
