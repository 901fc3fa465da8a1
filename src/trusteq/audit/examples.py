"""Which examples does an audit show? Those whose explanations agree least, and some that broke."""

from typing import Any

from trusteq.dimensions.work import Work
from trusteq.kinds.text import Text

SHOWN = 3  # examples of explanations and of attacks for each pair


def explanations(work: Work, compared: list[dict[str, Any]], classes: list[str]) -> list[dict[str, Any]]:
    """Of every pair the examples whose explanations agree least."""
    shown = []
    for pair in judged(compared, "attribution_alignment"):
        entry = pair["dimensions"]["attribution_alignment"]
        found = sorted(entry["details"]["per_example"], key=lambda one: (one[entry["headline"]], one["index"]))
        for one in found[:SHOWN]:
            sides = {"compressed": one["explanations"][0], "large": one["large_explanations"][0]}
            where = {"index": one["index"], "text": as_plain(work.texts[one["index"]])}
            gold = classes[work.gold[one["index"]]]
            shown.append(where | {"gold": gold, "pair": pair["name"], **sides, "jaccard": one[entry["headline"]]})
    return shown


def attacked(work: Work, compared: list[dict[str, Any]], classes: list[str]) -> list[dict[str, Any]]:
    """Of every pair some examples that broke: first those that broke one of the two alone, by the fewest changes."""
    shown = []
    for pair in judged(compared, "attack_divergence"):
        sides = [
            {i: one | {"transfers": work.transfers[way].get(i)} for i, one in work.outcomes[way[0]].items()}
            for way in ((pair["compressed"], pair["large"]), (pair["large"], pair["compressed"]))
        ]
        broken = [i for i in work.attacked if "broken" in (sides[0][i]["status"], sides[1][i]["status"])]
        order = {frozenset({"broken", "withstood"}): 0, frozenset({"broken"}): 1}  # then what one had wrong before
        both = {i: frozenset(side[i]["status"] for side in sides) for i in broken}
        broken.sort(key=lambda i: (order.get(both[i], 2), sides[0][i]["changed_words"], i))
        for i in broken[:SHOWN]:
            where = {"index": i, "text": as_plain(work.texts[i]), "gold": classes[work.gold[i]], "pair": pair["name"]}
            shown.append(where | {"compressed": sides[0][i], "large": sides[1][i]})
    return shown


def judged(compared: list[dict[str, Any]], dimension: str) -> list[dict[str, Any]]:
    done = (pair for pair in compared if pair["dimensions"].get(dimension, {}).get("status") == "done")
    return [pair for pair in done if pair["role"] == "compressed"]


def as_plain(text: Text) -> Any:
    return text if isinstance(text, str) else list(text)
