"""Trains a model to answer questions about a text, as in SQuAD 2.0: the span of the text, or that there is no answer.

Data are json files in SQuAD's form, or a list of rows (id, question, context, answers with text and answer_start). The
model of the last epoch is written: safetensors, tokenizer and `training.json` (options, versions, exact match and F1 of
what was saved).
"""

import json
import platform
import tempfile
import time
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import (
    AutoModelForQuestionAnswering,
    AutoTokenizer,
    DataCollatorWithPadding,
    TrainingArguments,
    set_seed,
)

from trusteq.compress.compress import check_empty
from trusteq.compress.finetune import PACKAGES
from trusteq.compress.starting_model import SAFE, checkpoint, opening
from trusteq.compress.trainer import ByLength
from trusteq.models.checkpoints import with_weights
from trusteq.models.question_answering import as_question_answerer, read_file, read_squad, squad_scores

PIECE = 1024  # questions that are tokenized at a time
WARMUP = 0.1  # share of the steps; then the learning rate falls, linearly, to zero

Row = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class QuestionOptions:
    """What is trained on which questions, and how; a text of more tokens than `length` is read in windows that share
    `stride` of them."""

    model: str
    dataset: str
    eval_dataset: str
    out: Path
    epochs: int
    learning_rate: float
    length: int
    stride: int
    seed: int
    batch_size: int = 32
    bf16: bool = False


def finetune(options: QuestionOptions) -> dict[str, Any]:
    """Train as the options say, save, and return what `training.json` holds."""
    check_empty(options.out)
    rows, held_out = (with_places(path) for path in (options.dataset, options.eval_dataset))
    started = time.monotonic()
    set_seed(options.seed)
    source = checkpoint(options.model)
    tokenizer = AutoTokenizer.from_pretrained(source, **SAFE)
    with opening(source):
        model = with_weights(AutoModelForQuestionAnswering, source, new_head=True, dtype=torch.float32, **SAFE)
    windows: dict[str, Any] = {"length": options.length, "stride": options.stride}
    examples = features(as_question_answerer((model, tokenizer), "the model in training", **windows), rows)
    options.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=options.out, prefix="epochs-") as scratch:
        ByLength(
            lengths=[len(row["input_ids"]) for row in examples],
            model=model,
            args=arguments(options, scratch, len(examples)),
            train_dataset=examples,
            data_collator=DataCollatorWithPadding(tokenizer),
        ).train()
    model.save_pretrained(options.out)
    tokenizer.save_pretrained(options.out)
    saved = as_question_answerer(options.out, str(options.out), dtype="float32", **windows)
    record = {
        "options": asdict(options) | {"out": str(options.out)},
        **squad_scores(saved(held_out), held_out),
        "examples": len(held_out),
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "megabytes": sum(path.stat().st_size for path in options.out.glob("*.safetensors")) / 1e6,
        "training_examples": len(rows),
        "windows": len(examples),
        "seconds": round(time.monotonic() - started),
        "versions": {"python": platform.python_version(), **{name: version(name) for name in PACKAGES}},
    }
    (options.out / "training.json").write_text(json.dumps(record, indent=2) + "\n")
    return record


def with_places(path: str) -> list[Row]:
    """The questions, each with where its first answer begins (`read_squad` checks them, and keeps the words alone)."""
    rows = read_squad(path)
    for row, raw in zip(rows, read_file(path), strict=True):
        answers = raw.get("answers") or []
        begins = [one.get("answer_start") for one in answers] if isinstance(answers, list) else answers["answer_start"]
        texts = row["answers"]["text"]
        for begin, text in zip(begins, texts, strict=True):
            if row["context"][begin : begin + len(text)] != text:
                raise ValueError(f"{path}: the answer {text[:40]!r} of {row['id']} does not stand at {begin}")
        row["place"] = (begins[0], begins[0] + len(texts[0])) if texts else None
    return rows


def features(answerer: Any, rows: list[Row]) -> list[dict[str, Any]]:
    """Every window's tokens with the first and last one of the answer, both 0 where the window does not hold it."""
    found = []
    for at in range(0, len(rows), PIECE):
        some = rows[at : at + PIECE]
        encoded, windows = answerer.windows([(row["question"].lstrip(), row["context"]) for row in some])
        for w, (owner, offsets) in enumerate(windows):
            first, last = span(offsets, some[owner]["place"])
            tokens = {key: values[w] for key, values in encoded.items()}
            found.append({**tokens, "start_positions": first, "end_positions": last})
    return found


def span(offsets: np.ndarray, place: tuple[int, int] | None) -> tuple[int, int]:
    """The tokens of a window that an answer begins and ends in; (0, 0), the first token, where it is not in there.

    >>> offsets = np.array([[-1, -1], [0, 3], [4, 8], [9, 12]])
    >>> span(offsets, (4, 12)), span(offsets, (9, 20)), span(offsets, None)
    ((2, 3), (0, 0), (0, 0))
    """
    if place is None:
        return 0, 0
    first = np.flatnonzero((offsets[:, 0] <= place[0]) & (place[0] < offsets[:, 1]))
    last = np.flatnonzero((offsets[:, 0] < place[1]) & (place[1] <= offsets[:, 1]))
    return (int(first[0]), int(last[-1])) if len(first) and len(last) else (0, 0)


def arguments(options: QuestionOptions, folder: str, examples: int) -> TrainingArguments:
    steps = -(-examples // options.batch_size) * options.epochs
    return TrainingArguments(
        output_dir=folder,
        num_train_epochs=options.epochs,
        per_device_train_batch_size=options.batch_size,
        learning_rate=options.learning_rate,
        warmup_steps=round(WARMUP * steps),
        seed=options.seed,
        bf16=options.bf16,
        use_cpu=not torch.cuda.is_available(),
        save_strategy="no",
        logging_strategy="epoch",
        remove_unused_columns=False,
        report_to="none",
    )
