"""What the Space opens with: an audit's report.json, cut down to what the first screen shows.

    trusteq audit --out results/family
    python scripts/release/keep_opening.py results/family/report.json --name family

    python scripts/papers/bits.py --data FOLDER --out results/bits --model SmolLM2
    python scripts/release/keep_opening.py results/bits/report.json --name smollm2

writes spaces/trust_equivalence/opening/family.json and smollm2.json, and beside each the examples behind its counts,
which the page fetches when somebody asks for them. A test fails when they are out of date.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from trusteq.audit.schema import SCHEMA_NAME
from trusteq.dimensions.registry import DIMENSIONS
from trusteq.report.disagreements import disagreements
from trusteq.report.page import as_data

ROOT = Path(__file__).resolve().parents[2]
OUT = ROOT / "spaces" / "trust_equivalence" / "opening"
KEPT = ("schema", "version", "signature", "settings", "data", "models", "failures")  # as they are
WITHOUT = ("details", "figures")  # of every dimension: its curves and lists, and what no line of the screen names


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("report", type=Path, help="report.json of an audit")
    parser.add_argument("--name", required=True, choices=["family", "smollm2"], help="which of the two it is")
    parser.add_argument("--out", type=Path, default=OUT, help="folder to write to (default: the Space's own)")
    options = parser.parse_args(argv)
    try:
        audit = json.loads(options.report.read_text(encoding="utf-8"))
        kept, examples = shown(audit), disagreements(audit)
    except (OSError, ValueError, KeyError, TypeError) as error:
        print(f"keep_opening.py: {options.report} is not a report of this version: {error}", file=sys.stderr)
        return 2
    options.out.mkdir(parents=True, exist_ok=True)
    kept["lists"] = {pair["compressed"]: pair["lists"] for pair in examples["pairs"]} if examples else {}
    files = {"": json.dumps(kept, indent=1, ensure_ascii=False)}
    if examples:
        files[".examples"] = as_data(examples["data"])
    for ending, content in files.items():
        place = options.out / f"{options.name}{ending}.json"
        place.write_text(content + "\n", encoding="utf-8")
        print(f"{place}: {place.stat().st_size:,} bytes")
    return 0


def shown(audit: dict[str, Any]) -> dict[str, Any]:
    """What the first screen shows of an audit: its verdicts and their figures, without the examples."""
    if audit["schema"] != SCHEMA_NAME:
        raise ValueError(f"its schema is {audit['schema']}, not {SCHEMA_NAME}")
    pairs = [
        pair | {"dimensions": {name: without(name, entry) for name, entry in pair["dimensions"].items()}}
        for pair in audit["pairs"]
        if pair["role"] != "other"
    ]
    made = {key: audit["run"][key] for key in ("started", "seconds", "processes", "versions")}
    return {key: audit[key] for key in KEPT} | {"pairs": pairs, "run": made}


def without(name: str, entry: dict[str, Any]) -> dict[str, Any]:
    kept = {key: value for key, value in entry.items() if key not in WITHOUT}
    named = DIMENSIONS[name].briefly(entry.get("figures", {}))  # then the line names other figures than its own
    return kept | ({"figures": entry["figures"]} if named else {})


if __name__ == "__main__":
    sys.exit(main())
