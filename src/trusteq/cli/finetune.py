"""`trusteq finetune`: trains a classifier of texts, or of pairs of texts: from a checkpoint or from scratch."""

import shlex
import sys
from typing import Any

from trusteq.cli.typed import Parser, Typed, run
from trusteq.compress.options import FinetuneOptions

ABOUT = """
Trains a classifier of texts, or of pairs of texts: from a checkpoint or from scratch, with a teacher or without.

    trusteq finetune --model bert-base-uncased --dataset glue/sst2 --text sentence --out large
    trusteq finetune --model bert-base-uncased --dataset train.tsv --eval-dataset dev.tsv \\
        --text-pair premise hypothesis --preset paper-b-nli --out large
    trusteq finetune --model large --from-scratch --layers 2 --width 128 --heads 2 --vocabulary 8000 \\
        --reuse-embeddings --teacher large --large large --dataset glue/sst2 --text sentence --out distilled

The epoch with the best accuracy is kept. Written: safetensors, tokenizer, class names, and training.json (command,
seed, versions, accuracy of what was saved). A twin of a model is the same command with another --seed. Exit status: 0;
2, with one sentence, if it cannot be done.
"""

SHAPES: dict[str, Any] = {name: {"metavar": "COLUMN"} for name in ("text", "text_pair", "label")}
SHAPES |= {name: {"metavar": "MODEL"} for name in ("model", "teacher", "large")}
SHAPES |= {name: {"metavar": "DATA"} for name in ("dataset", "eval_dataset")}


def main(argv: list[str] | None = None) -> int:
    words = sys.argv[1:] if argv is None else argv
    return run("finetune", parser(), lambda typed: train(typed, shlex.join(["trusteq", "finetune", *words])), words)


def parser() -> Parser:
    made = Parser("finetune", ABOUT)
    made.add(FinetuneOptions, "the model", **SHAPES)
    return made


def train(typed: Typed, command: str) -> int:
    options = FinetuneOptions.of(**typed)
    from trusteq.compress.finetune import finetune  # brings torch

    record = finetune(options, command)
    figures = f"accuracy {record['accuracy']:.4f} on {record['examples']:,} examples"
    print(f"{options.out}: {figures}, {record['parameters']:,} parameters, {record['megabytes']:.2f} MB")
    return 0
