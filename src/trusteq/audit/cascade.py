"""Could the two stand in together? The compressed model answers where it is sure, the large one elsewhere.

All comes from the kept work of a finished audit; no model is asked. The threshold on the compressed model's confidence
is chosen on one half of the texts and judged on the other."""

import dataclasses
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from trusteq.audit.advice import IN_CASCADE
from trusteq.audit.asking import work_once
from trusteq.audit.audit import compare_each
from trusteq.audit.family import Member, check_names, open_family, twins_of
from trusteq.audit.floors import of_compressed
from trusteq.audit.grouped import grouped
from trusteq.audit.judging import entry_of
from trusteq.audit.memo import Run
from trusteq.audit.options import AuditOptions, list_of_texts
from trusteq.audit.processes import Processes
from trusteq.audit.store import Store, has_work
from trusteq.dimensions.registry import DIMENSIONS
from trusteq.dimensions.work import Work
from trusteq.groups import some_of
from trusteq.models.predictor import Predictor
from trusteq.progress import progress_bar
from trusteq.scaling import folds_of

NOT_COMPUTED = {
    "representation_overlap": "the two models' embeddings lie in spaces of their own, with no distance between them",
    "attribution_alignment": "an explainer asks about texts with words left out, and which model would answer each of "
    "them is not kept",
    "attack_divergence": "an attacker would ask the pair, and what is kept is what each model said when attacked alone",
}
SHARES = np.arange(21) / 20  # of requests that are passed on
PAIR = "the pair"


def kept_work(given: dict[str, Any], options: AuditOptions, folder: Path) -> tuple[Work, list[Member], dict[str, str]]:
    """What the models said in an audit of these models and texts, as it lies in its folder; nothing is asked."""
    if options.until_settled is not None:
        raise ValueError("the audit stopped when it was sure, so that not all is kept: a cascade takes a whole audit")
    if of_compressed(options):
        raise ValueError(
            f"a cascade is held against what large differs by, and floor={options.floor!r} is no such floor"
        )
    if not has_work(folder):
        raise ValueError(f"{folder} holds no kept work: give the folder of a finished audit, with its folder work")
    texts = list_of_texts("texts", given["texts"])
    twins = twins_of(given.get("twin"), options.floor, given["large"])
    found = open_family(given["large"], check_names(given["compressed"]), twins, texts, options.opening, options.labels)
    members = silent(found)
    needed = [name for name in options.asked if name in IN_CASCADE or DIMENSIONS[name].needs == "embeddings"]
    if not set(needed) & set(IN_CASCADE):
        raise ValueError(f"the audit compared none of what a cascade can be judged by: {', '.join(IN_CASCADE)}")
    store = Store(folder)
    try:
        run = Run(members, texts, store, Processes(), lambda what, count: progress_bar(count, what, quiet=True))
        asked = dataclasses.replace(options, dimensions=needed)
        work, _, skipped = work_once(run, given["references"], given.get("ood_texts"), asked)
    finally:
        store.close()
    work.groups = grouped(texts, given.get("groups")).codes
    work.ood_groups = grouped(given.get("ood_texts") or []).codes
    for (name, model), reason in work.failures.items():
        skipped[name] = f"{model}: {reason}"
    return work, members, skipped


class Silent(Member):
    """One that is known by what is kept, and cannot be asked."""

    @cached_property
    def predictor(self) -> Predictor:
        raise ValueError(f"not all that {self.name} said is kept there: finish that audit with --resume first")


def silent(members: Sequence[Member]) -> list[Member]:
    found: list[Member] = []
    for member in members:
        fields = {field.name: getattr(member, field.name) for field in dataclasses.fields(Member)}
        found.append(Silent(**fields | {"large": found[0] if found else None}))
    return found


# The curve.


def cascade(
    work: Work, members: Sequence[Member], skipped: dict[str, str], options: AuditOptions, model: str
) -> dict[str, Any]:
    """For one compressed model: each share that is passed on with its divergences; the threshold that one half of the
    texts chooses, and what the other says of it."""
    roles = {member.name: member.role for member in members}
    names = [name for name in IN_CASCADE if name in options.asked and name not in skipped]
    if not names:
        raise ValueError(f"nothing can be judged of a cascade: {'; '.join(skipped.values())}")
    options = dataclasses.replace(options, dimensions=names)
    first, second = halves(work, options.seed)
    thresholds = thresholds_of(first.probabilities[model].max(axis=1))
    floors = [name for name in roles if roles[name] == "twin"]
    curves: list[list[dict[str, Any]]] = []
    for half in (first, second):
        compare_each(half, roles, [(name, "large") for name in floors], {}, options)  # fills half.floors
        curves.append([at(half, model, threshold, names, floors, options) for threshold in thresholds])
    place = first_equivalent(curves[0])
    left_out = {name: NOT_COMPUTED[name] for name in NOT_COMPUTED}
    left_out |= {name: skipped.get(name, "the audit did not ask it") for name in IN_CASCADE if name not in names}
    found: dict[str, Any] = {"model": model, "large": "large", "dimensions": names, "not_computed": left_out}
    found |= {"chosen_on": len(first.gold), "judged_on": len(second.gold)}
    found |= {"choosing": curves[0], "judging": curves[1]}
    chosen = None if place is None else {"threshold": thresholds[place], "judged": curves[1][place]}
    return found | {"chosen": chosen, "why_not": None if chosen else why_not(curves[0][-1])}


def halves(work: Work, seed: int) -> list[Work]:
    """Two halves of the texts, and of those out of distribution; what belongs together stays together."""
    units = np.arange(len(work.gold)) if work.groups is None else work.groups
    found: list[Work] = []
    parts = folds_of(units, 2, seed)
    count = len(next(iter(work.ood.values()), ()))
    ood_units = np.arange(count) if work.ood_groups is None else work.ood_groups
    ood_parts = folds_of(ood_units, 2, seed) if count else np.empty(0, dtype=int)
    for side in (0, 1):
        some = work.within(np.flatnonzero(parts == side).tolist())
        outside = np.flatnonzero(ood_parts == side)
        ood = {name: rows[outside] for name, rows in work.ood.items()}
        found.append(dataclasses.replace(some, ood=ood, ood_groups=some_of(work.ood_groups, outside)))
    return found


def thresholds_of(confidence: np.ndarray) -> list[float]:
    """Below which confidence a request is passed on, for each share: at 0 none is, at 1 all are."""
    inner = np.quantile(confidence, SHARES[1:-1]).tolist()
    return [0.0, *inner, 2.0]


def at(
    work: Work, model: str, threshold: float, names: Sequence[str], floors: Sequence[str], options: AuditOptions
) -> dict[str, Any]:
    """What the pair is like with this threshold."""
    rows, passed = mixed(work.probabilities[model], work.probabilities["large"], threshold)
    both = dataclasses.replace(work, probabilities=work.probabilities | {PAIR: rows})
    found: dict[str, Any] = {"threshold": threshold, "passed_on": float(passed.mean())}
    if work.ood:
        outside, far = mixed(work.ood[model], work.ood["large"], threshold)
        both = dataclasses.replace(both, ood=work.ood | {PAIR: outside})
        found["ood_passed_on"] = float(far.mean()) if len(far) else 0.0
    both.measured, both.drawn = dict(work.measured), dict(work.drawn)  # of the pair itself nothing is known yet
    found["accuracy"] = float(both.right(PAIR).mean())
    entries = {}
    for name in names:
        entry = entry_of(DIMENSIONS[name], both, PAIR, "large", options, floors, True)
        keys = ("value", "divergence", "divergence_low", "divergence_high", "margin", "verdict", "open_because")
        entries[name] = {key: entry[key] for key in keys}
    work.drawn |= {key: drawn for key, drawn in both.drawn.items() if key[1] != PAIR}
    return found | {"entries": entries}


def mixed(own: np.ndarray, large: np.ndarray, threshold: float) -> tuple[np.ndarray, np.ndarray]:
    """The large model's row where the compressed one is not sure, and where that is.

    >>> rows, passed = mixed(np.array([[0.6, 0.4], [0.1, 0.9]]), np.array([[0.2, 0.8], [0.3, 0.7]]), threshold=0.8)
    >>> rows.tolist(), passed.tolist()
    ([[0.2, 0.8], [0.1, 0.9]], [True, False])
    """
    passed = own.max(axis=1) < threshold
    return np.where(passed[:, None], large, own), passed


def first_equivalent(curve: Sequence[dict[str, Any]]) -> int | None:
    """The smallest share from which on all verdicts are `equivalent`."""
    good = [all(entry["verdict"] == "equivalent" for entry in point["entries"].values()) for point in curve]
    place = len(good)
    while place and good[place - 1]:
        place -= 1
    return place if place < len(good) else None


def why_not(last: dict[str, Any]) -> str:
    """Why even the large model itself, to which all is passed on, is not called equivalent to itself."""
    for name, entry in last["entries"].items():
        if entry["verdict"] != "equivalent":
            reason = entry["open_because"] or "the interval is too wide: half of the texts is too few"
            return f"{DIMENSIONS[name].question} {reason}"
    return ""
