"""Is the compressed model as alert to out-of-distribution inputs as the large one?

A model that is to be trusted has to notice inputs unlike those it was trained on. This metric compares how well the two
models' scores separate such rows from in-distribution ones, and whether both flag the same rows.
"""

from typing import Any

import datasets
import evaluate

from trusteq.dimensions import ood_divergence
from trusteq.faces.metric import ArrayMetric
from trusteq.papers import MINIATURE

_DESCRIPTION = """
Compares how a compressed model and its large counterpart tell out-of-distribution rows from in-distribution ones: how
well each separates them (AUROC, AUPR, FPR at 95 %), the paired gaps with their intervals, and the overlap of the rows
that the two flag, beside its chance level.
"""

_KWARGS_DESCRIPTION = """
Args:
    predictions: the compressed model's outputs, one per example: rows of class probabilities, with from_logits=True
        rows of logits, or with score="given" one score per example, higher = further out.
    references: 1 if the example is out-of-distribution, 0 if not; both kinds are needed.
    large_predictions: the large model's outputs, in the form of `predictions`; its classes may differ.
    score: what is made of a row, always higher = further out. "msp": 1 - the largest probability; "entropy": of the
        probabilities, in nats; "energy": -log(sum(exp(logits))) and "max_logit": -the largest logit, both of logits
        only; "given": the predictions are scores already.
    keep: each model's threshold keeps this share of the in-distribution rows; what scores above it is flagged.
    from_logits: rows are logits, not probabilities.
    groups: optional, what belongs together (questions on one passage, a row that is repeated): a string or a whole
        number per example; intervals then count groups.
    confidence_level: level of the intervals, between 0 and 1; None for no intervals.
    seed: has no effect here (nothing is random); accepted so that all metrics can be called alike.
    details: add the key `details` with the thresholds, histograms and curves that `plot` draws.
Returns:
    auroc, large_auroc (0 to 1; 0.5 is chance): how often an out-of-distribution row scores above one that is in.
    aupr, large_aupr (0 to 1): average precision, out of distribution = positive; chance is the share of such rows.
    fpr95, large_fpr95 (0 to 1, lower is better): share of out-of-distribution rows that pass as in-distribution at the
        threshold that keeps 95 % of the in-distribution rows, whatever `keep` is.
    auroc_gap, aupr_gap, fpr95_gap with _low and _high (-1 to 1): compressed - large, and the interval.
    flagged_rate, large_flagged_rate (0 to 1): share of all rows above the model's own threshold.
    flagged_jaccard, flagged_jaccard_low, flagged_jaccard_high (0 to 1): of the rows that either model flags, the share
        that both flag.
    expected_flagged_jaccard (0 to 1): what two unrelated sets of these sizes share.
    flagged_kappa (-1 to 1): Cohen's kappa of the two flags.
Examples:

    >>> import evaluate
    >>> ood = evaluate.load("metrics/ood_divergence")
    >>> result = ood.compute(predictions=[0.1, 0.2, 0.3, 0.6, 0.4, 0.5, 0.7, 0.8], references=[0, 0, 0, 0, 1, 1, 1, 1],
    ...                      large_predictions=[1, 2, 3, 4, 3, 5, 6, 7], score="given")
    >>> result["auroc"], result["large_auroc"], result["auroc_gap"]
    (0.875, 0.90625, -0.03125)
    >>> result["fpr95"], result["large_fpr95"], round(result["flagged_jaccard"], 3)
    (0.5, 0.25, 0.667)

    Rows of probabilities or logits, as a Trainer gives them:

    >>> result = ood.compute(predictions=[[4.0, 0.5], [0.1, 3.2], [1.0, 0.8]], references=[0, 0, 1],
    ...                      large_predictions=[[6.0, 0.0], [0.0, 5.4], [2.0, 2.1]], score="energy", from_logits=True)
    >>> result["auroc"], result["auroc_gap"]
    (1.0, 0.0)
"""


@evaluate.utils.file_utils.add_start_docstrings(_DESCRIPTION, _KWARGS_DESCRIPTION)
class OodDivergence(ArrayMetric):
    dimension = ood_divergence.DIMENSION

    def _info(self) -> evaluate.MetricInfo:
        label, score = datasets.Value("int64"), datasets.Value("float64")
        row = datasets.Sequence(score)
        names = ("predictions", "references", "large_predictions")
        forms = [(row, label, row), (score, label, score)]
        return evaluate.MetricInfo(
            description=_DESCRIPTION,
            citation=MINIATURE,
            inputs_description=_KWARGS_DESCRIPTION,
            features=[datasets.Features(dict(zip(names, form, strict=True))) for form in forms],
            reference_urls=["https://arxiv.org/abs/2407.13174"],
        )

    def plot(self, result: dict[str, Any]) -> Any:
        """The scores of both kinds of rows with each model's threshold, and both ROC curves; a matplotlib Figure."""
        return self.dimension.plot(result)
