"""`trusteq compare`: what compressed models said beside what the large one said, from files: verdicts and a report."""

import json
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trusteq.audit.options import AuditOptions
from trusteq.audit.recorded import SETTINGS, Family, audit_answers
from trusteq.audit.said import said_of_arrays, task_of_arrays
from trusteq.checks import check_choice
from trusteq.cli import summed
from trusteq.cli.audit import MARGINS, check_room, named, why_nothing
from trusteq.cli.typed import Parser, Typed, part_of, run, visible
from trusteq.dimensions.registry import DIMENSIONS
from trusteq.records import arrays
from trusteq.records.read import read
from trusteq.records.readers.reader import ReadOptions
from trusteq.records.readers.registry import READERS
from trusteq.records.record import Record
from trusteq.records.runs import tasks_of
from trusteq.report.flips import csv_of
from trusteq.report.plots import plot_pair
from trusteq.report.tasks import task_table
from trusteq.report.terminal import figure_table, verdict_table
from trusteq.report.write import KINDS, plot_stems, write_report, write_whole
from trusteq.wording import place_name

ABOUT = """
Compares what compressed models said with what the large one said, from files alone: no model is asked.

    trusteq compare runs/llama-3b runs/llama-3b-int4             folders of an evaluation harness's logs
    trusteq compare fp16.eval int8=a.eval int4=b.eval            several compressed models, by name
    trusteq compare base.parquet small.parquet --gold label      tables of answers or probabilities
    trusteq compare a.npz b.npz --floor c.npz                    arrays; a second run of the large model as floor
    trusteq compare "a/*.parquet" "b/*.parquet" --engine duckdb  any number of rows, which an engine adds up
    trusteq compare --merge a/sums.json b/sums.json              what two such runs added up, together
    trusteq compare                                              an example: two small networks that read digits

Every task that is in all of them is compared by its examples' ids, then all tasks together. What is in one only is
counted and left out. The formats are {formats}; which one it is, the files say.

A .npz archive may hold these arrays, with the same examples in the same order in every file:

    labels                 the gold label of each example, as class numbers (one file may leave them out)
    probabilities          one row per example, one column per class; or `logits`, in all files alike
    embeddings             optional: one row per example, of any width
    ood_probabilities      optional: outputs on inputs from elsewhere; or `ood_logits`

The report is that of `trusteq audit`, with the tasks and flips.csv, the examples with another answer. With --engine or
--merge there is no page: the figures and verdicts of what can be added up, which is errors and calibration, go to
figures.json, and the sums themselves to sums.json, which --merge takes. The interval of the calibration gap is then
wider than on the page, so its verdict may stay open for longer.

Exit status: 0; 1 if a dimension failed, if nothing could be compared, or if --fail-on says so; 2, with one sentence, if
something is wrong with what was given.
"""

CALLED = ("prediction_error_jaccard", "calibration_gap", "representation_overlap", "ood_divergence")
FAILING = {"different": ("different",), "inconclusive": ("different", "inconclusive")}
OF_TABLES = ("id", "gold", "said", "confidence", "right", "group", "question")


@dataclass(frozen=True)
class CompareOptions:
    """What is compared.

    Args:
        places: the large model's answers, then those of one compressed model or more.
        large: the large model's answers, if they are not the first of these.
        compressed: those of the compressed models, if they are not among these.
        floor: further runs of the large model, or of ones trained alike with other seeds: what differs among them is
            the floor.
        format: what kind of files they are (default: what the files say).
        allow_different_prompts: compare answers to prompts that differ between the runs.
        ood_task: the task that is out of distribution; it is no part of the others.
        fail_on: exit with status 1 if a verdict is "different", or with "inconclusive" if any is not "equivalent".
        out: folder of the report (default: results/compare, for the example results/example, with --engine or --merge
            results/sums).
    """

    places: tuple[str, ...] = ()
    large: str | None = None
    compressed: tuple[str, ...] = ()
    floor: tuple[str, ...] = ()
    format: str | None = None
    allow_different_prompts: bool = False
    ood_task: str | None = None
    fail_on: str | None = None
    out: Path | None = None

    def __post_init__(self) -> None:
        if self.fail_on is not None:
            check_choice("fail_on", self.fail_on, tuple(FAILING))


def main(argv: list[str] | None = None) -> int:
    return run("compare", parser(), begin, argv)


def parser() -> Parser:
    made = Parser("compare", ABOUT.format(formats=", ".join(READERS)))
    several: dict[str, Any] = {name: {"metavar": "[NAME=]PLACE"} for name in ("places", "compressed", "floor")}
    several["places"] |= {"nargs": "*"}
    made.add(CompareOptions, large={"metavar": "PLACE"}, **several)
    column: dict[str, Any] = {name: {"metavar": "COLUMN"} for name in OF_TABLES}
    made.add(ReadOptions, without=("model",), **column)  # every place holds a model of its own
    made.add(summed.Engines, under="tables of any length", merge={"metavar": "SUMS.JSON"})
    made.add(AuditOptions, under="verdicts", only=SETTINGS, dimensions={"nargs": "+"}, margins=MARGINS)
    return made


def begin(typed: Typed) -> int:
    if summed.is_asked(typed):
        fail_on = part_of(CompareOptions, typed).fail_on
        return status_of(summed.begin(typed), fail_on)
    options, verdicts = part_of(CompareOptions, typed), {name: typed[name] for name in SETTINGS if name in typed}
    asked = part_of(AuditOptions, verdicts | dict_of(typed, "margins"))
    is_example = not options.places and options.large is None and not options.compressed
    out = options.out or Path("results/example" if is_example else "results/compare")
    if is_example:
        large, compressed = example(out)
        sources, roles = {"large": str(large), "compressed": str(compressed)}, {"large": "large"}
    else:
        sources, roles = places_of(options)
    family = family_of(sources, options, part_of(ReadOptions, typed))
    are_arrays = family.arrays is not None
    family.roles |= {name: roles.get(old, "compressed") for name, old in zip(family.sources, sources, strict=True)}
    check_room(out, resume=True)
    return status_of(reported(family, asked, out, are_arrays), options.fail_on)


def reported(family: Family, asked: AuditOptions, out: Path, are_arrays: bool = False) -> dict[str, Any]:
    """The audit of what was said, written down, and told on the screen."""
    found, changed = audit_answers(family, asked)
    clear(out)
    written = write_report(found, out, plot_pair, ("svg", "png") if are_arrays else KINDS)
    write_whole(out / "flips.csv", csv_of(changed))
    if are_arrays:
        print_figures(found, out)
    print(task_table(found), end="\n\n" if found["tasks"] else "")
    print(verdict_table(found))
    for one in found["data"]["noticed"]:
        print(visible(one))
    print(f"the report: {written[0]}")
    return found


def dict_of(typed: Typed, name: str) -> Typed:
    return {name: dict(typed[name])} if name in typed else {}


def places_of(options: CompareOptions) -> tuple[dict[str, str], dict[str, str]]:
    """Every model's answers, by its name: large, its twins if there is a floor, and the compressed ones; and the roles
    of those that are not compressed."""
    places = [*([options.large] if options.large else []), *options.places, *options.compressed]
    if len(places) < 2 or (options.compressed and not options.large and not options.places):
        raise ValueError("give the large model's answers and those of a compressed one: two places or more")
    twins = named(options.floor, "--floor", "PLACE")
    if len(twins) == 1 and "=" not in options.floor[0]:
        twins = {"twin": options.floor[0]}
    compressed = named(places[1:], place="PLACE")
    if both := [name for name in compressed if name in twins or name == "large"]:
        raise ValueError(f"two of the models are called {both[0]}: give them names, NAME=PLACE")
    return {"large": places[0], **twins, **compressed}, {"large": "large", **dict.fromkeys(twins, "twin")}


def example(out: Path) -> tuple[Path, Path]:
    from trusteq.records.example import save_example  # brings scikit-learn

    large, compressed = save_example(out)
    print(f"Example: two networks that learned the handwritten digits 0 to 7, {large} and {compressed}.")
    print("The out-of-distribution inputs are the digits 8 and 9, which neither has seen.")
    return large, compressed


# What was given becomes a family.


def family_of(sources: dict[str, str], options: CompareOptions, asked: ReadOptions) -> Family:
    """Every model's answers, by its name; the roles are left to whoever asks."""
    if options.format is None and arrays.are_archives(list(sources.values())):
        return of_arrays(sources)
    return of_records(sources, options, asked)


def of_arrays(sources: dict[str, str]) -> Family:
    held = {name: arrays.read(Path(place)) for name, place in sources.items()}
    for name in held:
        if name != "large":
            arrays.check_pair(Path(sources["large"]), held["large"], Path(sources[name]), held[name])
    shown = {name: place_name(place) for name, place in sources.items()}
    said = said_of_arrays(held)
    return Family(shown, {}, f"{shown['large']} and the arrays beside it", task_of_arrays(said), arrays=said)


def of_records(sources: dict[str, str], options: CompareOptions, asked: ReadOptions) -> Family:
    held = {name: read(place, options.format, asked) for name, place in sources.items()}
    for name in [name for name in held if any(sign in name for sign in "*?[")]:
        held = renamed(held, name, held[name][0].head["model"] or "compressed")
    tasks, noticed = tasks_of(held, options.allow_different_prompts)
    strange = [task for task in tasks if task.name == options.ood_task]
    if options.ood_task is not None and not strange:
        raise ValueError(f"ood_task must be one of {', '.join(task.name for task in tasks)}, got {options.ood_task}")
    tasks = [task for task in tasks if task not in strange]
    if not tasks:
        raise ValueError(f"{options.ood_task} is the only task; there is none that is not out of distribution")
    names = [task.name for task in tasks if not task.again]
    called = ", ".join(names) if len(names) <= 4 else f"{len(names)} tasks"
    models = {name: records[0].head["model"] for name, records in held.items()}
    shown = {name: models[name] or place_name(place) for name, place in zip(held, sources.values(), strict=True)}
    return Family(shown, {}, called, tasks, strange[0] if strange else None, noticed=noticed)


def renamed(held: dict[str, list[Record]], old: str, new: str) -> dict[str, list[Record]]:
    """A pattern is no name: the log's own name for the model is."""
    if new in held:
        raise ValueError(f"two compressed models are called {new}: give them names, NAME=PLACE")
    return {new if name == old else name: records for name, records in held.items()}


# What was found.


def status_of(found: dict[str, Any], fail_on: str | None, command: str = "compare") -> int:
    for failure in found["failures"]:
        print(visible(f"{failure['dimension']} of {failure['pair']} failed: {failure['reason']}"), file=sys.stderr)
    if reasons := why_nothing(found):
        print(f"trusteq {command}: nothing could be compared: {visible(reasons)}", file=sys.stderr)
    fatal = [
        f"{pair['name']} is {entry['verdict']} in {name}"
        for pair in found["pairs"]
        for name, entry in pair["dimensions"].items()
        if entry["status"] == "done" and entry["verdict"] in FAILING.get(fail_on or "", ())
    ]
    if fatal:
        print(f"trusteq {command}: {visible('; '.join(fatal))} (--fail-on {fail_on})", file=sys.stderr)
    return 1 if found["failures"] or reasons or fatal else 0


def clear(out: Path) -> None:
    """Remove what an earlier run wrote, so that no old figure stands beside a new one."""
    for name in ("results.json", "flips.csv", *(f"{name}.png" for name in CALLED)):
        (out / name).unlink(missing_ok=True)


def print_figures(found: dict[str, Any], out: Path) -> None:
    """Of arrays every figure, to the screen and to results.json, and the plots beside it."""
    results: dict[str, Any] = {}
    stems = plot_stems(found)
    for place, pair in enumerate(found["pairs"]):
        several = len(found["pairs"]) > 1
        for name in (name for name in CALLED if name in pair["dimensions"]):
            entry = pair["dimensions"][name]
            print(f"\n{DIMENSIONS[name].question}  ({', '.join([name, pair['name']] if several else [name])})")
            if entry["status"] != "done":
                print(f"  left out: {entry['reason']}")
                continue
            print(figure_table(entry["figures"]))
            results.setdefault(pair["name"], {})[name] = entry["figures"]
            if not several:
                shutil.copyfile(out / "plots" / f"{stems[place, name]}.png", out / f"{name}.png")
    shown = results if len(found["pairs"]) > 1 else next(iter(results.values()), {})
    write_whole(out / "results.json", json.dumps(shown, indent=2) + "\n")
    print(f"\nAll figures: {out / 'results.json'}; plots beside it.\n")
