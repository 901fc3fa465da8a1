"""`trusteq compress`: makes a smaller model from a trained one, in one of six ways, and measures what that saved."""

import shlex
import sys
from collections.abc import Callable
from functools import partial
from typing import Any

from trusteq.cli import finetune
from trusteq.cli.finetune import options_of
from trusteq.cli.typed import Parser, Typed, part_of, run, unknown
from trusteq.compress.keeping import described
from trusteq.compress.options import CompressOptions, FinetuneOptions, HealOptions

WAYS = {
    "prune": "the smallest of the encoder's weights become zero",
    "drop-layers": "only some of the layers stay",
    "int8": "linear weights in 8 bits, by torchao; embeddings stay",
    "round": "linear weights on a grid of few bits, kept as ordinary numbers, for study",
    "distil": "a new, smaller model learns from it",
    "heal": "a causal language model learns the next token of the one that it was made from",
}

EXAMPLES = {
    "prune": "large --share 0.5 --out pruned",
    "drop-layers": "large --keep 0 2 --out shallow",
    "int8": "large --out quantized",
    "round": "large --bits 4 --out in-4-bits",
    "distil": "large --layers 2 --width 128 --heads 2 --dataset glue/sst2 --text sentence --keep errors --out small",
    "heal": "shallow --teacher large --text-only texts.txt --out healed",
}

AFTER = {  # what brings back what the way took
    "drop-layers": "It heals by training, with the losses that --keep chooses:\n\n"
    "    trusteq finetune --model shallow --teacher large --keep errors --dataset glue/sst2 --text sentence --out deep",
    "int8": "A model that is trained to be rounded loses less by it (int4 is simulated: its numbers are stored whole):"
    "\n\n    trusteq finetune --model large --teacher large --quantize int8 --dataset glue/sst2 --text sentence --out r"
    "\n    trusteq compress int8 r --out quantized",
}

HELP = """usage: trusteq compress WAY MODEL --out FOLDER [options]

Makes a smaller model from a trained one, in one of six ways, and measures what that saved:

{}

What is written loads like any checkpoint (that of int8 needs torchao where it is loaded), and is loaded again to see
that it says what was made. Size and speed are measured against the original, the two by turns. Exit status: 0; 2, with
one sentence, if it cannot be done. `trusteq compress WAY --help` lists the options of a way."""

OWN = {"prune": ("share",), "drop-layers": ("keep",), "int8": (), "round": ("bits", "group")}  # options of this way


def main(argv: list[str] | None = None) -> int:
    words = sys.argv[1:] if argv is None else argv
    if not words or words[0] in ("-h", "--help"):
        ways = [f"  {way:13}{what}\n{'':15}trusteq compress {way} {EXAMPLES[way]}" for way, what in WAYS.items()]
        print(HELP.format("\n".join(ways)))
        return 0 if words else 2
    way, *rest = words
    if way not in WAYS:
        there = f"there are {', '.join(WAYS)}"
        print(f"trusteq compress: {unknown('way to compress', way, WAYS, there)}", file=sys.stderr)
        return 2
    work: Callable[[Typed], int] = partial(LEARNING[way], words) if way in LEARNING else partial(compress, way)
    return run("compress", parser(way), work, rest)


def parser(way: str) -> Parser:
    about = f"Makes a smaller model from a trained one: {WAYS[way]}.\n\n    trusteq compress {way} {EXAMPLES[way]}"
    made = Parser(f"compress {way}", f"{about}\n\n{AFTER[way]}" if way in AFTER else about)
    made.usage = f"trusteq compress {way} MODEL --out FOLDER [options]"
    first: dict[str, Any] = {"nargs": "?", "metavar": "MODEL"}
    if way == "distil":
        shapes = finetune.SHAPES | {"model": first}
        made.epilog = described()
        made.add(FinetuneOptions, "the model", without=("from_scratch",), **shapes)
    elif way == "heal":
        data: dict[str, Any] = {name: {"metavar": "DATA"} for name in ("text_only", "text_only_without")}
        made.add(HealOptions, "the model", model=first, teacher={"metavar": "MODEL"}, **data)
    else:
        made.add(CompressOptions, "the model", only=("model", "out", *OWN[way]), model=first)
    return made


def compress(way: str, typed: Typed) -> int:
    options = part_of(CompressOptions, typed)
    from trusteq.compress import compress, measure  # bring torch

    compress.compress(way, options)
    print(measure.report(options.model, options.out, measure.NOTES.get(way, "")))
    return 0


def distil(words: list[str], typed: Typed) -> int:
    """A new model, with the given one as its teacher."""
    options = options_of({"teacher": typed["model"]} | typed | {"from_scratch": True})
    from trusteq.compress import finetune, measure

    finetune.finetune(options, shlex.join(["trusteq", "compress", *words]))
    print(measure.report(options.model, options.out))
    return 0


def heal(words: list[str], typed: Typed) -> int:
    options = part_of(HealOptions, typed)
    from trusteq.compress import next_token

    record = next_token.heal(options, shlex.join(["trusteq", "compress", *words]))
    figures = f"{record['kl_before']:.4f} before, {record['kl_after']:.4f} after"
    others = record["texts_measured"]
    print(f"{options.out}: KL from the teacher at a token of {others:,} other text{'s' * (others != 1)}: {figures}")
    return 0


LEARNING: dict[str, Callable[[list[str], Typed], int]] = {"distil": distil, "heal": heal}
