"""How fast do the engines add up the answers of two models, beside the same group-by written by hand in Polars?

    python scripts/benchmarks/benchmark_sums.py --folder /tmp/rows            # 100 million rows; writes benchmarks.md
    python scripts/benchmarks/benchmark_sums.py --folder /tmp/rows --billion  # and a billion: ten times that file
    python scripts/benchmarks/benchmark_sums.py --tiny                        # does all of it run? Printed only

It needs the extra `engines`. The rows (pairs joined before: who is right, whether the answers are the same, and both
confidences) are written in a loop into the folder, about 9 bytes each, and deleted at the end.
"""

import argparse
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
from benchmark_rows import Row, best_times, figure, machine, peak_memory, write_section

from trusteq.dimensions.summed import finish
from trusteq.records.summary import FINE
from trusteq.records.sums import summarize

SECTION = "Any number of rows"
BINS, PIECE = 10, 1_000_000
NAMES = {"confidence_a": "conf_a", "confidence_b": "conf_b"}
PACKAGES = ("polars", "duckdb", "narwhals", "pyarrow", "numpy")

HEAD = """\
Printed by `python scripts/benchmarks/benchmark_sums.py`: the sums of pairs joined before, in one parquet file with
columns right_a, right_b, same, conf_a and conf_b (float32). Both sides took turns in one run; times are the best of
{turns}. By hand is the least that gives the same sums: a `group_by` over right_a, right_b, same and both bins of ten,
with the count, the sums of the confidences, of their squares and of their product; and for the histograms one for each
model. Ours also looks for confidences that are none, and puts values beside an edge where calibration_gap does. Memory
is a process's peak above that of one that only imports.
"""

COLUMNS = """\
| what; the peer | ours | theirs | ratio | asked for |
| --- | ---: | ---: | ---: | --- |
"""


def main(given: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, help="where the rows are written (default: the system's for such files)")
    parser.add_argument("--billion", action="store_true", help="add up 1,000,000,000 rows, too")
    parser.add_argument("--turns", type=int, default=3, help="of both sides")
    parser.add_argument("--tiny", action="store_true", help="tiny sizes, printed only; the figures mean nothing")
    options = parser.parse_args(given)
    head = [*HEAD.format(turns=options.turns).splitlines(), "", machine(PACKAGES), "", *COLUMNS.splitlines()]
    print(*head, sep="\n", flush=True)
    lines = []
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        for row in rows(Path(folder), 10_000 if options.tiny else 100_000_000, options.turns, options.billion):
            lines.append("| " + " | ".join(row.cells()) + " |")
            print(lines[-1], flush=True)
    lines += ["", f"Load at the end: {os.getloadavg()[1]:.0f} (mean of five minutes) on {os.cpu_count()} cores."]
    print(*lines[-2:], sep="\n")
    if not options.tiny:
        write_section(SECTION, head + lines)


def rows(folder: Path, most: int, turns: int, billion: bool) -> Iterator[Row]:
    sizes = (most // 100, most // 10, most)
    places = {count: written(folder / f"{count}.parquet", count) for count in sizes}
    whole = str(places[most])
    counted = f"{most:,} rows"

    cells, without = taken(turns, lambda: summed(whole, histograms=False), lambda: by_hand(whole))
    both = taken(
        turns,
        lambda: summed(whole),
        lambda: (by_hand(whole), histograms_by_hand(whole)),
        lambda: summed(whole, engine="duckdb"),
    )
    for what, ours, theirs in (("without", cells, without), ("with", both[0], both[1])):
        yield Row(f"Polars, {counted}, {what} histograms; by hand", ours[0], theirs[0], 1.3)
        yield Row("the same, processor time of all threads", ours[1], theirs[1])
    yield Row(f"DuckDB, {counted}, with histograms; Polars by hand", both[2][0], both[1][0])
    for name in ("Polars", "DuckDB"):
        imported = f"import {name.lower()}\nfrom trusteq.records.sums import summarize\n"
        call = f"summarize({whole!r}, columns={NAMES!r}, engine={name.lower()!r})"
        used = peak_memory(imported + call) - peak_memory(imported)
        yield Row(f"peak memory, {name}, {counted}, with histograms; 400 MB", used, 400e6 / 2**20, 1, "MiB")
        if name == "Polars":
            tenth = peak_memory(imported + call.replace(whole, str(places[sizes[1]])))
            beyond = f"peak memory, errors and calibration of {counted} from disk; of {sizes[1]:,}"
            yield Row(beyond, used + peak_memory(imported), tenth, 1.1, "MiB")
    times = [best_times(turns, partial(summed, str(place)))[0] for place in places.values()]
    slope = np.log10(times[-1] / times[-2])
    steps = ", ".join(f"{figure(t, 's')} for {count:,}" for count, t in zip(sizes, times, strict=True))
    last = times[-1] + 9 * (times[-1] - times[-2]) * most / (most - sizes[1])
    what = f"Polars, {10 * most:,} rows, on a straight line through the last two of {steps} (slope {slope:.2f})"
    yield Row(f"{what}; ten times the last", last, 10 * times[-1])
    if billion:
        many = folder / "ten"
        many.mkdir()
        for shard in range(10):
            os.link(whole, many / f"{shard}.parquet")
        begin = time.perf_counter()
        found = finish(summed(str(many / "*.parquet")))
        took = time.perf_counter() - begin
        assert found["answers"]["rows"] == 10 * most
        what = f"Polars, {10 * most:,} rows, really added up in one pass over ten times the same file"
        yield Row(f"{what}; on that straight line", took, last)


def taken(turns: int, *sides: Callable[[], Any]) -> list[tuple[float, float]]:
    """Seconds of each side, and of the processor: the best of several turns."""
    times = np.full((turns, len(sides), 2), np.inf)
    for turn in range(turns):
        for i, side in enumerate(sides):
            begin = time.perf_counter(), time.process_time()
            side()
            times[turn, i] = time.perf_counter() - begin[0], time.process_time() - begin[1]
    return [(wall, processor) for wall, processor in times.min(axis=0).tolist()]


def written(path: Path, count: int) -> Path:
    """Rows of two models of about 70 % accuracy, of which the one differs from the other in one answer of eight."""
    rng = np.random.default_rng(0)
    writer = None
    for start in range(0, count, PIECE):
        n = min(PIECE, count - start)
        chance = rng.random((5, n), dtype=np.float32)
        large = 1 - 0.7 * chance[0] ** 2
        compressed = np.clip(large + 0.05 * rng.standard_normal(n, dtype=np.float32), 0, 1)
        large_right = chance[1] < 0.9 * large
        right = np.where(chance[2] < 0.08, chance[3] < 0.6, large_right)
        same = (right & large_right) | (~right & ~large_right & (chance[4] < 0.7))
        columns = {"right_a": large_right, "right_b": right, "same": same, "conf_a": large, "conf_b": compressed}
        table = pa.table(columns)
        writer = writer or pq.ParquetWriter(path, table.schema)
        writer.write_table(table)
    assert writer is not None
    writer.close()
    return path


def summed(place: str, **options: Any) -> Any:
    return summarize(place, columns=NAMES, n_bins=BINS, **options)


def by_hand(place: str) -> pl.DataFrame:
    one, other = (pl.col(name).cast(pl.Float64) for name in ("conf_a", "conf_b"))
    bins = [(c * BINS).floor().clip(0, BINS - 1).cast(pl.Int8).alias(f"bin_{i}") for i, c in enumerate((one, other))]
    products = {"one": one, "other": other, "one_one": one * one, "other_other": other * other, "both": one * other}
    sums = [value.sum().alias(name) for name, value in products.items()]
    cells = pl.scan_parquet(place).group_by("right_a", "right_b", "same", *bins).agg(pl.len(), *sums)
    return cells.collect(engine="streaming")


def histograms_by_hand(place: str) -> list[pl.DataFrame]:
    found = []
    for side in "ab":
        value = pl.col(f"conf_{side}").cast(pl.Float64)
        cell = (value * FINE).floor().clip(0, FINE - 1).cast(pl.Int16).alias("cell")
        sums = pl.len(), value.sum().alias("sum"), (value * value).sum().alias("squares")
        cells = pl.scan_parquet(place).group_by(f"right_{side}", cell).agg(*sums)
        found.append(cells.collect(engine="streaming"))
    return found


if __name__ == "__main__":
    main()
