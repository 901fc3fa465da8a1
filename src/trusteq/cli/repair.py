"""`trusteq repair`: makes a compressed model honest about its confidence, or as the large one is, without training."""

import shlex
import sys
from typing import Any

from trusteq.cli.typed import Parser, Typed, run
from trusteq.compress.repair_options import RepairOptions
from trusteq.wording import percent

ABOUT = """
Makes a compressed model honest about its confidence, or as honest as the large one is, without training.

    trusteq repair student --like large --dataset held-out.csv --out student-repaired
    trusteq repair student --like large --to large --dataset held-out.csv --out student-repaired

Its probabilities are scaled: by a temperature, a bias for each class (thresholds), a slope for each class (vector
scaling) or a matrix (Dirichlet scaling), whichever cross-validation chooses. Each half of the data is checked with what
was fitted to the other: accuracy and honesty must not have suffered. If they did, nothing is written, and one sentence
says why.
What is written loads like any checkpoint: the scaling lies in its last linear layer. Of a language model, given as a
.json file with model, prompt and verbalizers, it is a file like it, with the key "calibration". Exit status: 0; 1 if
nothing was worth writing; 2, with one sentence, if it cannot be done.
"""

SHAPES: dict[str, Any] = {name: {"metavar": "COLUMN"} for name in ("text", "text_pair", "label", "group")}
SHAPES |= {"model": {"nargs": "?", "metavar": "MODEL"}, "like": {"metavar": "LARGE"}, "dataset": {"metavar": "DATA"}}


def main(argv: list[str] | None = None) -> int:
    words = sys.argv[1:] if argv is None else argv
    return run("repair", parser(), lambda typed: repair(typed, shlex.join(["trusteq", "repair", *words])), words)


def parser() -> Parser:
    made = Parser("repair", ABOUT)
    made.usage = "trusteq repair MODEL --like LARGE --dataset DATA --out FOLDER [options]"
    made.add(RepairOptions, "the model", **SHAPES)
    return made


def repair(typed: Typed, command: str) -> int:
    options = RepairOptions(**typed)
    from trusteq.compress import repair as repairs  # bring torch
    from trusteq.compress.repair_checks import in_words, table

    found = repairs.repair(options, command)
    aim = "the truth" if options.to == "truth" else "the large model's confidence curve"
    if found.choice is not None:
        losses = ", ".join(f"{name} {loss:.4f}" for name, loss in found.choice.losses.items())
        print(f"Log loss in cross-validation: {losses}.")
    for reason in found.refused:
        print(f"Not kept, {reason}.")
    if found.scaling is None:
        print(f"trusteq repair: nothing is written: {found.refused[-1]}", file=sys.stderr)
        return 1
    print(f"{options.out}: {repairs.named(found.scaling)}, to {aim}, on {found.checked.examples:,} examples.")
    print("The figures are of each half with what was fitted to the other:")
    print(table(found.checked))
    for line in in_words(found.checked, percent):
        print(line)
    return 0
