"""Do we give a model's options the log-probabilities that lm-evaluation-harness gives them? Asked of its own logs.

    agree_with_lm_eval.py MODEL samples_arc_*.jsonl ...

The logs are those of `lm_eval --log_samples` with this model, of tasks of type multiple_choice. The same prompts and
options are asked once more, by the predictor that audits use. Prints a line for each file.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

from trusteq.kinds.text import Question
from trusteq.models.language import CausalPredictor, as_causal_predictor

HEAD = f"{'log':44} {'questions':>9} {'furthest apart':>14} {'acc':>15} {'acc_norm':>15}   (ours, theirs)"


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", metavar="MODEL", help="checkpoint, GGUF file or Hub id")
    parser.add_argument("logs", nargs="+", type=Path, metavar="LOG")
    options = parser.parse_args(argv)
    print(HEAD)
    for path in options.logs:
        lines = path.read_text(encoding="utf-8").splitlines()
        rows = [row for row in map(json.loads, lines) if row["filter"] == "none"]
        print(compared(path.name, rows, options.model), flush=True)
    return 0


def compared(name: str, rows: list[dict[str, Any]], model: str) -> str:
    asked = [options_in(row) for row in rows]
    most = max(len(options) for _, options in asked)
    prompt = {"model": model, "prompt": "{text}", "choices": "continuations", "most": most}
    predictor = as_causal_predictor(prompt, "model", dtype="float32")
    assert isinstance(predictor, CausalPredictor)
    ours = predictor.log_probabilities([Question((context, "\n".join(options))) for context, options in asked])
    theirs = [
        [float(score) for score, _ in row["filtered_resps"]][: len(one)] for row, one in zip(rows, ours, strict=True)
    ]
    apart = max(abs(a - b) for pair in zip(ours, theirs, strict=True) for a, b in zip(*pair, strict=True))
    gold = [int(row["target"]) for row in rows]
    by_length = [np.divide(one, list(map(len, options))) for one, (_, options) in zip(ours, asked, strict=True)]
    cells = []
    for metric, scores in (("acc", ours), ("acc_norm", by_length)):
        found = np.mean([int(np.argmax(one)) == label for one, label in zip(scores, gold, strict=True)])
        known = [row[metric] for row in rows if metric in row]
        cells.append(f"{found:.4f}, {np.mean(known):.4f}" if known else "")
    return f"{name[:44]:44} {len(rows):9,} {apart:14.1e} {cells[0]:>15} {cells[1]:>15}"


def options_in(row: dict[str, Any]) -> tuple[str, list[str]]:
    """The prompt and its options; with mutual information, the same options behind nothing come last."""
    asked = [one for one in row["arguments"].values() if one["arg_0"]]
    if not all(one["arg_1"].startswith(" ") and "\n" not in one["arg_1"] for one in asked):
        raise SystemExit("options that do not begin with one space, or have more than one line, are not compared")
    return asked[0]["arg_0"], [one["arg_1"][1:] for one in asked]


if __name__ == "__main__":
    sys.exit(main())
