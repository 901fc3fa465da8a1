"""Does the compressed model decide for the same reasons as the large one?

An explainer (LIME, SHAP, occlusion, integrated gradients) says which words, or which parts of an image, made a model
predict what it did. This metric explains both models on the same texts or images and compares: how much of what is most
important overlaps, beside what chance gives and what the explainer's own noise allows.
"""

import dataclasses
from collections.abc import Iterable, Iterator
from contextlib import closing
from typing import Any

import datasets
import evaluate
import numpy as np

from .alignment import compare, describe, finish, read_attributions, sure
from .alignment_plots import plot
from .array_metric import ArrayMetric, Options, Rows, brief, check_choice, check_integer, check_number, read_options
from .causal_lm import CausalPredictor
from .drawable import drawable
from .explainers import METHODS, Explanation, explain
from .explaining import Explained, Interrupted, distinct_words, explain_both, explain_each
from .image_alignment import ImageFigures, ImageOptions, explain_images
from .image_plots import plot_image
from .images import ImageModel
from .inference import inference
from .predictor import Predictor, check_class_numbers
from .question_answering import QuestionAnswerer
from .references import as_texts
from .side_by_side import Job

# The loader copies only what is imported here.
BEHIND_EXPLAINING = (explain, Predictor, CausalPredictor, drawable, inference, Job, ImageModel, plot_image)
BESIDE = QuestionAnswerer  # for who asks models questions and compares the answers: it needs the predictor beside it

_DESCRIPTION = """
Explains the predictions of a compressed model and of its large counterpart on the same texts or images, and compares
the words or patches that matter to each: Jaccard overlap of the K most important ones with its interval, chance level
and the ceiling that the explainer's own noise, or the patches' sizes, allow.
"""

_CITATION = """
@article{trustequivalent2025,
  title  = {Compressed Models are NOT Trust-equivalent to Their Large Counterparts},
  journal= {arXiv preprint arXiv:2508.13533},
  year   = {2025}
}
"""

_KWARGS_DESCRIPTION = """
Args:
    texts: the texts to explain, strings or pairs of strings; with model, large_model and, for "gold", references.
    references: the gold labels: class numbers, or class names: those of labels, or else the large model's.
    model, large_model: the compressed and the large model: a callable (list of texts in, rows of probabilities out),
        a transformers pipeline, (model, tokenizer), a local path, a Hub id; or, for a language model, a dict with
        model, prompt (with {text} and {text_pair}) and verbalizers (what it says for each label).
    images: instead of texts, images to explain: PIL images or arrays of height x width (x 3), whole numbers from 0 to
        255 or fractions from 0 to 1. A model is then a callable (list of arrays in, rows of scores out), a pipeline,
        (model, image processor), a local path or a Hub id. Images take the options below that have a * and those that
        are for images alone.
    predictions, large_predictions: instead of all these, explanations made elsewhere: per example a list of
        (word, weight) pairs or a dict word -> weight, of the compressed and of the large model.
    k *: how many of the most important words or patches are compared, a number or a list of numbers; the first one is
        the headline.
    method *: "lime" (default), "shap", "occlusion" (default for images) or "integrated_gradients"; images take the two
        last.
    patch, large_patch: images: the side of the patches in pixels (default: those of each model).
    both_right: images: take only those that both models get right (default: True).
    explain *: the class that is explained: "gold" (the reference), "large" (what the large model predicts) or "own"
        (what each model predicts).
    runs: explain so many times (up to 1000) with different seeds, to see the explainer's own noise.
    samples: perturbed texts per explanation (default: lime 1000, shap 500; the other methods take none).
    features: how many words an explanation keeps (default: lime 20 or the largest k if that is more, others all).
    target_width: take examples in random order and stop when the interval of the headline is this narrow.
    labels *: a dict from class name to class number, where the two models name their classes differently.
    device, dtype *: where and in which type transformers models run; a model that was handed over is copied for
        another.
    trust_remote_code *: allow a checkpoint to run code of its own.
    confidence_level *: level of the intervals, between 0 and 1; None for no intervals.
    seed *: of the perturbations; run r uses seed + r. For images: of the draws behind the chance level.
    details *: add the key `details` with every example's words or patches and weights, which `plot` draws.
Returns:
    For each K in k:
    jaccard_at_K (0 to 1): overlap of the two models' K most important words, mean over examples and runs; with
        jaccard_at_K_low and jaccard_at_K_high.
    expected_jaccard_at_K (0 to 1): what two random sets of K of the example's words share.
    sign_agreement_at_K (0 to 1): share of the shared words that speak for or against the class in both models.
    short_examples_at_K: how many examples have fewer than K words; what there is was compared.
    With runs of 2 and more: jaccard_at_K_variance (sample variance over runs, paper B); self_jaccard_at_K and
    large_self_jaccard_at_K (0 to 1): a model with itself under another seed; cross_jaccard_at_K (0 to 1): the two
    models under different seeds; alignment_at_K: where cross_jaccard_at_K lies between chance (0) and the mean of the
    two self-agreements (1).
    top_word_agreement (0 to 1): share of examples with the same most important word.
    rank_correlation (-1 to 1): Kendall's tau-b of the importance of shared words.
    examples_used: how many examples the figures are of.
    With models also truncated_texts and large_truncated_texts: how many of the questions (texts and their
    perturbations, each once per example) were longer than the model can read.
    For images: jaccard_at_K with its interval, of the pixels of each model's K most important patches;
        expected_jaccard_at_K; max_jaccard_at_K (0 to 1): the most that patches of these sizes can share;
        short_examples_at_K; map_correlation (-1 to 1): Spearman's of the two models' weights over the pixels;
        examples_used.
Examples:

    >>> import evaluate
    >>> alignment = evaluate.load("metrics/attribution_alignment")
    >>> small = [[("good", 0.5), ("film", 0.2), ("a", 0.1)], [("dull", -0.4), ("plot", 0.1)]]
    >>> large = [[("good", 0.7), ("a", 0.3), ("film", 0.1)], [("dull", -0.6), ("plot", -0.2)]]
    >>> result = alignment.compute(predictions=small, large_predictions=large, k=2)
    >>> round(result["jaccard_at_2"], 3), result["top_word_agreement"], result["sign_agreement_at_2"]
    (0.667, 1.0, 0.75)

    With models: here two functions that count words.

    >>> import numpy as np
    >>> def positive(words):
    ...     def model(texts):
    ...         score = np.array([sum(words.get(word, 0) for word in text.split()) for text in texts])
    ...         return np.stack([1 / (1 + np.exp(score)), 1 / (1 + np.exp(-score))], axis=1)
    ...     return model
    >>> result = alignment.compute(texts=["a good film", "great acting but awful plot"], references=[1, 0],
    ...                            model=positive({"good": 1, "great": 1}),
    ...                            large_model=positive({"good": 2, "awful": -2}), method="occlusion", k=1)
    >>> result["jaccard_at_1"]
    0.5

    With images: here two functions that look at the brightness of one corner, the large one of a smaller part of it.

    >>> def corner(side):
    ...     def model(images):
    ...         return [[0, image[:side, :side].mean()] for image in images]
    ...     return model
    >>> image = np.eye(8)
    >>> result = alignment.compute(images=[image], references=[1], model=corner(4), large_model=corner(2), k=1,
    ...                            method="occlusion", patch=4, large_patch=2)
    >>> result["jaccard_at_1"], result["max_jaccard_at_1"]
    (0.25, 0.25)
"""


@dataclasses.dataclass(frozen=True)
class AlignmentOptions(Options):
    k: int | list[int] = 10
    method: str = "lime"
    explain: str = "gold"
    runs: int = 1
    samples: int | None = None
    features: int | None = None
    target_width: float | None = None
    labels: dict[str, int] | None = None
    device: Any = None
    dtype: Any = None
    trust_remote_code: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        k = getattr(self.k, "tolist", lambda: self.k)()
        object.__setattr__(self, "k", list(k) if isinstance(k, list | tuple) else [k])
        for size in self.sizes:
            check_integer("k", size, at_least=1)
        object.__setattr__(self, "k", [int(size) for size in self.sizes])
        if not self.sizes or len(set(self.sizes)) < len(self.sizes):
            raise ValueError(f"k must be one number or several different ones, got {brief(self.k)}")
        check_choice("method", self.method, (*METHODS, "integrated_gradients"))
        check_choice("explain", self.explain, ("gold", "large", "own"))
        for name, least, most in (("runs", 1, 1000), ("samples", 2, 10**6), ("features", 1, None)):
            if (value := getattr(self, name)) is not None or name == "runs":
                check_integer(name, value, least, most)
                object.__setattr__(self, name, int(value))
        if self.samples is not None and (self.method not in METHODS or METHODS[self.method].samples is None):
            takes = " and ".join(name for name, method in METHODS.items() if method.samples)
            raise ValueError(f"samples is for {takes}, got it with {self.method}, which takes none")
        if self.labels is not None:
            check_class_numbers(self.labels)
        if self.target_width is not None and self.confidence_level is None:
            raise ValueError("target_width needs intervals: give a confidence_level")
        if self.target_width is not None:
            check_number("target_width", self.target_width, above=0, below=1)
            object.__setattr__(self, "target_width", float(self.target_width))
        check_choice("trust_remote_code", self.trust_remote_code, (True, False))

    @property
    def sizes(self) -> list[int]:
        return self.k if isinstance(self.k, list) else [self.k]


@evaluate.utils.file_utils.add_start_docstrings(_DESCRIPTION, _KWARGS_DESCRIPTION)
class AttributionAlignment(ArrayMetric):
    options = AlignmentOptions

    def _info(self) -> evaluate.MetricInfo:
        pair = datasets.Sequence({"word": datasets.Value("string"), "weight": datasets.Value("float64")})
        return evaluate.MetricInfo(
            description=_DESCRIPTION,
            citation=_CITATION,
            inputs_description=_KWARGS_DESCRIPTION,
            features=datasets.Features({"predictions": pair, "large_predictions": pair}),
            reference_urls=["https://arxiv.org/abs/2508.13533"],
        )

    def compute(
        self,
        *,
        predictions: Any = None,
        references: Any = None,
        texts: Any = None,
        model: Any = None,
        large_model: Any = None,
        images: Any = None,
        **kwargs: Any,
    ) -> dict[str, Any] | None:
        """Compare explanations that are given, or explain both models on the texts or images and compare."""
        if images is not None:
            if texts is not None or predictions is not None or kwargs.get("large_predictions") is not None:
                raise ValueError("give images, or texts, or explanations (predictions, large_predictions), one of them")
            return self._compare_images(images, references, model, large_model, read_options(ImageOptions, kwargs))
        models = {"texts": texts, "model": model, "large_model": large_model}
        if all(value is None for value in models.values()):
            return super().compute(predictions=predictions, references=references, **kwargs)
        options = read_options(self.options, kwargs)
        if missing := [name for name, value in models.items() if value is None]:
            raise ValueError(f"{missing[0]} is missing: explaining takes texts, model and large_model")
        if predictions is not None:
            raise ValueError("give explanations (predictions, large_predictions) or models to explain, not both")
        texts = as_texts("texts", texts)
        self.partial = None
        collected = Collected(options)
        try:
            with closing(explain_both(texts, references, model, large_model, options)) as examples:
                for explained in examples:
                    if collected.add(explained) and collected.is_sure(len(texts)):
                        break
        except Interrupted as interrupted:
            self.partial = interrupted.partial = collected.result(len(texts)) if collected.rows else None
            raise
        if not collected.rows:
            raise ValueError(f"texts have no word that {options.method} could explain")
        return self._sign(collected.result(len(texts)), options)

    def explain(
        self,
        texts: Any,
        references: Any,
        models: dict[str, Any],
        indices: dict[str, Iterable[int]] | None = None,
        **kwargs: Any,
    ) -> Iterator[tuple[int, str, list[Explanation]]]:
        """`(index, name, explanation of each run)` of any number of models, as they finish; the first is the large one.

        `indices` says which texts are explained for each model (default: all); an explanation does not depend on what
        else is explained. What comes out is what `compute` takes as predictions.

        >>> alignment = AttributionAlignment()
        >>> length = lambda texts: [[0.9, 0.1] if "good" in text else [0.1, 0.9] for text in texts]
        >>> list(alignment.explain(["a good film"], [0], {"large": length}, method="occlusion", features=1))
        [(0, 'large', [[('good', 0.8)]])]
        """
        options = read_options(self.options, kwargs)
        return explain_each(as_texts("texts", texts), references, models, indices, options)

    def compare(
        self,
        texts: Any,
        explanations: list[list[Explanation]],
        large_explanations: list[list[Explanation]],
        **kwargs: Any,
    ) -> dict[str, Any]:
        """The figures of two models from what `explain` gave for each text, all runs of it."""
        options = read_options(self.options, kwargs)
        some = as_texts("texts", texts)
        collected = Collected(options)
        for i, (text, small, large) in enumerate(zip(some, explanations, large_explanations, strict=True)):
            collected.add(Explained(i, text, small, large, distinct_words(options.method, text)))
        if not collected.rows:
            raise ValueError(f"texts have no word that {options.method} could explain")
        return self._sign(collected.result(len(collected.rows)), options)

    def _compare_images(
        self, images: Any, references: Any, model: Any, large_model: Any, options: ImageOptions
    ) -> dict[str, Any]:
        if model is None or large_model is None:
            raise ValueError(f"{'model' if model is None else 'large_model'} is missing: images take both models")
        self.partial = None
        figures = ImageFigures(options)
        try:
            with closing(explain_images(images, references, model, large_model, options)) as examples:
                for explained in examples:
                    figures.add(explained)
        except Interrupted as interrupted:
            self.partial = interrupted.partial = figures.result() if figures.rows else None
            raise
        return self._sign(figures.result(), options)

    def _rows(self, name: str, values: Any) -> np.ndarray:
        """Explanations that were made elsewhere, as dicts of weights in order of importance."""
        for method in ("to_pylist", "tolist"):
            values = getattr(values, method)() if hasattr(values, method) else values
        rows = np.empty(len(explanations := read_attributions(name, values)), dtype=object)
        rows[:] = [dict(explanation) for explanation in explanations]
        return rows

    def _compute(self, rows: Rows, options: AlignmentOptions) -> dict[str, Any]:
        arrays = rows.whole()
        collected = Collected(options)
        pairs = zip(arrays["predictions"], arrays["large_predictions"], strict=True)
        for i, (small, large) in enumerate(pairs):
            collected.add(Explained(i, None, [list(small.items())], [list(large.items())], words=0))
        return collected.result(len(collected.rows))

    def plot(self, result: dict[str, Any], example: int | None = None) -> Any:
        """The Jaccard's spread over examples, or the words or patches of one example; a matplotlib Figure."""
        return plot(result, example)


class Collected:
    """What the figures need of the examples so far: a few numbers each; their words only for details."""

    def __init__(self, options: AlignmentOptions):
        self.options = options
        self.rows: list[dict[str, np.ndarray]] = []
        self.entries: list[dict[str, Any]] = []
        self.counts: dict[str, int] = {}

    def add(self, explained: Explained) -> bool:
        """Take an example in, if it has words; False when it has none."""
        self.counts = explained.counts
        if not (all(explained.small) and all(explained.large)):
            return False
        row = compare(explained.small, explained.large, self.options.sizes, explained.words)
        self.rows.append(row)
        if self.options.details:
            entry = {"index": explained.index, "text": explained.text}
            self.entries.append(entry | describe(explained.small, explained.large, row))
        return True

    def is_sure(self, most: int) -> bool:
        """Whether the headline's interval is narrow enough; it is looked at whenever a twentieth part was added."""
        width, level, seen = self.options.target_width, self.options.confidence_level, len(self.rows)
        if width is None or level is None or seen % max(1, seen // 20):
            return False
        headline = f"jaccard_at_{self.options.sizes[0]}"
        return sure(np.array([row[headline].mean() for row in self.rows]), level, width, most)

    def result(self, most: int) -> dict[str, Any]:
        options = self.options
        figures = finish(self.rows, options.sizes, options.confidence_level, options.target_width, most) | self.counts
        if not options.details:
            return figures
        runs = len(self.rows[0]["top_word_agreement"])
        return figures | {"details": {"k": options.sizes, "runs": runs, "per_example": self.entries}}
