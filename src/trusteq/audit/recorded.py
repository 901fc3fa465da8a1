"""From what models said, as it lies on disk, to the audit: the same verdicts, with no model to ask."""

import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import numpy as np

from trusteq.audit.answers import figures, flips, listed, moved, parting, scores, some_flips
from trusteq.audit.audit import Audit, compact, compare_all, failures_of, versions
from trusteq.audit.said import MISSING, Said, said_of, too_few
from trusteq.audit.schema import SCHEMA_NAME
from trusteq.audit.store import digest
from trusteq.dimensions.registry import DIMENSIONS
from trusteq.groups import count_of, design
from trusteq.intervals import share_interval
from trusteq.options import VERSION
from trusteq.records.runs import Task

SETTINGS = (
    "dimensions",
    "margins",
    "confidence_level",
    "seed",
    "n_bins",
    "binning",
    "convention",
    "neighbors",
    "among",
    "score",
    "keep",
)
Flip = dict[str, Any]


@dataclass
class Family:
    """Large, its twins, and the compressed ones; what they said by task, or as arrays without one."""

    sources: dict[str, str]
    roles: dict[str, str]  # of each: large, twin or compressed
    name: str
    tasks: Sequence[Task] = ()
    strange: Task | None = None  # the task that is out of distribution
    arrays: Said | None = None
    noticed: list[str] = field(default_factory=list)
    asked: dict[str, Any] = field(default_factory=dict)  # how the models were asked, where that is known
    facts: dict[str, dict[str, Any]] = field(default_factory=dict)  # of each model, where it was at hand


def audit_answers(family: Family, options: Any) -> tuple[Audit, dict[str, list[Flip]]]:
    """The audit over all tasks and of each, and every answer that changed, by pair."""
    started, clock = datetime.now(UTC), time.monotonic()
    pairs = [(name, "large") for name in family.sources if name != "large"]
    whole = family.arrays or said_of([task for task in family.tasks if not task.again], family.strange)
    options, noticed = possible(whole, options)
    compared = compare_all(whole.work, family.roles, pairs, too_few(whole, options), options)
    by_task = [(task, said_of([task])) for task in family.tasks]
    changed: dict[str, list[Flip]] = {}
    for pair in compared:
        names = pair["compressed"], pair["large"]
        pair["answers"] = answers_of(whole, *names, pair, options)
        if len(by_task) > 1:
            pair["moved"] = moved([(task.name, said) for task, said in by_task], *names, options.confidence_level)
        changed[pair["name"]] = [one for task in family.tasks if not task.again for one in flips(task, *names)]
    tasks = [task_of(task, said, family.roles, pairs, options) for task, said in by_task]
    shown = [
        {"pair": pair["name"], **one}
        for pair in compared
        if pair["role"] == "compressed"
        for one in some_flips(changed[pair["name"]])
    ]
    count, settings = len(whole.work.gold), {name: options.settings[name] for name in SETTINGS}
    settings |= {"floor": options.floor} if options.floor else {}
    strange = len(next(iter(whole.work.ood.values()), ()))
    groups = count_of(whole.work.groups)
    made = settings | {"examples": count, "ood_examples": strange} | ({"groups": groups} if groups else {})
    made |= {"prompt": digest(family.asked)[:8]} if family.asked else {}
    audit = {
        "schema": SCHEMA_NAME,
        "version": VERSION,
        "signature": f"trust_equivalence:{VERSION}|"
        + "|".join(f"{name}={compact(value)}" for name, value in sorted(made.items())),
        "settings": settings,
        **({"prompt": family.asked} if family.asked else {}),
        "data": {
            "name": family.name,
            "examples": count,
            "ood_examples": strange,
            "groups": groups,
            **dict.fromkeys(("duplicates", "duplicates_apart", "ood_duplicates"), 0),  # what repeats has ids of its own
            "unlabelled": 0,
            "classes": [],
            "fingerprint": fingerprint(whole.work.gold, *(np.array(ids_of(task)) for task in family.tasks)),
            "noticed": [*family.noticed, *whole.noticed, *noticed],
        },
        "models": {name: described(family, name, whole, options) for name in family.sources},
        "pairs": compared,
        "tasks": tasks,
        "examples": {
            "explanations": [],
            "attacks": [],
            "flips": shown,
            "listed": listed([task for task in family.tasks if not task.again], compared),
        },
        "failures": failures_of(compared),
        "run": {
            "started": started.isoformat(timespec="seconds"),
            "seconds": round(time.monotonic() - clock, 3),
            "processes": 1,
            "versions": versions(),
        },
    }
    return audit, changed


def possible(said: Said, options: Any) -> tuple[Any, list[str]]:
    """Unless they were asked for by name, without the dimensions for which answers never hold what they need."""
    if options.dimensions is not None:
        return options, []
    never = {name: reason for name, reason in said.skipped.items() if reason in MISSING.values()}
    left = [f"{DIMENSIONS[name].question} ({name}) is left out: {reason}" for name, reason in never.items()]
    return replace(options, dimensions=[name for name in DIMENSIONS if name not in never]), left


def task_of(
    task: Task, said: Said, roles: dict[str, str], pairs: list[tuple[str, str]], options: Any
) -> dict[str, Any]:
    compared = compare_all(said.work, roles, pairs, too_few(said, options), options)
    for pair in compared:
        names = pair["compressed"], pair["large"]
        pair["answers"] = answers_of(said, *names, pair, options)
        pair["scores"] = scores(task, *names, options.confidence_level, said.work.groups)
        pair["parting"] = parting(task, *names, options.confidence_level, said.work.groups)
    harness = {name: head["harness"] for name, head in task.heads.items() if head.get("harness")}
    return {"name": task.name, "examples": len(task), "left_out": task.only, "harness": harness, "pairs": compared}


def answers_of(said: Said, compressed: str, large: str, pair: dict[str, Any], options: Any) -> dict[str, float]:
    """Accuracy and distances; a figure of the errors that needs the answers themselves goes where they are unknown."""
    entry = pair["dimensions"].get("prediction_error_jaccard", {})
    for name in [] if said.known else [name for name in entry.get("figures", {}) if name.startswith(OF_ANSWERS)]:
        del entry["figures"][name]
    work = said.work
    if (not work.labels and not work.probabilities) or ((work.gold < 0).all() and not work.labels):
        return {}
    return figures(said, compressed, large, options.confidence_level)


OF_ANSWERS = ("label_agreement", "wrong_to_other_wrong", "answer_change_rate", "capa")


def described(family: Family, name: str, said: Said, options: Any) -> dict[str, Any]:
    work = said.work
    found: dict[str, Any] = {"role": family.roles[name], "source": family.sources[name]}
    found |= {"simulated": False, "parameters": None, "megabytes": None, "unread": []} | family.facts.get(name, {})
    known = name in work.labels or (name in work.probabilities and (work.gold >= 0).all())
    found |= dict.fromkeys(("accuracy", "accuracy_low", "accuracy_high"))
    if known:
        right = work.right(name)
        share, together = float(right.mean()), design(right - right.mean(), work.groups)
        ends = share_interval(int(right.sum()), len(right), options.confidence_level, together)
        found |= {"accuracy": share, "accuracy_low": ends[0], "accuracy_high": ends[1]}
    held = (work.labels, work.probabilities, work.confidence, work.embeddings, work.ood)
    return found | {"fingerprint": fingerprint(*(arrays[name] for arrays in held if name in arrays))}


def ids_of(task: Task) -> list[str]:
    return [f"{task.name} {id}" for id in next(iter(task.tables.values()))["id"].to_pylist()]


def fingerprint(*arrays: np.ndarray) -> str:
    """A short name of what arrays hold."""
    total = hashlib.sha256()
    for array in arrays:
        total.update(f"{array.dtype}{array.shape}".encode())
        total.update(np.ascontiguousarray(array).tobytes())
    return total.hexdigest()[:32]
