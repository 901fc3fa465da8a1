"""What does the audit say of the slices? A table for each slicing, and its worst verdicts in words."""

from typing import Any

from trusteq.audit.sentences import how_far
from trusteq.dimensions.registry import DIMENSIONS
from trusteq.report.queries import models_of
from trusteq.report.words import Audit, Entry, shown
from trusteq.wording import in_points, shorten

WORST = 3  # verdicts that are told in words
LONGEST = 40  # characters of a name in a sentence


def slice_tables(audit: Audit) -> list[dict[str, Any]]:
    """For each slicing a row for every slice and compressed model, the worst first."""
    return [slice_table(slicing, models_of(audit, "compressed")) for slicing in audit.get("slices", [])]


def slice_table(slicing: dict[str, Any], models: list[str]) -> dict[str, Any]:
    found = {(entry["slice"], entry["compressed"], entry["dimension"]): entry for entry in slicing["verdicts"]}
    columns = [name for name in DIMENSIONS if any(name == dimension for *_, dimension in found)]
    order = list(dict.fromkeys((value, model) for value, model, _ in found))
    rows: list[dict[str, Any]] = []
    for value, model in [*order, *((one["slice"], name) for one in slicing["slices"] for name in models)]:
        if all((value, model) != (row["slice"], row["model"]) for row in rows):
            listed = next(one for one in slicing["slices"] if one["slice"] == value)
            cells = [cell(found.get((value, model, name)), listed["left_out"].get(name)) for name in columns]
            rows.append({"slice": value, "model": model, "examples": count_of(listed["examples"]), "cells": cells})
    return {
        "name": slicing["name"],
        "columns": [DIMENSIONS[name].question for name in columns],
        "rows": rows,
        "several": len(models) > 1,
        "says": says(slicing),
        "unasked": unasked(slicing, columns),
        "worst": [(entry["slice"], entry["sentence"]) for entry in worst(slicing)],
    }


def cell(entry: Entry | None, left_out: str | None) -> dict[str, str]:
    """A verdict with its excess; or why there is none."""
    if entry is None:
        few = "too few" if left_out and left_out.startswith("It holds") else "not measured"
        return {"found": "", "value": few if left_out else "left out"}
    return {
        "found": entry["verdict"],
        "value": f"{shown(entry['divergence'], 'gap')}, allowed {in_points(entry['margin'])}",
    }


def count_of(examples: int) -> str:
    return f"{examples:,} example{'s' * (examples != 1)}"


def says(slicing: dict[str, Any]) -> str:
    """
    >>> says({"name": "length", "corrected_for": 12, "slices": [{"slice": "over 40 words", "examples": 400}] * 3,
    ...       "verdicts": [{"verdict": "different", "slice": "over 40 words"}, {"verdict": "equivalent"}]})
    'Of 3 slices, 1 is different: over 40 words. (Corrected for 12 verdicts.)'
    """
    found = (one["slice"] for one in slicing["verdicts"] if one["verdict"] == "different")
    different = [shorten(name, LONGEST) for name in dict.fromkeys(found)]
    named = ", ".join(different[:WORST]) + (f" and {len(different) - WORST} more" if len(different) > WORST else "")
    which = f"{len(different)} {'is' if len(different) == 1 else 'are'} different: {named}"
    which = which if different else "none is different, as far as so many examples can tell"
    corrected = f" (Corrected for {slicing['corrected_for']} verdicts.)" if slicing["corrected_for"] else ""
    return f"Of {len(slicing['slices'])} slices, {which}.{corrected}"


def unasked(slicing: dict[str, Any], columns: list[str]) -> str:
    """The dimensions that no slice holds enough examples for."""
    few = {name for one in slicing["slices"] for name in one["left_out"]} - set(columns)
    listed = [f"“{DIMENSIONS[name].question}” ({least(name)})" for name in DIMENSIONS if name in few]
    return f"No slice holds enough for {'; '.join(listed)}." if listed else ""


def least(name: str) -> str:
    return f"{DIMENSIONS[name].fewest} {DIMENSIONS[name].counted}"


def worst(slicing: dict[str, Any]) -> list[Entry]:
    return [entry for entry in slicing["verdicts"] if entry["verdict"] == "different"][:WORST]


def worst_lines(audit: Audit) -> list[str]:
    """For a terminal: what is to be said of each slicing, then its worst verdicts."""
    lines = []
    for slicing in audit.get("slices", []):
        lines.append(f"By {slicing['name']}: {says(slicing)}")
        for entry in worst(slicing) or slicing["verdicts"][:1]:
            names = ", ".join([*(shorten(entry[key], LONGEST) for key in ("compressed", "slice")), entry["dimension"]])
            lines.append(f"  {names}: {how_far(entry, entry['large'])}: {entry['verdict']}.")
    return lines
