"""What to do next? For each dimension that is different or open, what addresses it, with the command filled in.

The commands are made of the words that the audit was asked with (`run.command` of its results; of an audit in code, of
the models' and the data's names). What no audit can know, such as where further texts lie, has a name that says so:
held-out.csv, train.csv, extra.txt."""

import dataclasses
import json
import math
import os
import re
import shlex
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from trusteq.audit.bundled import ASKED, bundled_family
from trusteq.audit.bundled import FOLDER as BUNDLED
from trusteq.audit.describing import HELD, SCALED
from trusteq.audit.planning import excess_in
from trusteq.audit.results import audit_of
from trusteq.dimensions.record import Entry
from trusteq.dimensions.registry import DIMENSIONS
from trusteq.verdicts import Excess, rounded, tells
from trusteq.wording import and_so_on, place_name

KEPT = {  # by dimension, what `compress distil --keep` calls it
    "prediction_error_jaccard": "errors",
    "calibration_gap": "confidence",
    "representation_overlap": "neighbours",
    "ood_divergence": "outliers",
    "attribution_alignment": "reasons",
    "attack_divergence": "attacks",
}
IN_CASCADE = ("prediction_error_jaccard", "calibration_gap", "ood_divergence")  # what rows of probabilities decide
PROBED = {"explanations": "--explained", "attacks": "--attacked"}  # what limits a dimension's examples, if not --limit
COUNTED = ("--limit", *PROBED.values())  # followed by a number of examples
NAMED = ("--out", "--model")  # followed by a name that another model's command has in its own way
FEW_QUESTIONS = 25  # an attack with fewer breaks less
HIDDEN = {  # by dimension: what shows a difference that the figures hide
    "prediction_error_jaccard": ("Take harder texts, which both models may get wrong.", ("--dataset", "harder.csv")),
    "ood_divergence": ("Take texts that are nearer to the models' own kind.", ("--ood-dataset", "nearer.csv")),
}


@dataclasses.dataclass(frozen=True)
class Advice:
    """One thing to do about one dimension of one model."""

    dimension: str
    found: str  # different or inconclusive
    way: str  # examples, twin, attack, data, repair, distil or cascade
    says: str
    command: tuple[str, ...]  # the words behind `trusteq`

    @property
    def line(self) -> str:
        """As it is typed."""
        return shlex.join(("trusteq", *self.command))


def advice_of(results: dict[str, Any], model: str, words: Sequence[str] | None = None) -> list[Advice]:
    """What addresses each dimension of a compressed model that is different or open, in the order of the dimensions.

    `words` are those that the audit was asked with, where they are known better than the results have them.
    """
    audit = audit_of(results)
    if "tasks" in audit:  # logs were compared: there is no model to change
        return []
    pair = next((one for one in audit["pairs"] if one["role"] == "compressed" and one["compressed"] == model), None)
    if pair is None:
        return []
    asked = Asked(audit, model, words)
    different = [name for name, entry in pair["dimensions"].items() if entry.get("verdict") == "different"]
    found: list[Advice] = []
    for name, entry in pair["dimensions"].items():
        if entry["status"] == "done" and entry["verdict"] == "different":
            found += about_different(name, entry, asked, different)
        elif entry["status"] == "done" and entry["verdict"] == "inconclusive":
            found += about_open(name, entry, asked)
    return found


def next_step(results: dict[str, Any], model: str, words: Sequence[str] | None = None) -> Advice | None:
    """The first thing to do: what is different comes before what is open; of that, what takes the most examples."""
    found = advice_of(results, model, words)
    if different := [one for one in found if one.found == "different"]:
        return different[0]
    more = [one for one in found if one.way == "examples"]
    return max(more, key=lambda one: asked_for(one.command), default=found[0] if found else None)


@dataclasses.dataclass
class Shared:
    """One command, said once for all models and dimensions that it is for."""

    models: list[str]
    dimensions: list[str]
    says: str
    line: str


def shared(audit: dict[str, Any], words: Sequence[str] | None = None) -> list[Shared]:
    """All that can be done."""
    return together([(model, one) for model in compressed(audit) for one in advice_of(audit, model, words)])


def next_steps(audit: dict[str, Any], words: Sequence[str] | None = None) -> list[Shared]:
    """The first thing to do, for every model that is different or open."""
    steps = [(model, next_step(audit, model, words)) for model in compressed(audit)]
    return together([(model, step) for model, step in steps if step is not None])


def too_small(audit: dict[str, Any], words: Sequence[str] | None = None) -> Shared | None:
    """Of an audit with fewer examples than a verdict takes, so that no model can get a Yes, whatever it is: which
    dimensions want more, and the same audit with enough for all of them (None where there is nothing of the kind)."""
    few: dict[str, Entry] = {}
    for name, dimension in DIMENSIONS.items():
        pairs = [pair["dimensions"].get(name, {}) for pair in audit["pairs"] if pair["role"] == "compressed"]
        done = [entry for entry in pairs if entry.get("status") == "done"]
        if done and all(entry["examples"] < dimension.fewest for entry in done):
            few[name] = done[0]
    if not few:
        return None
    least: dict[str, tuple[int, int]] = {}
    for name, entry in few.items():
        counted = DIMENSIONS[name].counted
        least[counted] = max(least.get(counted, (0, 0)), (DIMENSIONS[name].fewest, entry["examples"]))
    wants = and_so_on([f"{most} {counted} (here {there})" for counted, (most, there) in least.items()])
    says = f"This audit is too small for any Yes, which takes at least {wants}."
    if "tasks" in audit:
        return Shared(compressed(audit), list(few), says, "")
    asked = Asked(audit, compressed(audit)[0], words)
    texts = max(DIMENSIONS[name].fewest for name in few)
    probes = {flag: DIMENSIONS[name].fewest for name in few if (flag := PROBED.get(DIMENSIONS[name].needs))}
    changed = [word for flag, count in probes.items() for word in (flag, str(count))]
    if texts > audit["data"]["examples"]:
        changed += ["--limit", str(texts)] if "--limit" in asked.flags else ["--dataset", "more.csv"]
    return Shared(compressed(audit), list(few), says, shlex.join(("trusteq", *asked.again(changed))))


def compressed(audit: dict[str, Any]) -> list[str]:
    return [pair["compressed"] for pair in audit["pairs"] if pair["role"] == "compressed"]


def together(steps: list[tuple[str, Advice]]) -> list[Shared]:
    """Steps that are one command but for names; of commands that differ in how many examples they take, the most.

    >>> few = Advice("a", "inconclusive", "examples", "About 90 would decide.", ("audit", "--limit", "90"))
    >>> many = dataclasses.replace(few, says="About 300 would decide.", command=("audit", "--limit", "300"))
    >>> [(one.models, one.line) for one in together([("tiny", few), ("thin", many)])]
    [(['tiny', 'thin'], 'trusteq audit --limit 300')]
    """
    same: dict[Any, list[tuple[str, Advice]]] = {}
    for model, one in steps:
        free = [i + 1 for i, word in enumerate(one.command) if word in (*COUNTED, *NAMED)]
        same.setdefault(tuple(word for i, word in enumerate(one.command) if i not in free), []).append((model, one))
    found = []
    for some in same.values():
        most = max((one for _, one in some), key=lambda one: asked_for(one.command))
        models = list(dict.fromkeys(model for model, _ in some))
        if most.way == "cascade":
            most = dataclasses.replace(most, command=(*most.command[:-1], *models))
        found.append(Shared(models, list(dict.fromkeys(one.dimension for _, one in some)), most.says, most.line))
    return found


def with_advice(audit: dict[str, Any], words: Sequence[str] | None = None) -> dict[str, Any]:
    """The audit with the words that it was asked with, as a report may show them, and with its advice as data."""
    if words is not None:
        audit["run"]["command"] = [shown(word) for word in words]
    audit["advice"] = {
        model: [
            {name: getattr(one, name) for name in ("dimension", "found", "way", "says")} | {"command": one.line}
            for one in advice_of(audit, model)
        ]
        for model in compressed(audit)
    }
    return audit


def shown(word: str) -> str:
    """
    >>> shown("/home/me/tiny"), shown("small=/home/me/tiny"), shown("runs/tiny")
    ('tiny', 'small=tiny', 'runs/tiny')
    """
    name, equals, place = word.partition("=")
    is_name = equals and not any(separator in name for separator in ("/", "\\"))
    return f"{name}={place_name(place)}" if is_name else place_name(word)


# What is different.


def about_different(name: str, entry: Entry, asked: "Asked", different: Sequence[str]) -> list[Advice]:
    found: list[Advice] = []

    def add(way: str, says: str, command: Sequence[str]) -> None:
        found.append(Advice(name, "different", way, says, tuple(command)))

    if entry["floor"] is None:
        seeds = "Give a twin: two large models that differ only by their seed may differ as much."
        add("twin", seeds, asked.with_twin())
    if asked.derived:
        add("compress", "It is simulated: make it a model of its own before it is repaired.", asked.made())
    elif name == "calibration_gap":
        add("repair", *asked.repair("Scale its probabilities to the large model's confidence curve; no training."))
    keep = [KEPT[one] for one in different if one in KEPT]
    add("distil", asked.student(different), asked.distil(keep))
    if name in IN_CASCADE and asked.folder is not None:
        add("cascade", "Let the large model answer where this one is unsure.", asked.cascade())
    return found


# What is open.


def about_open(name: str, entry: Entry, asked: "Asked") -> list[Advice]:
    dimension, figures = DIMENSIONS[name], entry["figures"]

    def advice(way: str, says: str, command: Sequence[str]) -> list[Advice]:
        return [Advice(name, "inconclusive", way, says, tuple(command))]

    if dimension.hidden(figures):
        if name == "attack_divergence":
            return advice("attack", *asked.questions(broken=min(falls(figures)) > 0.5))
        if name == "calibration_gap":
            says = "Scale its confidences to the large model's curve, so that both err in one direction."
            return advice("repair", *asked.repair(says)) if not asked.derived else []
        says, flags = HIDDEN.get(name, HIDDEN["prediction_error_jaccard"])
        return advice("data", says, asked.again(flags))
    if not tells(entry["expected"]):
        return advice("data", "Take longer texts: of these, chance alone shares nearly all.", asked.again(HARDER))
    if entry["examples"] < dimension.fewest:
        return advice("examples", *asked.more(name, dimension.fewest))
    excess = asked.corrected(entry)
    if excess.needs_twins:
        return advice("twin", "Give more twins: how much seeds scatter keeps it open.", asked.with_twin())
    if needed := entry["examples_needed"] or excess.needed(entry["examples"]):
        return advice("examples", *asked.more(name, needed))
    says = "It lies on the margin, which more texts hardly settle: bring it nearer."
    if name == "calibration_gap" and not asked.derived:
        return advice("repair", *asked.repair(says))
    return advice("distil", says, asked.distil([KEPT[name]]))


HARDER = ("--dataset", "longer.csv")


def falls(figures: dict[str, Any]) -> tuple[float, float]:
    return figures["accuracy_fall"], figures["large_accuracy_fall"]


def asked_for(command: Sequence[str]) -> int:
    """The largest number of examples in a command."""
    return max((int(value) for flag, value in pairwise(command) if flag in COUNTED), default=0)


# Commands, from the audit's own words.


class Asked:
    """What the audit was asked, and other commands made of it."""

    def __init__(self, audit: dict[str, Any], model: str, words: Sequence[str] | None = None):
        self.audit, self.model = audit, model
        self.level = audit["settings"]["confidence_level"]
        known = words if words is not None else audit.get("run", {}).get("command")
        self.flags = flags_of(rebuilt(audit) if known is None else known)
        self.folder = None if known is None else self.one("--out", "results/audit")
        self.source, self.large = self.source_of(model), self.source_of("large")
        self.derived = audit["models"][model]["simulated"]

    def one(self, flag: str, default: str) -> str:
        return next(iter(self.flags.get(flag, ())), default)

    def source_of(self, model: str) -> str:
        """Where a model lies, as it was given."""
        if "--large" not in self.flags:
            return bundled(model) or self.audit["models"][model]["source"]
        if model == "large":
            return self.one("--large", "large")
        named = dict(zip(*self.names(), strict=True))
        return str(named.get(model, self.audit["models"][model]["source"]))

    def names(self) -> tuple[list[str], list[str]]:
        """Of the compressed models, the names and the sources."""
        given = [word.partition("=") for word in self.flags.get("--compressed", ())]
        plain = [("/" in name or not equals) for name, equals, _ in given]
        sources = ["".join(parts) if alone else parts[2] for parts, alone in zip(given, plain, strict=True)]
        names = [
            Path(source.removeprefix("derived:")).name if alone else parts[0]
            for parts, source, alone in zip(given, sources, plain, strict=True)
        ]
        return names, sources

    def again(self, changed: Sequence[str]) -> list[str]:
        """The same audit, but for these flags, and into a folder of its own."""
        asked = self.flags if "--large" in self.flags or "--twin" not in changed else self.spelled_out()
        flags = {name: values for name, values in asked.items() if name not in ("--resume", "--out")}
        if "--dataset" in changed and not {"--large", "--ood-dataset"} & {*flags}:  # these go with the bundled texts
            flags["--ood-dataset"] = [near(BUNDLED / "other.csv")]
        flags |= flags_of(changed)
        flags["--out"] = [f"{self.folder or 'results/audit'}-next"]
        return ["audit", *(word for name, values in flags.items() for word in (name, *values))]

    def more(self, name: str, needed: int) -> tuple[str, list[str]]:
        """So many examples: explained or attacked ones of the texts at hand, and more texts where they are too few."""
        dimension, data = DIMENSIONS[name], self.audit["data"]
        flag, texts, there = PROBED.get(dimension.needs), needed, data["examples"]
        if dimension.needs == "ood":  # counted are both kinds
            texts = min(needed, rounded(needed * there / max(1, there + data["ood_examples"])))
        says = f"About {needed:,} {dimension.counted} would decide."
        changed = [flag, str(needed)] if flag else []
        if dimension.needs == "ood" and not self.cut(data["ood_examples"]):  # more ordinary ones alone hardly help
            strange = max(1, needed - texts)
            says += (
                f" There are {there:,} and {data['ood_examples']:,}: take {texts:,} or more, and {strange:,} or more."
            )
            more = [] if "--limit" in self.flags else ["--dataset", "more.csv"]
            limit = ["--limit", str(max(texts, strange))]
            return says, self.again([*more, "--ood-dataset", "more-ood.csv", *limit])
        if flag is None or needed > there:
            if "--limit" in self.flags:
                changed += ["--limit", str(math.ceil(texts))]
            else:
                says += f" There are {there:,} texts: take a larger file, of {texts:,} or more."
                changed += ["--dataset", "more.csv", "--limit", str(texts)]
        return says, self.again(changed)

    def cut(self, count: int) -> bool:
        """Whether there may be more than these, which --limit left out."""
        return self.flags.get("--limit") == [str(count)]

    def corrected(self, entry: Entry) -> Excess:
        """As it was judged; of one that would be different alone, with Holm's correction at its strictest, as if this
        were the first of all verdicts."""
        excess = excess_in(entry, self.level)
        if excess.verdict != "different":
            return excess
        judged = [pair for pair in self.audit["pairs"] if pair["role"] == "compressed"]
        count = sum(one["status"] == "done" for pair in judged for one in pair["dimensions"].values())
        return excess.at(1 - (1 - self.level) / max(1, count))

    def questions(self, broken: bool) -> tuple[str, list[str]]:
        """Of an attack that breaks nearly everything, fewer questions a text; of one that breaks nothing, more."""
        before = self.audit["settings"].get("max_queries")
        if broken:
            few = max(2, before // 2) if before else FEW_QUESTIONS
            return f"The attack breaks nearly everything: let it ask {few} times a text.", self.again(
                ["--max-queries", str(few)]
            )
        if before:
            return f"The attack breaks hardly anything: let it ask {4 * before} times a text.", self.again(
                ["--max-queries", str(4 * before)]
            )
        return "The attack breaks hardly anything: take a stronger one.", self.again(["--attack", "bert_attack"])

    def with_twin(self) -> list[str]:
        asked = self.flags if "--large" in self.flags else self.spelled_out()
        return self.again(["--twin", *asked.get("--twin", ()), "another-seed"])

    def spelled_out(self) -> dict[str, list[str]]:
        """The bundled audit with its models, texts and numbers named: only so it takes another twin."""
        texts = {"--dataset": ["reviews.csv"], "--ood-dataset": ["other.csv"]}
        named = {flag: [near(BUNDLED / name) for name in names] for flag, names in texts.items()}
        numbers = {f"--{name.replace('_', '-')}": [str(number)] for name, number in ASKED.items()}
        return flags_of(rebuilt(self.audit, bundled)) | named | numbers | self.flags

    def columns(self) -> list[str]:
        names = ("--text", "--text-pair", "--label")
        return [word for name in names if name in self.flags for word in (name, *self.flags[name])]

    def repair(self, says: str) -> tuple[str, list[str]]:
        """Of a model that was repaired already, that from which it was made, once more: in another way."""
        before, scaled, _ = str(self.audit["models"][self.model].get("made")).partition(SCALED)
        source, name = self.source, self.model
        if scaled:
            source, name = self.source_of(before) if before in self.audit["models"] else before, before
            verdict = self.entry_of(before, "calibration_gap").get("verdict")
            says = "Its confidences were scaled already. "
            says += f"Take {before}, from which it was made: there it is equivalent. Or " * (verdict == "equivalent")
            says += f"{'scale' if verdict == 'equivalent' else 'Scale'} those of {before} to the large model's curve."
        where = ["--like", self.large, "--to", "large", "--dataset", "held-out.csv", *self.columns()]
        return says, ["repair", source, *where, "--out", f"{name}-repaired"]

    def entry_of(self, model: str, dimension: str) -> Entry:
        pairs = [one for one in self.audit["pairs"] if (one["compressed"], one["role"]) == (model, "compressed")]
        return dict(pairs[0]["dimensions"].get(dimension, {})) if pairs else {}

    def student(self, different: Sequence[str]) -> str:
        """Which student to train, and whether a model of this audit is one."""
        held = " and ".join(KEPT[name] for name in different if name in KEPT) or "this"
        wanted = {KEPT[name] for name in different if name in KEPT}
        if wanted and wanted <= self.held_in(self.model):
            return (
                f"It was held to the large model in {held}, which did not suffice: train it on more texts, or larger."
            )
        says = f"Train a student that is held to the large model in {held}"
        for other in compressed(self.audit):
            found = {self.entry_of(other, name).get("verdict") for name in different}
            if wanted and wanted <= self.held_in(other) and found == {"equivalent"}:
                where = "both" if len(different) == 2 else held
                return f"{says}, or take {other}, which is one: it is equivalent in {where}."
        return f"{says}."

    def held_in(self, model: str) -> set[str]:
        """What its training held it to the large model in, as far as its checkpoint says (describing.py)."""
        return set(str(self.audit["models"][model].get("made")).partition(HELD)[2].split(", "))

    def distil(self, keep: Sequence[str]) -> list[str]:
        data = ["--dataset", "train.csv", "--eval-dataset", "held-out.csv", "--text-only", "extra.txt", *self.columns()]
        shape = self.shape()
        return ["compress", "distil", self.large, *shape, "--keep", *keep, *data, "--out", f"{self.model}-kept"]

    def shape(self) -> list[str]:
        """The compressed model's own layers and width, where its configuration lies here."""
        path = Path(os.path.expanduser(self.source)) / "config.json"
        try:
            config = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return ["--layers", "2"]
        wanted = {"--layers": ("num_hidden_layers", "n_layers"), "--width": ("hidden_size", "dim")}
        wanted |= {"--heads": ("num_attention_heads", "n_heads")}
        found = {flag: next((config[key] for key in keys if key in config), None) for flag, keys in wanted.items()}
        return [word for flag, value in found.items() if isinstance(value, int) for word in (flag, str(value))]

    def made(self) -> list[str]:
        if "pruned" in self.source:
            return ["compress", "prune", self.large, "--share", "0.3", "--out", self.model]
        if bits := re.fullmatch(r"derived:(\d)bits", self.source):
            return ["compress", "round", self.large, "--bits", bits[1], "--out", self.model]
        return ["compress", "int8", self.large, "--out", self.model]

    def cascade(self) -> list[str]:  # which ends with the models that it is for
        return ["cascade", str(self.folder), "--model", self.model]


def flags_of(words: Sequence[str]) -> dict[str, list[str]]:
    """Each flag with its values.

    >>> flags_of(["--large", "a", "--compressed", "b", "c", "--limit=5", "--resume"])
    {'--large': ['a'], '--compressed': ['b', 'c'], '--limit': ['5'], '--resume': []}
    """
    found: dict[str, list[str]] = {}
    last: list[str] = []
    for word in words:
        if word.startswith("--"):
            name, equals, value = word.partition("=")
            last = found.setdefault(name, [])
            last.extend([value] if equals else [])
        else:
            last.append(word)
    return found


def bundled(model: str) -> str | None:
    """A model of the family that ships with the project, as seen from here."""
    family = bundled_family()
    source = ({"large": family["large"]} | family["twin"] | family["compressed"]).get(model)
    if source is None or source.startswith("derived:"):
        return source
    return near(source)


def near(place: str | Path) -> str:
    """A path as seen from here; of one that lies elsewhere the name."""
    found = os.path.relpath(place)
    return place_name(str(place)) if found.startswith("..") else found


def rebuilt(audit: dict[str, Any], source: Any = None) -> list[str]:
    """The words of an audit in code, or of the bundled one, from its models."""
    words = []
    for role in ("large", "twin", "compressed"):
        models = {name: model for name, model in audit["models"].items() if model["role"] == role}
        if models:
            words += [f"--{role}"]
        for name, model in models.items():
            place = (source and source(name)) or model["source"]
            words.append(place if role != "compressed" else f"{name}={place}")
    return [*words, "--dataset", audit["data"]["name"] or "texts.csv"]
