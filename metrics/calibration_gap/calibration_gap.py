"""Is the compressed model as honest about its confidence as the large one?

A model is calibrated when it is right 80 % of the time among the examples where it says "80 %". This metric measures
how far each of two models is from that, the gap between them with an interval that covers, and how loyal the compressed
model's labels and probabilities are to the large one's.
"""

from typing import Any

import datasets
import evaluate

from trusteq.dimensions import calibration_gap
from trusteq.dimensions.plots.reliability import diagram
from trusteq.faces.metric import ArrayMetric
from trusteq.papers import TRUST

_DESCRIPTION = """
Compares the calibration of a compressed model with that of its large counterpart on the same examples: accuracy,
confidence, binned, classwise and smooth calibration errors, Brier score and log loss, the gap of each with an interval,
and the loyalty of labels and probabilities.
"""

_KWARGS_DESCRIPTION = """
Args:
    predictions: the compressed model's outputs: one row of class probabilities per example, or with from_logits=True
        one row of logits.
    references: the gold labels, as class numbers.
    large_predictions: the large model's outputs, like `predictions`.
    n_bins: number of bins of ece, mce and classwise_ece, at most 1000.
    binning: "quantile" (each model's bins hold equally many examples, as in paper B) or "uniform" (equal widths).
    from_logits: rows are logits, not probabilities.
    convention: what holds where there is more than one way, "usual" or "paper-b"; each part can be given by itself:
    brier: "sum" over classes (usual), or "binary" (paper-b): with two classes half of that, the score of one class.
    edge: a value on a bin's edge is in the bin "above" (usual) or "below" (paper-b).
    clip: log loss keeps probabilities this far from 0 and 1 (paper-b: 1.2e-07; usual: 2.2e-16 from 0 alone).
    bars: of the reliability diagrams, "clopper-pearson" (usual) or "wald" (paper-b).
    groups: optional, what belongs together (questions on one passage, a row that is repeated): a string or a whole
        number per example; intervals then count groups.
    confidence_level: level of the intervals, between 0 and 1; None for no intervals.
    seed: of the random draws behind the intervals.
    details: add the key `details` with the bins and histograms that `plot` draws.
Returns:
    For each of the nine figures x: `x` (compressed), `large_x`, `x_gap` = x - large_x, `x_gap_low`, `x_gap_high`.
    accuracy (0 to 1); confidence (0 to 1): mean probability of the predicted class; overconfidence (-1 to 1):
    confidence - accuracy; ece (0 to 1): mean distance of confidence and accuracy over bins of the confidence;
    mce (0 to 1): the largest such distance; brier (0 to 2): squared error summed over classes; nll (0 to 36.04): log
    loss in nats, probabilities clipped at 2.2e-16; classwise_ece (0 to 1): ece of each class's probability, mean over
    classes; smooth_ece (0 to 1): calibration error without bins (Blasiok and Nakkiran 2023).
    label_loyalty (0 to 1): share of examples with the same predicted class, with _low and _high.
    probability_loyalty (0 to 1): mean of 1 - sqrt(Jensen-Shannon divergence in bits), with _low and _high.
Examples:

    >>> import evaluate
    >>> gap = evaluate.load("metrics/calibration_gap")
    >>> compressed = [[0.9, 0.1], [0.8, 0.2], [0.3, 0.7], [0.4, 0.6]]
    >>> large = [[0.7, 0.3], [0.6, 0.4], [0.2, 0.8], [0.6, 0.4]]
    >>> result = gap.compute(predictions=compressed, references=[0, 1, 1, 0], large_predictions=large, n_bins=2)
    >>> [round(result[key], 3) for key in ("accuracy", "confidence", "overconfidence", "ece", "brier")]
    [0.5, 0.75, 0.25, 0.25, 0.55]
    >>> [round(result[key], 3) for key in ("large_ece", "ece_gap", "brier_gap", "label_loyalty")]
    [0.175, 0.075, 0.225, 0.75]

    In a Trainer, with the logits of the large model at hand:

    >>> def compute_metrics(p):
    ...     return gap.compute(predictions=p.predictions, references=p.label_ids,
    ...                        large_predictions=teacher_logits, from_logits=True)
"""


@evaluate.utils.file_utils.add_start_docstrings(_DESCRIPTION, _KWARGS_DESCRIPTION)
class CalibrationGap(ArrayMetric):
    dimension = calibration_gap.DIMENSION

    def _info(self) -> evaluate.MetricInfo:
        row = datasets.Sequence(datasets.Value("float64"))
        features = {"predictions": row, "references": datasets.Value("int64"), "large_predictions": row}
        return evaluate.MetricInfo(
            description=_DESCRIPTION,
            citation=TRUST,
            inputs_description=_KWARGS_DESCRIPTION,
            features=datasets.Features(features),
            reference_urls=["https://arxiv.org/abs/2508.13533", "https://arxiv.org/abs/2309.12236"],
        )

    def plot(self, result: dict[str, Any]) -> Any:
        """Both reliability diagrams with 95 % bars, above the confidence histograms; a matplotlib Figure."""
        return self.dimension.plot(result)

    def diagram(self, results: dict[str, Any]) -> Any:
        """Accuracy against confidence beside the diagonal: of one result, or of several models' by name; a Figure."""
        return diagram(results)
