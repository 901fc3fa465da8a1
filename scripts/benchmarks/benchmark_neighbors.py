"""What representation_overlap takes beside the searches of faiss and scikit-learn. Part of benchmark.py."""

from collections.abc import Iterator

import numpy as np
from benchmark_rows import Row, Settings, best_times, load, peak_memory

WIDTH, K = 384, 10

QUERIES = """
import evaluate, numpy as np
rng = np.random.default_rng(0)
large = rng.standard_normal(({count}, 384), dtype=np.float32)
compressed = large[:, ::-1].copy()
overlap = evaluate.load("metrics/representation_overlap")
overlap.compute(predictions=compressed, large_predictions=large, k=10, queries={queries})
"""


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

    mine, theirs = best_times(9, ours, by_faiss)
    again, scikit_learn = best_times(3, ours, by_scikit_learn)
    what = f"{n:,} points, widths {WIDTH}, K = {K}, with cka"
    yield Row(f"{what}; two searches of faiss.IndexFlatIP", mine, theirs, 1.3)
    yield Row(f"{what}; two searches of scikit-learn's NearestNeighbors", again, scikit_learn)
    shared = np.array([len(set(a) & set(b)) for a, b in zip(*found, strict=True)])
    expected = float((shared / (2 * K - shared)).mean())
    jaccard = overlap.compute(predictions=compressed, large_predictions=large, k=K)[f"neighbor_jaccard_at_{K}"]
    distance = abs(jaccard - expected)
    yield Row("how far the Jaccard lies from that of faiss's neighbours; that itself", distance, expected, 0.001, "")
    count, queries = given.size(100_000, tiny=1000), given.size(10_000, tiny=100)
    peak = peak_memory(QUERIES.format(count=count, queries=queries))
    yield Row(f"peak memory, {count:,} points, queries={queries:,}; two GiB", peak, 2048, 1, "MiB")
