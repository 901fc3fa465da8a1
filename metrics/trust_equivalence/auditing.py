"""From a family and a data set to the audit: the work once per model, every pair compared, every verdict."""

import os
import sys
import time
import uuid
from collections.abc import Iterable
from datetime import UTC, datetime
from importlib import metadata, util
from itertools import combinations
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from .array_metric import VERSION, read_options
from .dimensions import DIMENSIONS, ORDER, entry_of
from .intervals import share_interval
from .members import Member, of_file
from .predictor import Text, looks_local
from .references import gold, gold_labels
from .sentences import sentence
from .siblings import metric_named
from .store import NoRoom, digest
from .work import Desk, Work, clean_answers, each_example, transfers
from .work import sentence as in_words

SCHEMA = "trust_equivalence/1"
SHOWN = 3  # examples of explanations and of attacks for each pair

RUN = uuid.uuid4().hex
OBJECTS: dict[int, Any] = {}

Pair = tuple[str, str]  # the compressed model's name (or whichever comes later in the family), the large one's
Audit = dict[str, Any]


def audit_family(
    desk: Desk, references: Any, ood_texts: list[Text] | None, data_name: str, options: Any
) -> Audit | None:
    """The whole audit as a dict of plain data; None in all processes but the first."""
    started, clock = datetime.now(UTC), time.monotonic()
    work, about, skipped = work_once(desk, references, ood_texts, options)
    pairs = pairs_of(desk.members, options.pairs)
    labels = work.gold
    if desk.processes.rank:
        return None
    compared = [compare(desk, work, pair, skipped, options) for pair in twin_first(pairs)]
    compared = [next(one for one in compared if (one["compressed"], one["large"]) == pair) for pair in pairs]
    failures = [
        {"pair": one["name"], "dimension": name, "reason": entry["reason"]}
        for one in compared
        for name, entry in one["dimensions"].items()
        if entry["status"] == "failed"
    ]
    classes = about["large"]["names"] or [str(i) for i in range(about["large"]["classes"])]
    counts = {"examples": len(desk.texts), "ood_examples": len(ood_texts or [])}
    made = "|".join(f"{name}={compact(value)}" for name, value in sorted((options.settings | counts).items()))
    return {
        "schema": SCHEMA,
        "version": VERSION,
        "signature": f"trust_equivalence:{VERSION}|{made}",
        "settings": options.settings,
        "data": {
            "name": data_name,
            **counts,
            "classes": classes,
            "fingerprint": digest(desk.texts, labels.tolist(), ood_texts),
        },
        "models": {member.name: described(member, about[member.name], work, options) for member in desk.members},
        "pairs": compared,
        "examples": {
            "explanations": explanations(work, compared, classes),
            "attacks": attacked(work, compared, classes),
        },
        "failures": failures,
        "run": {
            "started": started.isoformat(timespec="seconds"),
            "seconds": round(time.monotonic() - clock, 3),
            "processes": desk.processes.count,
            "versions": versions(),
        },
    }


def work_once(
    desk: Desk, references: Any, ood_texts: list[Text] | None, options: Any
) -> tuple[Work, dict[str, Any], dict[str, str]]:
    """What every model says; what the models are; and why a dimension is left out, for those that are."""
    check_settings(options)
    about = {member.name: member.about(desk.store) for member in desk.members}
    check_classes(about)
    labels = gold(gold_labels(references, len(desk.texts)), classes_of(about["large"]), options.labels)
    work = Work(labels, desk.texts)
    skipped = not_possible(desk, about, ood_texts, options)
    wanted = [name for name in options.asked if name not in skipped]
    do_work(desk, work, ood_texts, pairs_of(desk.members, options.pairs), wanted, options)
    return work, about, skipped


def pairs_of(members: list[Member], which: str) -> list[Pair]:
    """Every other model with the large one, or all pairs, the one that is earlier in the family as the large one."""
    names = [member.name for member in members]
    if which == "all":
        return [(small, large) for large, small in combinations(names, 2)]
    return [(name, names[0]) for name in names[1:]]


def twin_first(pairs: list[Pair]) -> list[Pair]:
    return sorted(pairs, key=lambda pair: pair != ("twin", "large"))


def classes_of(about: dict[str, Any]) -> Any:
    """What `gold` asks of a model, without opening it."""
    return SimpleNamespace(name="large", classes=about["classes"], names=about["names"])


def check_settings(options: Any) -> None:
    """What a metric would not take is said before hours of work, not after."""
    settings = {
        "calibration_gap": {"n_bins": options.n_bins, "binning": options.binning},
        "ood_divergence": {"score": options.score, "keep": options.keep},
        "attribution_alignment": explain_settings(options) | {"k": options.k},
        "attack_divergence": attack_settings(options),
    }
    for name in (name for name in options.asked if name in settings):
        read_options(metric_named(name, options.metrics).options, settings[name])
    if "attack_divergence" not in options.asked:
        return
    asked = settings["attack_divergence"]
    vectors, attack = asked.get("word_vectors"), asked["attack"]
    if isinstance(vectors, str | os.PathLike) and not Path(vectors).is_file():
        raise ValueError(f"word_vectors: there is no file {vectors}")
    for name in ("similarity", "masked_model"):
        model = asked.get(name)
        if isinstance(model, str) and looks_local(model) and not Path(os.path.expanduser(model)).is_dir():
            raise ValueError(f"{name}: there is no folder {model}")
    if isinstance(attack, str) and attack.startswith("textattack:") and util.find_spec("textattack") is None:
        raise ValueError(f"attack {attack} needs the package textattack, which is not installed")


def check_classes(about: dict[str, dict[str, Any]]) -> None:
    counts = {name: one["classes"] for name, one in about.items()}
    for name, count in counts.items():
        if count != counts["large"]:
            raise ValueError(f"large has {counts['large']} classes but {name} has {count}")


def not_possible(desk: Desk, about: dict[str, Any], ood_texts: list[Text] | None, options: Any) -> dict[str, str]:
    """Why a dimension is left out, in a sentence, for those that are."""
    reasons: dict[str, str] = {}
    for name in options.asked:
        least = DIMENSIONS[name].least if name != "representation_overlap" else max(options.neighbors) + 2
        if len(desk.texts) < least:
            reasons[name] = f"it needs at least {least} examples, got {len(desk.texts)}"
    for name in ("attribution_alignment", "attack_divergence"):
        if name in options.asked and all(map(is_blank, desk.texts)):
            reasons.setdefault(name, "all texts are blank")
    if "ood_divergence" in options.asked and not ood_texts:
        reasons["ood_divergence"] = "it needs texts of another kind: give ood_texts"
    without = [name for name, one in about.items() if not one.get("embeddings")]
    if "representation_overlap" in options.asked and without:
        reasons.setdefault("representation_overlap", f"{without[0]} is a function and has no embeddings")
    return reasons


def is_blank(text: Text) -> bool:
    return not all(part.strip() for part in ((text,) if isinstance(text, str) else text))


# The work: what every model says.


def do_work(
    desk: Desk, work: Work, ood_texts: list[Text] | None, pairs: list[Pair], wanted: list[str], options: Any
) -> None:
    embeddings = "representation_overlap" in wanted
    bar = desk.progress("clean answers", len(desk.texts) * len(desk.members))
    for member in desk.members:
        work.probabilities[member.name], pooled = clean_answers(desk, member, desk.texts, embeddings, bar)
        if pooled is not None:
            work.embeddings[member.name] = pooled
            if not np.isfinite(pooled).all():
                reason = f"{member.name}'s embeddings hold NaN or infinity"
                work.failures["representation_overlap", member.name] = reason
    bar.close()
    if "ood_divergence" in wanted and ood_texts:
        bar = desk.progress("strange texts", len(ood_texts) * len(desk.members))
        for member in desk.members:
            try:
                work.ood[member.name], _ = clean_answers(desk, member, ood_texts, False, bar)
            except NoRoom:
                raise
            except ValueError as error:
                work.failures["ood_divergence", member.name] = in_words(error)
        bar.close()
    order = np.random.default_rng(options.seed).permutation(len(desk.texts)).tolist()
    order = [i for i in order if not is_blank(desk.texts[i])]
    if "attribution_alignment" in wanted:
        explain(desk, work, sorted(order[: options.explained]), options)
    if "attack_divergence" in wanted:
        attack(desk, work, sorted(order[: options.attacked]), pairs, options)


def explain(desk: Desk, work: Work, indices: list[int], options: Any) -> None:
    metric = metric_named("attribution_alignment", options.metrics)
    settings = explain_settings(options)

    def run(models: dict[str, Any], todo: dict[str, list[int]]) -> Iterable[tuple[int, str, Any]]:
        given = settings | {"labels": options.labels, "k": options.k}
        return metric.explain(desk.texts, work.gold.tolist(), models, indices=todo, **given)

    known = [settings, VERSION]
    work.explained = indices
    work.explanations, reasons = each_example(desk, "explanations", indices, work.gold, known, run)
    work.failures |= {("attribution_alignment", name): reason for name, reason in reasons.items()}


def explain_settings(options: Any) -> dict[str, Any]:
    return {
        "method": options.method,
        "explain": options.explain,
        "samples": options.samples if options.method in ("lime", "shap") else None,
        "features": max(20, *options.k) if options.method == "lime" else None,
        "runs": options.runs,
        "seed": options.seed,
    }


def attack(desk: Desk, work: Work, indices: list[int], pairs: list[Pair], options: Any) -> None:
    metric = metric_named("attack_divergence", options.metrics)
    settings = attack_settings(options)

    def run(models: dict[str, Any], todo: dict[str, list[int]]) -> Iterable[tuple[int, str, Any]]:
        return metric.attack(desk.texts, work.gold.tolist(), models, indices=todo, labels=options.labels, **settings)

    known = [{name: known_as(value) for name, value in settings.items()}, VERSION]
    if not all(member.about(desk.store).get("embeddings") for member in desk.members):
        known.append(RUN)  # a function is known by what it says of the texts, and not of misspelt ones
    work.attacked = indices
    work.outcomes, reasons = each_example(desk, "attacks", indices, work.gold, known, run)
    work.failures |= {("attack_divergence", name): reason for name, reason in reasons.items()}
    whole = {name: found for name, found in work.outcomes.items() if name not in reasons}
    both_ways = [way for a, b in pairs if a in whole and b in whole for way in ((a, b), (b, a))]
    work.transfers, reasons = transfers(desk, whole, both_ways, work.gold, known)
    work.failures |= {("attack_divergence", name): reason for name, reason in reasons.items()}


def attack_settings(options: Any) -> dict[str, Any]:
    settings = {"attack": options.attack, "seed": options.seed, "max_queries": options.max_queries}
    return settings | (options.attack_options or {})


def known_as(value: Any) -> Any:
    """A setting as what decides it: a file by what it holds; an object, which may be another next time, by this run."""
    if isinstance(value, str | os.PathLike) and Path(os.path.expanduser(value)).exists():
        place = Path(os.path.expanduser(value))
        files = [place] if place.is_file() else sorted(path for path in place.rglob("*") if path.is_file())
        return [[file.name, of_file(file)] for file in files]
    if isinstance(value, str | int | float | bool) or value is None:
        return value
    OBJECTS[id(value)] = value  # kept alive, so that no other object gets its number
    return f"{type(value).__name__} {id(value)} of {RUN}"


# The pairs: what the metrics make of it.


def compare(desk: Desk, work: Work, pair: Pair, skipped: dict[str, str], options: Any) -> dict[str, Any]:
    small, large = pair
    role = {"large": "twin" if small == "twin" else "compressed"}.get(large, "other")
    twin = work.twin if role == "compressed" else None
    entries: dict[str, Any] = {}
    for name in (name for name in ORDER if name in options.asked):
        if name in skipped:
            entries[name] = {"status": "skipped", "reason": skipped[name]}
            continue
        try:
            for model in pair:
                if reason := work.failures.get((name, model)):
                    raise ValueError(reason)
            floor = twin[name] if twin else None
            if floor and floor["status"] == "failed":
                raise ValueError(f"the floor is missing, since it failed for the twin: {floor['reason']}")
            metric = metric_named(name, options.metrics)
            entry = entry_of(name, metric, work, small, large, options, floor, judged=role == "compressed")
            entries[name] = entry | {"sentence": sentence(name, entry, small, large)}
        except Exception as error:
            entries[name] = {"status": "failed", "reason": in_words(error)}
    if role == "twin":
        work.twin = entries
    label = small if large == "large" else f"{small} / {large}"
    return {"name": label, "compressed": small, "large": large, "role": role, "dimensions": entries}


def described(member: Member, about: dict[str, Any], work: Work, options: Any) -> dict[str, Any]:
    right = int((work.probabilities[member.name].argmax(axis=1) == work.gold).sum())
    low, high = share_interval(right, len(work.gold), options.confidence_level)
    found: dict[str, Any] = {"role": member.role, "source": member.shown}
    found |= {"parameters": about["parameters"], "megabytes": about["megabytes"], "accuracy": right / len(work.gold)}
    return found | {"accuracy_low": low, "accuracy_high": high, "fingerprint": member.fingerprint}


def explanations(work: Work, compared: list[dict[str, Any]], classes: list[str]) -> list[dict[str, Any]]:
    """Of every pair the examples whose explanations agree least."""
    shown = []
    for pair in judged(compared, "attribution_alignment"):
        entry = pair["dimensions"]["attribution_alignment"]
        found = sorted(entry["details"]["per_example"], key=lambda one: (one[entry["headline"]], one["index"]))
        for one in found[:SHOWN]:
            sides = {"small": one["explanations"][0], "large": one["large_explanations"][0]}
            where = {"index": one["index"], "text": as_plain(work.texts[one["index"]])}
            gold = classes[work.gold[one["index"]]]
            shown.append(where | {"gold": gold, "pair": pair["name"], **sides, "jaccard": one[entry["headline"]]})
    return shown


def attacked(work: Work, compared: list[dict[str, Any]], classes: list[str]) -> list[dict[str, Any]]:
    """Of every pair some examples that broke: first those that broke one of the two alone, by the fewest changes."""
    shown = []
    for pair in judged(compared, "attack_divergence"):
        sides = [
            {i: one | {"transfers": work.transfers[way].get(i)} for i, one in work.outcomes[way[0]].items()}
            for way in ((pair["compressed"], pair["large"]), (pair["large"], pair["compressed"]))
        ]
        broken = [i for i in work.attacked if "broken" in (sides[0][i]["status"], sides[1][i]["status"])]
        order = {frozenset({"broken", "withstood"}): 0, frozenset({"broken"}): 1}  # then what one had wrong before
        both = {i: frozenset(side[i]["status"] for side in sides) for i in broken}
        broken.sort(key=lambda i: (order.get(both[i], 2), sides[0][i]["changed_words"], i))
        for i in broken[:SHOWN]:
            where = {"index": i, "text": as_plain(work.texts[i]), "gold": classes[work.gold[i]], "pair": pair["name"]}
            shown.append(where | {"small": sides[0][i], "large": sides[1][i]})
    return shown


def judged(compared: list[dict[str, Any]], dimension: str) -> list[dict[str, Any]]:
    done = (pair for pair in compared if pair["dimensions"].get(dimension, {}).get("status") == "done")
    return [pair for pair in done if pair["role"] == "compressed"]


def as_plain(text: Text) -> Any:
    return text if isinstance(text, str) else list(text)


def compact(value: Any) -> str:
    """A setting as it stands in the signature.

    >>> compact([10, 20]), compact({"attack_divergence": 0.1}), compact(None)
    ('10,20', 'attack_divergence:0.1', 'None')
    """
    if isinstance(value, dict):
        return ",".join(f"{key}:{compact(item)}" for key, item in value.items())
    return ",".join(map(compact, value)) if isinstance(value, list) else str(value)


def versions() -> dict[str, str]:
    """Of what the figures depend on, as far as it is there."""
    found = {"python": ".".join(map(str, sys.version_info[:3]))}
    for package in ("evaluate", "numpy", "scipy", "torch", "transformers", "lime", "shap"):
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found
