"""Which texts show it best? Examples for the page: explanations that disagree, and texts that broke."""

import difflib
import re
from typing import Any

from trusteq.report.words import Audit, Pair
from trusteq.wording import clean, percent, shorten, signed

MOST_EXAMPLES = 6  # of each kind; report.json has them all
MOST_WORDS = 10  # of an explanation, where the headline names no K
LONGEST_STRETCH = 40  # words without a mark in a row, of which only the ends are shown
LONGEST_WORDING = 300  # characters of a prompt that is shown
Segments = list[tuple[str, str]]  # (text, how it is marked)


def some(examples: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The first of each pair, as many of one as of another."""
    pairs = list(dict.fromkeys(example["pair"] for example in examples))
    each = max(1, MOST_EXAMPLES // max(1, len(pairs)))
    return [e for pair in pairs for e in [e for e in examples if e["pair"] == pair][:each]]


def explanation(audit: Audit, item: dict[str, Any]) -> dict[str, Any]:
    """A text with its words marked, and both models' words with their weights."""
    pair = pair_named(audit, item["pair"])
    most = top(pair)
    words = {"compressed": item["compressed"][:most], "large": item["large"][:most]}
    sets = {kind: {str(word) for word, _ in listed} for kind, listed in words.items()}
    texts = [item["text"]] if isinstance(item["text"], str) else item["text"]
    sides = []
    for kind, listed in words.items():
        greatest = max((abs(weight) for _, weight in listed), default=0.0) or 1.0
        rows = [
            {
                "word": word,
                "weight": signed(f"{weight:+.2g}"),
                "width": round(100 * abs(weight) / greatest),
                "against": weight < 0,
            }
            for word, weight in listed
        ]
        sides.append({"kind": kind, **named(pair, kind), "words": rows})
    return {
        "index": item["index"],
        "gold": item["gold"],
        "jaccard": percent(item["jaccard"]),
        "parts": [shown(marked_words(text, sets["compressed"], sets["large"])) for text in texts],
        "sides": sides,
    }


def named(pair: Pair, kind: str) -> dict[str, str]:
    """A model's name, and which of the two it is where the name does not say so."""
    return {"name": pair[kind], "role": "" if pair[kind] == kind else f" ({kind})"}


def top(pair: Pair) -> int:
    """How many words the figure is about: the K of its headline."""
    headline = pair["dimensions"].get("attribution_alignment", {}).get("headline", "")
    size = re.search(r"_at_(\d+)$", headline)
    return int(size[1]) if size else MOST_WORDS


def marked_words(text: str, compressed: set[str], large: set[str]) -> Segments:
    """
    >>> marked_words("not a good film", {"good", "not"}, {"good", "film"})
    [('not', 'compressed'), (' a ', ''), ('good', 'both'), (' ', ''), ('film', 'large')]
    """
    words = sorted(filter(None, compressed | large), key=len, reverse=True)
    if not words:
        return [(text, "")]
    pattern = "|".join(
        rf"(?<!\w){re.escape(w)}(?!\w)" if w[0].isalnum() and w[-1].isalnum() else re.escape(w) for w in words
    )
    out, end = [], 0
    for match in re.finditer(pattern, text):
        out.append((text[end : match.start()], ""))
        kind = "both" if match[0] in compressed & large else "compressed" if match[0] in compressed else "large"
        out.append((match[0], kind))
        end = match.end()
    return [segment for segment in [*out, (text[end:], "")] if segment[0]]


def attack(audit: Audit, item: dict[str, Any]) -> dict[str, Any]:
    """What the attack did to a text for each of the two models."""
    pair = pair_named(audit, item["pair"])
    sides = []
    for kind in ("compressed", "large"):
        outcome = item[kind]
        broken = outcome["status"] == "broken"
        before, after = ([t] if isinstance(t, str) else t for t in (outcome["text"], outcome["adversarial"]))
        parts = [shown(changes(old, new)) for old, new in zip(before, after, strict=True)] if broken else []
        sides.append({"kind": kind, **named(pair, kind), "says": says_of(outcome), "parts": parts})
    return {"index": item["index"], "gold": item["gold"], "sides": sides}


def says_of(outcome: dict[str, Any]) -> str:
    label, queries = outcome["label"], f"{outcome['queries']:,} question{'s' * (outcome['queries'] != 1)}"
    if outcome["status"] == "skipped":
        return "is wrong before the attack, so it was not attacked"
    if not outcome["changeable"]:
        return "withstands: nothing in this text may be changed"
    if outcome["status"] == "withstood":
        return f"withstands the attack ({queries})"
    after = outcome["adversarial_scores"][outcome.get("adversarial_label", label)]
    wording = outcome.get("wording")
    under = "" if wording is None else f" under the prompt “{shorten(clean(wording), LONGEST_WORDING)}”"
    fall = f"from {outcome['scores'][label]:.2f} to {after:.2f}"
    says = f"breaks{under}: its probability of the right answer falls {fall} ({queries})"
    if outcome.get("transfers") is not None:
        fools = f"this {'text' if wording is None else 'prompt'} fools the other model too"
        says += f"; {fools}" if outcome["transfers"] else "; the other model is not fooled by it"
    return says


def changes(before: str, after: str) -> Segments:
    """
    >>> changes("a superb film", "a sup erb film")
    [('a ', ''), ('superb', 'del'), ('sup erb', 'ins'), (' film', '')]
    """
    old, new = (re.findall(r"\s+|\S+", text) for text in (before, after))
    out: Segments = []
    for kind, i, j, k, end in difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if kind == "equal":
            out.append(("".join(old[i:j]), ""))
        else:
            out += [("".join(old[i:j]), "del"), ("".join(new[k:end]), "ins")]
    return [segment for segment in out if segment[0]]


def shown(segments: Segments) -> Segments:
    """With the middle of long stretches without a mark left out."""
    out = []
    for place, (text, mark) in enumerate(segments):
        words = re.findall(r"(?:\A\s+)?\S+\s*", text)
        if not mark and len(words) > LONGEST_STRETCH:
            start = words[: LONGEST_STRETCH // 2] if place else words[:8]
            end = words[-LONGEST_STRETCH // 2 :] if place < len(segments) - 1 else []
            text = "".join(start).rstrip() + " … " + "".join(end)
        out.append((text, mark))
    return out


def pair_named(audit: Audit, name: str) -> Pair:
    return next(pair for pair in audit["pairs"] if pair["name"] == name)
