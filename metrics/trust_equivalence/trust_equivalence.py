"""Can the compressed model stand in for the large one? All six dimensions for a family of models, with a verdict each.

Each model is asked once for its clean answers, its explanations and its falls under attack; every pair is compared from
what was kept; each dimension's divergence is set beside what a mere change of seed (the twin) gives.
"""

import dataclasses
import logging
import os
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import datasets
import evaluate

from .array_metric import (
    ArrayMetric,
    Options,
    Rows,
    brief,
    check_choice,
    check_integer,
    check_number,
    details_of,
    read_options,
)
from .auditing import audit_family
from .causal_lm import as_causal_predictor
from .derive import pruned
from .dimensions import ORDER
from .family import bundled_family
from .inference import inference
from .intervals import share_interval
from .members import check_names, open_family
from .predictor import Predictor, check_class_numbers, check_texts
from .processes import Processes
from .references import as_texts
from .report import write_report
from .report_examples import changes, explanation, marked_words
from .report_html import page
from .report_markdown import markdown
from .report_page import TEMPLATE
from .report_plots import summary_plot
from .report_style import STYLE
from .report_svg import inline_svg
from .report_tables import verdict_table
from .report_words import DIMENSIONS, SIGNS, answer, figure_name, number, status
from .schema import SCHEMA
from .sentences import sentence
from .siblings import home_of, loading_from, metric_named
from .store import Store, has_work
from .training import callback_for, compute_metrics_for
from .verdicts import CODES
from .work import Desk, bars

BEHIND_THE_AUDIT = (as_causal_predictor, inference, pruned, share_interval, sentence, Predictor)
BEHIND_THE_REPORT = (explanation, page, markdown, TEMPLATE, STYLE, inline_svg, SCHEMA)
# (The loader copies only the files that are imported here.)

_DESCRIPTION = """
Audits a family of models: the errors, calibration, neighbours, sense of the strange, reasons and falls under attack of
every compressed model beside those of the large one, with a verdict for each (equivalent, different, inconclusive) that
is read against what two large models of different seeds differ by.
"""

_CITATION = """
@article{miniature2024,
  title  = {Compressed models are NOT miniature versions of large models},
  journal= {arXiv preprint arXiv:2407.13174},
  year   = {2024}
}
@article{trustequivalent2025,
  title  = {Compressed Models are NOT Trust-equivalent to Their Large Counterparts},
  journal= {arXiv preprint arXiv:2508.13533},
  year   = {2025}
}
"""

_KWARGS_DESCRIPTION = """
Args:
    large: the trusted model: a local path, a Hub id, (model, tokenizer), a pipeline or a callable.
    compressed: the models under test, a dict from name to model; "derived:pruned" (by 30 %) and
        "derived:quantized" are made from the large one.
    twin: a second large model, trained alike with another seed; what differs between the two is the floor.
    texts: the examples, strings or pairs of strings.
    references: their gold labels: class numbers, or class names.
    ood_texts: texts of another kind, for ood_divergence.
    predictions, large_predictions: instead of models and texts, what the two said: rows of probabilities (or labels);
        then prediction_error_jaccard and calibration_gap are computed.
    folder: where finished work is kept; an audit that was stopped goes on from there with resume=True.
    resume: go on with the work in the folder; without it a folder that holds work is an error.
    progress: a function (what, how many) that gives a progress bar with update and close.
    dimensions: which of the six (default: all that the inputs allow).
    pairs: "large" (every other model with the large one) or "all".
    margins: a dict from dimension to how much its divergence may be.
    k, method, samples, runs, explain: as in attribution_alignment; explained: how many examples are explained.
    attack, max_queries, attack_options: as in attack_divergence; attacked: how many examples are attacked.
    neighbors, queries: k and queries of representation_overlap.
    n_bins, binning: as in calibration_gap.
    score, keep: as in ood_divergence.
    from_logits: predictions and large_predictions are logits.
    labels: a dict from class name to class number, where the models name their classes differently.
    device, dtype, tokens (of a batch), trust_remote_code: how models are opened and asked.
    metrics: the folder that holds the six metrics, or their owner on the Hub (default: beside this one).
    confidence_level: level of the intervals, between 0 and 1.
    seed: of the choice of examples, and of everything random in the dimensions.
    details: add the key `details`: the whole audit, as `report` and `plot` take it.
Returns:
    For each pair and dimension PAIR/DIMENSION/figure: all the figures of that metric, and
    divergence, divergence_low, divergence_high: what is missing to a full overlap, or the size of a gap; with a twin
    the excess over what large and twin diverge by.
    margin; verdict: 1 equivalent, -1 different, 0 inconclusive; examples_needed: about how many would settle it.
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
    ...                        compressed={"small": model_of("good")}, texts=texts, references=[1, 0, 1, 0, 1, 0],
    ...                        dimensions=["prediction_error_jaccard"])
    >>> result["small/accuracy"], result["small/prediction_error_jaccard/jaccard"]
    (0.8333333333333334, 0.0)
    >>> result["small/prediction_error_jaccard/verdict"]  # six examples tell nothing apart
    0

    From predictions that are at hand, as in a training loop:

    >>> result = audit.compute(predictions=[[0.9, 0.1], [0.6, 0.4]], references=[0, 1],
    ...                        large_predictions=[[0.8, 0.2], [0.3, 0.7]])
    >>> result["prediction_error_jaccard/jaccard"], round(result["calibration_gap/brier_gap"], 2)
    (0.0, 0.24)
"""

DEFAULT_SAMPLES = {"lime": 100, "shap": 100}


@dataclasses.dataclass(frozen=True)
class AuditOptions(Options):
    dimensions: Any = None
    pairs: str = "large"
    margins: Any = None
    k: Any = (5, 10)
    method: str = "lime"
    samples: int | None = None
    runs: int = 1
    explain: str = "gold"
    explained: int = 100
    attack: Any = "textbugger"
    max_queries: int | None = None
    attack_options: Any = None
    attacked: int = 100
    neighbors: Any = (10,)
    queries: int = 10_000
    n_bins: int = 10
    binning: str = "quantile"
    score: str = "msp"
    keep: float = 0.95
    from_logits: bool = False
    labels: dict[str, int] | None = None
    device: Any = None
    dtype: Any = None
    tokens: int | None = None
    trust_remote_code: bool = False
    metrics: Any = None

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choice("pairs", self.pairs, ("large", "all"))
        object.__setattr__(self, "k", sizes("k", self.k))
        object.__setattr__(self, "neighbors", sizes("neighbors", self.neighbors))
        for name in ("runs", "explained", "attacked", "queries", "n_bins"):
            check_integer(name, getattr(self, name), at_least=1)
        if self.tokens is not None:
            check_integer("tokens", self.tokens, at_least=1)
        if self.labels is not None:
            check_class_numbers(self.labels)
        if not isinstance(self.method, str):
            raise ValueError(f"method must be the name of a way to explain, got {brief(self.method)}")
        if self.samples is None:
            object.__setattr__(self, "samples", DEFAULT_SAMPLES.get(self.method))
        if self.attack_options is not None and not isinstance(self.attack_options, dict):
            raise ValueError(
                f"attack_options must be a dict of attack_divergence's options, got {brief(self.attack_options)}"
            )
        for name in self.asked:
            check_choice("dimensions", name, ORDER)
        if not isinstance(self.margins, dict | None):
            raise ValueError(f"margins must be a dict from dimension to number, got {brief(self.margins)}")
        for name, margin in (self.margins or {}).items():
            check_choice("margins", name, ORDER)
            check_number(f"margins[{brief(name)}]", margin, above=0, below=2)

    @property
    def asked(self) -> list[str]:
        given = ORDER if self.dimensions is None else self.dimensions
        return list(given) if isinstance(given, list | tuple) else [given]

    @property
    def opening(self) -> dict[str, Any]:
        """How transformers models are opened."""
        names = ("device", "dtype", "tokens", "trust_remote_code")
        return {name: value for name in names if (value := getattr(self, name)) not in (None, False)}

    @property
    def settings(self) -> dict[str, Any]:
        """All that decides the figures, as plain data."""
        without = ("details", "device", "tokens", "trust_remote_code", "metrics", "from_logits")
        found = {name: value for name, value in vars(self).items() if name not in without}
        found["dimensions"] = self.asked
        found["margins"] = {name: self.margins[name] for name in sorted(self.margins)} if self.margins else None
        return {name: as_plain(value) for name, value in found.items()}

    def margin_of(self, name: str, default: float) -> float:
        return float((self.margins or {}).get(name, default))


def sizes(name: str, given: Any) -> list[int]:
    found = list(given) if isinstance(given, list | tuple) else [given]
    for size in found:
        check_integer(name, size, at_least=1)
    if not found:
        raise ValueError(f"{name} needs at least one number, got {brief(given)}")
    return [int(size) for size in found]


def list_of_texts(name: str, values: Any) -> list[Any]:
    found = as_texts(name, values)
    if not found:
        raise ValueError(f"{name} is empty: give at least one text")
    check_texts(name, found)
    return found


def as_plain(value: Any) -> Any:
    """A setting as the signature and the report show it; an object by the name of its type."""
    if isinstance(value, dict):
        return {str(key): as_plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [as_plain(item) for item in value]
    if isinstance(value, str | int | float | bool) or value is None:
        return value
    return getattr(value, "__name__", None) or (type(value).__name__ if " at 0x" in repr(value) else str(value))


@evaluate.utils.file_utils.add_start_docstrings(_DESCRIPTION, _KWARGS_DESCRIPTION)
class TrustEquivalence(ArrayMetric):
    options = AuditOptions
    loaded: str | None = None  # from where
    words = SimpleNamespace(  # how the report says and shows it, for other pages
        dimensions=DIMENSIONS,
        signs=SIGNS,
        answer=answer,
        changes=changes,
        figure_name=figure_name,
        marked_words=marked_words,
        number=number,
        status=status,
    )

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self.loaded = loading_from()

    def _info(self) -> evaluate.MetricInfo:
        label = datasets.Value("int64")
        row = datasets.Sequence(datasets.Value("float64"))
        names = ("predictions", "references", "large_predictions")
        forms = [(label, label, label), (row, label, row)]
        return evaluate.MetricInfo(
            description=_DESCRIPTION,
            citation=_CITATION,
            inputs_description=_KWARGS_DESCRIPTION,
            features=[datasets.Features(dict(zip(names, form, strict=True))) for form in forms],
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
        **kwargs: Any,
    ) -> dict[str, Any] | None:
        """Audit a family of models on texts, or compare predictions that are given."""
        if large is None and compressed is None and texts is None:
            return super().compute(predictions=predictions, references=references, **kwargs)
        if predictions is not None:
            raise ValueError("give models and texts (large, compressed, texts) or predictions, not both")
        options = dataclasses.replace(read_options(self.options, kwargs), metrics=self._home(kwargs.get("metrics")))
        if options.confidence_level is None:
            raise ValueError("an audit needs intervals to come to a verdict: give a confidence_level")
        for name, value in (("large", large), ("texts", texts)):
            if value is None:
                raise ValueError(f"{name} is missing: an audit takes large, compressed, texts and references")
        some = list_of_texts("texts", texts)
        strange = None if ood_texts is None else list_of_texts("ood_texts", ood_texts)
        if folder is not None and not isinstance(folder, str | os.PathLike):
            raise ValueError(f"folder must be a path, got {brief(folder)}")
        if progress is not None and not callable(progress):
            raise ValueError(f"progress must be a function (what, how many), got {brief(progress)}")
        place = None if folder is None else Path(os.path.expanduser(folder))
        processes = Processes()
        if place is not None and not resume and any(processes.together(lambda: has_work(place))):
            raise ValueError(f"{place} holds an audit already: give resume=True to go on with it, or another folder")
        opening = options.opening | (
            {"device": processes.device} if processes.device and options.device is None else {}
        )
        family = open_family(large, check_names(compressed), twin, some, opening, options.labels)
        store = Store(place, processes.rank, notice=logging.getLogger("trust_equivalence").warning)
        try:
            desk = Desk(family, some, store, processes, progress or bars(processes.rank))
            audit = audit_family(desk, references, strange, data_name, options)
        finally:
            store.close()
        return None if audit is None else flat(audit) | ({"details": audit} if options.details else {})

    def _home(self, named: str | None = None) -> str:
        """Where the six metrics are."""
        return home_of(named, self.loaded)

    def _compute(self, rows: Rows, options: AuditOptions) -> dict[str, Any]:
        arrays = rows.whole()
        wanted = ["prediction_error_jaccard"]
        if all(arrays[name].ndim == 2 for name in ("predictions", "large_predictions")):
            wanted.append("calibration_gap")
        result: dict[str, Any] = {}
        details: dict[str, Any] = {}
        for name in (name for name in wanted if name in options.asked):
            own = {"n_bins": options.n_bins, "binning": options.binning} if name == "calibration_gap" else {}
            common = {"confidence_level": options.confidence_level, "seed": options.seed, "details": options.details}
            if arrays["predictions"].ndim == 2 or arrays["large_predictions"].ndim == 2:
                common["from_logits"] = options.from_logits
            figures = metric_named(name, self._home(options.metrics)).compute(**arrays, **own, **common)
            details[name] = figures.pop("details", None)
            result |= {f"{name}/{figure}": value for figure, value in figures.items()}
        if not result:
            raise ValueError(f"dimensions {options.asked} cannot be computed from these predictions alone")
        return result | ({"details": details} if options.details else {})

    def bundled(self) -> dict[str, Any]:
        """The family that ships with the project, with its texts, as `compute` takes them."""
        return bundled_family(self._home())

    def open(self, large: Any, compressed: Any = None, twin: Any = None, **kwargs: Any) -> dict[str, Predictor]:
        """The models by name, opened once for many questions: callables from texts to rows of probabilities.

        The classes of all are in the large model's order. `compute` and the other metrics take them as models.

        >>> models = TrustEquivalence().open(lambda texts: [[0.25, 0.75] for text in texts])
        >>> models["large"](["a good film"]).tolist()
        [[0.25, 0.75]]
        """
        options = read_options(self.options, kwargs)
        names = {} if compressed is None else check_names(compressed)
        family = open_family(large, names, twin, ["a text"], options.opening, options.labels)
        return {member.name: member.predictor for member in family}

    def for_trainer(self, large_predictions: Any, from_logits: bool = True, **kwargs: Any) -> Callable[[Any], Any]:
        """For `Trainer(compute_metrics=...)`: the array dimensions, from the large model's logits on the same rows."""
        read_options(self.options, kwargs)
        return compute_metrics_for(self.compute, large_predictions, {"from_logits": from_logits, **kwargs})

    def callback(
        self, large: Any, texts: Any, references: Any, every: int = 500, ood_texts: Any = None, **kwargs: Any
    ) -> Any:
        """For `Trainer(callbacks=[...])`: all dimensions on a sample of texts, every so many training steps."""
        check_integer("every", every, at_least=1)
        options = dataclasses.replace(read_options(self.options, kwargs), metrics=self._home(kwargs.get("metrics")))
        strange = None if ood_texts is None else list_of_texts("ood_texts", ood_texts)
        return callback_for(large, list_of_texts("texts", texts), references, strange, every, options)

    def report(self, result: dict[str, Any], folder: Any) -> list[Path]:
        """Write report.html, report.json, report.md, model_card.md, tables and plots; the paths of what was written."""
        return write_report(audit_of(result), Path(folder), self._plot_pair)

    def table(self, result: dict[str, Any]) -> str:
        """The verdicts as a table for a terminal."""
        return verdict_table(audit_of(result))

    def plot(self, result: dict[str, Any], pair: str | None = None, dimension: str | None = None) -> Any:
        """All divergences beside their margins, or one pair's plot of one dimension; a matplotlib Figure."""
        details = details_of(result, "trust_equivalence")
        if "pairs" not in details:
            name = next(name for name in ORDER if name in details) if dimension is None else dimension
            check_choice("dimension", name, tuple(name for name in ORDER if name in details))
            prefix = f"{name}/"
            figures = {key.removeprefix(prefix): value for key, value in result.items() if key.startswith(prefix)}
            return metric_named(name, self._home()).plot(figures | {"details": details[name]})
        if pair is None and dimension is None:
            return summary_plot(details)
        pairs = {one["name"]: one for one in details["pairs"]}
        if not isinstance(pair, str) or pair not in pairs:
            raise ValueError(f"pair must be one of {', '.join(pairs)}, got {brief(pair)}")
        if not isinstance(dimension, str) or dimension not in pairs[pair]["dimensions"]:
            raise ValueError(f"dimension must be one of {', '.join(pairs[pair]['dimensions'])}, got {brief(dimension)}")
        return self._plot_pair(dimension, pairs[pair])

    def _plot_pair(self, dimension: str, pair: dict[str, Any]) -> Any:
        entry = pair["dimensions"][dimension]
        if entry["status"] != "done":
            raise ValueError(f"{dimension} of {pair['name']} has no plot: {entry['reason']}")
        return metric_named(dimension, self._home()).plot(entry["figures"] | {"details": entry["details"]})


def audit_of(result: dict[str, Any]) -> dict[str, Any]:
    details = result.get("details", result) if isinstance(result, dict) else {}
    if not isinstance(details, dict) or "pairs" not in details:
        raise ValueError("a report needs an audit with details: call compute(large=..., ..., details=True)")
    return details


def flat(audit: dict[str, Any]) -> dict[str, Any]:
    """The audit as one flat dict of plain numbers."""
    found: dict[str, Any] = {}
    for name, model in audit["models"].items():
        found |= {f"{name}/{key}": model[key] for key in ("accuracy", "accuracy_low", "accuracy_high")}
    for pair in audit["pairs"]:
        for name, entry in pair["dimensions"].items():
            if entry["status"] != "done":
                continue
            figures = dict(entry["figures"])
            figures |= {key: entry[key] for key in ("divergence", "divergence_low", "divergence_high", "margin")}
            if entry["verdict"]:
                figures["verdict"] = CODES[entry["verdict"]]
            if entry["examples_needed"]:
                figures["examples_needed"] = entry["examples_needed"]
            found |= {f"{pair['name']}/{name}/{key}": value for key, value in figures.items()}
    return found | {"failed": len(audit["failures"])}
