"""What attack_divergence takes beside its model's own time and beside TextAttack. Part of benchmark.py."""

import json
import os
import subprocess
import time
import zlib
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from benchmark_asked import Asked
from benchmark_rows import Row, Settings, best_times, flat, load, processor_times
from benchmark_texts import reviews, trained_classifier

from trusteq.models.open import as_predictor

MANY = """
import evaluate, numpy as np
attacks = evaluate.load("metrics/attack_divergence")
model = lambda texts: np.tile([0.25, 0.75], (len(texts), 1))
texts = [f"a film with number {{i}} and a dull end" for i in range({count})]
options = {{"references": [1] * len(texts), "model": model, "large_model": model, "attack": "deepwordbug"}}
attacks.compute(texts=texts, **options)
"""


def rows(given: Settings) -> Iterator[Row]:
    texts, labels = reviews(given, given.size(64, tiny=4))
    attacks = load("attack_divergence")
    with trained_classifier(given) as folder:
        yield from beside_one_pass(given, attacks, folder, texts, labels)
        yield from beside_textattack(given, folder, texts, labels)
    yield from many_texts(given, attacks)


def beside_one_pass(given: Settings, attacks: Any, folder: Path, texts: list[str], labels: list[int]) -> Iterator[Row]:
    """A trained classifier is attacked, as the metric does it for each of its two models; longer texts, too."""
    predictor = as_predictor(str(folder), "model")
    parts = max(2, len(texts) // 4)  # even, so that a text's sentences are of one label: those alternate
    fours = [" ".join(texts[i::parts]) for i in range(parts)]

    def attack(name: str, some: list[str], broken: list[str]) -> None:
        outcomes = [entry for *_, entry in attacks.attack(some, labels[: len(some)], {"model": predictor}, attack=name)]
        broken[:] = [entry["adversarial"] for entry in outcomes if entry["status"] == "broken"]

    for name, some, what in (
        ("deepwordbug", texts, "sentences"),
        ("textbugger", texts, "sentences"),
        ("deepwordbug", fours, "texts of several sentences"),
    ):
        broken: list[str] = []
        work = Asked(predictor, partial(attack, name, some, broken))
        work.run()  # converts the model, which is no part of either side's time
        mine, once = processor_times(given.size(3, tiny=1), work.run, work.once)
        told = f"{name}, {len(some)} {what}, {len(broken)} broken; one plain pass over its {len(work.texts):,} distinct"
        yield Row(f"{told} questions, by {work.engine}", mine, once, 1.2)


def beside_textattack(given: Settings, folder: Path, texts: list[str], labels: list[int]) -> Iterator[Row]:
    """TextAttack through our engine, beside TextAttack by itself, in the environment that has it."""
    if not given.textattack.exists():
        missing = f"no {given.textattack} (see README.md, or give --textattack-python)"
        yield Row("TextAttack's DeepWordBug through our engine; by itself", np.nan, np.nan, missing=missing)
        return
    words = {"NLTK_DATA": str(given.data / "nltk_data")} if (given.data / "nltk_data").is_dir() else {}
    run = subprocess.run(
        [given.textattack, Path(__file__).with_name("benchmark_textattack.py"), folder],
        input=json.dumps({"texts": texts, "labels": labels}),
        env=words | os.environ,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    found = json.loads(run.stdout.splitlines()[-1])
    what = f"DeepWordBug of TextAttack {found['version']} through our engine, {len(texts)} sentences"
    yield Row(f"{what}; with its own HuggingFaceModelWrapper", found["engine"], found["wrapper"], 0.1)
    yield Row(f"{what}; one by one behind our predictor", found["engine"], found["alone"], 1.0)
    other = found["broken"] - found["same"]
    told = f"adversarial texts other than with its own wrapper (our deepwordbug breaks {found['ours_broken']}); all"
    yield Row(told, other, max(1, found["broken"]), 0, "")


def many_texts(given: Settings, attacks: Any) -> Iterator[Row]:
    """Our own time and peak memory for four and ten times the texts; the model takes next to none of either."""
    quarter = given.size(500, tiny=5)

    def model(texts: list[str]) -> np.ndarray:
        share = np.array([zlib.crc32(text.encode()) % 256 / 1024 for text in texts])  # never wrong: a whole search
        return np.stack([share, 1 - share], axis=1)

    def attack(count: int) -> None:
        texts = [f"a film with number {i} and a dull end" for i in range(count)]
        for _ in attacks.attack(texts, [1] * count, {"model": model}, attack="deepwordbug"):
            pass

    part, whole = best_times(5, partial(attack, quarter), partial(attack, 4 * quarter), clock=time.process_time)
    what = f"deepwordbug without a model, {4 * quarter:,} texts; four times the processor time of {quarter:,}"
    yield Row(what, whole, 4 * part, 1.1)
    tenth = given.size(200, tiny=2)
    yield flat("deepwordbug, {count} texts", MANY, tenth, 10 * tenth)
