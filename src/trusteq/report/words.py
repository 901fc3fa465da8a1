"""How does the report say it? The words and signs that its page, tables and plots have in common.

Nothing is computed here that is a measurement: figures, intervals and verdicts come from the audit, and so do the
sentences about one dimension (audit/sentences.py). Headings are in page.html and markdown.py."""

import re
import shlex
from collections.abc import Callable
from typing import Any, NamedTuple

from trusteq.audit.describing import WEIGHTS
from trusteq.audit.floors import floor_named
from trusteq.audit.sentences import corrected, how_far
from trusteq.dimensions.registry import DIMENSIONS
from trusteq.wording import NOTHING, and_so_on, gap_in_points, in_points, percent, plain, points, shorten

Audit = dict[str, Any]
Pair = dict[str, Any]
Entry = dict[str, Any]  # one dimension of one pair; one that failed or was left out has but its status and the reason


FIGURES = {figure: words for dimension in DIMENSIONS.values() for figure, words in dimension.words.items()}
SIGNS = {"equivalent": "=", "different": "≠", "inconclusive": "?", "failed": "!", "skipped": "–", "reference": "·"}


def figure_name(headline: str) -> str:
    """
    >>> figure_name("neighbor_jaccard_at_10"), figure_name("brand_new_figure")
    ('overlap of the 10 nearest neighbours', 'brand new figure')
    """
    size = re.search(r"_at_(\d+)$", headline)
    form = re.sub(r"_at_\d+$", "_at_K", headline)
    words = FIGURES.get(form)
    if words is None:
        return headline.replace("_", " ")
    return words.replace("the K ", f"the {size[1]} ") if size else words


def status(entry: Entry) -> str:
    """The verdict; "failed" or "skipped" where there is none; "reference" for the twin, on which there is none."""
    if entry["status"] != "done":
        return str(entry["status"])
    return entry["verdict"] or "reference"


def value_of(entry: Entry) -> str:
    return shown(entry["value"], entry["kind"]) if entry["status"] == "done" else ""


def shown(value: float | None, kind: str) -> str:
    """A figure as a page has it: two significant digits, with its unit; of a gap with its sign, of a size without.

    >>> shown(0.644, "overlap"), shown(0.0123, "gap"), shown(-0.25, "gap"), shown(0.0123, "size"), shown(None, "gap")
    ('64 %', '+1.2 points', '−25 points', '1.2 points', '–')
    """
    if value is None:
        return NOTHING
    if kind == "overlap":
        return percent(value)
    return f"{gap_in_points(value)} {points(value).split()[1]}" if kind == "gap" else points(value)


def beside_it(audit: Audit, entry: Entry, name: str) -> str:
    """What its figure is to be read beside: the floor's, or else what chance gives.

    >>> entry = {"floor": None, "expected": 0.08, "kind": "overlap"}
    >>> beside_it({}, entry, "attribution_alignment")
    'chance: 8.0 %'
    """
    if both := DIMENSIONS[name].briefly(entry.get("figures", {})):
        return f"large: {both[1]}"
    if entry["floor"] is not None:
        return f"{floor_word(audit)}: {floor_value(entry)}"
    return f"chance: {shown(entry['expected'], entry['kind'])}" if entry["expected"] is not None else ""


def taken_off(name: str, entry: Entry) -> str:
    """Of a divergence that is not the difference of the figures beside it, why."""
    return "without what chance adds" if DIMENSIONS[name].aside and corrected(entry) else ""


def floor_kind(entry: Entry) -> str:
    """Of several twins a gap's floor is the mean of its sizes, and a size has no sign."""
    return "size" if entry["kind"] == "gap" and len(entry.get("floors", ())) > 1 else str(entry["kind"])


def floor_value(entry: Entry) -> str:
    """
    >>> entry = {"floor": 0.004, "kind": "gap", "floors": ["twin 1", "twin 2"]}
    >>> floor_value(entry), floor_value(entry | {"floors": ["twin"]})
    ('0.4 points', '+0.4 points')
    """
    return shown(entry["floor"], floor_kind(entry))


def floor_interval(entry: Entry) -> str:
    return interval(entry, "floor_low", "floor_high", floor_kind(entry))


UNSEEN = 0.0005  # of a gap: below a tenth of a point


def figure_of(entry: Entry, name: str, brief: bool = False) -> str:
    """A verdict's figure, with its unit and what that is.

    >>> entry = {"value": -0.031, "low": -0.08, "high": 0.02, "kind": "gap", "headline": "auroc_gap", "status": "done"}
    >>> figure_of(entry, "ood_divergence", brief=True), figure_of(entry, "ood_divergence")
    ('3.1 points less alert', 'gap of the AUROC −3.1 points (−8 to +2 points)')
    """
    if brief and (instead := DIMENSIONS[name].briefly(entry.get("figures", {}))):
        return instead[0]
    if brief and entry["kind"] == "gap":
        above, below = DIMENSIONS[name].direction
        side = above if entry["value"] > 0 else below
        if abs(entry["value"]) < UNSEEN:
            return "no gap" if in_points(entry["value"]) == "0" else "gap under 0.1 points"
        return f"{points(abs(entry['value']))} {side}"
    if brief:
        return f"{value_of(entry)} {DIMENSIONS[name].direction[0]}"
    ends = interval(entry)
    return f"{figure_name(entry['headline'])} {value_of(entry)}{f' ({ends})' * bool(ends)}"


def held_against(entry: Entry) -> str:
    """How far it is, beside its interval and its margin, as a sentence.

    >>> entry = {"floor": 0.6, "kind": "overlap", "divergence": 0.03, "divergence_low": -0.05, "divergence_high": 0.1}
    >>> held_against(entry | {"margin": 0.09, "beside": "the twin is"})
    '3 points further from the large model than the twin is (−5 to 10; allowed 9).'
    """
    says = how_far(entry, "the large model", " points")
    return f"{says[0].upper()}{says[1:]}."


def interval(of: dict[str, Any], low: str = "low", high: str = "high", kind: str | None = None) -> str:
    """
    >>> interval({"low": -0.05, "high": 0.1, "kind": "gap"}), interval({"low": None, "high": None, "kind": "gap"})
    ('−5 to +10 points', '')
    >>> interval({"low": 0.571, "high": 0.7})
    '57 to 70 %'
    """
    if of[low] is None or of[high] is None:
        return ""
    ends, kind = (of[low], of[high]), kind or of.get("kind", "overlap")
    if kind == "overlap":
        few, many = map(percent, ends)
        return f"{few.removesuffix(' %')} to {many}"
    first, last = map(gap_in_points if kind == "gap" else in_points, ends)
    return f"{first} to {last} points"


def interval_name(audit: Audit) -> str:
    level = audit["settings"].get("confidence_level")
    return f"{100 * level:.4g} % interval" if isinstance(level, float) else "interval"


# All dimensions of a pair.

NO_TWIN = "There is no twin: two large models that differ only by their seed may differ as much."


def floor_word(audit: Audit) -> str:
    """What the column of the floor's figures is called.

    >>> floor_word({"settings": {"floor": "rounding"}, "models": {}})
    'floor'
    """
    twins = [name for name, model in audit["models"].items() if model["role"] == "twin"]
    return "floor" if audit["settings"].get("floor") else "twins" if len(twins) > 1 else "twin"


def floor_head(audit: Audit) -> str:
    """The same with what a figure of several is, since a gap's is the mean of its sizes.

    >>> models = {"twin 1": {"role": "twin"}, "twin 2": {"role": "twin"}}
    >>> floor_head({"settings": {}, "models": models})
    'twins (mean; of gaps, mean size)'
    """
    word = floor_word(audit)
    return f"{word} (mean; of gaps, mean size)" if word == "twins" else word


def floor_says(audit: Audit) -> str:
    """What the verdicts are held against, and what that does not cover.

    >>> floor_says({"settings": {"floor": None}, "models": {"large": {"role": "large"}}})
    'no twin: two large models that differ only by their seed may differ as much'
    """
    twins = [name for name, model in audit["models"].items() if model["role"] == "twin"]
    if not twins:
        return "no twin: two large models that differ only by their seed may differ as much"
    says = floor_named(audit["settings"].get("floor"), len(twins)).says
    return says.format(count=len(twins), names=", ".join(twins)).replace("one twin (twin)", "one twin")


def held_says(audit: Audit) -> str:
    """The same as a sentence.

    >>> held_says({"settings": {"floor": None}, "models": {"large": {"role": "large"}}})
    'There is no twin: two large models that differ only by their seed may differ as much.'
    """
    return f"Held against {floor_says(audit)}." if has_floor(audit) else NO_TWIN


def looks_say(audit: Audit) -> str:
    """Of an audit that stops when it is sure: how many examples it took, and what that does to the intervals.

    >>> looks_say({"looks": {"examples": [256, 384], "at_most": 2000, "there": 3000},
    ...            "settings": {"until_settled": 2000}}).partition(";")[0]
    'at 2 looks, with 384 of at most 2,000 examples in the end (of 3,000 that were given)'
    >>> looks_say({})
    ''
    """
    if not (looks := audit.get("looks")):
        return ""
    taken, most = looks["examples"], looks["at_most"]
    count = f"{len(taken)} look{'s' * (len(taken) != 1)}, with {taken[-1]:,}"
    there = f"of {looks['there']:,} that were given"
    if most and (asked := audit["settings"]["until_settled"]) > most:
        there = f"all that were given, not {asked:,}"
    of = (
        f" of at most {most:,} examples in the end ({there})"
        if most
        else f" examples in the end ({there}; no greatest number is set)"
    )
    wide = "the intervals that verdicts go by are those of each verdict's look, widened so that looking again costs"
    return f"at {count}{of}; {wide} no false verdicts; intervals of single figures are as wide as for one look"


def than_floor(audit: Audit) -> tuple[str, str]:
    """Than what a compressed model may be further away, and what it is as far as."""
    twins = [name for name, model in audit["models"].items() if model["role"] == "twin"]
    floor = floor_named(audit["settings"].get("floor"), len(twins))
    return floor.than, floor.near


SLICES = 3  # of those that are different, how many an answer names


class Answer(NamedTuple):
    verdict: str
    word: str
    summary: str


def answer(pair: Pair) -> Answer:
    """What the dimensions say together; a yes takes that no slice of the texts is known to differ.

    >>> pair = {"dimensions": {"calibration_gap": {"status": "done", "verdict": "equivalent"}}}
    >>> answer(pair | {"different_for": ["length: over 40 words", "label: good"]}).summary
    'It is equivalent in the one dimension that was tried, of 6, but different for length: over 40 words; label: good.'
    """
    found, slices = of_dimensions(pair), pair.get("different_for", [])
    if not slices:
        return found
    some = "; ".join(shorten(name, 60) for name in slices[:SLICES])
    some += f"; and {len(slices) - SLICES} more" if len(slices) > SLICES else ""
    if all(status(entry) == "equivalent" for entry in pair["dimensions"].values()):
        return Answer("inconclusive", "Not settled", f"{found.summary.rstrip('.')}, but different for {some}.")
    return found._replace(summary=f"{found.summary} Different for {some}.")


def of_dimensions(pair: Pair) -> Answer:
    """The dimensions' verdicts in one: one that differs is a no, and a yes takes all that there are.

    >>> of_dimensions({"dimensions": {"calibration_gap": {"status": "done", "verdict": "equivalent"}}}).summary
    'It is equivalent in the one dimension that was tried, of 6.'
    """
    found = [status(entry) for entry in pair["dimensions"].values()]
    count = {name: found.count(name) for name in SIGNS}
    if found and count["equivalent"] == len(found) == len(DIMENSIONS):
        return Answer("equivalent", "Yes", f"It is equivalent in all {len(found)} dimensions.")
    if found and count["equivalent"] == len(found):
        tried = "the one dimension that was" if len(found) == 1 else f"the {len(found)} dimensions that were"
        return Answer("inconclusive", "Not settled", f"It is equivalent in {tried} tried, of {len(DIMENSIONS)}.")
    says = {"equivalent": "equivalent in", "different": "different in", "inconclusive": "inconclusive in"}
    says |= {"failed": "could not be measured in", "skipped": "left out in"}
    order = ("different", "equivalent", "inconclusive", "failed", "skipped")
    parts = [f"{says[name]} {count[name]}" for name in order if count[name]]
    listed = f"Of {len(found)} dimension{'s' * (len(found) != 1)}: {', '.join(parts) or 'none was measured'}."
    if count["different"]:
        twin = any(entry.get("floor") is not None for entry in pair["dimensions"].values())
        return Answer("different", "No", listed if twin else f"{listed} {NO_TWIN}")
    return Answer("inconclusive", "Not settled", listed)


# In the same words wherever an answer stands: page, Markdown, terminal, and the metric's card.
ANSWER_TAKES = (
    f"A Yes takes “equivalent” in all {len(DIMENSIONS)} dimensions; a single “different” makes a No. Anything else is "
    "not settled: a dimension is inconclusive, was left out or could not be measured, or a slice of the texts is "
    "different."
)
VERDICT_TAKES = (
    "An interval that ends inside the margin is “equivalent”, one that lies beyond it “different”, unless Holm's "
    "correction for several verdicts, errors in opposite directions, too few examples or too few twins stand against "
    "it: then it is “inconclusive”, as is all else, and the reason is said."
)
SET_YOURS = "Of a gap it is 3 points, and 10 under attack. Set your own with the option margins, before you look."
MARGINS_SAY = (  # as the card of trust_equivalence has them, with what they let pass
    "The margins are conventions. Of an overlap, the margin is a fifth of what large and twins share beyond chance: a "
    "compressed model passes with four fifths of that, since a fixed size would let everything pass where twins share "
    f"little. {SET_YOURS}"
)
MARGINS_ALONE_SAY = (
    "The margins are conventions. Of an overlap, the margin is half of what lies between chance and a full overlap. "
    f"{SET_YOURS}"
)
MARKS = (  # of the forest plot
    ("disc", "●", "equivalent: the whole interval lies inside the margin"),
    ("square", "■", "different: the whole interval lies beyond it"),
    ("diamond", "◆", "inconclusive: neither, or something else stands against it"),
    ("bar", "━", "interval"),
    ("arrow", "◀", "goes on beyond the picture; 7× marks one that lies 7 margins away"),
)


def marks_say(audit: Audit) -> str:
    """The legend of the forest plot in one line, for where it cannot be drawn.

    >>> marks_say({"settings": {}, "models": {}}).partition(":")[0]
    '0 is no divergence, 1 the margin; ● equivalent'
    """
    zero = f"as far from the large model as {than_floor(audit)[1]}" if has_floor(audit) else "no divergence"
    return f"0 is {zero}, 1 the margin; {'; '.join(f'{sign} {says}' for _, sign, says in MARKS)}."


def margins_say(audit: Audit) -> str:
    """Why the margins are what they are; of one's own, that they are.

    >>> margins_say({"settings": {"margins": {"ood_divergence": 0.01}}, "models": {}}).partition(".")[0]
    'The margins were set for this audit with --margins, where they are not the usual ones'
    """
    if audit["settings"].get("margins"):
        return "The margins were set for this audit with --margins, where they are not the usual ones."
    return MARGINS_SAY if has_floor(audit) else MARGINS_ALONE_SAY


def has_floor(audit: Audit) -> bool:
    return any(model["role"] == "twin" for model in audit["models"].values())


# The models and the data.


def described(model: dict[str, Any]) -> dict[str, str]:
    """What there is to know of a model, in a table's words.

    >>> model = {"source": "tiny", "parameters": 1_198_210, "megabytes": 4.793, "disk_megabytes": 2.4, "made": "",
    ...          "files": {"model.safetensors": "ab" * 32}, "runs_as": "transformers, float32", "simulated": False,
    ...          "vocabulary": 6000, "labels": ["bad", "good"], "fingerprint": "0" * 32}
    >>> told = described(model)
    >>> told["size"], told["made"], told["runs"], told["reads"], told["labels"], told["hash"]
    ('4.8 MB in memory, 2.4 MB on disk', '–', 'transformers, float32', '6,000 tokens', 'bad, good', 'abababababab')
    """
    sizes = [f"{megabytes(model)} MB in memory"] if model["megabytes"] is not None else []
    sizes += [f"{disk:.1f} MB on disk"] if (disk := model.get("disk_megabytes")) else []
    hashes = [sha for name, sha in model.get("files", {}).items() if name.endswith(WEIGHTS)]
    vocabulary, labels = model.get("vocabulary"), model.get("labels", [])
    stored = model.get("stored_as")
    return {
        "source": model["source"],
        "architecture": model.get("architecture", ""),
        "parameters": parameters(model),
        "size": ", ".join(sizes) + " (simulated)" * model["simulated"] or NOTHING,
        "made": model.get("made") or NOTHING,
        "runs": model.get("runs_as", NOTHING) + (f", stored as {stored}" if stored else ""),
        "reads": f"{vocabulary:,} tokens" if vocabulary else NOTHING,
        "labels": and_so_on(labels, 4) if len(labels) > 4 else ", ".join(labels) or NOTHING,
        "hash": hashes[0][:12] if len(hashes) == 1 else model["fingerprint"][:12],
    }


USUAL = {  # what it means that an option was not given
    "attack_options": "the attack's own",
    "dtype": "the model's own",
    "labels": "matched by their names",
    "max_queries": "as many as the attack likes",
    "until_settled": "no: all examples were asked about at once",
}


def settings_told(audit: Audit) -> list[tuple[str, str]]:
    """Every option with what was used, also where it was not given.

    >>> settings_told({"settings": {"dtype": None, "seed": 0, "floor": None}, "models": {}, "pairs": []})
    [('dtype', "the model's own"), ('seed', '0'), ('floor', 'none: no twin was given')]
    """
    told = {
        name: USUAL.get(name, "none") if value is None else plain(value) for name, value in audit["settings"].items()
    }
    twins = [name for name, model in audit["models"].items() if model["role"] == "twin"]
    if "floor" in told and audit["settings"]["floor"] is None:
        told["floor"] = f"the twins: {', '.join(twins)}" if twins else "none: no twin was given"
    if "margins" in told and (used := margins_used(audit)):
        told["margins"] = used
    return list(told.items())


def margins_used(audit: Audit) -> str:
    """
    >>> entry = {"status": "done", "verdict": "equivalent", "margin": 0.03}
    >>> margins_used({"settings": {"margins": None}, "pairs": [{"dimensions": {"ood_divergence": entry}}]})
    'ood_divergence 3 points (usual)'
    """
    own, found = audit["settings"]["margins"] or {}, dict[str, list[float]]()
    for pair in audit["pairs"]:
        for name, entry in pair["dimensions"].items():
            if entry["status"] == "done" and entry["verdict"]:
                found.setdefault(name, []).append(entry["margin"])
    said = []
    for name, margins in found.items():
        least, most = (points(end) for end in (min(margins), max(margins)))
        size = most if least == most else f"{least.partition(' ')[0]} to {most}"
        said.append(f"{name} {size}{'' if name in own else ' (usual)'}")
    return ", ".join(said)


def command_line(audit: Audit) -> str:
    """As it was typed, but for places of that machine; nothing where the audit was asked for in code."""
    words = audit["run"].get("command")
    return "" if words is None else shlex.join(["trusteq", "audit", *words])


def made_by(audit: Audit, write: Callable[[str], str] = str) -> str:
    """How to get it again: the command (written so), the day, the seed and the version.

    >>> run = {"started": "2026-11-30T21:52:13+00:00", "command": ["--out", "results/audit"]}
    >>> made_by({"run": run, "settings": {"seed": 0}, "version": "0.1.0"})
    'Made by trusteq audit --out results/audit on 2026-11-30, seed 0, version 0.1.0.'
    >>> made_by({"run": {"started": ""}, "settings": {}, "version": "0.1.0"})
    'Made by version 0.1.0.'
    """
    line, day, seed = command_line(audit), audit["run"]["started"].partition("T")[0], audit["settings"].get("seed")
    how = [f"by {write(line)}"] * bool(line) + [f"on {day}"] * bool(day)
    rest = ", ".join([*([] if seed is None else [f"seed {seed}"]), f"version {audit['version']}"])
    return f"Made {' '.join(how)}, {rest}." if how else f"Made by {rest}."


def parameters(model: dict[str, Any]) -> str:
    """
    >>> parameters({"parameters": 22_713_216}), parameters({"parameters": None})
    ('22.7 M', '–')
    """
    count = model["parameters"]
    return NOTHING if count is None else f"{count / 1e6:.1f} M" if count >= 100_000 else f"{count:,}"


def megabytes(model: dict[str, Any]) -> str:
    return NOTHING if model["megabytes"] is None else f"{model['megabytes']:.1f}"


def size_says(model: dict[str, Any]) -> str:
    """
    >>> size_says({"parameters": 1_198_210, "megabytes": 4.793, "disk_megabytes": 2.4, "simulated": False})
    '1.2 M parameters, 2.4 MB on disk'
    >>> size_says({"parameters": None, "megabytes": None, "simulated": False})
    ''
    """
    sizes = [f"{parameters(model)} parameters"] if model["parameters"] else []
    if model["simulated"]:
        return ", ".join([*sizes, "simulated: no smaller and no faster"])
    if disk := model.get("disk_megabytes"):
        return ", ".join([*sizes, f"{disk:.1f} MB on disk"])
    return ", ".join([*sizes, *([f"{megabytes(model)} MB in memory"] if model["megabytes"] else [])])


def task_says(audit: Audit) -> str:
    """What the models were asked, in a sentence.

    >>> data = {"name": "a.csv", "examples": 1796, "ood_examples": 200, "classes": ["negative", "positive"]}
    >>> large = {"role": "large", "parameters": 3_215_618, "disk_megabytes": 6.4, "simulated": False}
    >>> task_says({"data": data, "models": {"large": large}})
    'The task: 1,796 examples of a.csv, each to be called negative or positive, and 200 out-of-distribution ones. The \
large model has 3.2 M parameters, 6.4 MB on disk.'
    """
    data, classes = audit["data"], audit["data"].get("classes") or []
    name, count = data.get("name"), data["examples"]
    says = f"The task: {count:,} example{'s' * (count != 1)}{f' of {name}' * bool(name)}"
    if 1 < len(classes) <= 4:
        says += f", each to be called {', '.join(classes[:-1])} or {classes[-1]}"
    elif classes:
        says += f", each to be called one of {len(classes):,} classes"
    says += f", and {strange:,} out-of-distribution ones." if (strange := data.get("ood_examples")) else "."
    large = next((model for model in audit["models"].values() if model["role"] == "large"), None)
    return says + (f" The large model has {size}." if large and (size := size_says(large)) else "")


def counted_says(audit: Audit) -> str:
    """How examples are counted, beside the task, which says how many: nothing where each counts by itself.

    >>> data = {"examples": 90, "groups": None, "duplicates": 0, "duplicates_apart": 0, "ood_duplicates": 0}
    >>> counted_says({"data": data}), counted_says({"data": data | {"groups": 45}})
    ('', '90 examples in 45 groups.')
    """
    data = audit["data"]
    repeated = any(data[key] for key in ("duplicates", "duplicates_apart", "ood_duplicates"))
    return together(audit) if repeated or data["groups"] is not None else ""


def simulated(audit: Audit) -> str:
    """
    >>> simulated({"models": {"large": {"simulated": False}, "int8": {"simulated": True}}})
    'The weights of int8 are simulated: rounded or set to 0, but kept as ordinary numbers, so no smaller and no faster.'
    """
    names = [name for name, model in audit["models"].items() if model["simulated"]]
    how = "are simulated: rounded or set to 0, but kept as ordinary numbers, so no smaller and no faster"
    return f"The weights of {' and '.join(names)} {how}." if names else ""


def labels_say(audit: Audit) -> str:
    """Of language models how often each answers what, and how probable it is that any of the answers follows at all.

    >>> one = {"label_shares": {"negative": 0.9, "positive": 0.1}, "on_labels": 0.25, "shortened": 2}
    >>> labels_say({"models": {"large": one, "small": {}}})
    'large answers negative in 90 %, positive in 10 %; any of these follows with 25 % on average; 2 texts were cut.'
    """
    said = []
    for name, model in audit["models"].items():
        if shares := model.get("label_shares"):
            each = ", ".join(f"{label} in {percent(share)}" for label, share in shares.items())
            count = model["shortened"]
            cut = f"; {count:,} {'text was' if count == 1 else 'texts were'} cut" if count else ""
            mass = percent(model["on_labels"])
            said.append(f"{name} answers {each}; any of these follows with {mass} on average{cut}.")
    return " ".join(said)


def unread(audit: Audit) -> str:
    """
    >>> unread({"models": {"large": {"unread": []}, "tiny": {"unread": ["cls.bias", "cls.weight"]}}})
    'The checkpoint of tiny holds 2 weights that the model does not read, such as cls.bias.'
    """
    listed = []
    for name, model in audit["models"].items():
        if names := model["unread"]:
            count = "1 weight" if len(names) == 1 else f"{len(names):,} weights"
            such = f", {'such as ' * (len(names) > 1)}{shorten(names[0], 60)}"
            listed.append(f"The checkpoint of {name} holds {count} that the model does not read{such}.")
    return " ".join(listed)


def left_out(audit: Audit) -> str:
    """
    >>> left_out({"data": {"unlabelled": 1}}), left_out({"data": {"unlabelled": 1200}})
    ('1 row without a label was left out.', '1,200 rows without a label were left out.')
    """
    count = audit["data"]["unlabelled"]
    rows, were = ("row", "was") if count == 1 else ("rows", "were")
    return f"{count:,} {rows} without a label {were} left out." if count else ""


def together(audit: Audit) -> str:
    """
    >>> data = {"examples": 2000, "groups": 100, "duplicates": 14, "duplicates_apart": 1, "ood_duplicates": 0}
    >>> together({"data": data})
    '2,000 examples in 100 groups; 14 repeated texts count once; 1 repeated text counts again, in another group.'
    """
    data = audit["data"]
    said = [f"{data['examples']:,} example{'s' * (data['examples'] != 1)}"]
    if data["groups"] is not None:
        said[0] += f" in {data['groups']:,} group{'s' * (data['groups'] != 1)}"
    for key, which, how in (
        ("duplicates", "", "once"),
        ("duplicates_apart", "", "again, in another group"),
        ("ood_duplicates", "out-of-distribution ", "once"),
    ):
        if count := data[key]:
            texts = f"1 repeated {which}text counts" if count == 1 else f"{count:,} repeated {which}texts count"
            said.append(f"{texts} {how}")
    return f"{'; '.join(said)}."
