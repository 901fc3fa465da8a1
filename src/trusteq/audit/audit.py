"""From a family and a data set to the audit: the work once per model, every pair compared, every verdict."""

import sys
import time
from datetime import UTC, datetime, timedelta
from importlib import metadata
from typing import Any

import numpy as np

from trusteq.audit.asking import Pair, pairs_of, work_once
from trusteq.audit.describing import FACTS
from trusteq.audit.examples import attacked, explanations, listed
from trusteq.audit.family import AGAIN, Member
from trusteq.audit.floors import of_compressed
from trusteq.audit.grouped import Grouped, grouped
from trusteq.audit.judging import correct, entry_of
from trusteq.audit.memo import Run
from trusteq.audit.schema import SCHEMA_NAME
from trusteq.audit.sentences import sentence
from trusteq.audit.slicing import Slices, different_for, judged, slicings_of
from trusteq.audit.store import digest
from trusteq.audit.work import reason_of
from trusteq.dimensions.registry import DIMENSIONS
from trusteq.dimensions.work import Work
from trusteq.groups import design
from trusteq.intervals import share_interval
from trusteq.kinds.text import Text
from trusteq.options import VERSION
from trusteq.wording import without_places

Audit = dict[str, Any]


def audit_family(
    run: Run,
    references: Any,
    ood_texts: list[Text] | None,
    options: Any,
    together: Grouped,
    data_name: str = "texts",
    unlabelled: int = 0,
    slices: Any = None,
) -> Audit | None:
    """The whole audit as a dict of plain data; None in all processes but the first."""
    clock = time.monotonic()
    work, about, skipped = work_once(run, references, ood_texts, options)
    if run.processes.rank:
        return None
    work.groups, work.ood_groups = together.codes, grouped(ood_texts or []).codes
    pairs, roles = pairs_of(run.members, options), {member.name: member.role for member in run.members}
    compared = compare_all(work, roles, pairs, skipped, options)
    labels = names_of(about)
    slicings = slicings_of(slices, run.texts, [labels[label] for label in work.gold])
    told = [pair for pair in pairs if role_of(pair, roles, options) != "other"]
    sliced = judged(
        work,
        slicings,
        lambda part, left_out: compare_each(part, roles, told, left_out, options),
        skipped,
        options,
    )
    for pair in compared if sliced else ():
        pair["different_for"] = different_for(sliced, pair["compressed"]) if pair["role"] == "compressed" else []
    audit = as_told(run, work, about, compared, ood_texts, options, together, data_name, unlabelled, clock, slicings)
    return audit | ({"slices": sliced} if sliced else {})


def names_of(about: dict[str, Any]) -> list[str]:
    return about["large"]["names"] or [str(i) for i in range(about["large"]["classes"])]


def as_told(
    run: Run,
    work: Work,
    about: dict[str, Any],
    compared: list[dict[str, Any]],
    ood_texts: list[Text] | None,
    options: Any,
    together: Grouped,
    data_name: str,
    unlabelled: int,
    clock: float,
    slices: dict[str, Slices] | None = None,
) -> Audit:
    """What was found, on what, and how."""
    ood, seconds, classes = grouped(ood_texts or []), time.monotonic() - clock, names_of(about)
    counts = {"examples": len(run.texts), "ood_examples": len(ood_texts or [])}
    groups = {"groups": together.groups, "duplicates": together.duplicates, "duplicates_apart": together.apart}
    groups |= {"ood_duplicates": ood.duplicates}
    told = options.settings | counts | {name: count for name, count in groups.items() if count}
    told |= {"slices": list(slices)} if slices else {}
    asked = prompting_of(run.members[0])
    told |= {"prompt": digest(asked)[:8]} if asked else {}
    made = "|".join(f"{name}={compact(value)}" for name, value in sorted(told.items()))
    return {
        "schema": SCHEMA_NAME,
        "version": VERSION,
        "signature": f"trust_equivalence:{VERSION}|{made}",
        "settings": options.settings,
        **({"prompt": asked} if asked else {}),
        "data": {
            "name": without_places(data_name),
            **counts,
            **groups,
            "unlabelled": unlabelled,
            "classes": classes,
            "fingerprint": fingerprint(run.texts, work, ood_texts, together),
        },
        "models": {member.name: described(member, about[member.name], work, options) for member in run.members},
        "pairs": compared,
        "examples": {
            "explanations": explanations(work, compared, classes),
            "attacks": attacked(work, compared, classes),
            "listed": listed(work, compared, classes, slices or {}, ood_texts or [], options),
        },
        "failures": failures_of(compared),
        "run": {
            "started": (datetime.now(UTC) - timedelta(seconds=seconds)).isoformat(timespec="seconds"),
            "seconds": round(seconds, 3),
            "processes": run.processes.count,
            "versions": versions(),
        },
    }


def prompting_of(large: Member) -> dict[str, Any]:
    """How the large model was asked, where that is by a prompt."""
    return {name: value for asked in large.prompting for name, value in asked.items()}


def fingerprint(texts: Any, work: Work, ood_texts: Any, together: Grouped) -> str:
    of_groups = [] if together.groups is None or together.codes is None else [together.codes.tolist()]
    return digest(texts, work.gold.tolist(), ood_texts, *of_groups)


def compare_all(
    work: Work, roles: dict[str, str], pairs: list[Pair], skipped: dict[str, str], options: Any
) -> list[dict[str, Any]]:
    """In the order of the pairs. The verdicts are corrected for their number before they are put into words."""
    found = compare_each(work, roles, pairs, skipped, options)
    conclude(found, options)
    return found


def compare_each(
    work: Work, roles: dict[str, str], pairs: list[Pair], skipped: dict[str, str], options: Any
) -> list[dict[str, Any]]:
    """Each pair by itself; the twins, whose figures are the others' floor, are compared first."""
    found: dict[Pair, dict[str, Any]] = {}
    for pair in sorted(pairs, key=lambda pair: roles[pair[0]] != "twin"):
        found[pair] = compare(work, roles, pair, skipped, options)
    return [found[pair] for pair in pairs]


def conclude(compared: list[dict[str, Any]], options: Any) -> None:
    entries = [entry for one in compared for entry in one["dimensions"].values() if entry["status"] == "done"]
    correct([entry for entry in entries if entry["verdict"]], options.confidence_level)
    for one in compared:
        for name, entry in one["dimensions"].items():
            if entry["status"] == "done":
                entry["sentence"] = sentence(name, entry, one["compressed"], one["large"])


def compare(work: Work, roles: dict[str, str], pair: Pair, skipped: dict[str, str], options: Any) -> dict[str, Any]:
    compressed, large = pair
    role = role_of(pair, roles, options)
    entries: dict[str, Any] = {}
    for name in (name for name in DIMENSIONS if name in options.asked):
        if name in skipped:
            entries[name] = {"status": "skipped", "reason": skipped[name]}
            continue
        try:
            for model in pair:
                if reason := work.failures.get((name, model)):
                    raise ValueError(reason)
            floors = list(work.floors) if role == "compressed" else []
            for twin in floors:
                if (floor := work.floors[twin][name])["status"] == "failed":
                    raise ValueError(f"there is nothing to compare with: it failed for the twin ({floor['reason']})")
            entries[name] = entry_of(DIMENSIONS[name], work, compressed, large, options, floors, role == "compressed")
        except Exception as error:
            entries[name] = {"status": "failed", "reason": reason_of(error)}
    if role == "twin":
        work.floors[compressed] = entries
    label = compressed if roles[large] == "large" else f"{compressed} / {large}"
    return {"name": label, "compressed": compressed, "large": large, "role": role, "dimensions": entries}


def role_of(pair: Pair, roles: dict[str, str], options: Any) -> str:
    """Whether the pair has a verdict (compressed), is what others are held against (twin), or is shown as well."""
    start = "compressed" if of_compressed(options) and roles[pair[0]] == "twin" else "large"
    return roles[pair[0]] if roles[pair[1]] == start else "other"


def failures_of(compared: list[dict[str, Any]]) -> list[dict[str, str]]:
    return [
        {"pair": one["name"], "dimension": name, "reason": entry["reason"]}
        for one in compared
        for name, entry in one["dimensions"].items()
        if entry["status"] == "failed"
    ]


def described(member: Member, about: dict[str, Any], work: Work, options: Any) -> dict[str, Any]:
    is_right = work.probabilities[member.name].argmax(axis=1) == work.gold
    right = int(is_right.sum())
    together = design(is_right - right / len(work.gold), work.groups)
    low, high = share_interval(right, len(work.gold), options.confidence_level, together)
    found: dict[str, Any] = {
        "role": member.role,
        "source": member.shown,
        "simulated": member.derived and member.source != AGAIN,
    }
    found |= {name: about[name] for name in ("parameters", "megabytes", "unread", *FACTS) if name in about}
    found["accuracy"] = right / len(work.gold)
    if member.name in work.told:
        said = np.bincount(work.probabilities[member.name].argmax(axis=1), minlength=about["classes"])
        found["label_shares"] = dict(zip(about["names"], (said / len(work.gold)).tolist(), strict=True))
        mass, cut = work.told[member.name].T
        found |= {"on_labels": float(mass.mean()), "shortened": int(cut.sum())}
    return found | {"accuracy_low": low, "accuracy_high": high, "fingerprint": member.fingerprint}


def compact(value: Any) -> str:
    """A setting as it stands in the signature.

    >>> compact([10, 20]), compact({"attack_divergence": 0.1}), compact(None), compact("two\\nlines") == r"two\\nlines"
    ('10,20', 'attack_divergence:0.1', 'None', True)
    """
    if isinstance(value, dict):
        return ",".join(f"{key}:{compact(item)}" for key, item in value.items())
    return ",".join(map(compact, value)) if isinstance(value, list) else "\\n".join(str(value).splitlines())


def versions() -> dict[str, str]:
    """Of what the figures depend on, as far as it is there."""
    found = {"python": ".".join(map(str, sys.version_info[:3]))}
    for package in ("evaluate", "numpy", "scipy", "torch", "transformers", "lime", "shap"):
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found
