"""The task text beside the bare passes of both models, at the size of SmolLM2. Part of benchmark.py."""

import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from benchmark_rows import Row, Settings, best_times

from trusteq.audit.listening import Live, listen
from trusteq.models.next_token import NextToken, Window, batches_of, windows_of_documents
from trusteq.records.base_file import BaseFile, Draft

LAYERS, VOCABULARY, LENGTH = 30, 49_152, 256


def rows(given: Settings) -> Iterator[Row]:
    readers = [made(given.size(LAYERS, tiny=2), seed) for seed in range(2)]
    rng = np.random.default_rng(0)
    documents = [rng.integers(0, VOCABULARY, LENGTH).tolist() for _ in range(given.size(2, tiny=1))]
    windows = windows_of_documents(documents, LENGTH)
    tokens, turns = sum(len(window.documents) for window in windows), given.size(3, tiny=1)
    large, small = (Live(reader, VOCABULARY, True) for reader in readers)

    def ours() -> None:
        listen(windows, large, {"small": small}, VOCABULARY, len(documents))

    mine, theirs = best_times(turns, ours, lambda: bare(readers, windows), clock=time.process_time)
    yield Row(f"{tokens:,} tokens of two models, processor time; their bare passes", mine, theirs, asked=1.1)
    with TemporaryDirectory() as folder:
        path = Path(folder) / "large.base"
        head = {"vocabulary": VOCABULARY, "floors": [], "documents": len(documents), "strange": 0}

        def write() -> None:
            draft = Draft(path, head, windows, 0, 0)
            found = listen(windows, large, {}, VOCABULARY, len(documents), draft)
            draft.close(found.said, found.embeddings, {})

        def read() -> None:
            listen(windows, BaseFile(path), {"small": small}, VOCABULARY, len(documents))

        mine, theirs = best_times(turns, write, lambda: bare(readers[:1], windows), clock=time.process_time)
        yield Row("a base file is written; the bare pass", mine, theirs)
        mine, theirs = best_times(turns, read, lambda: bare(readers[:1], windows), clock=time.process_time)
        yield Row("a compressed model beside a base file; its bare pass", mine, theirs)
        yield Row(
            "a base file, bytes of a token; rows of float32", path.stat().st_size / tokens, 4 * VOCABULARY, 0.05, "B"
        )


def made(layers: int, seed: int) -> NextToken:
    """A network of SmolLM2-135M's shape with random weights."""
    import torch
    import transformers

    torch.manual_seed(seed)
    sizes: dict[str, Any] = {"hidden_size": 576, "intermediate_size": 1536, "num_hidden_layers": layers}
    sizes |= {"num_attention_heads": 9, "num_key_value_heads": 3, "tie_word_embeddings": True}
    config = transformers.LlamaConfig(vocab_size=VOCABULARY, max_position_embeddings=2048, **sizes)
    return NextToken(transformers.LlamaForCausalLM(config).eval(), NoTokenizer(), f"model {seed}")


class NoTokenizer:
    model_max_length = 2048


def bare(readers: list[NextToken], windows: list[Window]) -> None:
    import torch

    for batch in batches_of(windows, readers):
        ids = torch.tensor([windows[place].ids for place in batch])
        with torch.inference_mode():
            for reader in readers:
                reader.model(input_ids=ids, use_cache=False)
