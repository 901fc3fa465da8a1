"""Compares what a compressed model says with what its large counterpart says, in four ways, and draws the plots.

With no arguments it makes an example (two small networks on handwritten digits) and compares those. Files of your own:

    compare.py --large large.npz --compressed compressed.npz --out results

Each file is a NumPy .npz archive, with the same examples in the same order in both:

    labels                 the gold label of each example, as class numbers (one file may leave them out)
    probabilities          one row per example, one column per class; or `logits`, in both files alike
    embeddings             optional: one row per example, of any width
    ood_probabilities      optional: outputs on inputs from elsewhere; or `ood_logits`

A metric whose inputs are not there is left out. Figures come from the metrics alone; nothing is measured here.
"""

import argparse
import json
import sys
import zipfile
from pathlib import Path
from typing import Any

import evaluate
import numpy as np

METRICS = Path(__file__).resolve().parent.parent / "metrics"
KEYS = ("labels", "probabilities", "logits", "embeddings", "ood_probabilities", "ood_logits")
QUESTIONS = {
    "prediction_error_jaccard": "Same mistakes?",
    "calibration_gap": "As honest about its confidence?",
    "representation_overlap": "Same neighbours?",
    "ood_divergence": "Same sense of what is strange?",
}

Arrays = dict[str, np.ndarray]


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--large", type=Path, help="the large model's .npz file")
    parser.add_argument("--compressed", type=Path, help="the compressed model's .npz file")
    parser.add_argument("--out", type=Path, default=Path("results"), help="folder for plots and results.json")
    options = parser.parse_args(argv)
    try:
        if (options.large is None) != (options.compressed is None):
            raise ValueError("give both --large and --compressed, or neither for the example")
        if options.large is None:
            from example_predictions import save_example

            options.large, options.compressed = save_example(options.out)
            print(f"Example: two networks on handwritten digits, {options.large} and {options.compressed}")
        calls = arrange(read(options.large), read(options.compressed))
        results = {name: run(name, calls[name], options.out) for name in QUESTIONS}
    except (ValueError, OSError) as error:
        print(f"compare.py: {error}", file=sys.stderr)
        return 2
    path = options.out / "results.json"
    path.write_text(json.dumps({name: result for name, result in results.items() if result}, indent=2) + "\n")
    print(f"\nAll figures: {path}; plots beside it.")
    return 0


def read(path: Path) -> Arrays:
    """The arrays of one file, by their documented names."""
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
    except OSError as error:
        raise ValueError(f"{path} could not be read: {error.strerror or error}") from None
    except (ValueError, TypeError, AttributeError, EOFError, zipfile.BadZipFile):
        raise ValueError(f"{path} is not an .npz archive of plain arrays, as numpy.savez writes it") from None
    if unknown := sorted(arrays.keys() - set(KEYS)):
        raise ValueError(f"{path} holds {unknown[0]!r}; the names are {', '.join(KEYS)}")
    for name in ("", "ood_"):
        if f"{name}probabilities" in arrays and f"{name}logits" in arrays:
            raise ValueError(f"{path} holds both {name}probabilities and {name}logits; give one")
    return arrays


def arrange(large: Arrays, compressed: Arrays) -> dict[str, dict[str, Any] | str]:
    """For each metric its arguments, or a sentence that says what is missing."""
    labels = compressed.get("labels", large.get("labels"))
    if "labels" in large and "labels" in compressed and not np.array_equal(large["labels"], compressed["labels"]):
        raise ValueError("the two files have different labels; they need the same examples in the same order")
    outputs = pair(large, compressed, "probabilities", "logits")
    strange = pair(large, compressed, "ood_probabilities", "ood_logits")
    embeddings = pair(large, compressed, "embeddings")
    calls: dict[str, dict[str, Any] | str] = dict.fromkeys(QUESTIONS, "left out")
    for name in ("prediction_error_jaccard", "calibration_gap"):
        calls[name] = "left out: it needs labels, and outputs of both models"
        if outputs is not None and labels is not None:
            calls[name] = outputs | {"references": labels}
    calls["representation_overlap"] = embeddings or "left out: it needs embeddings of both models"
    if outputs is None or strange is None or outputs.get("from_logits") != strange.get("from_logits"):
        calls["ood_divergence"] = "left out: it needs outputs of both models on usual and on other inputs, of one kind"
    else:
        sides = ("predictions", "large_predictions")
        counts = [len(outputs["predictions"]), len(strange["predictions"])]
        calls["ood_divergence"] = {
            **outputs,
            **{side: np.concatenate([outputs[side], strange[side]]) for side in sides},
            "references": np.repeat([0, 1], counts),
        }
    return calls


def pair(large: Arrays, compressed: Arrays, *names: str) -> dict[str, Any] | None:
    """The first of these arrays that both files have, as arguments; None when there is none."""
    for name in names:
        if name in large and name in compressed:
            arguments: dict[str, Any] = {"predictions": compressed[name], "large_predictions": large[name]}
            return arguments | ({"from_logits": True} if name.endswith("logits") else {})
        if name in large or name in compressed:
            other = [n for n in names if n != name and (n in large or n in compressed)]
            if other:
                raise ValueError(f"one file has {name} and the other {other[0]}; give the same kind in both")
    return None


def run(name: str, call: dict[str, Any] | str, out: Path) -> dict[str, Any] | None:
    """One metric: its figures to the screen and its plot to the folder."""
    print(f"\n{QUESTIONS[name]}  ({name})")
    if isinstance(call, str):
        print(f"  {call}")
        return None
    metric = evaluate.load(str(METRICS / name))
    result = metric.compute(**call, details=True)
    out.mkdir(parents=True, exist_ok=True)
    metric.plot(result).savefig(out / f"{name}.png", dpi=150)
    del result["details"]
    print(table(result))
    return result


def table(result: dict[str, float]) -> str:
    """Figures of both models with their gap, then those of the pair; intervals in brackets."""
    both = [name for name in result if f"large_{name}" in result]
    seen = {key for name in both for key in (f"large_{name}", f"{name}_gap")}
    seen |= {f"{name}_{end}" for name in result for end in ("low", "high")}
    width = max(map(len, result))
    lines = []
    if both:
        lines.append(f"  {'':{width}}  {'compressed':>10}  {'large':>10}  {'gap':>10}")
    for name in both + [name for name in result if name not in {*seen, *both}]:
        columns = [name, f"large_{name}", f"{name}_gap"] if name in both else [name]
        cells = [number(result[key]) if key in result else "" for key in columns]
        low, high = (result.get(f"{columns[-1]}_{end}") for end in ("low", "high"))
        interval = "" if low is None or high is None else f"  [{number(low)}, {number(high)}]"
        lines.append(f"  {name:{width}}" + "".join(f"  {text:>10}" for text in cells) + interval)
    return "\n".join(lines)


def number(value: float) -> str:
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:.3f}" if value == 0 or abs(value) >= 0.0005 else f"{value:.1e}"


if __name__ == "__main__":
    sys.exit(main())
