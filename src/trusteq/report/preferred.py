"""Several compressed models can stand in: which to take? The smallest, and of those as small the closest to large."""

from typing import Any

from trusteq.report.queries import far, judged
from trusteq.report.words import Audit, answer
from trusteq.wording import and_so_on, clean

SIZES = {"disk_megabytes": "MB on disk", "megabytes": "MB in memory", "parameters": "M parameters"}
AS_SMALL = 1.02  # times the smallest


def preferred(audit: Audit) -> tuple[str, str] | None:
    """Its name, and why; None where fewer than two can stand in.

    >>> entry = {"status": "done", "verdict": "equivalent", "kind": "gap", "margin": 0.1, "floor": None}
    >>> entry |= {"divergence_low": None, "divergence_high": None}
    >>> far = {"tiny": 0.02, "thin": 0.01, "wide": 0.0}
    >>> names = ("prediction_error_jaccard", "calibration_gap", "representation_overlap", "ood_divergence",
    ...          "attribution_alignment", "attack_divergence")
    >>> pairs = [{"compressed": name, "large": "large", "role": "compressed",
    ...           "dimensions": dict.fromkeys(names, entry | {"divergence": size})} for name, size in far.items()]
    >>> models = {name: {"megabytes": 9.0 if name == "wide" else 2.0, "simulated": False} for name in far}
    >>> preferred({"pairs": pairs, "models": models})
    ('thin', 'of the 3 that can stand in, it is the smallest (2 MB in memory, as small as tiny), and closer to large')
    """
    able = {pair["compressed"]: pair for pair in judged(audit) if answer(pair).verdict == "equivalent"}
    if len(able) < 2:
        return None
    real = [name for name in able if not audit["models"][name]["simulated"]] or list(able)
    sizes, unit = sizes_of(audit, real)
    smallest = [name for name in real if sizes[name] <= AS_SMALL * min(sizes.values())]
    best = min(smallest, key=lambda name: far(able[name]))
    large, others = clean(able[best]["large"]), [clean(name) for name in smallest if name != best]
    size = f"{sizes[best]:.3g} {unit}"
    left = [clean(name) for name in able if name not in real]
    count, end = len(real), "er" if len(real) == 2 else "est"
    which = f"of the {count} that can stand in{' and are not simulated' * bool(left)}, it is"
    if count == 1:
        why = "it is the only one that can stand in and is not simulated" + (f" ({size})" if unit else "")
    elif len(smallest) == count:
        why = f"{which} the clos{end} to {large}"
        why += f", and {'both' if count == 2 else 'all'} are equally small ({size})" if unit else ""
    elif others:
        why = f"{which} the smallest ({size}, as small as {and_so_on(others)}), and closer to {large}"
    else:
        why = f"{which} the small{end} ({size})"
    if left:
        why += f"; {and_so_on(left)} {'is' if len(left) == 1 else 'are'} only simulated, and no smaller than {large}"
    return clean(best), why


def sizes_of(audit: Audit, names: list[str]) -> tuple[dict[str, float], str]:
    """By what is known of all of them: on disk, in memory, or how many weights; all alike where nothing is."""
    for key, unit in SIZES.items():
        found: dict[str, Any] = {name: audit["models"][name].get(key) for name in names}
        if all(found.values()):
            return {name: size / 1e6 if key == "parameters" else size for name, size in found.items()}, unit
    return dict.fromkeys(names, 1.0), ""


def preference(audit: Audit) -> str:
    """As a sentence; nothing where there is nothing to choose."""
    found = preferred(audit)
    return f"Prefer {found[0]}: {found[1]}." if found else ""
