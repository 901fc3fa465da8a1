"""Which answers changed? All of them as a table to download, and some of them for the page."""

import csv
import io
import re
from typing import Any

from trusteq.report.queries import judged
from trusteq.report.tasks import is_written
from trusteq.report.words import Audit
from trusteq.wording import number, percent, shorten

COLUMNS = ("pair", "task", "id", "kind", "question", "gold")
OF_SIDES = ("said", "confidence")
LONGEST = 600  # characters of a question or an answer on the page
FORMULA = re.compile(r"[=+\-@\t\r]")  # what a spreadsheet would take for a formula
NUMBER = re.compile(r"[+-]?[\d.,]+(?:e[+-]?\d+)?%?\Z", re.IGNORECASE)


def csv_of(changed: dict[str, list[dict[str, Any]]]) -> str:
    """Every example with another answer, by pair.

    >>> side = {"said": "=B", "confidence": 0.5, "right": False}
    >>> one = {"task": "arc", "id": "q1", "kind": "right to wrong", "question": "Why?", "gold": "A"}
    >>> print(csv_of({"int4": [one | {"large": side | {"said": "A"}, "compressed": side}]}).replace("\\r", ""))
    pair,task,id,kind,question,gold,large_said,large_confidence,compressed_said,compressed_confidence
    int4,arc,q1,right to wrong,Why?,A,A,0.5,'=B,0.5
    <BLANKLINE>
    """
    out = io.StringIO()
    writer = csv.writer(out)
    sides = [(side, key) for side in ("large", "compressed") for key in OF_SIDES]
    writer.writerow([*COLUMNS, *(f"{side}_{key}" for side, key in sides)])
    for pair, rows in changed.items():
        for row in rows:
            cells = [pair, *(row[name] for name in COLUMNS[1:]), *(row[side][key] for side, key in sides)]
            writer.writerow([harmless(cell) for cell in cells])
    return out.getvalue()


def harmless(cell: Any) -> Any:
    """
    >>> harmless("=1+1"), harmless("-5"), harmless(None), harmless(0.25)
    ("'=1+1", '-5', None, 0.25)
    """
    if not isinstance(cell, str):
        return cell
    cell = cell.replace("\0", "").encode("utf-8", "backslashreplace").decode()
    return f"'{cell}" if FORMULA.match(cell) and not NUMBER.match(cell) else cell


def shown_flips(audit: Audit) -> list[dict[str, Any]]:
    """The page's: of every pair those that the report holds, kind by kind, and how many there are of each."""
    found = []
    for pair in judged(audit):
        rows = [one for one in audit["examples"].get("flips", []) if one["pair"] == pair["name"]]
        if is_written(audit):  # nearly all such texts change somewhere: they are shown where they part
            rows = [one for one in rows if one["kind"] != "wrong to other wrong"]
        if rows:
            names = {"name": pair["name"], "large": pair["large"], "compressed": pair["compressed"]}
            found.append({**names, "counts": counts(pair), "rows": [row_of(one) for one in rows]})
    return found


def counts(pair: dict[str, Any]) -> str:
    """
    >>> entry = {"status": "done", "examples": 200, "figures": {"right_to_wrong": 0.05, "wrong_to_right": 0.04}}
    >>> counts({"dimensions": {"prediction_error_jaccard": entry}})
    '10 right to wrong (5.0 %), 8 wrong to right (4.0 %)'
    """
    entry = pair["dimensions"].get("prediction_error_jaccard", {})
    if entry.get("status") != "done":
        return ""
    named = ("right_to_wrong", "wrong_to_right", "wrong_to_other_wrong")
    shares = [(name.replace("_", " "), entry["figures"][name]) for name in named if name in entry["figures"]]
    return ", ".join(f"{round(share * entry['examples']):,} {what} ({percent(share)})" for what, share in shares)


def row_of(one: dict[str, Any]) -> dict[str, Any]:
    sides = [
        {"kind": kind, **cut(one[kind], "said", "option"), "sure": sure(one[kind]["confidence"])}
        for kind in ("large", "compressed")
    ]
    return cut(one, "question", "gold", "gold_option") | {"sides": sides}


def cut(one: dict[str, Any], *names: str) -> dict[str, Any]:
    """Long texts by their two ends; report.json and flips.csv have them whole."""
    return one | {name: shorten(one[name], LONGEST) for name in names if one[name]}


def sure(confidence: float | None) -> str:
    return "" if confidence is None else number(confidence)
