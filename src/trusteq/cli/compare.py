"""`trusteq compare`: what a compressed model said beside what its large counterpart said, in four ways, with plots."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trusteq.cli.typed import Parser, Typed, part_of, run
from trusteq.dimensions.registry import DIMENSIONS
from trusteq.records.arrays import arrange, check_pair, read
from trusteq.wording import number

ABOUT = """
Compares what a compressed model says with what its large counterpart says, in four ways, and draws the plots.

Without options it makes an example (two small networks on handwritten digits) and compares those. Files of your own:

    trusteq compare --large large.npz --compressed compressed.npz --out results

Each file is a NumPy .npz archive, with the same examples in the same order in both:

    labels                 the gold label of each example, as class numbers (one file may leave them out)
    probabilities          one row per example, one column per class; or `logits`, in both files alike
    embeddings             optional: one row per example, of any width
    ood_probabilities      optional: outputs on inputs from elsewhere; or `ood_logits`

A metric whose inputs are not there is left out. Figures come from the metrics alone; nothing is measured here. The
folder's earlier plots and results.json are removed first. Exit status: 0; 1 if a metric failed and was left out; 2,
with one sentence, if the files cannot be compared.
"""

CALLED = ("prediction_error_jaccard", "calibration_gap", "representation_overlap", "ood_divergence")


@dataclass(frozen=True)
class CompareOptions:
    """What is compared.

    Args:
        large: the large model's .npz file.
        compressed: the compressed model's .npz file.
        out: folder for plots and results.json (default: results, for the example results/example).
    """

    large: Path | None = None
    compressed: Path | None = None
    out: Path | None = None


def main(argv: list[str] | None = None) -> int:
    return run("compare", parser(), begin, argv)


def parser() -> Parser:
    made = Parser("compare", ABOUT)
    file = {"metavar": "FILE"}
    made.add(CompareOptions, large=file, compressed=file)
    return made


def begin(typed: Typed) -> int:
    options = part_of(CompareOptions, typed)
    is_example = options.large is None and options.compressed is None
    out = options.out or Path("results/example" if is_example else "results")
    if not is_example and (options.large is None or options.compressed is None):
        raise ValueError("give both --large and --compressed, or neither for the example")
    clear(out)
    large_path, compressed_path = example(out) if is_example else (options.large, options.compressed)
    large, compressed = read(large_path), read(compressed_path)
    check_pair(large_path, large, compressed_path, compressed)
    return compare(arrange(large, compressed), out)


def compare(calls: dict[str, dict[str, Any] | str], out: Path) -> int:
    """Every metric in turn; the figures of those that succeed go to results.json. Returns the exit status."""
    out.mkdir(parents=True, exist_ok=True)
    results, status = {}, 0
    for name, call in calls.items():
        print(f"\n{DIMENSIONS[name].question}  ({name})")
        if isinstance(call, str):
            print(f"  left out: {call}")
            continue
        try:
            results[name] = measured(name, call, out)
        except (ValueError, MemoryError) as error:
            print(f"  left out: {error}")
            status = 1
    path = out / "results.json"
    path.write_text(json.dumps(results, indent=2) + "\n")
    print(f"\nAll figures: {path}; plots beside it.")
    return status


def clear(out: Path) -> None:
    """Remove what an earlier run wrote, so that no old figure stands beside a new one."""
    for name in ("results.json", *(f"{name}.png" for name in CALLED)):
        (out / name).unlink(missing_ok=True)


def example(out: Path) -> tuple[Path, Path]:
    from trusteq.records.example import save_example  # brings scikit-learn

    large, compressed = save_example(out)
    print(f"Example: two networks that learned the handwritten digits 0 to 7, {large} and {compressed}.")
    print("The out-of-distribution inputs are the digits 8 and 9, which neither has seen.")
    return large, compressed


# One metric: its figures to the screen and its plot to the folder.


def measured(name: str, call: dict[str, Any], out: Path) -> dict[str, Any]:
    result = DIMENSIONS[name].of(**call, details=True)
    DIMENSIONS[name].plot(result).savefig(out / f"{name}.png", dpi=150)
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
        lines.append(f"  {name:{width}}" + "".join(f"  {text:>10}" for text in cells).rstrip() + interval)
    return "\n".join(lines)
