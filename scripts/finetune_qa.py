"""Trains a model to answer questions about a text, as in SQuAD 2.0: the span of the text, or that there is no answer.

    finetune_qa.py --model bert-base-uncased --dataset train-v2.0.json --eval-dataset dev-v2.0.json --out large

Data are json files in SQuAD's form, or a list of rows (id, question, context, answers with text and answer_start). The
model of the last epoch is written: safetensors, tokenizer and `training.json` (command, seed, versions, exact match and
F1 of what was saved). Exit status 2, with one sentence, if it cannot be done.
"""

import argparse
import json
import platform
import shlex
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from finetune import PACKAGES, ByLength
from from_metrics import helper
from starting_model import SAFE, checkpoint
from transformers import (
    AutoModelForQuestionAnswering,
    AutoTokenizer,
    DataCollatorWithPadding,
    TrainingArguments,
    set_seed,
)

PIECE = 1024  # questions that are tokenized at a time

Row = dict[str, Any]


def main(argv: list[str] | None = None) -> int:
    argv = sys.argv[1:] if argv is None else argv
    options = read_options(argv)
    try:
        record = finetune(options, shlex.join(["finetune_qa.py", *argv]))
    except (ValueError, OSError) as error:
        print(f"finetune_qa.py: {error}", file=sys.stderr)
        return 2
    print(f"{options.out}: exact {record['exact']:.2f}, F1 {record['f1']:.2f} on {record['examples']:,} questions")
    return 0


def read_options(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True, help="encoder to start from: a folder or a Hub id")
    parser.add_argument("--out", required=True, type=Path, help="folder for the trained model")
    parser.add_argument("--dataset", required=True, help="json file of the questions to learn from")
    parser.add_argument("--eval-dataset", required=True, help="json file of the questions to report on")
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--learning-rate", type=float, default=3e-5)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--warmup", type=float, default=0.1, help="share of the steps; then linear to zero")
    parser.add_argument("--length", type=int, default=384, help="tokens of a window; a longer text is read in several")
    parser.add_argument("--stride", type=int, default=128, help="tokens that two windows share")
    parser.add_argument("--seed", type=int, default=42)
    parser.add_argument("--bf16", action="store_true", help="compute in bfloat16, weights stay in float32")
    return parser.parse_args(argv)


def finetune(options: argparse.Namespace, command: str) -> dict[str, Any]:
    """Train as the options say, save, and return what `training.json` holds."""
    if options.out.exists() and (not options.out.is_dir() or any(options.out.iterdir())):
        raise ValueError(f"{options.out} is there already: give another --out, or remove it")
    answering = helper("attribution_alignment", "question_answering")
    rows, held_out = (with_places(path, answering) for path in (options.dataset, options.eval_dataset))
    started = time.monotonic()
    set_seed(options.seed)
    source = checkpoint(options.model)
    tokenizer = AutoTokenizer.from_pretrained(source, **SAFE)
    model = AutoModelForQuestionAnswering.from_pretrained(source, use_safetensors=True, dtype=torch.float32, **SAFE)
    windows = {"length": options.length, "stride": options.stride}
    examples = features(answering.as_question_answerer((model, tokenizer), "the model in training", **windows), rows)
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
    saved = answering.as_question_answerer(options.out, str(options.out), dtype="float32", **windows)
    record = {
        "command": command,
        "seed": options.seed,
        **answering.squad_scores(saved(held_out), held_out),
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


def with_places(path: str, answering: Any) -> list[Row]:
    """The questions, each with where its first answer begins (`read_squad` checks them, and keeps the words alone)."""
    rows = answering.read_squad(path)
    for row, raw in zip(rows, answering.read_file(path), strict=True):
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


def arguments(options: argparse.Namespace, folder: str, examples: int) -> TrainingArguments:
    steps = -(-examples // options.batch_size) * options.epochs
    return TrainingArguments(
        output_dir=folder,
        num_train_epochs=options.epochs,
        per_device_train_batch_size=options.batch_size,
        learning_rate=options.learning_rate,
        warmup_steps=round(options.warmup * steps),
        max_grad_norm=1.0,
        seed=options.seed,
        bf16=options.bf16,
        use_cpu=not torch.cuda.is_available(),
        save_strategy="no",
        logging_strategy="epoch",
        remove_unused_columns=False,
        report_to="none",
    )


if __name__ == "__main__":
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    sys.exit(main())
