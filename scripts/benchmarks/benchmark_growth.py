"""How do the time and memory of each dimension grow? Five sizes each, on log-log axes, with the slope.

    python scripts/benchmarks/benchmark_growth.py                          # all; writes benchmarks.md and the picture
    python scripts/benchmarks/benchmark_growth.py --only calibration_gap   # one dimension, printed only
    python scripts/benchmarks/benchmark_growth.py --tiny                   # does all of it run? Printed only

Every point is measured in a process of its own. It begins with a call of the smallest size, so that what is imported
once does not count. benchmark_growth_plot.py draws the picture.
"""

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from benchmark_growth_plot import Growth, picture, save
from benchmark_rows import ROOT, figure, load, machine, write_section

PICTURE = ROOT / ".github" / "growth.png"
LEAST = 1.0  # MiB: below that, a process's memory goes up and down by itself

COLUMNS = ("| metric | | | | | | | slope |", "| --- | --- |" + " ---: |" * 6)
PACKAGES = ("evaluate", "numpy", "scipy", "torch", "transformers")

HEAD = """\
![Time and memory of each dimension at five sizes, on log-log axes](.github/growth.png)

Printed by `python scripts/benchmarks/benchmark_growth.py`. Every point was measured in a process of its own, after a
call of the smallest size: the time of a call (the best of up to five, within ten seconds), and how much more memory the
process then held at most, inputs included. A text is six random words of the bundled reviews; of the bundled models
`distilled` was compared with `kept`. The slope is that of a straight line through the three largest sizes, since fixed
costs hide it below: 1 is growth in proportion, 2 is growth with the square.
"""

Prepare = Callable[[int], Callable[[], Any]]  # a size; what to time


def labels(n: int) -> Callable[[], Any]:
    rng = np.random.default_rng(0)
    gold, compressed, large = (rng.integers(0, 3, n) for _ in range(3))
    metric = load("prediction_error_jaccard")
    return lambda: metric.compute(predictions=compressed, references=gold, large_predictions=large)


def probabilities(name: str, kinds: int, n: int) -> Callable[[], Any]:
    """Rows of three probabilities, made in place so that the making takes no more memory than they do."""
    rng = np.random.default_rng(0)
    references, compressed, large = rng.integers(0, kinds, n), rng.random((n, 3)), rng.random((n, 3))
    for rows in (compressed, large):
        rows /= rows.sum(axis=1, keepdims=True)
    metric = load(name)
    return lambda: metric.compute(predictions=compressed, references=references, large_predictions=large)


def neighbors(most: int | None, n: int) -> Callable[[], Any]:
    rng = np.random.default_rng(0)
    compressed, large = (rng.standard_normal((n, 64), dtype=np.float32) for _ in range(2))
    metric, queries = load("representation_overlap"), most and min(n, most)
    return lambda: metric.compute(predictions=compressed, large_predictions=large, k=5, queries=queries)


def texts(name: str, options: dict[str, Any], n: int) -> Callable[[], Any]:
    metric, given = load(name), texts_and_models(n)
    return lambda: metric.compute(**given, **options)


def texts_and_models(n: int) -> dict[str, Any]:
    """Two of the bundled models, and six random words of the bundled reviews as every text."""
    from transformers import AutoModelForSequenceClassification, AutoTokenizer
    from transformers.utils import logging

    logging.disable_progress_bar()
    family = load("trust_equivalence").bundled()
    models = {}
    for argument, name in (("model", "distilled"), ("large_model", "kept")):
        folder = family["compressed"][name]
        model = AutoModelForSequenceClassification.from_pretrained(folder).eval()
        models[argument] = (model, AutoTokenizer.from_pretrained(folder))
    rng = np.random.default_rng(0)
    words = np.array(sorted(set(" ".join(family["texts"]).split())))
    texts = [" ".join(rng.choice(words, 6)) for _ in range(n)]
    return {"texts": texts, "references": rng.integers(0, 2, n), **models}


@dataclass(frozen=True)
class Series:
    counted: str  # what the sizes are sizes of
    prepare: Prepare
    sizes: tuple[int, ...]
    tiny: tuple[int, ...] = (10, 20, 40, 80, 160)


def decades(least: int, most: int) -> tuple[int, ...]:
    return tuple(10**i for i in range(least, most + 1))


ROWS, FEW = "rows of three probabilities", (1, 2, 3, 4, 5)
SERIES = {
    "prediction_error_jaccard": Series("rows", labels, decades(3, 7)),
    "calibration_gap": Series(ROWS, partial(probabilities, "calibration_gap", 3), decades(3, 7)),
    "ood_divergence": Series(ROWS, partial(probabilities, "ood_divergence", 2), decades(3, 7)),
    "representation_overlap": Series("points of width 64, all asked", partial(neighbors, None), decades(1, 5)),
    "representation_overlap, queries=1,000": Series("points of width 64", partial(neighbors, 1000), decades(2, 6)),
    "attribution_alignment": Series(
        "texts, occlusion", partial(texts, "attribution_alignment", {"method": "occlusion", "k": 5}), decades(0, 4), FEW
    ),
    "attack_divergence": Series(
        "texts, deepwordbug", partial(texts, "attack_divergence", {"attack": "deepwordbug"}), decades(0, 4), FEW
    ),
}


# One point, in a process of its own.


def point(name: str, size: int) -> dict[str, float]:
    series = SERIES[name]
    series.prepare(min(size, series.sizes[0]))()
    before = most_memory()
    call = series.prepare(size)
    times: list[float] = []
    while len(times) < 5 and sum(times) < 10:
        begin = time.perf_counter()
        call()
        times.append(time.perf_counter() - begin)
    peak = most_memory()
    return {"seconds": min(times), "added": max(LEAST, peak - before), "peak": peak}


def most_memory() -> float:
    """The most MiB that this process has held. (ru_maxrss would begin with what the process held that started it.)"""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return float(line.split()[1]) / 1024


def in_a_process(name: str, size: int) -> dict[str, float]:
    command = [sys.executable, "-W", "ignore", __file__, "--point", name, str(size)]
    run = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(run.stdout.splitlines()[-1])


# All of them.


def lines_of(growth: Growth) -> list[str]:
    """Of the table: the sizes, and under them seconds and memory, each with its slope."""
    seconds = [figure(value, "s") for value in growth.values("seconds")]
    added = [figure(value, "MiB") if value > LEAST else "under 1 MiB" for value in growth.values("added")]
    sizes = [f"**{size:,}**" for size in growth.sizes]
    cells = [
        (growth.name, SERIES[growth.name].counted, *sizes, ""),
        ("", "time", *seconds, f"{growth.slope('seconds'):.2f}"),
        ("", "memory", *added, f"{growth.slope('added'):.2f}"),
    ]
    return ["| " + " | ".join(row) + " |" for row in cells]


def main(given: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=list(SERIES), help="these, printed only")
    parser.add_argument("--tiny", action="store_true", help="tiny sizes, printed only; the figures mean nothing")
    parser.add_argument("--out", type=Path, help="draw the picture here, whatever was measured")
    parser.add_argument("--point", nargs=2, metavar=("NAME", "SIZE"), help="measure this one in this process, as JSON")
    options = parser.parse_args(given)
    if options.point:
        print(json.dumps(point(options.point[0], int(options.point[1]))))
        return
    whole = not options.only and not options.tiny
    lines = [*HEAD.splitlines(), "", machine(PACKAGES), "", *COLUMNS]
    print(*lines, sep="\n", flush=True)
    found = []
    for name in options.only or SERIES:
        sizes = SERIES[name].tiny if options.tiny else SERIES[name].sizes
        found.append(Growth(name, sizes, [in_a_process(name, size) for size in sizes]))
        lines += lines_of(found[-1])
        print(*lines_of(found[-1]), sep="\n", flush=True)
    start = max(growth.points[0]["peak"] for growth in found)
    lines += ["", f"After the smallest call a process held at most {figure(start, 'MiB')}, which the table leaves out."]
    print(*lines[-2:], sep="\n")
    if whole:
        write_section("Growth", lines)
    if whole or options.out:
        save(picture(found), options.out or PICTURE)


if __name__ == "__main__":
    main()
