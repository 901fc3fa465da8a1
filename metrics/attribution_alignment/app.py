"""The widget of attribution_alignment: paste the words that matter to two models, see how far they are the same."""

from pathlib import Path
from typing import Any

import evaluate

from trusteq.faces.widget import build, start

metric = evaluate.load(str(Path(__file__).parent))

example = """text,predictions,large_predictions
a good film with a dull end,good:0.41 dull:-0.22 film:0.05 end:0.02,good:0.55 dull:-0.31 end:0.04 film:-0.01
great acting but awful plot,great:0.38 plot:0.12 awful:-0.10 but:0.03,awful:-0.62 great:0.35 but:-0.08 acting:0.05
not a bad idea,bad:-0.44 not:-0.21 idea:0.06 a:0.01,not:0.39 bad:-0.35 idea:0.02 a:0.01
the cast is wonderful,wonderful:0.52 cast:0.11 is:0.02 the:0.01,wonderful:0.64 cast:0.05 the:0.02 is:0.01
"""


def read_words(cell: Any) -> list[tuple[str, float]]:
    """A cell such as `good:0.41 dull:-0.22` as words with weights."""
    pairs = [pair.rpartition(":") for pair in str(cell).split()]
    try:
        return [(word, float(weight)) for word, _, weight in pairs]
    except ValueError:
        raise ValueError(f"words and weights look like good:0.41 dull:-0.22, got {str(cell)[:60]!r}") from None


models = ["method", "explain", "runs", "samples", "features", "target_width", "labels"]
loading = ["device", "dtype", "trust_remote_code"]
cells = "A cell holds words and their weights, such as `good:0.41 dull:-0.22`."
how: dict[str, Any] = {"choices": {"rank": ["absolute", "support"]}, "hidden": [*models, *loading], "start": {"k": 2}}
demo = build(metric, metric.dimension.question, example, read_cell=read_words, cells=cells, **how)

if __name__ == "__main__":
    start(demo)
