"""Compares what a compressed model says with what its large counterpart says, in four ways, and draws the plots.

With no arguments it makes an example (two small networks on handwritten digits) and compares those. Files of your own:

    compare.py --large large.npz --compressed compressed.npz --out results

Each file is a NumPy .npz archive, with the same examples in the same order in both:

    labels                 the gold label of each example, as class numbers (one file may leave them out)
    probabilities          one row per example, one column per class; or `logits`, in both files alike
    embeddings             optional: one row per example, of any width
    ood_probabilities      optional: outputs on inputs from elsewhere; or `ood_logits`

A metric whose inputs are not there is left out. Figures come from the metrics alone; nothing is measured here.
The folder's earlier plots and results.json are removed first. Exit status: 0; 1 if a metric failed and was left out;
2 if the files cannot be compared.
"""

import argparse
import json
import sys
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import evaluate
import numpy as np
from unpacking import check_fits

METRICS = Path(__file__).resolve().parent.parent / "metrics"
KEYS = ("labels", "probabilities", "logits", "embeddings", "ood_probabilities", "ood_logits")
QUESTIONS = {
    "prediction_error_jaccard": "Same mistakes?",
    "calibration_gap": "As honest about its confidence?",
    "representation_overlap": "Same neighbours?",
    "ood_divergence": "Same sense of what is strange?",
}
NEIGHBORS = 10

Arrays = dict[str, np.ndarray]


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--large", type=Path, help="the large model's .npz file")
    parser.add_argument("--compressed", type=Path, help="the compressed model's .npz file")
    help_out = "folder for plots and results.json (default: results, for the example results/example)"
    parser.add_argument("--out", type=Path, help=help_out)
    options = parser.parse_args(argv)
    is_example = options.large is None and options.compressed is None
    out = options.out or Path("results/example" if is_example else "results")
    try:
        if not is_example and (options.large is None or options.compressed is None):
            raise ValueError("give both --large and --compressed, or neither for the example")
        clear(out)
        if is_example:
            options.large, options.compressed = example(out)
        large, compressed = read(options.large), read(options.compressed)
        check_pair(options.large, large, options.compressed, compressed)
        return compare(arrange(large, compressed), out)
    except (ValueError, OSError) as error:
        print(f"compare.py: {error}", file=sys.stderr)
        return 2


def compare(calls: dict[str, dict[str, Any] | str], out: Path) -> int:
    """Every metric in turn; the figures of those that succeed go to results.json. Returns the exit status."""
    out.mkdir(parents=True, exist_ok=True)
    results, status = {}, 0
    for name, call in calls.items():
        print(f"\n{QUESTIONS[name]}  ({name})")
        if isinstance(call, str):
            print(f"  left out: {call}")
            continue
        try:
            results[name] = run(name, call, out)
        except (ValueError, MemoryError) as error:
            print(f"  left out: {error}")
            status = 1
    path = out / "results.json"
    path.write_text(json.dumps(results, indent=2) + "\n")
    print(f"\nAll figures: {path}; plots beside it.")
    return status


def clear(out: Path) -> None:
    """Remove what an earlier run wrote, so that no old figure stands beside a new one."""
    for name in ("results.json", *(f"{name}.png" for name in QUESTIONS)):
        (out / name).unlink(missing_ok=True)


def example(out: Path) -> tuple[Path, Path]:
    from example_predictions import save_example

    large, compressed = save_example(out)
    print(f"Example: two networks that learned the handwritten digits 0 to 7, {large} and {compressed}.")
    print("The strange inputs are the digits 8 and 9, which neither has seen.")
    return large, compressed


# The files, and what can be wrong with them.


def read(path: Path) -> Arrays:
    """The arrays of one file, by their documented names; nothing is unpacked before names and sizes are known."""
    with as_archive(path):
        file = np.load(path, allow_pickle=False)
        names, size = file.files, sum(part.file_size for part in file.zip.infolist())
    if unknown := sorted(set(names) - set(KEYS)):
        raise ValueError(f"{path} holds {unknown[0]!r}; the names are {', '.join(KEYS)}")
    check_fits(path, size)
    with as_archive(path), file:
        arrays = {name: file[name] for name in names}
    for name in ("", "ood_"):
        if f"{name}probabilities" in arrays and f"{name}logits" in arrays:
            raise ValueError(f"{path} holds both {name}probabilities and {name}logits; give one")
    for name, array in arrays.items():
        if problem := problem_of(name, array):
            raise ValueError(f"{path}: `{name}` {problem}")
    return arrays


@contextmanager
def as_archive(path: Path) -> Iterator[None]:
    """What is wrong with a file as such becomes one sentence."""
    try:
        yield
    except OSError as error:
        raise ValueError(f"{path} could not be read: {error.strerror or error}") from None
    except (
        ValueError,
        TypeError,
        AttributeError,
        EOFError,
        OverflowError,
        MemoryError,
        zlib.error,
        zipfile.BadZipFile,
    ):
        raise ValueError(f"{path} is not an .npz archive of plain arrays, as numpy.savez writes it") from None


def problem_of(name: str, array: np.ndarray) -> str | None:
    """What is wrong with one array, as the end of a sentence. (Sums may miss 1 by 0.01, as in the metrics.)"""
    if array.dtype.kind not in "biuf":
        classes = "; save class numbers, 0 for the first column" if name == "labels" else ""
        return f"must hold numbers, got {'strings' if array.dtype.kind in 'US' else array.dtype}{classes}"
    if name == "labels":
        if array.ndim != 1 or array.size == 0:
            return f"must hold one class number per example, got the shape {array.shape}"
        whole = np.isfinite(array) & (array == np.floor(array)) & (array >= 0)
        return None if whole.all() else f"must hold class numbers, 0 and up, got {array[np.argmin(whole)]}"
    if array.ndim != 2 or array.size == 0:
        return f"must hold one row per example, got the shape {array.shape}"
    if name != "embeddings" and array.shape[1] < 2:
        return "must have a column per class, two or more; for a binary model's single column p save 1 - p and p"
    finite = np.isfinite(array).all(axis=1)
    if not finite.all():
        return f"holds NaN or infinity (first in row {np.argmin(finite)})"
    if name == "embeddings":
        return None
    total = array.sum(axis=1, dtype=np.float64)
    good = (np.abs(total - 1) <= 0.01) & (array.min(axis=1) >= 0)
    logits = name.replace("probabilities", "logits")
    if name != logits and not good.all():
        row = int(np.argmin(good))
        if array.min() < 0:
            return f"look like logits (row {row} holds {array[row].min():.4g}): save them as `{logits}`"
        return f"are not probabilities: row {row} sums to {total[row]:.4g}; if they are logits, save them as `{logits}`"
    if name == logits and good.all() and len(array) >= 8:
        return f"look like probabilities: save them as `{name.replace('logits', 'probabilities')}`"
    return None


def check_pair(large_path: Path, large: Arrays, compressed_path: Path, compressed: Arrays) -> None:
    """The same examples and classes in both files, also in what belongs together within one file."""
    if "labels" in large and "labels" in compressed and not np.array_equal(large["labels"], compressed["labels"]):
        raise ValueError(
            f"{large_path}: `labels` and {compressed_path}: `labels` differ; the files need the same examples in order"
        )
    named = [
        (f"{path}: `{name}`", name, arrays[name])
        for path, arrays in ((compressed_path, compressed), (large_path, large))
        for name in KEYS
        if name in arrays
    ]
    usual = [entry for entry in named if not entry[1].startswith("ood_")]
    strange = [entry for entry in named if entry[1].startswith("ood_")]
    outputs = [entry for entry in named if entry[1] not in ("labels", "embeddings")]
    for group, what, axis in ((usual, "rows", 0), (strange, "rows", 0), (outputs, "columns", 1)):
        for place, _, array in group[1:]:
            first, _, expected = group[0]
            if array.shape[axis] != expected.shape[axis]:
                sizes = f"{first} has {expected.shape[axis]:,} {what} but {place} has {array.shape[axis]:,}"
                raise ValueError(f"{sizes}; {'give the same classes' if axis else 'give the same examples'} everywhere")
    for place, name, array in named:
        if name == "labels" and outputs and array.max() >= outputs[0][2].shape[1]:
            first, _, rows = outputs[0]
            raise ValueError(f"{place} holds {array.max()} but {first} has the columns 0 to {rows.shape[1] - 1}")


def arrange(large: Arrays, compressed: Arrays) -> dict[str, dict[str, Any] | str]:
    """For each metric its arguments, or a sentence that says what it needs."""
    labels = compressed.get("labels", large.get("labels"))
    outputs = pair(large, compressed, "probabilities", "logits")
    strange = pair(large, compressed, "ood_probabilities", "ood_logits")
    embeddings = pair(large, compressed, "embeddings")
    calls: dict[str, dict[str, Any] | str] = {}
    for name in ("prediction_error_jaccard", "calibration_gap"):
        calls[name] = "it needs labels, and probabilities (or logits) in both files"
        if outputs is not None and labels is not None:
            calls[name] = outputs | {"references": labels}
    calls["representation_overlap"] = "it needs embeddings in both files"
    if embeddings is not None:
        few = len(embeddings["predictions"]) <= NEIGHBORS
        calls["representation_overlap"] = f"it needs more than {NEIGHBORS} examples" if few else embeddings
    calls["ood_divergence"] = "it needs ood_probabilities (or ood_logits) in both files"
    if outputs is None:
        calls["ood_divergence"] = "it needs probabilities and ood_probabilities (or both as logits) in both files"
    elif strange is not None:
        if outputs.keys() != strange.keys():
            raise ValueError("usual outputs are of one kind and ood_ outputs of another; give the same kind in both")
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


# One metric: its figures to the screen and its plot to the folder.


def run(name: str, call: dict[str, Any], out: Path) -> dict[str, Any]:
    metric = evaluate.load(str(METRICS / name))
    result = metric.compute(**call, details=True)
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
