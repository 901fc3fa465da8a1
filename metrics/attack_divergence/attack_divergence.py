"""Does the compressed model break under the same attacks as the large one?

An adversary changes a text a little at a time until a model is wrong about it. This metric attacks both models with the
same adversary and compares how they fall: how much accuracy is left, which examples break, after how many questions,
and whether the text that fools one fools the other.
"""

from collections.abc import Iterable, Iterator
from typing import Any

import datasets
import evaluate

from trusteq.attack.attacking import attack_each
from trusteq.dimensions import attack_divergence
from trusteq.faces.metric import ArrayMetric
from trusteq.kinds.text import as_texts
from trusteq.options import arguments_of, read_options
from trusteq.papers import MINIATURE

_DESCRIPTION = """
Attacks a compressed model and its large counterpart with the same adversary and compares how they fall: how much of the
accuracy is lost, whether the same examples break, and whether the texts that fool one model fool the other.
"""

_KWARGS_DESCRIPTION = (
    """
Args:
    texts: the texts to attack, strings or pairs of strings; with references, model and large_model.
    references: the gold labels: class numbers, or class names: those of labels, or else the large model's.
    model, large_model: the compressed and the large model: a callable (list of texts in, rows of probabilities out),
        a transformers pipeline, (model, tokenizer), a local path or a Hub id.
    predictions, large_predictions: instead of all these, the outcomes of attacks made elsewhere on the compressed and
        on the large model: per example a dict with status ("skipped": wrong when clean, "broken" or "withstood"),
        queries and changed_words; for the plots also text, adversarial, label, scores, adversarial_scores; and
        changeable and transfers (does the adversarial text fool the other model?) where they are known.
    groups: optional, what belongs together (questions on one passage, a row that is repeated): a string or a whole
        number per example; intervals then count groups.
"""
    + arguments_of(attack_divergence.AttackOptions)
    + """
Returns:
    Of the compressed model, with large_x of the large one and x_gap, their difference:
    accuracy (0 to 1): the share of examples that are right before the attack.
    attacked_accuracy (0 to 1): the share that are right and withstand the attack.
    accuracy_fall (0 to 1): the share of the accuracy that the attack takes away; with accuracy_fall_gap_low and
        accuracy_fall_gap_high.
    success_rate (0 to 1): the share of the attacked examples (those right before the attack) that broke.
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
    >>> compressed = [{"status": "broken", "queries": 12, "changed_words": 1, "transfers": False},
    ...               {"status": "broken", "queries": 20, "changed_words": 2, "transfers": True}]
    >>> large = [{"status": "withstood", "queries": 31, "changed_words": 0},
    ...          {"status": "broken", "queries": 25, "changed_words": 3, "transfers": True}]
    >>> result = attacks.compute(predictions=compressed, large_predictions=large)
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
)


@evaluate.utils.file_utils.add_start_docstrings(_DESCRIPTION, _KWARGS_DESCRIPTION)
class AttackDivergence(ArrayMetric):
    dimension = attack_divergence.DIMENSION
    partial: dict[str, Any] | None = None  # the figures of the examples before something broke off

    def _info(self) -> evaluate.MetricInfo:
        outcome = {
            "status": datasets.Value("string"),
            "queries": datasets.Value("int64"),
            "changed_words": datasets.Value("int64"),
        }
        return evaluate.MetricInfo(
            description=_DESCRIPTION,
            citation=MINIATURE,
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
        groups: Any = None,
        **kwargs: Any,
    ) -> dict[str, Any] | None:
        """Compare outcomes that are given, or attack both models on the texts and compare."""
        asked = {"texts": texts, "model": model, "large_model": large_model}
        if all(value is None for value in asked.values()):
            return super().compute(predictions=predictions, references=references, groups=groups, **kwargs)
        options = read_options(self.options, kwargs)
        if missing := [name for name, value in asked.items() if value is None]:
            raise ValueError(f"{missing[0]} is missing: attacking takes texts, references, model and large_model")
        if predictions is not None:
            raise ValueError("give outcomes (predictions, large_predictions) or models to attack, not both")
        self.partial = None
        return attack_divergence.compare_models(texts, references, model, large_model, options, self._keep, groups)

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

    def plot(self, result: dict[str, Any], example: int | None = None) -> Any:
        """Accuracy against the number of questions and who broke what, or one example's texts; a matplotlib Figure."""
        return self.dimension.plot(result, example)

    def _keep(self, partial: dict[str, Any] | None) -> dict[str, Any] | None:
        self.partial = partial
        return partial
