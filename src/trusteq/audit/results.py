"""The audit as a flat dict of plain numbers."""

from typing import Any

from trusteq.verdicts import CODES


def audit_of(result: dict[str, Any]) -> dict[str, Any]:
    details = result.get("details", result) if isinstance(result, dict) else {}
    if not isinstance(details, dict) or "pairs" not in details:
        raise ValueError("a report needs an audit with details: call compute(large=..., ..., details=True)")
    return details


def flat(audit: dict[str, Any]) -> dict[str, Any]:
    """The audit as one flat dict of plain numbers."""
    found: dict[str, Any] = {}
    for name, model in audit["models"].items():
        found |= {f"{name}/{key}": model[key] for key in ("accuracy", "accuracy_low", "accuracy_high")}
    for pair in audit["pairs"]:
        for name, entry in pair["dimensions"].items():
            if entry["status"] != "done":
                continue
            figures = dict(entry["figures"])
            figures |= {key: entry[key] for key in ("divergence", "divergence_low", "divergence_high", "margin")}
            if entry["verdict"]:
                figures["verdict"] = CODES[entry["verdict"]]
            if "look" in entry:
                figures |= {"examples": entry["examples"], "look": entry["look"]["number"]}
            if entry["examples_needed"]:
                figures["examples_needed"] = entry["examples_needed"]
            found |= {f"{pair['name']}/{name}/{key}": value for key, value in figures.items()}
    for slicing in audit.get("slices", []):
        for entry in slicing["verdicts"]:
            place = f"{entry['compressed']}/{entry['dimension']}/{slicing['name']}/{entry['slice']}"
            figures = {key: entry[key] for key in ("divergence", "divergence_low", "divergence_high", "margin")}
            found |= {f"{place}/{key}": value for key, value in figures.items()}
            found[f"{place}/verdict"] = CODES[entry["verdict"]]
    return found | {"failed": len(audit["failures"])}
