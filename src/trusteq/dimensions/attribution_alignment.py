"""Does the compressed model decide for the same reasons as the large one?

An explainer (LIME, SHAP, occlusion, integrated gradients) says which words, or which parts of an image, made a model
predict what it did. This metric explains both models on the same texts or images and compares: how much of what is most
important overlaps, beside what chance gives and what the explainer's own noise allows."""

import dataclasses
from collections.abc import Callable
from contextlib import closing
from typing import Any

import numpy as np

from trusteq.arrays import as_objects
from trusteq.checks import check_choice, check_integer, check_number, check_sizes
from trusteq.dimensions.plots.alignment import plot
from trusteq.dimensions.record import Dimension, Entry, Figures, as_columns, common, measured, redrawn_from
from trusteq.explain.alignment import (
    RANKS,
    check_not_empty,
    compare,
    counted,
    describe,
    finish,
    read_attributions,
    special_in,
)
from trusteq.explain.explaining import Explained, explain_both
from trusteq.explain.gradients import GRADIENTS
from trusteq.explain.image_alignment import ImageFigures, ImageOptions, explain_images
from trusteq.explain.methods import METHODS, words_of
from trusteq.explain.units import UNITS, USUAL_K
from trusteq.groups import Groups, count_of, groups_for, some_of
from trusteq.kinds.sentences import Sentences
from trusteq.kinds.text import as_texts
from trusteq.models.open import ClassifierOptions
from trusteq.models.probing import Interrupted
from trusteq.options import with_signature
from trusteq.resampling import Columns
from trusteq.rows import Rows
from trusteq.sequences import sure
from trusteq.wording import percent

EXPLAINS = ("answer", "next_token")  # p(label) among all labels; p(its first token) among all that could come next


@dataclasses.dataclass(frozen=True)
class AlignmentOptions(ClassifierOptions):
    k: Any = None  # a list, once it was checked
    method: str = "lime"
    units: str = "words"
    explain: str = "gold"
    explains: str = "answer"
    rank: str = "absolute"
    drop_special: bool = False
    runs: int = 1
    samples: int | None = None
    features: int | None = None
    target_width: float | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choice("units", self.units, UNITS)
        usual = 10 if self.units == "words" else USUAL_K[self.units]
        object.__setattr__(self, "k", check_sizes("k", usual if self.k is None else self.k))
        check_choice("method", self.method, (*METHODS, *GRADIENTS))
        check_choice("explain", self.explain, ("gold", "large", "own"))
        check_choice("explains", self.explains, EXPLAINS)
        check_choice("rank", self.rank, RANKS)
        check_choice("drop_special", self.drop_special, (True, False))
        for name, least, most in (("runs", 1, 1000), ("samples", 2, 10**6), ("features", 1, None)):
            if (value := getattr(self, name)) is not None or name == "runs":
                check_integer(name, value, least, most)
                object.__setattr__(self, name, int(value))
        if self.samples is not None and (self.method not in METHODS or METHODS[self.method].samples is None):
            takes = ", ".join(name for name, method in METHODS.items() if method.samples)
            raise ValueError(f"samples is for {takes}, got it with {self.method}, which takes none")
        if self.target_width is not None and self.confidence_level is None:
            raise ValueError("target_width needs intervals: give a confidence_level")
        if self.target_width is not None:
            check_number("target_width", self.target_width, above=0, below=1)
            object.__setattr__(self, "target_width", float(self.target_width))


class Collected:
    """What the figures need of the examples so far: a few numbers each; their words only for details."""

    def __init__(self, options: AlignmentOptions, groups: Groups = None):
        if groups is not None and options.target_width is not None:
            raise ValueError("target_width takes examples that stand alone: leave it out, or the groups")
        self.options, self.of_all = options, groups
        self.indices: list[int] = []
        self.rows: list[dict[str, np.ndarray]] = []
        self.entries: list[dict[str, Any]] = []
        self.counts: dict[str, int] = {}

    def add(self, explained: Explained) -> bool:
        """Take an example in, if it has words; False when it has none."""
        self.counts = explained.counts
        rank, method, text = self.options.rank, self.options.method, explained.text
        special = special_in(method, text) if self.options.drop_special and self.options.units == "words" else set()
        compressed, large = (
            [counted(run, special) for run in runs] for runs in (explained.compressed, explained.large)
        )
        if text is not None and not (all(compressed) and all(large)):
            return False
        if text is None:
            words = 0
        elif self.options.units == "words":
            words = len(words_of(method, text) - special)
        elif self.options.units == "sentences":
            words = len(set(Sentences(text).names))
        else:  # explanations name all of them
            words = len({shot for run in (*compressed, *large) for shot, _ in run})
        compressed, large = ([counted(run, special, rank) for run in runs] for runs in (compressed, large))
        row = compare(compressed, large, self.options.k, words)
        self.rows.append(row)
        self.indices.append(explained.index)
        if self.options.details:
            self.entries.append({"index": explained.index, "text": text} | describe(compressed, large, row))
        return True

    def is_sure(self, most: int) -> bool:
        """Whether the headline's interval is narrow enough; it is looked at whenever a twentieth part was added."""
        width, level, seen = self.options.target_width, self.options.confidence_level, len(self.rows)
        if width is None or level is None or seen % max(1, seen // 20):
            return False
        headline = f"jaccard_at_{self.options.k[0]}"
        return sure(np.array([row[headline].mean() for row in self.rows]), level, width, most)

    @property
    def groups(self) -> Groups:
        """Of the examples that were taken in."""
        return some_of(self.of_all, self.indices)

    def signed(self, most: int) -> dict[str, Any]:
        return with_signature(DIMENSION.name, self.result(most), self.options, count_of(self.groups))

    def result(self, most: int) -> dict[str, Any]:
        options = self.options
        level, width = options.confidence_level, options.target_width
        figures = finish(self.rows, options.k, level, width, most, self.groups) | self.counts
        if not options.details:
            return figures
        runs = len(self.rows[0]["top_word_agreement"])
        unit = {} if options.units == "words" else {"unit": options.units.removesuffix("s")}
        return figures | {"details": {"k": options.k, "runs": runs, "per_example": self.entries} | unit}


def compute(rows: Rows, options: AlignmentOptions) -> Figures:
    """The figures of explanations that were made elsewhere."""
    arrays = rows.whole()
    if options.rank != "support":
        for name in ("predictions", "large_predictions"):
            check_not_empty(name, arrays[name])
    collected = Collected(options, rows.groups)
    pairs = zip(arrays["predictions"], arrays["large_predictions"], strict=True)
    for i, (compressed, large) in enumerate(pairs):
        collected.add(Explained(i, None, [list(compressed.items())], [list(large.items())]))
    return collected.result(len(collected.rows))


def read(name: str, values: Any) -> np.ndarray:
    """Explanations that were made elsewhere, as dicts of weights in order of importance."""
    return as_objects([dict(explanation) for explanation in read_attributions(name, values)])


def compare_models(
    texts: Any,
    references: Any,
    model: Any,
    large_model: Any,
    options: AlignmentOptions,
    keep: Callable[[Any], Any] = lambda partial: partial,
    groups: Any = None,
) -> Figures:
    """Both models are explained on every text; `keep` gets the figures so far where that breaks off."""
    texts = as_texts("texts", texts)
    collected = Collected(options, groups_for(groups, "texts", texts))
    try:
        with closing(explain_both(texts, references, model, large_model, options)) as examples:
            for explained in examples:
                if collected.add(explained) and collected.is_sure(len(texts)):
                    break
    except Interrupted as interrupted:
        interrupted.partial = keep(collected.result(len(texts)) if collected.rows else None)
        raise
    if not collected.rows:
        raise ValueError(f"texts have no word that {options.method} could explain")
    return collected.signed(len(texts))


def compare_explanations(
    texts: Any, explanations: Any, large_explanations: Any, options: AlignmentOptions, groups: Any = None
) -> Figures:
    """The figures of two models from what `explain` gave for each text, all runs of it."""
    some = as_texts("texts", texts)
    collected = Collected(options, groups_for(groups, "texts", some))
    for i, (text, compressed, large) in enumerate(zip(some, explanations, large_explanations, strict=True)):
        collected.add(Explained(i, text, compressed, large))
    if not collected.rows:
        raise ValueError(f"texts have no word that {options.method} could explain")
    return collected.signed(len(collected.rows))


def compare_on_images(
    images: Any,
    references: Any,
    model: Any,
    large_model: Any,
    options: ImageOptions,
    keep: Callable[[Any], Any] = lambda partial: partial,
    groups: Any = None,
) -> Figures:
    """Both models are explained on every image."""
    figures = ImageFigures(options, groups_for(groups, "images", images))
    try:
        with closing(explain_images(images, references, model, large_model, options)) as examples:
            for explained in examples:
                figures.add(explained)
    except Interrupted as interrupted:
        interrupted.partial = keep(figures.result() if figures.rows else None)
        raise
    return with_signature(DIMENSION.name, figures.result(), options, count_of(figures.groups))


# In an audit: its options, the figures of a pair from work that is done, what its sums are made of, and what was found.


def settings(options: Any) -> dict[str, Any]:
    return {
        "method": options.method,
        "units": options.units,
        "explain": options.explain,
        "explains": options.explains,
        "rank": options.rank,
        "samples": options.samples if options.method in METHODS and METHODS[options.method].samples else None,
        "features": max(20, *options.k) if options.units == "words" and options.method.startswith("lime") else None,
        "runs": options.runs,
        "seed": options.seed,
        "k": options.k,
    }


def measure(work: Any, compressed: str, large: str, options: Any, level: float) -> Figures:
    some, large_some = ([work.explanations[name][i] for i in work.explained] for name in (compressed, large))
    texts = [work.texts[i] for i in work.explained]
    asked = {name: getattr(options, name) for name in ("method", "units", "rank", "k", "runs")}
    own = AlignmentOptions(**asked, **common(options, level))
    figures = compare_explanations(texts, some, large_some, own, some_of(work.groups, work.explained))
    for shown in figures["details"]["per_example"]:
        shown["index"] = work.explained[shown["index"]]
    return figures


def sums(work: Any, compressed: str, large: str, options: Any) -> Columns:
    details = measured(DIMENSION, work, compressed, large, options)["details"]
    shares = [one[f"jaccard_at_{options.k[0]}"] for one in details["per_example"]]
    return as_columns([one["index"] for one in details["per_example"]], shares, np.ones(len(shares)))


def told(f: Figures, entry: Entry, compressed: str, large: str) -> str:
    count, unit = entry["headline"].rpartition("_")[2], entry.get("details", {}).get("unit", "word")
    share = percent(entry["value"])
    if count == "1":
        return f"In {share} of explanations the same {unit} matters most to {compressed} and to {large}"
    return f"{compressed} and {large} share {share} of the {count} {unit}s that matter most to each"


DIMENSION = Dimension(
    name="attribution_alignment",
    place=5,
    question="Same reasons?",
    asks=(
        "An explainer finds the words that made a model decide as it did. For each text, this compares the words that "
        "matter most to the two models: do they decide for the same reasons, or agree for different ones?"
    ),
    options=AlignmentOptions,
    inputs=("predictions", "large_predictions"),
    compute=compute,
    read=read,
    plot=plot,
    headline="jaccard_at_{k}",
    kind="overlap",
    expected="expected_jaccard_at_{k}",
    words={
        "jaccard_at_K": "overlap of the K strongest reasons",
        "alignment_at_K": "alignment of the K strongest reasons",
    },
    told=told,
    needs="explanations",
    counted="explained examples",
    count=lambda work, figures: int(figures["examples_used"]),
    settings=settings,
    margin=0.2,
    alone=0.5,
    measure=measure,
    redrawn=redrawn_from(sums, "overlap"),
)
