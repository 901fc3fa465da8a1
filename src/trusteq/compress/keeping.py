"""What makes a student keep more of its teacher than the right answers? A table of losses, one entry for each.

Which of them run is chosen by what is to be kept (`KEPT`), or by name; the trainer adds them to the usual loss of
distillation, Hinton's divergence from the teacher and the gold labels. Here `seen` is what the two models say of a
batch."""

import difflib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

DIRECTIONS = 128  # of the teacher's embeddings, those along which they differ most
MARGIN = 0.5  # of logits: a smaller difference costs nothing
EXCHANGED = 0.25  # share of the words of a perturbed text that come from another text
TEMPERATURE = 4.0  # of the teacher's and the student's probabilities, where something is to be kept


@dataclass
class Seen:
    """A batch, as both models see it; what no chosen loss needs is None."""

    logits: Any
    teacher_logits: Any
    pooled: Any = None  # the student's embeddings
    projected: Any = None  # the same, in as many directions as the teacher's
    teacher_pooled: Any = None  # the teacher's embeddings less their mean, along its principal directions
    scores: Any = None  # gradient times input of every token; 0 where there is padding
    teacher_scores: Any = None


@dataclass(frozen=True, kw_only=True)
class Loss:
    """One loss: what it is, where it comes from, and what it was found to do."""

    what: str
    of: Callable[[Seen], Any] | None  # None: it is made by the rows, not by a term
    weight: float  # where it is chosen by its name alone
    paper: str
    verdict: str
    needs: str = "answers"  # of the teacher: answers, embeddings or gradients


def projection(seen: Seen) -> Any:
    import torch.nn.functional as F

    return 1 - F.cosine_similarity(seen.projected, seen.teacher_pooled, dim=-1).mean()


def gram(seen: Seen) -> Any:
    """The mean squared difference of the cosines of all pairs of the batch."""
    import torch.nn.functional as F

    own = F.normalize(seen.pooled - seen.pooled.mean(dim=0), dim=-1)
    other = F.normalize(seen.teacher_pooled, dim=-1)
    return (own @ own.T - other @ other.T).square().mean()


def margin(seen: Seen) -> Any:
    """Over the two classes that the teacher finds likeliest; logits up to a constant of each row."""
    top = seen.teacher_logits.topk(2, dim=-1).indices
    apart = (centered(seen.logits) - centered(seen.teacher_logits)).gather(-1, top)
    return (apart.abs() - MARGIN).clamp(min=0).square().mean()


def centered(logits: Any) -> Any:
    return logits - logits.mean(dim=-1, keepdim=True)


def gradients(seen: Seen) -> Any:
    import torch.nn.functional as F

    return 1 - F.cosine_similarity(seen.scores, seen.teacher_scores, dim=-1).mean()


LOSSES: dict[str, Loss] = {
    "projection": Loss(
        what=f"1 - the cosine of both pooled embeddings, on the teacher's first {DIRECTIONS} principal directions",
        of=projection,
        weight=2.0,
        paper="Romero et al. 2015, FitNets: a student also learns its teacher's hidden layer, through a linear map.",
        verdict="With extra text: negative flips −17 %, divergence of errors −21 %, KL −51 % (papers.md).",
        needs="embeddings",
    ),
    "gram": Loss(
        what="the squared difference of the cosines of all pairs of a batch",
        of=gram,
        weight=5.0,
        paper="Tung and Mori 2019: texts that are alike for the teacher are to be alike for the student.",
        verdict="It doubles the overlap of neighbours, beyond a twin's, and gives back half of the flips gained.",
        needs="embeddings",
    ),
    "gradients": Loss(
        what="1 - the cosine of both models' gradient times input, over the tokens of a text",
        of=gradients,
        weight=0.5,
        paper="Srinivas and Fleuret 2018: matching the gradients at the input transfers what a model looks at.",
        verdict="With both, and extra text: negative flips −34 %, errors −32 %, KL −66 %, at 3.6 times the time.",
        needs="gradients",
    ),
    "margin": Loss(
        what=f"the square of what both models' two highest logits differ by beyond {MARGIN}",
        of=margin,
        weight=0.5,
        paper="Zhao et al. 2022, ELODI: only large differences of the highest logits make flips (LDI).",
        verdict="Alone and without extra text it did almost nothing.",
    ),
    "perturbed": Loss(
        what="as many texts with a quarter of their words exchanged as this share of the training texts, labelled by "
        "the teacher",
        of=None,
        weight=0.25,
        paper="Jiao et al. 2020, TinyBERT: a student also learns from altered texts that its teacher labels.",
        verdict="As a third of the extra text it was part of what helped; without real text it did almost nothing.",
    ),
}

# What may be kept: the dimension, and the losses that serve it.
KEPT: dict[str, tuple[str, Mapping[str, float]]] = {
    "errors": ("prediction_error_jaccard", {"projection": 2.0, "gradients": 0.5}),
    "confidence": ("calibration_gap", {"projection": 2.0}),
    "reasons": ("attribution_alignment", {"projection": 2.0, "gradients": 0.5}),
    "attacks": ("attack_divergence", {"projection": 2.0}),
    "outliers": ("ood_divergence", {"projection": 2.0}),
    "neighbours": ("representation_overlap", {"projection": 2.0, "gram": 5.0}),
}
SAME = {"neighbors": "neighbours"} | {dimension: word for word, (dimension, _) in KEPT.items()}


def chosen(keep: Iterable[str], losses: Mapping[str, float]) -> dict[str, float]:
    """The weight of every loss that runs: those of what is to be kept, unless a weight is given; 0 leaves one out.

    >>> chosen(["errors", "neighbours"], {}), chosen(["errors"], {"projection": 0, "margin": 1})
    ({'projection': 2.0, 'gradients': 0.5, 'gram': 5.0}, {'gradients': 0.5, 'margin': 1})
    """
    found: dict[str, float] = {}
    for word in keep:
        found |= KEPT[known("keep", SAME.get(word, word), KEPT)][1]
    for name, weight in losses.items():
        if weight < 0:
            raise ValueError(f"losses: the weight of {name} must be 0 or more, got {weight}")
        found[known("losses", name, LOSSES)] = weight
    return {name: weight for name, weight in found.items() if weight}


def known(option: str, name: str, table: Mapping[str, Any]) -> str:
    if name not in table:
        near = difflib.get_close_matches(name, table, n=1)
        there = f"did you mean {near[0]}?" if near else f"there are {', '.join(table)}"
        raise ValueError(f"`{option}` knows no {name}; {there}")
    return name


def described() -> str:
    """The table, as a command's help prints it."""
    kept = [f"  {word:12}{dimension}: {weighed(losses)}" for word, (dimension, losses) in KEPT.items()]
    terms = [
        f"  {name} ({loss.weight:g}): {loss.what}.\n      {loss.paper}\n      {loss.verdict}"
        for name, loss in LOSSES.items()
    ]
    return "\n".join(
        [
            "What --keep knows, and the losses that it chooses:\n",
            *kept,
            "",
            "Losses, each with the weight that its name alone stands for:\n",
            *terms,
        ]
    )


def weighed(losses: Mapping[str, float]) -> str:
    """
    >>> weighed({"projection": 2.0, "gram": 5.0})
    '2 projection + 5 gram'
    """
    return " + ".join(f"{weight:g} {name}" for name, weight in losses.items())
