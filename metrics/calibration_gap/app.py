"""The widget of calibration_gap: paste probability rows, see whether the confidence of both models is honest."""

from pathlib import Path

import evaluate
import numpy as np

from trusteq.faces.widget import build, start, to_csv

metric = evaluate.load(str(Path(__file__).parent))

rng = np.random.default_rng(0)
truth = rng.beta(2, 2, 500)  # the chance that the class is 1
references = (rng.random(500) < truth).astype(int)
logit = np.log(truth / (1 - truth))
large, compressed = (1 / (1 + np.exp(-k * logit - rng.normal(0, noise, 500))) for k, noise in ((1, 0.1), (2, 0.6)))
columns = {"references": references}
for name, p in (("predictions", compressed.round(4)), ("large_predictions", large.round(4))):
    columns[name] = np.stack([1 - p, p], 1).round(4)
example = to_csv(columns)

choices = {"binning": ["quantile", "uniform"], "convention": ["usual", "paper-b"]}
parts = ["brier", "edge", "clip", "bars"]  # of a convention, which is chosen whole
demo = build(metric, metric.dimension.question, example, choices=choices, hidden=parts)

if __name__ == "__main__":
    start(demo)
