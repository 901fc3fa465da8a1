"""`trusteq finetune`: trains a classifier of texts, or of pairs of texts: from a checkpoint or from scratch."""

import shlex
import sys
from typing import Any

from trusteq.cli.typed import Parser, Typed, pair, run
from trusteq.compress.keeping import LOSSES, described
from trusteq.compress.options import FinetuneOptions

ABOUT = """
Trains a classifier of texts, or of pairs of texts: from a checkpoint or from scratch, with a teacher or without.

    trusteq finetune --model bert-base-uncased --dataset glue/sst2 --text sentence --out large
    trusteq finetune --model bert-base-uncased --dataset train.tsv --eval-dataset dev.tsv \\
        --text-pair premise hypothesis --preset paper-b-nli --out large
    trusteq finetune --model large --from-scratch --layers 2 --width 128 --heads 2 --vocabulary 8000 \\
        --reuse-embeddings --teacher large --large large --dataset glue/sst2 --text sentence --out distilled
    trusteq finetune --model shallow --teacher large --keep errors neighbours --text-only more.txt \\
        --dataset glue/sst2 --text sentence --out healed

The epoch with the best accuracy is kept (with --keep: see there). Written: safetensors, tokenizer, class names, and
training.json (command, seed, versions, losses, accuracy of what was saved). A twin of a model is the same command with
another --seed. Exit status: 0; 2, with one sentence, if it cannot be done.
"""


def weighted(word: str) -> tuple[str, float]:
    """NAME=NUMBER; a name alone stands for its usual weight.

    >>> weighted("gram=2"), weighted("margin")
    (('gram', 2), ('margin', 0.5))
    """
    return pair(word) if "=" in word or word not in LOSSES else (word, LOSSES[word].weight)


SHAPES: dict[str, Any] = {name: {"metavar": "COLUMN"} for name in ("text", "text_pair", "label")}
SHAPES |= {name: {"metavar": "MODEL"} for name in ("model", "teacher", "large")}
SHAPES |= {name: {"metavar": "DATA"} for name in ("dataset", "eval_dataset", "text_only", "text_only_without")}
SHAPES |= {"text_only_columns": {"metavar": "COLUMN"}, "keep": {"metavar": "DIMENSION"}}
SHAPES |= {"losses": {"nargs": "+", "type": weighted, "metavar": "LOSS[=WEIGHT]"}}


def main(argv: list[str] | None = None) -> int:
    words = sys.argv[1:] if argv is None else argv
    return run("finetune", parser(), lambda typed: train(typed, shlex.join(["trusteq", "finetune", *words])), words)


def parser() -> Parser:
    made = Parser("finetune", ABOUT)
    made.epilog = described()
    made.add(FinetuneOptions, "the model", **SHAPES)
    return made


def train(typed: Typed, command: str) -> int:
    options = options_of(typed)
    from trusteq.compress.finetune import finetune  # brings torch

    record = finetune(options, command)
    figures = f"accuracy {record['accuracy']:.4f} on {record['examples']:,} examples"
    print(f"{options.out}: {figures}, {record['parameters']:,} parameters, {record['megabytes']:.2f} MB")
    return 0


def options_of(typed: Typed) -> FinetuneOptions:
    return FinetuneOptions.of(**(typed | ({"losses": dict(typed["losses"])} if "losses" in typed else {})))
