"""One pass of a real encoder by each engine, and how far its probabilities are from PyTorch's. Part of benchmark.py."""

from collections.abc import Iterator
from functools import partial

import numpy as np
from benchmark_rows import Row, Settings, best_times
from benchmark_texts import classifier_on_minilm

from trusteq.models.open import as_predictor

BATCHES = ((64, 16), (32, 32), (8, 128))  # texts, and words of a text


def rows(given: Settings) -> Iterator[Row]:
    opened, rng = classifier_on_minilm(), np.random.default_rng(0)
    known = [word for word in opened[1].get_vocab() if word.isalpha()]
    plain = as_predictor(opened, "model", engine="torch")
    many = given.size(20, tiny=1)
    for count, length in BATCHES:
        texts = [" ".join(rng.choice(known, length - 2)) for _ in range(count * many)]
        for engine in ("openvino", "onnxruntime"):
            asked = as_predictor(opened, "model", engine=engine)
            apart = np.abs(asked(texts) - plain(texts)).max()  # converts, too
            mine, theirs = best_times(given.size(5, tiny=1), partial(asked, texts), partial(plain, texts))
            yield Row(f"{engine}, {many} x {count} texts of {length} tokens, {apart:.0e} apart; torch", mine, theirs)
