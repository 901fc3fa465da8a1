"""The widget of representation_overlap: paste two models' embeddings, see whether they give the same neighbours."""

from pathlib import Path

import evaluate
import numpy as np

from trusteq.faces.widget import build, start, to_csv

metric = evaluate.load(str(Path(__file__).parent))

rng = np.random.default_rng(0)
large = rng.normal(size=(200, 6)).round(3)
compressed = (large[:, :4] + rng.normal(0, 0.5, (200, 4))).round(3)  # fewer dimensions, and noise
example = to_csv({"predictions": compressed, "large_predictions": large})

demo = build(metric, metric.dimension.question, example, max_rows=5_000)

if __name__ == "__main__":
    start(demo)
