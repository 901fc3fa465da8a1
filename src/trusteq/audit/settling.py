"""An audit that stops when it is sure: it looks at more and more of the texts until its verdicts are settled.

The texts are put in random order once, so that each look has all the texts of the one before; what was asked for that
is kept (store.py) and not asked again. Each dimension has looks of its own: of texts, of explanations or of attacks,
with bounds that make looking cost no false verdicts (looks.py)."""

import math
import time
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from trusteq.audit.asking import Pair, checked, not_possible, pairs_of, work_once
from trusteq.audit.audit import Audit, as_told, audit_family, compare, conclude
from trusteq.audit.grouped import Grouped, grouped
from trusteq.audit.judging import correct
from trusteq.audit.memo import Run
from trusteq.audit.options import LEAST
from trusteq.dimensions.registry import DIMENSIONS
from trusteq.dimensions.work import Work
from trusteq.intervals import normal_quantile
from trusteq.kinds.text import Text, is_blank
from trusteq.looks import Look, sizes

PROBES = {"explanations": "explained", "attacks": "attacked"}  # what a dimension needs, and the option that limits it
OF_PROBES = ("explained", "explanations", "attacked", "outcomes", "transfers")  # in the work
Plan = list[dict[str, Look]]  # which dimensions are looked at, at one look of the audit after the other


def audit_until_settled(
    run: Run,
    references: Any,
    ood_texts: list[Text] | None,
    options: Any,
    together: Grouped,
    data_name: str = "texts",
    unlabelled: int = 0,
) -> Audit | None:
    """The whole audit as `audit_family` has it, of as many examples as it takes."""
    clock = time.monotonic()
    about, gold = checked(run, references, options)
    order = in_order(run.texts, options)
    texts, labels = [run.texts[i] for i in order], gold[order].tolist()
    groups = None if together.groups is None or together.codes is None else together.codes[order]
    others = [ood_texts[i] for i in permuted(len(ood_texts), options)] if ood_texts else []
    probed = [i for i, text in enumerate(texts) if not is_blank(text)]
    settling = Settling(run, options, not_possible(replace(run, texts=texts), about, ood_texts, options))
    if not settling.open:
        return audit_family(run, references, ood_texts, options, together, data_name, unlabelled)
    plan, taken, out = planned(options, len(texts), probed), list[int](), list[Text]()
    work = Work(gold, [])
    for number, looks in enumerate(plan):
        if not (looks := {name: look for name, look in looks.items() if name in settling.open}):
            continue
        some = max([*taken, *(texts_for(name, look, probed, len(texts)) for name, look in looks.items())])
        if others and any(DIMENSIONS[name].needs == "ood" for name in looks):
            out = others[: whole_pieces(len(others) * some / len(texts))]
        before, part = work, replace(run, texts=texts[:some])
        work, about, skipped = work_once(part, labels[:some], out or None, asked_at(looks, options))
        carry_over(before, work)
        together = grouped(part.texts, None if groups is None else groups[:some])
        work.groups, work.ood_groups, work.looks = together.codes, grouped(out).codes, looks
        taken.append(some)
        if not run.processes.rank:
            to_come = {name for later in plan[number + 1 :] for name in later}
            settling.look(work, looks, skipped, to_come)
        settling.open = run.processes.agreed(settling.open)
    if run.processes.rank:
        return None
    compared = settling.conclude(plan)
    audit = as_told(part, work, about, compared, out, options, together, data_name, unlabelled, clock)
    most = None if options.until_settled is True else len(texts)
    audit["looks"] = {"examples": taken, "at_most": most, "there": len(run.texts)}
    return with_places(audit, order)


# The order of the texts, and the looks at them.


def in_order(texts: Sequence[Text], options: Any) -> list[int]:
    """Which texts are asked about first, at random; with a greatest number, no more than so many.

    Also of texts that belong together: a few of each group tell more than a few whole groups. (At early looks more than
    their part of the examples: looks are more alike than the bounds take them to be, which errs to the safe side.)
    """
    most = len(texts) if options.until_settled is True else options.until_settled
    return permuted(len(texts), options)[:most]


def permuted(count: int, options: Any) -> list[int]:
    return np.random.default_rng(options.seed).permutation(count).tolist()


def first_of(texts: Sequence[Text], options: Any) -> list[Text]:
    """Those of the first look, which any audit of these settings asks about."""
    order = in_order(texts, options)
    return [texts[i] for i in order[: clean_sizes(len(order), options)[0]]]


def clean_sizes(count: int, options: Any) -> tuple[int, ...]:
    return sizes(LEAST, count, options.until_settled is True, unit=LEAST)


def planned(options: Any, count: int, probed: list[int]) -> Plan:
    """The looks of every dimension. One that takes more examples for a verdict begins later; one with fewer probes than
    texts comes to its end earlier. No look has more probes than texts (`probed` are those that are not blank)."""
    endless, clean = options.until_settled is True, clean_sizes(count, options)
    plan: Plan = []
    for name in options.asked:
        dimension, least, wanted, room = DIMENSIONS[name], LEAST, clean, clean
        if dimension.needs in PROBES:
            least, most = dimension.fewest, min(getattr(options, PROBES[dimension.needs]), len(probed))
            wanted, room = sizes(least, most, endless), tuple(bisect_left(probed, size) for size in clean)
        found: tuple[int, ...] = ()
        for i in range(max(len(wanted), len(room))):
            size = min(wanted[min(i, len(wanted) - 1)], room[min(i, len(room) - 1)])
            if size > max(found, default=0) and (size >= dimension.fewest or size == wanted[-1]):
                found = (*found, size)
                plan += [{} for _ in range(i + 1 - len(plan))]
                plan[i][name] = Look(found, None if endless else wanted[-1], least, options.confidence_level)
    return plan


def texts_for(name: str, look: Look, probed: list[int], count: int) -> int:
    """How many of the texts a dimension's look takes."""
    size = look.sizes[-1]
    return size if DIMENSIONS[name].needs not in PROBES else min(whole_pieces(probed[size - 1] + 1), count)


def whole_pieces(count: float) -> int:
    """So many or a few more: texts that are kept together are asked about together, or else twice.

    >>> whole_pieces(127.5), whole_pieces(129)
    (128, 256)
    """
    return math.ceil(count / LEAST) * LEAST


def asked_at(looks: dict[str, Look], options: Any) -> Any:
    """The audit's options at this look. Embeddings come with the answers, and are kept with them: they are always asked
    for, if ever."""
    names = [name for name in options.asked if name in looks or DIMENSIONS[name].needs == "embeddings"]
    limits = {
        PROBES[need]: look.sizes[-1] for name, look in looks.items() if (need := DIMENSIONS[name].needs) in PROBES
    }
    return replace(options, dimensions=names, **limits)


def carry_over(before: Work, work: Work) -> None:
    """What was probed at an earlier look, for the examples that the report shows."""
    for name in OF_PROBES:
        if not getattr(work, name):
            setattr(work, name, getattr(before, name))


# What has been found.


@dataclass
class Settling:
    """What was found of every pair and dimension at the look at which it was settled, or else at the last."""

    run: Run
    options: Any
    skipped: dict[str, str]
    found: dict[Pair, dict[str, Any]] = field(default_factory=dict)
    open: set[str] = field(default_factory=set)  # the dimensions that are still asked about

    def __post_init__(self) -> None:
        self.open = set(self.options.asked) - set(self.skipped)
        self.roles = {member.name: member.role for member in self.run.members}
        self.pairs = pairs_of(self.run.members, self.options)
        for pair in sorted(self.pairs, key=lambda pair: self.roles[pair[0]] != "twin"):  # the floor comes first
            none = Work(np.empty(0, dtype=int), [])
            self.found[pair] = compare(none, self.roles, pair, self.skipped, self._of(self.skipped))

    def look(self, work: Work, looks: dict[str, Look], skipped: dict[str, str], to_come: set[str]) -> None:
        """Compare all pairs that are open; those that are settled stay as they are."""
        settled = self.settled()
        for pair, one in self.found.items():
            for name, entry in compare(work, self.roles, pair, skipped, self._of(looks))["dimensions"].items():
                if (pair, name) not in settled:
                    one["dimensions"][name] = entry | ({"look": looks[name]} if entry["status"] == "done" else {})
        settled = self.settled()
        judged = [pair for pair, one in self.found.items() if one["role"] == "compressed"]
        self.open &= to_come
        self.open -= {name for name in self.open if all((pair, name) in settled for pair in judged)}

    def settled(self) -> set[tuple[Pair, str]]:
        """Holm's correction is for all verdicts that there may be in the end, also for those that have not begun."""
        places, entries = [], []
        for pair, one in self.found.items():
            for name in self.options.asked:
                entry = one["dimensions"].get(name, {"status": "done", "verdict": "inconclusive", "chance": 1.0})
                if one["role"] == "compressed" and entry["status"] != "skipped":
                    places.append((pair, name))
                    none = {"verdict": "inconclusive", "chance": 1.0}
                    entries.append(dict(entry) if entry["status"] == "done" else none)
        correct(entries, self.options.confidence_level)
        return {place for place, entry in zip(places, entries, strict=True) if entry["verdict"] != "inconclusive"}

    def conclude(self, plan: Plan) -> list[dict[str, Any]]:
        """The pairs as an audit has them."""
        for one in self.found.values():
            one["dimensions"] = {name: one["dimensions"][name] for name in DIMENSIONS if name in one["dimensions"]}
            for name, entry in one["dimensions"].items():
                if look := entry.get("look"):
                    last = [looks[name] for looks in plan if name in looks][-1]
                    wider = look.reach / normal_quantile(self.options.confidence_level)
                    counts = {"number": len(look.sizes), "of": len(last.sizes), "at_most": last.sizes[-1]}
                    entry["look"] = counts | {"wider": wider}
        conclude(list(self.found.values()), self.options)
        return [self.found[pair] for pair in self.pairs]

    def _of(self, names: Any) -> Any:
        return replace(self.options, dimensions=[name for name in self.options.asked if name in names])


def with_places(audit: Audit, order: list[int]) -> Audit:
    """Examples under the numbers that they have in the data that were given."""
    shown = [*audit["examples"]["explanations"], *audit["examples"]["attacks"]]
    for pair in audit["pairs"]:
        for name in ("attribution_alignment", "attack_divergence"):
            shown += pair["dimensions"].get(name, {}).get("details", {}).get("per_example", ())
    for one in shown:
        one["index"] = order[one["index"]]
    listed = audit["examples"]["listed"]
    listed["index"] = [order[place] for place in listed["index"]]
    return audit
