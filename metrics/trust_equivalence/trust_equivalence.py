"""Can the compressed model stand in for the large one? All six dimensions for a family of models, with a verdict each.

Each model is asked once for its clean answers, its explanations and its outcomes under attack; every pair is compared
from what was kept; each dimension's divergence is set beside what a mere change of seed (the twin) gives.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import datasets
import evaluate

from trusteq.arrays import as_rows
from trusteq.audit.bundled import ASKED, bundled_family
from trusteq.audit.family import open_models
from trusteq.audit.options import AuditOptions
from trusteq.audit.planning import plan
from trusteq.audit.results import audit_of, flat
from trusteq.audit.start import audit, compare_predictions
from trusteq.audit.training import callback_for, compute_metrics_for
from trusteq.faces.metric import ArrayMetric
from trusteq.models.predictor import Predictor
from trusteq.options import arguments_of, read_options
from trusteq.papers import MINIATURE, TRUST
from trusteq.report.plots import plot
from trusteq.report.terminal import verdict_table
from trusteq.report.write import write_report

_DESCRIPTION = """
Audits a family of models: errors, calibration, neighbours, out-of-distribution detection, reasons and robustness to
attacks of every compressed model beside those of the large one, with a verdict for each (equivalent, different,
inconclusive) that is read against what two large models of different seeds differ by.
"""

_KWARGS_DESCRIPTION = (
    """
Args:
    large: the trusted model: a local path, a Hub id, (model, tokenizer), a pipeline or a callable.
    compressed: the models under test, a dict from name to model; "derived:pruned" (by 30 %) and
        "derived:quantized" are made from the large one.
    twin: a second large model, trained alike with another seed, or several in a list or a dict from name to model; what
        differs among them is the floor.
    texts: the examples, strings or pairs of strings.
    references: their gold labels: class numbers, or class names.
    ood_texts: texts of another kind, for ood_divergence.
    predictions, large_predictions: instead of models and texts, what the two said: rows of probabilities (or labels);
        then prediction_error_jaccard and calibration_gap are computed.
    folder: where finished work is kept; an audit that was stopped goes on from there with resume=True.
    resume: go on with the work in the folder; without it a folder that holds work is an error.
    progress: a function (what, how many) that gives a progress bar with update and close.
    groups: what belongs together (the questions on one passage, say): a string or a whole number for each text or
        prediction. Intervals and verdicts then count groups; a text that is repeated counts once without being asked.
    slices: parts of the texts that are judged by themselves as well, from the same work: "length", "label", or a dict
        from a name to a value for each text (None for one that is built in).
    data_name, unlabelled: for the report, what the data are called and how many rows were left out without a label.
"""
    + arguments_of(AuditOptions)
    + """
Returns:
    For each pair and dimension PAIR/DIMENSION/figure: all the figures of that metric, and
    divergence, divergence_low, divergence_high: what is missing from a full overlap, or the size of a gap; with a twin
    how much further the compressed model is from large than the twin is.
    margin; verdict: 1 equivalent, -1 different, 0 inconclusive; examples_needed: about how many would decide.
    With until_settled: examples, how many it took, and look, after how many looks at them.
    With slices, PAIR/DIMENSION/SLICING/SLICE/divergence (_low, _high), margin and verdict for each.
    For each model MODEL/accuracy, MODEL/accuracy_low, MODEL/accuracy_high (0 to 1).
    failed: how many dimensions failed.
    From predictions: prediction_error_jaccard/figure and, where rows were given, calibration_gap/figure.
Examples:

    >>> import evaluate
    >>> audit = evaluate.load("metrics/trust_equivalence")
    >>> def model_of(*words):
    ...     return lambda texts: [[0.1, 0.9] if any(word in text for word in words) else [0.8, 0.2] for text in texts]
    >>> texts = ["a good film", "a dull film", "great acting", "not for me", "good fun", "an awful mess"]
    >>> result = audit.compute(large=model_of("good", "great"), twin=model_of("good", "great", "acting"),
    ...                        compressed={"distilled": model_of("good")}, texts=texts, references=[1, 0, 1, 0, 1, 0],
    ...                        dimensions=["prediction_error_jaccard"])
    >>> result["distilled/accuracy"], result["distilled/prediction_error_jaccard/jaccard"]
    (0.8333333333333334, 0.0)
    >>> result["distilled/prediction_error_jaccard/verdict"]  # six examples are too few
    0

    From predictions that are at hand, as in a training loop:

    >>> result = audit.compute(predictions=[[0.9, 0.1], [0.6, 0.4]], references=[0, 1],
    ...                        large_predictions=[[0.8, 0.2], [0.3, 0.7]])
    >>> result["prediction_error_jaccard/jaccard"], round(result["calibration_gap/brier_gap"], 2)
    (0.0, 0.24)
"""
)


@evaluate.utils.file_utils.add_start_docstrings(_DESCRIPTION, _KWARGS_DESCRIPTION)
class TrustEquivalence(ArrayMetric):
    options = AuditOptions

    def _info(self) -> evaluate.MetricInfo:
        label, row = datasets.Value("int64"), datasets.Sequence(datasets.Value("float64"))
        rows = {"predictions": row, "references": label, "large_predictions": row}
        return evaluate.MetricInfo(
            description=_DESCRIPTION,
            citation=MINIATURE + TRUST.lstrip(),
            inputs_description=_KWARGS_DESCRIPTION,
            features=[datasets.Features(dict.fromkeys(rows, label)), datasets.Features(rows)],
            reference_urls=["https://arxiv.org/abs/2407.13174", "https://arxiv.org/abs/2508.13533"],
        )

    def compute(
        self,
        *,
        large: Any = None,
        compressed: Any = None,
        twin: Any = None,
        texts: Any = None,
        references: Any = None,
        ood_texts: Any = None,
        predictions: Any = None,
        folder: Any = None,
        resume: bool = False,
        progress: Callable[[str, int], Any] | None = None,
        data_name: str = "texts",
        unlabelled: int = 0,
        groups: Any = None,
        slices: Any = None,
        **kwargs: Any,
    ) -> dict[str, Any] | None:
        """Audit a family of models on texts, or compare predictions that are given."""
        if large is None and compressed is None and texts is None:
            return super().compute(predictions=predictions, references=references, groups=groups, **kwargs)
        if predictions is not None:
            raise ValueError("give models and texts (large, compressed, texts) or predictions, not both")
        options = read_options(self.options, kwargs)
        data = (texts, references, ood_texts)
        told = {"data_name": data_name, "unlabelled": unlabelled, "groups": groups, "slices": slices}
        found = audit(options, large, compressed, twin, *data, folder, resume, progress, **told)
        return None if found is None else flat(found) | ({"details": found} if options.details else {})

    _compute = staticmethod(compare_predictions)
    _rows = staticmethod(as_rows)

    def bundled(self) -> dict[str, Any]:
        """The family that ships with the project, with its texts and `trusteq audit`'s budget, for `compute`."""
        return bundled_family() | ASKED

    def open(self, large: Any, compressed: Any = None, twin: Any = None, **kwargs: Any) -> dict[str, Predictor]:
        """The models by name, opened once for many questions: callables from texts to rows of probabilities.

        The classes of all are in the large model's order. `compute` and the other metrics take them as models.

        >>> models = TrustEquivalence().open(lambda texts: [[0.25, 0.75] for text in texts])
        >>> models["large"](["a good film"]).tolist()
        [[0.25, 0.75]]
        """
        options = read_options(self.options, kwargs)
        return open_models(large, compressed, twin, labels=options.labels, **options.opening)

    def for_trainer(
        self, large_predictions: Any, from_logits: bool = True, groups: Any = None, **kwargs: Any
    ) -> Callable[[Any], Any]:
        """For `Trainer(compute_metrics=...)`: the array dimensions, from the large model's logits on the same rows."""
        read_options(self.options, kwargs)
        return compute_metrics_for(self.compute, large_predictions, groups, {"from_logits": from_logits, **kwargs})

    def callback(
        self, large: Any, texts: Any, references: Any, every: int = 500, ood_texts: Any = None, **kwargs: Any
    ) -> Any:
        """For `Trainer(callbacks=[...])`: all dimensions on a sample of texts, every so many training steps.

        `groups` are those of the texts."""
        groups = kwargs.pop("groups", None)
        return callback_for(large, texts, references, ood_texts, groups, every, read_options(self.options, kwargs))

    def report(self, result: dict[str, Any], folder: Any) -> list[Path]:
        """Write report.html, report.json, report.md, model_card.md, tables and plots; the paths of what was written."""
        return write_report(audit_of(result), folder)

    def plan(self, result: dict[str, Any]) -> dict[str, Any]:
        """For each verdict the chance that so many examples settle it, and how many do with 80 % power."""
        return plan(result)

    def table(self, result: dict[str, Any]) -> str:
        """The verdicts as a table for a terminal."""
        return verdict_table(audit_of(result))

    def plot(self, result: dict[str, Any], pair: str | None = None, dimension: str | None = None) -> Any:
        """All divergences beside their margins, or one pair's plot of one dimension; a matplotlib Figure."""
        return plot(result, pair, dimension)
