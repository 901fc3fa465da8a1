"""Does the compressed model decide for the same reasons as the large one?

An explainer (LIME, SHAP, occlusion, integrated gradients) says which words, or which parts of an image, made a model
predict what it did. This metric explains both models on the same texts or images and compares: how much of what is most
important overlaps, beside what chance gives and what the explainer's own noise allows.
"""

from collections.abc import Iterable, Iterator
from typing import Any

import datasets
import evaluate

from trusteq.dimensions import attribution_alignment
from trusteq.explain.explaining import explain_each
from trusteq.explain.image_alignment import ImageOptions
from trusteq.explain.methods import Explanation
from trusteq.faces.metric import ArrayMetric
from trusteq.kinds.text import as_texts
from trusteq.options import read_options
from trusteq.papers import TRUST

_DESCRIPTION = """
Explains the predictions of a compressed model and of its large counterpart on the same texts or images, and compares
the words or patches that matter to each: Jaccard overlap of the K most important ones with its interval, chance level
and the ceiling that the explainer's own noise, or the patches' sizes, allow.
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
    k *: how many of the most important words or patches are compared, a number or a list of numbers (default: 10, of
        sentences and shots 1 and 3); the first one is the headline.
    method *: "lime" (default), "lime_package" (the same with the words of the package lime, which breaks `don't` in
        two), "shap", "shap_permutation", "occlusion" (default for images), "integrated_gradients" or
        "gradient_x_input"; images take "occlusion" and "integrated_gradients".
    units: what a reason is: "words" (default) or "sentences" of the text, or "shots", the solved examples before a
        language model's question.
    patch, large_patch: images: the side of the patches in pixels (default: those of each model).
    both_right: images: take only those that both models get right (default: True).
    explain *: the class that is explained: "gold" (the reference), "large" (what the large model predicts) or "own"
        (what each model predicts).
    explains: of language models, what is explained: "answer" (default), the label's probability among all labels, or
        "next_token", that of its first token among all that could come next.
    rank: "absolute" (default): words count by the size of their weight; "support": only those that speak for the class,
        and an example without any is an empty set.
    drop_special: leave out what tokenizers and separators leave behind (`[SEP]`, and `SEP`, which LIME makes of it).
    runs: explain so many times (up to 1000) with different seeds, to see the explainer's own noise.
    samples: perturbed texts per explanation (default: lime 1000, shap 500, shap_permutation 100 but at least twice the
        words and one; the other methods take none).
    features: how many words an explanation keeps (default: lime 20 or the largest k if that is more, others all).
    target_width: take examples in random order and stop when the interval of the headline is this narrow.
    labels *: a dict from class name to class number, where the two models name their classes differently.
    device, dtype *: where and in which type transformers models run; a model that was handed over is copied for
        another.
    engine: what answers for classifiers of texts: "torch", "openvino", "onnxruntime", or "auto": OpenVINO on a
        processor, where it is installed and there are questions enough; the figures are the same.
    trust_remote_code *: allow a checkpoint to run code of its own.
    groups *: optional, what belongs together (questions on one passage, a row that is repeated): a string or a whole
        number per example; intervals then count groups.
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
    >>> compressed = [[("good", 0.5), ("film", 0.2), ("a", 0.1)], [("dull", -0.4), ("plot", 0.1)]]
    >>> large = [[("good", 0.7), ("a", 0.3), ("film", 0.1)], [("dull", -0.6), ("plot", -0.2)]]
    >>> result = alignment.compute(predictions=compressed, large_predictions=large, k=2)
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


@evaluate.utils.file_utils.add_start_docstrings(_DESCRIPTION, _KWARGS_DESCRIPTION)
class AttributionAlignment(ArrayMetric):
    dimension = attribution_alignment.DIMENSION
    partial: dict[str, Any] | None = None  # the figures of the examples before something broke off

    def _info(self) -> evaluate.MetricInfo:
        pair = datasets.Sequence({"word": datasets.Value("string"), "weight": datasets.Value("float64")})
        return evaluate.MetricInfo(
            description=_DESCRIPTION,
            citation=TRUST,
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
        groups: Any = None,
        **kwargs: Any,
    ) -> dict[str, Any] | None:
        """Compare explanations that are given, or explain both models on the texts or images and compare."""
        asked = {"texts": texts if images is None else images, "model": model, "large_model": large_model}
        if all(value is None for value in asked.values()):
            return super().compute(predictions=predictions, references=references, groups=groups, **kwargs)
        if images is not None and (texts is not None or predictions is not None or "large_predictions" in kwargs):
            raise ValueError("give images, or texts, or explanations (predictions, large_predictions), one of them")
        options = read_options(self.options if images is None else ImageOptions, kwargs)
        if missing := [name for name, value in asked.items() if value is None]:
            what = "explaining takes texts, model and large_model" if images is None else "images take both models"
            raise ValueError(f"{missing[0]} is missing: {what}")
        if predictions is not None:
            raise ValueError("give explanations (predictions, large_predictions) or models to explain, not both")
        self.partial = None
        if images is not None:
            return attribution_alignment.compare_on_images(
                images, references, model, large_model, options, self._keep, groups
            )
        return attribution_alignment.compare_models(texts, references, model, large_model, options, self._keep, groups)

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
        self, texts: Any, explanations: Any, large_explanations: Any, groups: Any = None, **kwargs: Any
    ) -> dict[str, Any]:
        """The figures of two models from what `explain` gave for each text, all runs of it."""
        options = read_options(self.options, kwargs)
        return attribution_alignment.compare_explanations(texts, explanations, large_explanations, options, groups)

    def plot(self, result: dict[str, Any], example: int | None = None) -> Any:
        """The Jaccard's spread over examples, or the words or patches of one example; a matplotlib Figure."""
        return self.dimension.plot(result, example)

    def _keep(self, partial: dict[str, Any] | None) -> dict[str, Any] | None:
        self.partial = partial
        return partial
