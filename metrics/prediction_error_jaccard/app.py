"""The widget of prediction_error_jaccard: paste labels or probability rows, see how far the mistakes are the same."""

from pathlib import Path

import evaluate
import numpy as np

from trusteq.faces.widget import build, start, to_csv

metric = evaluate.load(str(Path(__file__).parent))

rng = np.random.default_rng(0)
references = rng.integers(3, size=400)
difficulty = rng.random(400) ** 2
large = np.where(rng.random(400) < 0.4 * difficulty, (references + 1) % 3, references)
compressed = np.where(rng.random(400) < 0.8 * difficulty, (references + 1) % 3, references)
example = to_csv({"references": references, "predictions": compressed, "large_predictions": large})
choices = {"task": ["classification", "exact_match"]}

demo = build(metric, metric.dimension.question, example, choices, hidden=["no_answer_threshold"])

if __name__ == "__main__":
    start(demo)
