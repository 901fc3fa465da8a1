"""The widget of trust_equivalence: paste what two models said, see whether errors and confidence are alike.

The Space of the whole audit, with models, is spaces/trust_equivalence.
"""

import dataclasses
from pathlib import Path

import evaluate
import numpy as np

from trusteq.faces.widget import build, start, to_csv

metric = evaluate.load(str(Path(__file__).parent))

rng = np.random.default_rng(0)
references = rng.integers(2, size=400)
hard = rng.normal(size=400)
columns = {"references": references}
for name, noise in (("predictions", 1.0), ("large_predictions", 0.5)):
    gold = 1 / (1 + np.exp(-(1.5 + hard + noise * rng.normal(size=400))))
    p = np.where(references == 1, gold, 1 - gold).round(4)
    columns[name] = np.stack([1 - p, p], 1).round(4)
example = to_csv(columns)

shown = {"n_bins", "binning", "from_logits", "confidence_level", "seed"}
hidden = [field.name for field in dataclasses.fields(metric.options) if field.name not in shown | {"details"}]
demo = build(
    metric, "Can it stand in for the large one?", example, choices={"binning": ["quantile", "uniform"]}, hidden=hidden
)

if __name__ == "__main__":
    start(demo)
