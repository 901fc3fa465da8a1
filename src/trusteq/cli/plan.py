"""`trusteq plan`: how many examples will it take to settle the verdicts? From an audit, or from guesses."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trusteq.audit.planning import Guesses, guessed, plan
from trusteq.cli.typed import Parser, Typed, part_of, run

ABOUT = """
Can so many examples settle it? Says how many will; asks no model.

From an earlier audit, for each of its verdicts the chance that so many examples settle it:

    trusteq plan results/audit/report.json

Before any audit, from guesses, how wide the intervals will be and how often equals will be called equivalent:

    trusteq plan --accuracy 0.85 --shared 0.6

Exit status: 0; 2, with one sentence, if something is wrong with what was given.
"""


@dataclass(frozen=True)
class PlanOptions:
    """What is planned from, and where it goes.

    Args:
        report: report.json of an earlier audit, or its folder.
        out: a folder for plan.json, plan.md and plan.svg.
    """

    report: Path | None = None
    out: Path | None = None


def main(argv: list[str] | None = None) -> int:
    return run("plan", parser(), begin, argv)


def parser() -> Parser:
    made = Parser("plan", ABOUT)
    made.add(PlanOptions, under="what is planned from", report={"nargs": "?", "metavar": "REPORT", "default": None})
    made.add(Guesses, under="guesses")
    return made


def begin(typed: Typed) -> int:
    from trusteq.report.planned import plan_table, write_plan
    from trusteq.report.queries import in_order

    options, guesses = part_of(PlanOptions, typed), part_of(Guesses, typed)
    given = [name for name in vars(guesses) if name in typed]
    if options.report is not None and given:
        raise ValueError(f"give an audit to plan from, or guesses (--{given[0]}), not both")
    if options.report is None:
        made = guessed(guesses)
    else:
        audit = read(options.report)
        made = plan(audit | {"pairs": in_order(audit)})  # models stand in the report's order
    print(plan_table(made))
    if options.out is not None:
        for path in write_plan(made, options.out):
            print(path)
    return 0


def read(place: Path) -> dict[str, Any]:
    path = place / "report.json" if place.is_dir() else place
    if not path.is_file():
        raise ValueError(f"there is no file {path}: give report.json of an audit")
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        entries = [entry for pair in found["pairs"] for entry in pair["dimensions"].values()]
        done = [entry for entry in entries if entry["status"] == "done"]
    except (ValueError, KeyError, TypeError, AttributeError):
        raise ValueError(f"{path} is no report of an audit: give report.json of one") from None
    if any("seeds" not in entry for entry in done):
        raise ValueError(
            f"{path} is of an earlier version: go on with that audit (--resume), which asks no model again"
        )
    return dict(found)
