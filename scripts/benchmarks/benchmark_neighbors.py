"""What representation_overlap takes beside the searches of faiss and scikit-learn. Part of benchmark.py."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator

import numpy as np
from benchmark_rows import ROOT, Row, Settings, best_times, load, peak_memory

WIDTH, K = 384, 10

QUERIES = """
import evaluate, numpy as np
rng = np.random.default_rng(0)
large = rng.standard_normal(({count}, 384), dtype=np.float32)
compressed = large[:, ::-1].copy()
overlap = evaluate.load("metrics/representation_overlap")
overlap.compute(predictions=compressed, large_predictions=large, k=10, queries={queries})
"""


MANY = """
import json, time, evaluate, numpy as np
rng = np.random.default_rng(0)
large = rng.standard_normal(({count}, 64), dtype=np.float32)
compressed = large[:, ::-1].copy()
begin = time.process_time()
evaluate.load("metrics/representation_overlap").compute(
    predictions=compressed, large_predictions=large, k=10, queries={queries}, confidence_level=None
)
ours = time.process_time() - begin
peak = next(line for line in open("/proc/self/status") if line.startswith("VmHWM")).split()[1]
import faiss
faiss.omp_set_num_threads(1)
begin = time.process_time()
for points in (compressed, large):
    index = faiss.IndexFlatIP(64)
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    index.add(points)
    index.search(points[:{queries}], 11)
print(json.dumps([ours, time.process_time() - begin, int(peak) / 1024]))
"""


def many_points(given: Settings) -> Iterator[Row]:
    """In a process of its own, on one thread and by its time, since a turn takes a minute."""
    count, queries = given.size(1_000_000, tiny=1000), given.size(10_000, tiny=100)
    code, one = MANY.format(count=count, queries=queries), dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT, env=os.environ | one
    )
    ours, theirs, peak = json.loads(done.stdout.splitlines()[-1])
    what = f"{count:,} points of width 64, queries={queries:,}, processor time of one thread"
    yield Row(f"{what}; faiss.IndexFlatIP for the same", ours, theirs, 1.1)
    yield Row(f"peak memory, {count:,} points of width 64, queries={queries:,}; 2.5 GiB", peak, 2560, 1, "MiB")


def rows(given: Settings) -> Iterator[Row]:
    import faiss
    from sklearn.neighbors import NearestNeighbors

    n = given.size(10_000, tiny=200)
    rng = np.random.default_rng(0)
    large = rng.standard_normal((n, WIDTH)).astype(np.float32)
    compressed = large + rng.standard_normal(large.shape).astype(np.float32)
    units = [points / np.linalg.norm(points, axis=1, keepdims=True) for points in (compressed, large)]
    overlap = load("representation_overlap")
    found: list[np.ndarray] = []

    def ours() -> None:
        overlap.compute(predictions=compressed, large_predictions=large, k=K, confidence_level=None)

    def by_faiss() -> None:
        found.clear()
        for points in units:
            index = faiss.IndexFlatIP(WIDTH)
            index.add(points)
            found.append(index.search(points, K + 1)[1][:, 1:])  # the first one is the point itself

    def by_scikit_learn() -> None:
        for points in (compressed, large):
            NearestNeighbors(n_neighbors=K, metric="cosine", algorithm="brute").fit(points).kneighbors()

    mine, theirs = best_times(3, ours, by_faiss)
    again, scikit_learn = best_times(3, ours, by_scikit_learn)
    what = f"{n:,} points, widths {WIDTH}, K = {K}, with cka"
    yield Row(f"{what}; two searches of faiss.IndexFlatIP", mine, theirs, 1)
    yield Row(f"{what}; two searches of scikit-learn's NearestNeighbors", again, scikit_learn)
    shared = np.array([len(set(a) & set(b)) for a, b in zip(*found, strict=True)])
    expected = float((shared / (2 * K - shared)).mean())
    jaccard = overlap.compute(predictions=compressed, large_predictions=large, k=K)[f"neighbor_jaccard_at_{K}"]
    distance = abs(jaccard - expected)
    yield Row("how far the Jaccard lies from that of faiss's neighbours; that itself", distance, expected, 0.001, "")
    yield from many_points(given)
    count, queries = given.size(100_000, tiny=1000), given.size(10_000, tiny=100)
    peak = peak_memory(QUERIES.format(count=count, queries=queries))
    yield Row(f"peak memory, {count:,} points, queries={queries:,}; two GiB", peak, 2048, 1, "MiB")
