"""Does the compressed model make the same mistakes as the large one?

Two models of equal accuracy can be wrong about different things. This metric compares the two sets of errors: how much
they overlap, what chance alone would give, and the most that their sizes allow.
"""

from typing import Any

import datasets
import evaluate

from trusteq.dimensions import prediction_error_jaccard
from trusteq.faces.metric import ArrayMetric
from trusteq.papers import MINIATURE

_DESCRIPTION = """
Compares the errors of a compressed model with those of its large counterpart on the same examples: the Jaccard overlap
of the two error sets with its interval, chance level and attainable maximum, and the agreement measures around it.
"""

_KWARGS_DESCRIPTION = """
Args:
    predictions: the compressed model's outputs, one per example: labels (integers or strings), rows of class
        probabilities, or with from_logits=True rows of logits. For task="squad_v2" dicts with `id`, `prediction_text`
        and optionally `no_answer_probability`.
    references: the gold labels; for task="squad_v2" dicts with `id` and `answers`.
    large_predictions: the large model's outputs, in any of the forms of `predictions`.
    task: "classification", "exact_match" (strings that must be equal to the letter) or "squad_v2".
    from_logits: rows are logits, not probabilities.
    no_answer_threshold: squad_v2 only; above this `no_answer_probability` the prediction counts as "no answer".
    groups: optional, what belongs together (questions on one passage, a row that is repeated): a string or a whole
        number per example; intervals then count groups.
    confidence_level: level of the intervals, between 0 and 1; None for no intervals.
    seed: has no effect here (nothing is random); accepted so that all metrics can be called alike.
    details: add the key `details` with the 2 x 2 table that `plot` draws.
Returns:
    jaccard, jaccard_low, jaccard_high (0 to 1): of the examples that either model got wrong, the share that both did.
    expected_jaccard (0 to 1): what two unrelated error sets of these sizes share.
    max_jaccard (0 to 1): the most that these sizes allow.
    chance_corrected_jaccard (up to 1; 0 is chance): (jaccard - expected) / (max - expected).
    error_consistency (-1 to 1): Cohen's kappa of the two models being right.
    error_rate, large_error_rate (0 to 1), error_rate_gap, error_rate_gap_low, error_rate_gap_high (-1 to 1).
    shared_errors, compressed_only_errors, large_only_errors: counts.
    negative_flip_rate (0 to 1): share of examples that the large model gets right and the compressed one wrong.
    label_agreement (0 to 1): share of examples with equal predictions, right or wrong.
    mcnemar_p (0 to 1): exact p-value for equal error rates.
    right_to_wrong, wrong_to_right, wrong_to_other_wrong (0 to 1): shares of all examples, from what the large model
        says to what the compressed one says; flip_rate (0 to 1): the first two together; answer_change_rate (0 to 1):
        share of examples with another prediction. Each has an interval, `_low` and `_high`.
    capa (up to 1; 0 is chance): chance-adjusted probabilistic agreement, only where both models gave rows.
Examples:

    >>> import evaluate
    >>> errors = evaluate.load("metrics/prediction_error_jaccard")
    >>> result = errors.compute(predictions=[0, 1, 1, 0, 0, 1], references=[0, 0, 1, 1, 1, 1],
    ...                         large_predictions=[0, 1, 1, 0, 1, 0])
    >>> result["shared_errors"], result["compressed_only_errors"], result["large_only_errors"]
    (2, 1, 1)
    >>> result["jaccard"], round(result["expected_jaccard"], 3), result["max_jaccard"]
    (0.5, 0.333, 1.0)
    >>> [round(result[key], 3) for key in ("jaccard_low", "jaccard_high")]
    [0.15, 0.85]

    Rows of probabilities or logits, as a Trainer gives them, add `capa`:

    >>> result = errors.compute(predictions=[[2.0, 0.5], [0.1, 1.2]], references=[0, 1],
    ...                         large_predictions=[[3.0, 0.0], [0.0, 0.4]], from_logits=True)
    >>> round(result["capa"], 3)
    0.035
"""


@evaluate.utils.file_utils.add_start_docstrings(_DESCRIPTION, _KWARGS_DESCRIPTION)
class PredictionErrorJaccard(ArrayMetric):
    dimension = prediction_error_jaccard.DIMENSION

    def _info(self) -> evaluate.MetricInfo:
        label, text = datasets.Value("int64"), datasets.Value("string")
        row = datasets.Sequence(datasets.Value("float64"))
        names = ("predictions", "references", "large_predictions")
        forms = [(label, label, label), (text, text, text), (row, label, row)]
        return evaluate.MetricInfo(
            description=_DESCRIPTION,
            citation=MINIATURE,
            inputs_description=_KWARGS_DESCRIPTION,
            features=[datasets.Features(dict(zip(names, form, strict=True))) for form in forms],
            reference_urls=["https://arxiv.org/abs/2407.13174", "https://arxiv.org/abs/2502.04313"],
        )

    def plot(self, result: dict[str, Any]) -> Any:
        """Whose errors they are, and the Jaccard between its chance level and its maximum; a matplotlib Figure."""
        return self.dimension.plot(result)
