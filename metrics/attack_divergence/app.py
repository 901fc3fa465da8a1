"""The widget of attack_divergence: paste what became of each example under attack, see if both models break alike."""

import re
from pathlib import Path
from typing import Any

import evaluate

from trusteq.faces.widget import build, start

metric = evaluate.load(str(Path(__file__).parent))

example = """text,predictions,large_predictions
a good film with a dull end,broken 14 1 no,withstood 41
great acting but awful plot,broken 22 2 yes,broken 27 2 yes
not a bad idea,skipped,broken 9 1 no
the cast is wonderful,broken 11 1 no,withstood 24
a story that goes nowhere,withstood 30,withstood 30
as moving as it is funny,broken 17 1 yes,broken 33 3 yes
"""


def read_outcome(cell: Any) -> dict[str, Any]:
    """A cell such as `broken 14 1 no` as an outcome: questions, changed words, and whether it fools the other model."""
    found = re.fullmatch(r"(broken|withstood|skipped)(?: (\d+))?(?: (\d+))?(?: (yes|no))?", " ".join(str(cell).split()))
    if not found:
        raise ValueError(f"outcomes look like broken 14 1 no, withstood 41 or skipped, got {str(cell)[:60]!r}")
    status, queries, changed, fools = found.groups()
    outcome = {"status": status, "queries": int(queries or 1), "changed_words": int(changed or 0)}
    return outcome | ({"transfers": fools == "yes"} if fools else {})


models = ["attack", "target", "attack_field", "max_queries", "word_vectors", "similarity", "masked_model", "rate"]
loading = ["labels", "device", "dtype", "trust_remote_code"]
cells = (
    "A cell holds what became of the example: `broken 14 1 no` (broken after 14 questions, with 1 word changed; that "
    "text does not fool the other model), `withstood 41`, or `skipped` (wrong before the attack)."
)
title, hidden = metric.dimension.question, [*models, *loading]
demo = build(metric, title, example, hidden=hidden, read_cell=read_outcome, cells=cells)

if __name__ == "__main__":
    start(demo)
