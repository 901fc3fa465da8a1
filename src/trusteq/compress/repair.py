"""Makes a compressed model as honest as it can be without training: its probabilities are scaled on held-out data.

Each half of the data is checked with what was fitted to the other: that neither accuracy nor honesty suffered, by
paired intervals; if either did, nothing is written. What is written loads like any checkpoint: the scaling lies in the
last linear layer. Of a language model with a prompt it lies in a small JSON file, which the audit takes as it takes the
model's dict."""

import json
import shutil
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.optimize import minimize_scalar
from transformers import AutoTokenizer

from trusteq.compress.compress import check_empty, load
from trusteq.compress.repair_checks import Checked, check, gap_between
from trusteq.compress.repair_options import RepairOptions
from trusteq.compress.starting_model import SAFE, checkpoint
from trusteq.groups import Groups, codes_of, groups_for, some_of
from trusteq.kinds.text import Text
from trusteq.models.checkpoints import without_chatter
from trusteq.models.labels import gold, gold_labels, match_labels
from trusteq.models.open import as_predictor
from trusteq.models.predictor import Predictor
from trusteq.records.chosen import ChosenTexts, sampled
from trusteq.scaling import Choice, Scaling, choose, fit, folds_of, methods_for, read_scaling, written

FEWEST = 100  # examples
NEAR = {"xatol": 0.005}  # of a slope's logarithm
CLOSE = 5e-3  # that what lies on disk, perhaps in half precision, may be from what was checked
AS_JSON = "model.json"  # what the dict of a repaired language model is called


@dataclass
class Repair:
    """What was tried, and what came of it: `scaling` is None where nothing was written."""

    scaling: Scaling | None
    choice: Choice | None
    checked: Checked
    refused: list[str] = field(default_factory=list)  # in a sentence each


@dataclass
class Answers:
    """What both models say, in one order of classes, and the truth."""

    texts: list[Text]
    rows: np.ndarray
    large: np.ndarray
    gold: np.ndarray
    groups: Groups

    @property
    def units(self) -> np.ndarray:
        """What belongs together, and else each text by itself."""
        return np.arange(len(self.texts)) if self.groups is None else self.groups

    def some(self, chosen: np.ndarray) -> "Answers":
        places = np.flatnonzero(chosen)
        rows, large, labels = (part[places] for part in (self.rows, self.large, self.gold))
        return Answers([self.texts[i] for i in places], rows, large, labels, some_of(self.groups, places))


def repair(options: RepairOptions, command: str) -> Repair:
    """Fit, check, and write what stands the check."""
    check_empty(options.out)
    source, large_source = read_source(options.model), read_source(options.like)
    large, model = as_predictor(large_source, "the large model"), as_predictor(source, "the model")
    match_labels(large, model)
    answers = ask(large, model, large_source, options)
    methods = methods_for(answers.rows.shape[1], has_bias(source))
    if options.method is not None:
        if options.method not in methods:
            raise ValueError(f"`method` {options.method} {why_not(options.method, answers.rows.shape[1])}")
        methods = (options.method,)
    found = fitted(answers, methods, options)
    if found.scaling is not None:
        record = told(found, options, command)
        write(found.scaling, source, model, options.out, record)
        read_back(found.scaling, large, answers, options.out)
    return found


def why_not(method: str, classes: int) -> str:
    if classes == 2 and method == "dirichlet":
        return "can do no more for two classes than vector scaling: give that"
    return "needs a bias in the last layer, and this model's has none: give temperature"


# What both models say.


def read_source(source: str) -> Any:
    """A checkpoint, or a language model's dict from a file; a path in it may lie beside the file."""
    if Path(source).suffix != ".json":
        return source
    path = Path(source).expanduser()
    try:
        given = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ValueError(f"{source} cannot be read as JSON ({error}): give model, prompt and verbalizers") from None
    if not isinstance(given, dict) or not isinstance(given.get("model"), str):
        raise ValueError(f"{source} holds no language model: give model, prompt and verbalizers")
    beside = path.parent / given["model"]
    return given | ({"model": str(beside)} if beside.is_dir() else {})


def ask(large: Predictor, model: Predictor, large_source: Any, options: RepairOptions) -> Answers:
    columns = {name: getattr(options, name) for name in ("split", "text", "text_pair", "label", "group")}
    where = large_source["model"] if isinstance(large_source, dict) else large_source
    given = sampled(ChosenTexts(options.dataset, **columns).read(where), options.limit, options.seed)
    texts = given["texts"]
    if len(texts) < FEWEST:
        raise ValueError(f"{options.dataset} has {len(texts)} labelled texts, and a repair takes at least {FEWEST}")
    rows, large_rows = model(texts), large(texts)
    if rows.shape != large_rows.shape:
        raise ValueError(f"the model has {rows.shape[1]} classes, the large model {large_rows.shape[1]}")
    labels = gold(gold_labels(given["references"], len(texts)), large, None)
    groups = groups_for(given.get("groups"), "texts", texts)
    if groups is None and len(set(texts)) < len(texts):  # a repeated text is not checked by itself
        groups = codes_of(texts)
    return Answers(texts, rows, large_rows, labels, groups)


# Fit, and check.


def fitted(answers: Answers, methods: tuple[str, ...], options: RepairOptions) -> Repair:
    """The method of choice; failing that, a temperature, which changes no answer.

    Each half of the texts is checked with what was fitted to the other; what is written is fitted to both.
    """
    halves = folds_of(answers.units, 2, options.seed)
    forced = options.method is not None
    choice, scaling = find(answers, methods, options, forced)
    tries = [(scaling, methods, forced)]
    if scaling.method not in ("none", "temperature"):
        tries.append((find(answers, ("temperature",), options, True)[1], ("temperature",), True))
    refused: list[str] = []
    for scaling, asked, alone in tries:
        after = np.empty_like(answers.rows)
        for half in (0, 1):
            other = halves == half
            after[other] = find(answers.some(~other), asked, options, alone)[1].of(answers.rows[other])
        both = answers.rows, after, answers.large, answers.gold
        checked = check(*both, answers.groups, options.confidence_level, options.seed)
        reason = checked.suffered(options.to)
        if scaling.method == "none":
            reason = "none of the methods has a reliably lower log loss in cross-validation: it is honest as it is"
        if reason is None:
            return Repair(scaling, choice, checked, refused)
        refused.append(f"{named(scaling)}: {reason}")
    return Repair(None, choice, checked, refused)


def find(
    answers: Answers, methods: tuple[str, ...], options: RepairOptions, forced: bool
) -> tuple[Choice | None, Scaling]:
    """The choice among the methods, and the scaling to the truth or to the large model's curve."""
    cautious = options.to == "truth"  # beside a large model the least is wanted, not what is surely less

    def honest(rows: np.ndarray) -> tuple[Choice | None, Scaling]:
        if forced:
            return None, fit(methods[0], rows, answers.gold)
        found = choose(rows, answers.gold, answers.units, methods, options.seed, cautious)
        return found, found.scaling

    choice, scaling = honest(answers.rows)
    return choice, as_sure_as(answers, scaling) if options.to == "large" else scaling


def as_sure_as(answers: Answers, honest: Scaling) -> Scaling:
    """With the slope that brings its confidence curve nearest to the large model's. (A bias in confidence, which is no
    bias of a class, has no place in a linear layer.)"""

    def stretched(power: float) -> Scaling:
        method = "temperature" if honest.method == "none" else honest.method
        return Scaling(method, np.exp(power) * honest.weight, np.exp(power) * honest.bias)

    def gap(power: float) -> float:
        return gap_between(stretched(power).of(answers.rows), answers.large, answers.gold)

    start = min(np.linspace(-4, 4, 17), key=gap)
    return stretched(minimize_scalar(gap, bounds=(start - 0.5, start + 0.5), method="bounded", options=NEAR).x)


def named(scaling: Scaling) -> str:
    """
    >>> named(Scaling("temperature", np.eye(2) / 2, np.zeros(2)))
    'temperature 2'
    """
    slope = scaling.weight[0, 0]
    if not scaling.bias.any() and np.allclose(scaling.weight, slope * np.eye(len(scaling.bias))):
        return f"temperature {1 / slope:.3g}" if slope != 1 else "no change"
    return {"bias": "a bias for each class"}.get(scaling.method, f"{scaling.method} scaling")


# What is written.


def told(found: Repair, options: RepairOptions, command: str) -> dict[str, Any]:
    assert found.scaling is not None
    losses = None if found.choice is None else found.choice.losses
    return {
        "command": command,
        "to": options.to,
        "scaling": written(found.scaling),
        "cross_validated_log_loss": losses,
        "examples": found.checked.examples,
        "confidence_level": options.confidence_level,
        "figures": {name: asdict(figure) for name, figure in found.checked.figures.items()},
        "refused": found.refused,
    }


def write(scaling: Scaling, source: Any, model: Predictor, out: Path, record: dict[str, Any]) -> None:
    own = scaling if model.order is None else scaling.in_order(np.argsort(model.order))
    out.mkdir(parents=True, exist_ok=True)
    if isinstance(source, dict):
        before = source.get("calibration")
        if before is not None:
            own = own.after(read_scaling("calibration", before, len(own.bias)))
        place = Path(source["model"]).resolve()
        found = source | {"model": str(place) if place.is_dir() else source["model"], "calibration": written(own)}
        (out / AS_JSON).write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    else:
        made = load(checkpoint(source))
        fold(own, last_layer(made))
        with without_chatter():
            made.save_pretrained(out)
            AutoTokenizer.from_pretrained(checkpoint(source), **SAFE).save_pretrained(out)
    (out / "repair.json").write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


def fold(scaling: Scaling, layer: torch.nn.Linear) -> None:
    """The scaling becomes part of the last linear layer: as numbers it is exact, in half precision it is rounded."""
    weight = layer.weight.data.double().cpu().numpy()
    bias = None if layer.bias is None else layer.bias.data.double().cpu().numpy()
    new_weight, new_bias = scaling.folded(weight, bias)
    layer.weight.data.copy_(torch.as_tensor(new_weight))
    if layer.bias is not None:
        layer.bias.data.copy_(torch.as_tensor(new_bias))


def last_layer(model: Any) -> torch.nn.Linear:
    """The linear layer that gives the logits: that of the head with as many outputs as there are classes."""
    inside = f"{model.base_model_prefix}."
    found = [
        module
        for name, module in model.named_modules()
        if isinstance(module, torch.nn.Linear)
        and module.out_features == model.config.num_labels
        and not name.startswith(inside)
    ]
    if not found:
        raise ValueError(f"{type(model).__name__} has no linear layer that gives the logits: a scaling has no place")
    if type(found[-1].weight.data) is not torch.Tensor:
        raise ValueError(f"the last layer of {type(model).__name__} is quantized: repair the model it was made from")
    return found[-1]


def has_bias(source: Any) -> bool:
    """Whether thresholds can be moved: some heads have a last layer without a bias."""
    return isinstance(source, dict) or last_layer(load(checkpoint(source))).bias is not None


def read_back(scaling: Scaling, large: Predictor, answers: Answers, out: Path) -> None:
    """What lies on disk says what was fitted, or it is taken away again."""
    try:
        place = out / AS_JSON if (out / AS_JSON).is_file() else out
        saved = as_predictor(read_source(str(place)), "the repaired model")
        match_labels(large, saved)
        apart = float(np.abs(saved(answers.texts) - scaling.of(answers.rows)).max())
        if not apart < CLOSE:
            raise ValueError(f"the saved model differs from what was fitted by {apart:.3g}: it was removed")
    except Exception:
        shutil.rmtree(out)
        raise
