"""What reading a log takes beside the parsing of its lines, which nobody can do without, and what comparing takes from
the first import to the last page. Part of benchmark.py."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from benchmark_rows import Row, Settings, best_times

from trusteq.records.read import read

OPTIONS = 4
AIM = 5.0  # seconds for the answers of three language models in three precisions on three benchmarks
REPLICATION = Path(__file__).parents[1] / "papers" / "replication.py"


def rows(given: Settings) -> Iterator[Row]:
    n = given.size(100_000, tiny=100)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "samples_made_2026-01-01T00-00-00.0.jsonl"
        write(path, n)

        def lines() -> None:
            with path.open("rb") as file:
                for line in file:
                    json.loads(line)

        ours, theirs = best_times(2, lambda: read(path), lines)
    yield Row(f"{n:,} lines of an lm-eval log to a record; json.loads over them", ours, theirs, 3)
    yield comparison(given.data / "quantized_llms", given.size(3, tiny=1))


def comparison(answers: Path, repetitions: int) -> Row:
    """In processor's time, which on one thread is what it takes on an idle machine."""
    files = len(list(answers.glob("*__*.json")))
    what = f"{files} files of language models' answers compared in a new process, 3 reports included; the aim"
    if not files:
        return Row(what, 0, 0, missing="quantized_llms is not there")

    def compare() -> None:
        with tempfile.TemporaryDirectory() as out:
            words = [sys.executable, str(REPLICATION), str(answers), "--out", out]
            subprocess.run(words, check=True, capture_output=True, env=os.environ | {"OMP_NUM_THREADS": "1"})

    (ours,) = best_times(repetitions, compare, clock=lambda: sum(os.times()[2:4]))
    return Row(what, ours, AIM, 1)


def write(path: Path, count: int) -> None:
    """Lines as lm-eval writes them of questions with four options, hashes included."""
    rng = np.random.default_rng(0)
    logs, gold = rng.normal(-12, 4, (count, OPTIONS)).clip(max=-0.1), rng.integers(0, OPTIONS, count)
    with path.open("w", encoding="utf-8") as file:
        for i in range(count):
            question = f"Question: Which of these is number {i}?\nAnswer:"
            texts = [f" option {k} of {i}" for k in range(OPTIONS)]
            answers = [[str(log), "False"] for log in logs[i]]
            line = {
                "doc_id": i,
                "doc": {"key": f"q{i}", "question": question, "choices": texts, "label": int(gold[i])},
                "target": str(gold[i]),
                "arguments": {f"gen_args_{k}": {"arg_0": question, "arg_1": text} for k, text in enumerate(texts)},
                "resps": [[answer] for answer in answers],
                "filtered_resps": answers,
                "filter": "none",
                "metrics": ["acc"],
                "doc_hash": f"{i:064x}",
                "prompt_hash": f"{i + count:064x}",
                "target_hash": f"{gold[i]:064x}",
                "acc": float(logs[i].argmax() == gold[i]),
            }
            file.write(json.dumps(line) + "\n")
