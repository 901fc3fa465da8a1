"""The widget of ood_divergence: paste outputs, see whether both models flag the same inputs as out-of-distribution."""

from pathlib import Path

import evaluate
import numpy as np

from trusteq.faces.widget import build, start, to_csv

metric = evaluate.load(str(Path(__file__).parent))

rng = np.random.default_rng(0)
references = np.repeat([0, 1], 200)  # 1 = out of distribution
outside = rng.normal(2 * references, 1)
rows = {}
for name, noise in (("predictions", 1.2), ("large_predictions", 0.5)):
    confidence = 1 / 3 + 2 / 3 / (1 + np.exp(outside - 1 + rng.normal(0, noise, 400)))
    rest = (1 - confidence) * rng.uniform(0.4, 0.6, 400)
    rows[name] = np.stack([confidence, rest, 1 - confidence - rest], 1).round(4)
example = to_csv({"references": references} | rows)
scores = ["msp", "energy", "entropy", "max_logit", "given"]

demo = build(metric, metric.dimension.question, example, choices={"score": scores})

if __name__ == "__main__":
    start(demo)
