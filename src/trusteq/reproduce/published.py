"""Paper A's table of prediction errors, from lists of the ids that models got wrong and somebody else published."""

import json
from itertools import combinations
from pathlib import Path

from trusteq.dimensions.registry import DIMENSIONS
from trusteq.reproduce.tables import Table, published_errors


def errors_table(given: tuple[str, ...], questions: Path | None) -> Table:
    """Every pair of the lists; `questions` holds all ids, by default question_ids.json beside the first list."""
    lists: dict[str, set[str]] = {}
    files = []
    for entry in given:
        name, path = named_list(entry)
        if name in lists:
            raise ValueError(f"--errors has two lists called {name}: give them names, NAME=FILE")
        lists[name] = set(read_ids(path))
        files.append(path)
    if len(lists) < 2:
        raise ValueError("--errors needs the lists of two models or more, to compare them")
    ids = read_ids(questions or files[0].with_name("question_ids.json"))
    for name, wrong in lists.items():
        if unknown := sorted(wrong - set(ids)):
            raise ValueError(f"{name}: {len(unknown)} ids are not among the questions, e.g. {unknown[0]!r}")
    answered = {name: [int(one in wrong) for one in ids] for name, wrong in lists.items()}  # 1: wrong
    found = {
        (compressed, large): DIMENSIONS["prediction_error_jaccard"].of(
            predictions=answered[compressed], references=[0] * len(ids), large_predictions=answered[large]
        )
        for large, compressed in combinations(lists, 2)
    }
    return published_errors(found, len(ids))


def named_list(entry: str) -> tuple[str, Path]:
    """
    >>> named_list("large=lists/a.json"), named_list("lists/tiny.json")
    (('large', PosixPath('lists/a.json')), ('tiny', PosixPath('lists/tiny.json')))
    """
    name, equals, place = entry.partition("=")
    path = Path(place if equals else name)
    return (name if equals else path.stem), path


def read_ids(path: Path) -> list[str]:
    try:
        ids = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ValueError(f"{path} could not be read as json: {error}") from None
    if not isinstance(ids, list) or not ids or not all(isinstance(one, str) for one in ids):
        raise ValueError(f"{path} must hold a list of ids")
    if len(set(ids)) < len(ids):
        raise ValueError(f"{path} holds an id more than once")
    return ids
